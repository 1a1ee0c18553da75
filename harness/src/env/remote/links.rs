//! Links between hosts that are cut, and the proof of it: a datagram sent on one end, heard at the other
//! or counted by the rule that took it. One that was neither heard nor counted proves nothing.

use super::acquaintances::Acquaintances;
use super::agent::{await_probe, unspecified};
use super::wire::{Answer, Ask, How, Mistreatment, Rule, Sent, Side, Trouble};
use super::{RemoteNode, Wants, connection::Pending};
use crate::env::cut::{Connections, Crossing, Cut};
use crate::env::local::PROBE_PORT;
use crate::env::packet::{Behavior, Policies};
use crate::env::{EnvError, Link};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one that is to come here may take.
const HEARD_WITHIN: Duration = Duration::from_millis(200);
/// How often a probe is sent that nobody has seen: networks lose datagrams.
pub(super) const ATTEMPTS: u32 = 5;

/// Who is where, and one probe at a time.
pub(super) struct Links {
    /// For each node, the address that it sees clients come from.
    clients: Vec<IpAddr>,
    /// The next probe's number.
    turn: Mutex<u64>,
    /// Packets are to be mistreated.
    packets: bool,
    /// From here.
    acquaintances: Acquaintances,
    /// Hears what is sent here, whatever its port is.
    ear: UdpSocket,
}

/// The address of this machine that a host would see, if nobody translates it on the way.
fn clients_address(to: IpAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((unspecified(to), 0))?;
    socket.connect((to, PROBE_PORT))?;
    Ok(socket.local_addr()?.ip())
}

impl Links {
    /// Finds out where clients come from; and, if links are to be broken, that all of them carry probes.
    pub(super) fn new(nodes: &[RemoteNode], wants: &Wants) -> Result<Self, EnvError> {
        let mut links = Self {
            clients: Vec::new(),
            turn: Mutex::new(1),
            packets: wants.packets,
            acquaintances: Acquaintances::default(),
            ear: ear(nodes)?,
        };
        let probed = wants.cuts || wants.packets;
        for node in nodes {
            let seen = if probed { links.seen_from(node)? } else { None };
            let address = seen.map_or_else(|| clients_address(node.node.addr), Ok);
            let address = address.map_err(|error| {
                let what = "be reached from here".to_owned();
                node.error(Trouble { what, why: error.to_string() })
            })?;
            links.clients.push(address);
        }
        for (at, node) in nodes.iter().enumerate().filter(|_| wants.connections) {
            let others = nodes.iter().map(|other| other.node.addr).filter(|&addr| addr != node.node.addr);
            node.ask(Ask::Know { peers: others.chain([links.clients[at]]).collect() })?;
        }
        if probed {
            links.try_all(nodes)?;
        }
        Ok(links)
    }

    /// From where a datagram of ours comes; `None` when it does not.
    fn seen_from(&self, node: &RemoteNode) -> Result<Option<IpAddr>, EnvError> {
        let mut turn = self.turn();
        for _ in 0..ATTEMPTS {
            let nonce = next(&mut turn);
            self.send_from_here(node, (PROBE_PORT, nonce), How::default())?;
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
            let name = |at: usize| nodes.get(at).map_or("this machine", |node| &node.node.name);
            if let Err(error) = self.probe(nodes, link, &Cut::default()) {
                return Err(EnvError::Unable {
                    what: format!("prove what is done between {} and {}", name(link.0), name(link.1)),
                    why: format!("a datagram from the first to the second does not arrive: {error}"),
                    fix: format!(
                        "let UDP to port {PROBE_PORT} pass there, or leave out partitions and packets"
                    ),
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
                    let (side, peer) = match (from, to) {
                        (from, to) if to == at && from == clients => (Side::From, self.clients[at]),
                        (from, to) if to == at => (Side::From, nodes[from].node.addr),
                        (from, to) if from == at && to == clients => (Side::To, self.clients[at]),
                        _ => continue,
                    };
                    let rule = |(&fault, &cut)| Rule { fault, side, peer, cut };
                    rules.extend(policy.cuts.iter().map(rule));
                }
                (node, node.agent.send(Ask::Cut { rules }, &[]))
            })
            .collect();
        let mistreated = if self.packets { self.mistreat(nodes, policies) } else { Vec::new() };
        let mut outcome = Ok(());
        // All of them: one that fails leaves none unasked.
        for (node, told) in told.into_iter().chain(mistreated) {
            let done = told.and_then(Pending::wait).map(drop).map_err(|trouble| node.error(trouble));
            outcome = outcome.and(done);
        }
        outcome
    }

    /// Packets are mistreated on their sender's host, where nothing has joined them yet.
    fn mistreat<'a>(
        &self,
        nodes: &'a [RemoteNode],
        policies: &Policies,
    ) -> Vec<(&'a RemoteNode, Result<Pending<'a>, Trouble>)> {
        let all = nodes.iter().enumerate();
        all.map(|(at, node)| {
            let of_others = nodes.iter().map(|other| other.node.addr).filter(|&addr| addr != node.node.addr);
            let leaving = policies.iter().filter(|((from, to), _)| *from == at && *to < nodes.len());
            let behaviors = leaving.flat_map(|((_, to), policy)| {
                let peer = nodes[*to].node.addr;
                let one = move |(&fault, behavior): (&u32, &Behavior)| Mistreatment {
                    fault,
                    peer,
                    behavior: behavior.clone(),
                };
                policy.behaviors.iter().map(one)
            });
            let ask = Ask::Mistreat { peers: of_others.collect(), behaviors: behaviors.collect() };
            (node, node.agent.send(ask, &[]))
        })
        .collect()
    }

    /// Sends a datagram over a link, until it has been heard at the other end or a rule has taken it.
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
                let crossing = self.cross(&mut turn, (sender, hearer), (port, how(cut)));
                // The server's own sockets come and go there.
                hearer.ask(Ask::Deaf { port })?;
                crossing
            }
            (Some(sender), None) => self.cross_to_clients(&mut turn, (from, sender), cut),
            (None, None) => unreachable!("one end of a link is a node"),
        }
    }

    fn cross(
        &self,
        turn: &mut u64,
        (sender, hearer): (Option<&RemoteNode>, &RemoteNode),
        (port, how): (u16, How),
    ) -> Result<Crossing, EnvError> {
        let before = taken(hearer)?;
        for _ in 0..ATTEMPTS {
            let nonce = next(turn);
            let sent = self.send(sender, hearer, (port, nonce), how)?;
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
        (at, sender): (usize, &RemoteNode),
        cut: &Cut,
    ) -> Result<Crossing, EnvError> {
        let here = |error: io::Error| sender.error(trouble("have its probe heard here", &error));
        let of_port = |port| UdpSocket::bind((unspecified(self.clients[at]), port));
        let socket = cut.port.map_or_else(|| self.ear.try_clone(), of_port).map_err(here)?;
        let port = socket.local_addr().map_err(here)?.port();
        let before = taken(sender)?;
        for _ in 0..ATTEMPTS {
            let nonce = next(turn);
            let ask = Ask::Send { to: self.clients[at], port, nonce, how: how(cut) };
            let (answer, _) = sender.ask(ask)?;
            let told = matches!(answer, Answer::Sent(Sent::Refused | Sent::Forbidden));
            // One that may not leave will not come.
            let patience = if told { Duration::ZERO } else { HEARD_WITHIN };
            if await_probe(&socket, nonce, patience).is_some() {
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
        sender: Option<&RemoteNode>,
        hearer: &RemoteNode,
        (port, nonce): (u16, u64),
        how: How,
    ) -> Result<Sent, EnvError> {
        let Some(sender) = sender else { return self.send_from_here(hearer, (port, nonce), how) };
        match sender.ask(Ask::Send { to: hearer.node.addr, port, nonce, how })? {
            (Answer::Sent(sent), _) => Ok(sent),
            _ => Err(sender.confused()),
        }
    }

    fn send_from_here(
        &self,
        hearer: &RemoteNode,
        (port, nonce): (u16, u64),
        how: How,
    ) -> Result<Sent, EnvError> {
        let sent = self.acquaintances.send((hearer.node.addr, port), nonce, (how, None));
        sent.map_err(|error| hearer.error(trouble("be sent a probe", &error)))
    }

    /// Begins connections that such a cut will find established.
    pub(super) fn acquaint(
        &self,
        nodes: &[RemoteNode],
        links: &BTreeSet<Link>,
        cut: &Cut,
    ) -> Result<(), EnvError> {
        let mut turn = self.turn();
        for &(from, to) in links {
            let nonce = next(&mut turn);
            let here = || self.ear.local_addr().map_or(PROBE_PORT, |address| address.port());
            let port = cut.port.unwrap_or_else(|| if to < nodes.len() { PROBE_PORT } else { here() });
            match (nodes.get(from), nodes.get(to)) {
                (Some(sender), hearer) => {
                    let to = hearer.map_or(self.clients[from], |hearer| hearer.node.addr);
                    sender.ask(Ask::Acquaint { to, port, nonce })?;
                }
                (None, Some(hearer)) => {
                    let begun = self.acquaintances.begin((hearer.node.addr, port), nonce);
                    begun.map_err(|error| hearer.error(trouble("be sent a probe", &error)))?;
                }
                (None, None) => unreachable!("one end of a link is a node"),
            }
        }
        Ok(())
    }

    /// One probe at a time; the number of the next one.
    pub(super) fn turn(&self) -> MutexGuard<'_, u64> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket of this side's.
fn ear(nodes: &[RemoteNode]) -> Result<UdpSocket, EnvError> {
    let like = nodes.first().map_or_else(|| IpAddr::from([127, 0, 0, 1]), |node| node.node.addr);
    UdpSocket::bind((unspecified(like), 0)).map_err(|error| EnvError::Unable {
        what: "hear probes of hosts here".to_owned(),
        why: error.to_string(),
        fix: "raise the limit of open files (ulimit -n)".to_owned(),
    })
}

/// How a probe for such a cut is sent.
fn how(cut: &Cut) -> How {
    How { refusal: cut.reject, known: cut.connections == Connections::Established }
}

/// Probes that a node's rules have kept from crossing so far.
pub(super) fn taken(node: &RemoteNode) -> Result<u64, EnvError> {
    match node.ask(Ask::ProbesTaken)? {
        (Answer::Count(taken), _) => Ok(taken),
        _ => Err(node.confused()),
    }
}

/// A number that no probe has had.
pub(super) fn next(turn: &mut u64) -> u64 {
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
