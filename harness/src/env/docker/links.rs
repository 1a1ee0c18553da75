//! Links between containers that are cut, by rules inside their network namespaces, and the proof of it: a
//! datagram sent at one end, and heard at the other or counted by the rule that took it. One that was
//! neither proves nothing. A container may have several addresses: links are cut for all of them.
//!
//! The rules are those of hosts reached by an agent; here they are made from outside.

use super::Docker;
use super::live::Live;
use super::node::ContainerNode;
use crate::env::cut::{Crossing, Cut};
use crate::env::local::PROBE_PORT;
use crate::env::packet::Policies;
use crate::env::remote::agent::{await_probe, unspecified};
use crate::env::remote::wire::{Rule, Sent, Side};
use crate::env::remote::{send_probe, together};
use crate::env::{EnvError, Link};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long one waits for a datagram, before one looks whether a rule took it.
const GLANCE: Duration = Duration::from_millis(10);
/// How long one waits for either.
const SEEN_WITHIN: Duration = Duration::from_millis(400);
/// How often a datagram is sent that nobody has seen.
const ATTEMPTS: usize = 5;

/// The address of this machine that `to` sees clients come from.
pub(super) fn clients_address(to: IpAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((unspecified(to), 0))?;
    socket.connect((to, PROBE_PORT))?;
    Ok(socket.local_addr()?.ip())
}

impl Docker {
    /// What is not to cross at a node.
    fn rules(&self, at: usize, policies: &Policies) -> Vec<Rule> {
        let clients = self.nodes.len();
        let mut rules = Vec::new();
        for (&(from, to), policy) in policies {
            let (side, peers) = match (from, to) {
                (from, to) if to == at && from == clients => (Side::From, &[self.nodes[at].clients][..]),
                (from, to) if to == at => (Side::From, &self.nodes[from].addresses[..]),
                (from, to) if from == at && to == clients => (Side::To, &[self.nodes[at].clients][..]),
                _ => continue,
            };
            for &peer in peers {
                rules.extend(policy.cuts.iter().map(|(&fault, &cut)| Rule { fault, side, peer, cut }));
            }
        }
        rules
    }

    /// Has a running node cut what is to be cut, and nothing else.
    pub(super) fn apply(&self, at: usize, live: &Live, policies: &Policies) -> Result<(), String> {
        let rules = self.rules(at, policies);
        live.within(|| live.firewall.set(&rules))
    }

    /// All nodes that run, at the same time, so that the cluster is hardly ever half cut.
    pub(super) fn apply_all(&self, policies: &Policies) -> Result<(), EnvError> {
        let change = |at: usize| {
            let node = &self.nodes[at];
            let now = node.now();
            // One that does not run hears of it when it is started.
            let changed = now.alive().map(|live| self.apply(at, live, policies));
            changed.unwrap_or(Ok(())).map_err(|why| node.error("change what its links do", why))
        };
        thread::scope(|scope| {
            let change = &change;
            let threads: Vec<_> = (0..self.nodes.len()).map(|at| scope.spawn(move || change(at))).collect();
            let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
            // All of them, so that one that fails leaves none half changed.
            let done: Vec<_> =
                joined.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect();
            done.into_iter().collect()
        })
    }

    /// A link that carries no probe could be cut, and nobody would know.
    pub(super) fn try_all_links(&self) -> Result<(), EnvError> {
        let ends = 0..=self.nodes.len();
        let links = ends.clone().flat_map(|from| ends.clone().map(move |to| (from, to)));
        for link in links.filter(|(from, to)| from != to) {
            let name = |at: usize| self.nodes.get(at).map_or("this machine", |node| &node.node.name);
            match self.cross(link, &Cut::default()) {
                Ok(Crossing::Arrived) => {}
                crossed => {
                    let what = format!("reach {} from {}", name(link.1), name(link.0));
                    let why = crossed.err().map_or("it is cut".to_owned(), |error| error.to_string());
                    let fix = "put them on one network, whose engine runs on this machine as root, or name it: network";
                    return Err(super::unable(&what, why, fix));
                }
            }
        }
        Ok(())
    }

    /// The addresses besides its first by which a node is reached from another one: it may be on several
    /// networks, and have some of IPv4 and some of IPv6.
    pub(super) fn find_more_ways(&self) -> BTreeMap<Link, Vec<IpAddr>> {
        let nodes = || 0..self.nodes.len();
        let links =
            nodes().flat_map(|from| nodes().map(move |to| (from, to))).filter(|(from, to)| from != to);
        let found = links.map(|link| {
            let carries = |address: &IpAddr| {
                let crossed = self.cross_by(link, &[*address], &Cut::default(), 1);
                matches!(crossed, Ok(Crossing::Arrived))
            };
            (link, self.nodes[link.1].addresses[1..].iter().copied().filter(carries).collect())
        });
        found.collect()
    }

    /// Sends datagrams over a link, by all of its ways, until it is clear what it does to them.
    pub(super) fn cross(&self, link: Link, cut: &Cut) -> Result<Crossing, EnvError> {
        let first = match self.nodes.get(link.1) {
            Some(node) => node.node.addr,
            None => self.nodes[link.0].clients,
        };
        let more = self.more_ways.get(&link).map_or(&[][..], Vec::as_slice);
        self.cross_by(link, &[&[first], more].concat(), cut, ATTEMPTS)
    }

    /// By these addresses of whoever is at its end.
    fn cross_by(
        &self,
        (from, to): Link,
        ways: &[IpAddr],
        cut: &Cut,
        attempts: usize,
    ) -> Result<Crossing, EnvError> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // In the order of their numbers, as everybody does.
        let mut sides: Vec<usize> = [from, to].into_iter().filter(|&at| at < self.nodes.len()).collect();
        sides.sort_unstable();
        let held: Vec<_> = sides.iter().map(|&at| (at, self.nodes[at].now())).collect();
        if held.iter().any(|(_, now)| now.alive().is_none()) {
            return Ok(Crossing::Endless);
        }
        let live = |at: usize| held.iter().find(|(held, _)| *held == at).and_then(|(_, now)| now.alive());
        let ends = (live(from), live(to));
        // Whose rules count: what goes to the clients is dropped where it leaves.
        let keeper = self.nodes.get(to).unwrap_or_else(|| &self.nodes[from]);
        let crossed = ways.iter().map(|&way| {
            let crossing = cross_one(ends, way, (&mut turn, cut, attempts));
            crossing.map_err(|why| keeper.error("probe a link", why))
        });
        together(crossed, cut)
    }

    /// Packets that a fault kept from crossing so far, also while containers had other networks than now.
    pub(super) fn packets_taken(&self, fault: u32) -> u64 {
        let of = |node: &ContainerNode| {
            let now = node.now();
            let counted = now.live.as_ref().and_then(|live| live.within(|| live.firewall.taken(fault)).ok());
            now.taken.get(&fault).unwrap_or(&0) + counted.unwrap_or(0)
        };
        self.nodes.iter().map(of).sum()
    }
}

/// Sends datagrams from one end to this address of the other. An end that is no container is this machine.
fn cross_one(
    (sender, hearer): (Option<&Live>, Option<&Live>),
    address: IpAddr,
    (turn, cut, attempts): (&mut u64, &Cut, usize),
) -> Result<Crossing, String> {
    let Some(keeper) = hearer.or(sender) else { return Ok(Crossing::Endless) };
    let ear = ear(hearer, address, cut).map_err(|error| error.to_string())?;
    let port = ear.local_addr().map_err(|error| error.to_string())?.port();
    let taken = || keeper.within(|| keeper.firewall.probes_taken());
    let before = taken()?;
    for _ in 0..attempts {
        *turn += 1;
        let nonce = *turn;
        let send = || send_probe((address, port), nonce, cut.reject);
        let sent = sender.map_or_else(send, |live| live.inside(send)).map_err(|error| error.to_string())?;
        let told = matches!(sent, Sent::Refused | Sent::Forbidden);
        let patience = Instant::now() + SEEN_WITHIN;
        loop {
            if await_probe(&ear, nonce, GLANCE).is_some() {
                return Ok(Crossing::Arrived);
            }
            if taken()? > before {
                return Ok(if cut.reject && told { Crossing::Refused } else { Crossing::Dropped });
            }
            if Instant::now() >= patience {
                break;
            }
        }
    }
    Err(format!("of {attempts} datagrams none was heard, and no rule has taken one"))
}

/// Where probes of such a cut are heard.
fn ear(hearer: Option<&Live>, address: IpAddr, cut: &Cut) -> io::Result<Arc<UdpSocket>> {
    match (hearer, cut.port) {
        (Some(live), None) => Ok(Arc::clone(&live.ear)),
        (Some(live), Some(port)) => live.inside(|| UdpSocket::bind((address, port))).map(Arc::new),
        (None, port) => UdpSocket::bind((address, port.unwrap_or(0))).map(Arc::new),
    }
}
