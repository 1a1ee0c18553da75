//! Links between hosts that are cut, and the proof of it: a datagram sent on one end, heard at the other
//! or counted by the rule that took it. One that was neither heard nor counted proves nothing.

use super::origin::{Here, Origin};
use super::wire::{Answer, Ask, Rule, Sent, Side, Trouble};
use super::{RemoteNode, connection::Pending};
use crate::env::cut::{Crossing, Cut};
use crate::env::local::PROBE_PORT;
use crate::env::packet::Policies;
use crate::env::{EnvError, Link};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one that is to come here may take.
const HEARD_WITHIN: Duration = Duration::from_millis(200);
/// How often a probe is sent that nobody has seen: networks lose datagrams.
const ATTEMPTS: u32 = 5;

/// Who is where, and one probe at a time.
pub(super) struct Links {
    /// Where clients are: here, and elsewhere.
    origins: Vec<Arc<dyn Origin>>,
    /// For each node, the addresses that it sees clients of each of them come from.
    clients: Vec<Vec<IpAddr>>,
    /// The next probe's number.
    turn: Mutex<u64>,
}

impl Links {
    /// Finds out where clients come from; and, if links are to be cut, that all of them carry probes.
    pub(super) fn new(
        nodes: &[RemoteNode],
        elsewhere: &[Arc<dyn Origin>],
        cuts: bool,
    ) -> Result<Self, EnvError> {
        let here: Arc<dyn Origin> = Arc::new(Here::default());
        let origins = [&[here], elsewhere].concat();
        let mut links = Self { origins, clients: Vec::new(), turn: Mutex::new(1) };
        for node in nodes {
            let mut clients = Vec::new();
            for origin in &links.origins {
                let seen = if cuts { links.seen_from(&**origin, node)? } else { None };
                let address = seen.map_or_else(|| origin.address(node.node.addr), Ok);
                clients.push(address.map_err(|error| {
                    let what = format!("be reached from {}", origin.name());
                    node.error(Trouble { what, why: error.to_string() })
                })?);
            }
            links.clients.push(clients);
        }
        if cuts {
            links.tell_apart(nodes)?;
            links.try_all(nodes)?;
        }
        Ok(links)
    }

    /// A node and clients with the same address would be cut off together, whichever is meant.
    fn tell_apart(&self, nodes: &[RemoteNode]) -> Result<(), EnvError> {
        for addresses in &self.clients {
            for (origin, address) in self.origins.iter().zip(addresses).skip(1) {
                if let Some(node) = nodes.iter().find(|node| node.node.addr == *address) {
                    return Err(EnvError::Unable {
                        what: format!(
                            "cut links of {} or of the clients on {}",
                            node.node.name,
                            origin.name()
                        ),
                        why: format!("both have the address {address}, by which they are told apart"),
                        fix: "let clients work from a machine without a node, or leave out partitions"
                            .to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    /// From where a datagram of clients comes; `None` when it does not.
    fn seen_from(&self, origin: &dyn Origin, node: &RemoteNode) -> Result<Option<IpAddr>, EnvError> {
        let mut turn = self.turn();
        for _ in 0..ATTEMPTS {
            let nonce = next(&mut turn);
            send_from(origin, node, (PROBE_PORT, nonce), false)?;
            let heard = Ask::Heard { port: PROBE_PORT, nonce, taken: u64::MAX };
            if let (Answer::From(address), _) = node.ask(heard)? {
                return Ok(Some(address.to_canonical()));
            }
        }
        Ok(None)
    }

    /// A link that carries no probe could be cut, and nobody would know.
    fn try_all(&self, nodes: &[RemoteNode]) -> Result<(), EnvError> {
        let ends = 0..=nodes.len();
        let links = ends.clone().flat_map(|from| ends.clone().map(move |to| (from, to)));
        for link in links.filter(|(from, to)| from != to) {
            let name = |at: usize| nodes.get(at).map_or("the clients", |node| &node.node.name);
            if let Err(error) = self.probe(nodes, link, &Cut::default()) {
                return Err(EnvError::Unable {
                    what: format!("prove partitions between {} and {}", name(link.0), name(link.1)),
                    why: format!("a datagram from the first to the second does not arrive: {error}"),
                    fix: format!("let UDP to port {PROBE_PORT} pass there, or leave out partitions"),
                });
            }
        }
        Ok(())
    }

    /// Replaces what all links do; hosts are told at the same time.
    pub(super) fn set(&self, nodes: &[RemoteNode], policies: &Policies) -> Result<(), EnvError> {
        let clients = nodes.len();
        let told: Vec<(&RemoteNode, Result<Pending<'_>, Trouble>)> = nodes
            .iter()
            .enumerate()
            .map(|(at, node)| {
                let mut rules = Vec::new();
                for (&(from, to), policy) in policies {
                    let (side, peers) = match (from, to) {
                        (from, to) if to == at && from == clients => (Side::From, &self.clients[at][..]),
                        (from, to) if to == at => (Side::From, std::slice::from_ref(&nodes[from].node.addr)),
                        (from, to) if from == at && to == clients => (Side::To, &self.clients[at][..]),
                        _ => continue,
                    };
                    for &peer in peers {
                        let rule = |(&fault, &cut)| Rule { fault, side, peer, cut };
                        rules.extend(policy.cuts.iter().map(rule));
                    }
                }
                (node, node.agent.send(Ask::Cut { rules }, &[]))
            })
            .collect();
        let mut outcome = Ok(());
        // All of them: one that fails leaves none unasked.
        for (node, told) in told {
            let done = told.and_then(Pending::wait).map(drop).map_err(|trouble| node.error(trouble));
            outcome = outcome.and(done);
        }
        outcome
    }

    /// Sends a datagram over a link, until it has been heard at the other end or a rule has taken it; from or to
    /// all machines where clients are.
    pub(super) fn probe(
        &self,
        nodes: &[RemoteNode],
        (from, to): Link,
        cut: &Cut,
    ) -> Result<Crossing, EnvError> {
        let mut turn = self.turn();
        let port = cut.port.unwrap_or(PROBE_PORT);
        match (nodes.get(from), nodes.get(to)) {
            (sender, Some(hearer)) => {
                hearer.ask(Ask::Listen { port })?;
                let probe = (port, cut.reject);
                let crossing = match sender {
                    Some(sender) => self.cross(&mut turn, (Sender::Node(sender), hearer), probe),
                    None => {
                        let senders = self.origins.iter().map(|origin| Sender::Clients(&**origin));
                        together(senders.map(|sender| self.cross(&mut turn, (sender, hearer), probe)), cut)
                    }
                };
                // The server's own sockets come and go there.
                hearer.ask(Ask::Deaf { port })?;
                crossing
            }
            (Some(sender), None) => {
                let ways = self.origins.iter().zip(&self.clients[from]);
                let crossed = ways
                    .map(|(origin, &to)| self.cross_to_clients(&mut turn, (sender, to), (&**origin, cut)));
                together(crossed, cut)
            }
            (None, None) => unreachable!("one end of a link is a node"),
        }
    }

    fn cross(
        &self,
        turn: &mut u64,
        (sender, hearer): (Sender<'_>, &RemoteNode),
        (port, reject): (u16, bool),
    ) -> Result<Crossing, EnvError> {
        let before = taken(hearer)?;
        for _ in 0..ATTEMPTS {
            let nonce = next(turn);
            let sent = self.send(sender, hearer, (port, nonce), reject)?;
            match hearer.ask(Ask::Heard { port, nonce, taken: before })? {
                (Answer::From(_), _) => return Ok(Crossing::Arrived),
                (Answer::Count(_), _) if sent == Sent::Refused => return Ok(Crossing::Refused),
                (Answer::Count(_), _) => return Ok(Crossing::Dropped),
                _ => {}
            }
        }
        Err(unseen(hearer))
    }

    /// There it is the sender's own host that keeps it.
    fn cross_to_clients(
        &self,
        turn: &mut u64,
        (sender, to): (&RemoteNode, IpAddr),
        (origin, cut): (&dyn Origin, &Cut),
    ) -> Result<Crossing, EnvError> {
        let there = |error: io::Error| {
            sender.error(trouble(&format!("have its probe heard by {}", origin.name()), &error))
        };
        let port = origin.hear(to, cut.port.unwrap_or(0)).map_err(there)?;
        let before = taken(sender)?;
        for _ in 0..ATTEMPTS {
            let nonce = next(turn);
            let ask = Ask::Send { to, port, nonce, refusal: cut.reject };
            let (answer, _) = sender.ask(ask)?;
            let told = matches!(answer, Answer::Sent(Sent::Refused | Sent::Forbidden));
            // One that may not leave will not come.
            let patience = if told { Duration::ZERO } else { HEARD_WITHIN };
            if origin.heard(nonce, patience).map_err(there)? {
                return Ok(Crossing::Arrived);
            }
            if taken(sender)? > before {
                return Ok(if cut.reject && told { Crossing::Refused } else { Crossing::Dropped });
            }
        }
        Err(unseen(sender))
    }

    fn send(
        &self,
        sender: Sender<'_>,
        hearer: &RemoteNode,
        (port, nonce): (u16, u64),
        refusal: bool,
    ) -> Result<Sent, EnvError> {
        let sender = match sender {
            Sender::Node(sender) => sender,
            Sender::Clients(origin) => return send_from(origin, hearer, (port, nonce), refusal),
        };
        match sender.ask(Ask::Send { to: hearer.node.addr, port, nonce, refusal })? {
            (Answer::Sent(sent), _) => Ok(sent),
            _ => Err(sender.confused()),
        }
    }

    fn turn(&self) -> MutexGuard<'_, u64> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose datagram it is.
#[derive(Clone, Copy)]
enum Sender<'a> {
    Node(&'a RemoteNode),
    Clients(&'a dyn Origin),
}

/// Of a link that has several ways: it is open if one of them is, and what the cut leads to only if all do.
fn together(ways: impl Iterator<Item = Result<Crossing, EnvError>>, cut: &Cut) -> Result<Crossing, EnvError> {
    let ways = ways.collect::<Result<Vec<_>, _>>()?;
    let other = ways.iter().find(|&&crossing| crossing != cut.leads_to());
    let open = ways.iter().find(|&&crossing| crossing == Crossing::Arrived);
    Ok(*open.or(other).unwrap_or(&cut.leads_to()))
}

fn send_from(
    origin: &dyn Origin,
    hearer: &RemoteNode,
    (port, nonce): (u16, u64),
    refusal: bool,
) -> Result<Sent, EnvError> {
    origin
        .send((hearer.node.addr, port), nonce, refusal)
        .map_err(|error| hearer.error(trouble(&format!("be sent a probe by {}", origin.name()), &error)))
}

/// Probes that a node's rules have kept from crossing so far.
fn taken(node: &RemoteNode) -> Result<u64, EnvError> {
    match node.ask(Ask::ProbesTaken)? {
        (Answer::Count(taken), _) => Ok(taken),
        _ => Err(node.confused()),
    }
}

fn next(turn: &mut u64) -> u64 {
    *turn += 1;
    *turn
}

fn unseen(node: &RemoteNode) -> EnvError {
    let why = format!("of {ATTEMPTS} datagrams none was heard, and no rule has taken one");
    node.error(Trouble { what: "prove what a link does".to_owned(), why })
}

fn trouble(what: &str, error: &io::Error) -> Trouble {
    Trouble { what: what.to_owned(), why: error.to_string() }
}
