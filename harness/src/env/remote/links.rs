//! Links between hosts that are cut, and the proof of it: a datagram sent on one end, heard at the other
//! or counted by the rule that took it. One that was neither heard nor counted proves nothing.

use super::origin::{Here, Origin};
use super::ways::{Way, Ways, second_of};
use super::wire::{Answer, Ask, How, Mistreatment, Rule, Sent, Side, Trouble};
use super::{RemoteNode, Wants, connection::Pending};
use crate::env::cut::{Connections, Crossing, Cut};
use crate::env::local::PROBE_PORT;
use crate::env::packet::{Behavior, Policies};
use crate::env::{EnvError, Link};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one that is to come here may take.
const HEARD_WITHIN: Duration = Duration::from_millis(200);
/// How often a probe is sent that nobody has seen: networks lose datagrams.
pub(super) const ATTEMPTS: u32 = 5;

/// Who is where, and one probe at a time.
pub(super) struct Links {
    /// Where clients are: here, and elsewhere.
    origins: Vec<Arc<dyn Origin>>,
    /// By which addresses they and the nodes know each other.
    ways: Ways,
    /// The next probe's number.
    turn: Mutex<u64>,
    /// Packets are to be mistreated.
    packets: bool,
}

impl Links {
    /// Finds out where clients come from; and, if links are to be broken, that all of them carry probes.
    pub(super) fn new(
        nodes: &[RemoteNode],
        elsewhere: &[Arc<dyn Origin>],
        wants: &Wants,
    ) -> Result<Self, EnvError> {
        let here: Arc<dyn Origin> = Arc::new(Here::default());
        let origins = [&[here], elsewhere].concat();
        let mut links = Self { origins, ways: Ways::default(), turn: Mutex::new(1), packets: wants.packets };
        let probed = wants.cuts || wants.packets;
        let clients =
            nodes.iter().map(|node| links.ways_to_clients(node, wants)).collect::<Result<_, _>>()?;
        let second = if wants.cuts { links.second_ways(nodes) } else { BTreeMap::new() };
        links.ways = Ways::new(nodes, clients, second);
        for (at, node) in nodes.iter().enumerate().filter(|_| wants.connections) {
            let others = (0..nodes.len()).filter(|&other| other != at);
            let others = others.flat_map(|other| links.ways.of_node(other)).copied();
            node.ask(Ask::Know { peers: others.chain(links.ways.of_clients(at)).collect() })?;
        }
        if wants.cuts {
            links.tell_apart(nodes)?;
        }
        if probed {
            links.try_all(nodes)?;
        }
        Ok(links)
    }

    /// The ways between a node and each machine with clients; that by the node's other family of addresses is
    /// looked for where links are cut, and need not be there.
    fn ways_to_clients(&self, node: &RemoteNode, wants: &Wants) -> Result<Vec<Vec<Way>>, EnvError> {
        let of = |origin: &Arc<dyn Origin>| {
            let first = node.node.addr;
            let probed = wants.cuts || wants.packets;
            let seen = if probed { self.seen_from(&**origin, (node, first), ATTEMPTS)? } else { None };
            let clients = seen.map_or_else(|| origin.address(first), Ok).map_err(|error| {
                let what = format!("be reached from {}", origin.name());
                node.error(Trouble { what, why: error.to_string() })
            })?;
            let second = second_of(node).filter(|_| wants.cuts).and_then(|second| {
                let seen = self.seen_from(&**origin, (node, second), 1).ok().flatten();
                Some(Way { node: second, clients: seen? })
            });
            Ok([Way { node: first, clients }].into_iter().chain(second).collect())
        };
        self.origins.iter().map(of).collect()
    }

    /// Where a node reaches another one by the other family of addresses as well.
    fn second_ways(&self, nodes: &[RemoteNode]) -> BTreeMap<Link, IpAddr> {
        let mut turn = self.turn();
        let mut ways = BTreeMap::new();
        for (to, hearer) in nodes.iter().enumerate() {
            let Some(second) = second_of(hearer) else { continue };
            for (from, sender) in nodes.iter().enumerate().filter(|(from, _)| *from != to) {
                let sender = Sender::Node(sender);
                let probe = (PROBE_PORT, How::default());
                let crossing = taken(hearer).and_then(|mut taken| {
                    self.cross((&mut turn, &mut taken), (sender, hearer, second), probe, 1)
                });
                if matches!(crossing, Ok(Crossing::Arrived)) {
                    ways.insert((from, to), second);
                }
            }
        }
        ways
    }

    /// A node and clients with the same address would be cut off together, whichever is meant.
    fn tell_apart(&self, nodes: &[RemoteNode]) -> Result<(), EnvError> {
        for at in 0..nodes.len() {
            let ways = self.origins.iter().zip(self.ways.to_clients(at)).skip(1);
            for (origin, address) in
                ways.flat_map(|(origin, ways)| ways.iter().map(move |w| (origin, w.clients)))
            {
                if let Some(node) = nodes.iter().find(|node| node.node.addr == address) {
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
    fn seen_from(
        &self,
        origin: &dyn Origin,
        (node, to): (&RemoteNode, IpAddr),
        attempts: u32,
    ) -> Result<Option<IpAddr>, EnvError> {
        let mut turn = self.turn();
        for _ in 0..attempts {
            let nonce = next(&mut turn);
            send_from(origin, (node, to), (PROBE_PORT, nonce), How::default())?;
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
                    let (side, peers): (Side, Vec<IpAddr>) = match (from, to) {
                        (from, to) if to == at && from == clients => {
                            (Side::From, self.ways.of_clients(at).into_iter().collect())
                        }
                        (from, to) if to == at => (Side::From, self.ways.of_node(from).to_vec()),
                        (from, to) if from == at && to == clients => {
                            (Side::To, self.ways.of_clients(at).into_iter().collect())
                        }
                        _ => continue,
                    };
                    for peer in peers {
                        let rule = |(&fault, &cut)| Rule { fault, side, peer, cut };
                        rules.extend(policy.cuts.iter().map(rule));
                    }
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
                let probe = (port, how(cut));
                let senders: Vec<(Sender<'_>, IpAddr)> = match sender {
                    Some(sender) => {
                        let ways = self.ways.between(nodes, (from, to));
                        ways.into_iter().map(|way| (Sender::Node(sender), way)).collect()
                    }
                    None => {
                        let ways = self.ways_of_origins(to);
                        ways.map(|(origin, way)| (Sender::Clients(origin), way.node)).collect()
                    }
                };
                let mut taken = taken(hearer)?;
                let crossed = senders.into_iter().map(|(sender, way)| {
                    self.cross((&mut turn, &mut taken), (sender, hearer, way), probe, ATTEMPTS)
                });
                let crossing = together(crossed, cut);
                // The server's own sockets come and go there.
                hearer.ask(Ask::Deaf { port })?;
                crossing
            }
            (Some(sender), None) => {
                let crossed = self.ways_of_origins(from).map(|(origin, way)| {
                    self.cross_to_clients(&mut turn, (sender, way.clients), (origin, cut))
                });
                together(crossed, cut)
            }
            (None, None) => unreachable!("one end of a link is a node"),
        }
    }

    fn ways_of_origins(&self, node: usize) -> impl Iterator<Item = (&dyn Origin, Way)> {
        let ways = self.origins.iter().zip(self.ways.to_clients(node));
        ways.flat_map(|(origin, ways)| ways.iter().map(move |&way| (&**origin, way)))
    }

    /// One of them; `taken` are the probes that the hearer's rules have kept so far, before it and after.
    fn cross(
        &self,
        (turn, taken): (&mut u64, &mut u64),
        (sender, hearer, to): (Sender<'_>, &RemoteNode, IpAddr),
        (port, how): (u16, How),
        attempts: u32,
    ) -> Result<Crossing, EnvError> {
        for _ in 0..attempts {
            let nonce = next(turn);
            let sent = self.send(sender, (hearer, to), (port, nonce), how)?;
            match hearer.ask(Ask::Heard { port, nonce, taken: *taken })? {
                (Answer::From(_), _) => return Ok(Crossing::Arrived),
                (Answer::Count(count), _) => {
                    *taken = count;
                    let refused = sent == Sent::Refused;
                    return Ok(if refused { Crossing::Refused } else { Crossing::Dropped });
                }
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
        let there = |error: io::Error| sender.error(unheard(origin, &error));
        let port = origin.hear(to, cut.port.unwrap_or(0)).map_err(there)?;
        let before = taken(sender)?;
        for _ in 0..ATTEMPTS {
            let nonce = next(turn);
            let ask = Ask::Send { to, port, nonce, how: how(cut) };
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
        (hearer, to): (&RemoteNode, IpAddr),
        (port, nonce): (u16, u64),
        how: How,
    ) -> Result<Sent, EnvError> {
        let sender = match sender {
            Sender::Node(sender) => sender,
            Sender::Clients(origin) => return send_from(origin, (hearer, to), (port, nonce), how),
        };
        match sender.ask(Ask::Send { to, port, nonce, how })? {
            (Answer::Sent(sent), _) => Ok(sent),
            _ => Err(sender.confused()),
        }
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
            let port = cut.port.unwrap_or(PROBE_PORT);
            match (nodes.get(from), nodes.get(to)) {
                (Some(sender), Some(_)) => {
                    for to in self.ways.between(nodes, (from, to)) {
                        sender.ask(Ask::Acquaint { to, port, nonce })?;
                    }
                }
                (Some(sender), None) => {
                    for (origin, Way { clients: to, .. }) in self.ways_of_origins(from) {
                        let port = cut.port.map_or_else(|| origin.hear(to, 0), Ok);
                        let port = port.map_err(|error| sender.error(unheard(origin, &error)))?;
                        sender.ask(Ask::Acquaint { to, port, nonce })?;
                    }
                }
                (None, Some(hearer)) => {
                    for (origin, way) in self.ways_of_origins(to) {
                        let begun = origin.acquaint((way.node, port), nonce);
                        begun.map_err(|error| hearer.error(unsent(origin, &error)))?;
                    }
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

/// Whose datagram it is.
#[derive(Clone, Copy)]
enum Sender<'a> {
    Node(&'a RemoteNode),
    Clients(&'a dyn Origin),
}

/// Of a link that has several ways: it is open if one of them is, and what the cut leads to only if all do.
pub(in crate::env) fn together(
    ways: impl Iterator<Item = Result<Crossing, EnvError>>,
    cut: &Cut,
) -> Result<Crossing, EnvError> {
    let ways = ways.collect::<Result<Vec<_>, _>>()?;
    let other = ways.iter().find(|&&crossing| crossing != cut.leads_to());
    let open = ways.iter().find(|&&crossing| crossing == Crossing::Arrived);
    Ok(*open.or(other).unwrap_or(&cut.leads_to()))
}

fn send_from(
    origin: &dyn Origin,
    (hearer, to): (&RemoteNode, IpAddr),
    (port, nonce): (u16, u64),
    how: How,
) -> Result<Sent, EnvError> {
    let sent = origin.send((to, port), nonce, how);
    sent.map_err(|error| hearer.error(unsent(origin, &error)))
}

/// How a probe for such a cut is sent.
fn how(cut: &Cut) -> How {
    How { refusal: cut.reject, fresh: cut.connections == Connections::New }
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

fn unsent(origin: &dyn Origin, error: &io::Error) -> Trouble {
    Trouble { what: format!("be sent a probe by {}", origin.name()), why: error.to_string() }
}

fn unheard(origin: &dyn Origin, error: &io::Error) -> Trouble {
    Trouble { what: format!("have its probe heard by {}", origin.name()), why: error.to_string() }
}
