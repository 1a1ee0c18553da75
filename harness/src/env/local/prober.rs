//! Proves what a link does, by sending datagrams over it.

use super::host::Netns;
use super::switch::ProbeFate;
use super::switch::frame::{PROBE_PORT, probe_nonce, probe_payload};
use crate::env::Link;
use crate::env::cut::{Connections, Crossing, Cut};
use crate::env::packet::{Behavior, Effects};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest time a probe takes, all attempts together.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one waits before a probe is sent again: queues of busy hosts may be full.
const ATTEMPT: Duration = Duration::from_millis(200);

/// Most connections that are kept for cuts of established ones.
const MAX_ACQUAINTANCES: usize = 256;

/// Sends from inside each host, the clients' last, which outlives the node's processes.
pub(super) struct Prober {
    hosts: Vec<ProbedHost>,
    /// One probe at a time: they share the sockets.
    turn: Mutex<Turn>,
}

struct ProbedHost {
    netns: Netns,
    address: IpAddr,
    /// At [`PROBE_PORT`].
    socket: UdpSocket,
}

struct Turn {
    next_nonce: u64,
    fates: Receiver<ProbeFate>,
    /// Connections over a link to a port, which were there before their link was cut.
    acquaintances: BTreeMap<(Link, u16), UdpSocket>,
}

impl Prober {
    pub(super) fn new<'a>(
        hosts: impl Iterator<Item = (&'a Netns, IpAddr)>,
        fates: Receiver<ProbeFate>,
    ) -> io::Result<Self> {
        let host = |(netns, address): (&Netns, IpAddr)| {
            let socket = netns.run(|| UdpSocket::bind((address, PROBE_PORT)))?;
            Ok(ProbedHost { netns: netns.try_clone()?, address, socket })
        };
        let hosts = hosts.map(host).collect::<io::Result<_>>()?;
        let turn = Turn { next_nonce: 1, fates, acquaintances: BTreeMap::new() };
        Ok(Self { hosts, turn: Mutex::new(turn) })
    }

    /// Begins connections that such a cut will find established: whether their first datagram arrives
    /// does not matter.
    pub(super) fn acquaint(&self, link: Link, cut: &Cut) -> Result<(), String> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let port = cut.port.unwrap_or(PROBE_PORT);
        let socket = self.connect(link, port)?;
        let (_, seen) = turn.send(&socket, link)?;
        if turn.acquaintances.len() >= MAX_ACQUAINTANCES {
            turn.acquaintances.pop_first();
        }
        turn.acquaintances.insert((link, port), socket);
        seen.map(|_| ()).ok_or_else(|| "a datagram did not reach the switch".to_owned())
    }

    /// Sends a datagram over the link that this cut is for. What is said is what the hosts saw, too: an
    /// error when they did not see in time what the switch says.
    pub(super) fn probe(&self, link: Link, cut: &Cut) -> Result<Crossing, String> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (port, to) = (cut.port.unwrap_or(PROBE_PORT), &self.hosts[link.1]);
        let known = match cut.connections {
            Connections::Established => turn.acquaintances.remove(&(link, port)),
            Connections::All | Connections::New => None,
        };
        let sender = known.map_or_else(|| self.connect(link, port), Ok)?;
        let bind = || to.netns.run(|| UdpSocket::bind((to.address, port)));
        // A server that listens there would take the datagram away.
        let receiver = if port == PROBE_PORT { to.socket.try_clone() } else { bind() }.ok();
        let crossing = turn.cross(link, &sender, receiver.as_ref());
        if cut.connections == Connections::Established {
            turn.acquaintances.insert((link, port), sender);
        }
        crossing
    }

    /// A socket from one end of the link to a port of the other.
    fn connect(&self, (from, to): Link, port: u16) -> Result<UdpSocket, String> {
        let connect = || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect((self.hosts[to].address, port))?;
            Ok(socket)
        };
        self.hosts[from].netns.run(connect).map_err(|e| format!("cannot open a socket for a probe: {e}"))
    }

    /// Sends datagrams over the link until one was treated like this: how many were sent then; `None`
    /// when none was that should have been.
    pub(super) fn sample(&self, link: Link, behavior: &Behavior) -> Result<Option<u32>, String> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (most, deadline) = (behavior.certain_within(), Instant::now() + behavior.turns());
        let mut sent = 0;
        while sent < most || Instant::now() < deadline {
            sent += 1;
            if let Some(effects) = self.send(&mut turn, link)?
                && behavior.shows(effects)
            {
                return Ok(Some(sent));
            }
        }
        Ok(None)
    }

    /// Sends one to where all hosts listen; what became of it at the switch, if it got there in time.
    fn send(&self, turn: &mut Turn, (from, to): Link) -> Result<Option<Effects>, String> {
        let nonce = turn.nonce();
        self.hosts[from]
            .socket
            .send_to(&probe_payload(nonce), (self.hosts[to].address, PROBE_PORT))
            .map_err(cannot_send)?;
        Ok(turn.effects_on((from, to), nonce))
    }
}

impl Turn {
    fn nonce(&mut self) -> u64 {
        let nonce = self.next_nonce;
        self.next_nonce += 1;
        nonce
    }

    /// Sends one over a socket of the link.
    fn send(&mut self, socket: &UdpSocket, link: Link) -> Result<(u64, Option<Effects>), String> {
        let nonce = self.nonce();
        match socket.send(&probe_payload(nonce)) {
            Ok(_) => Ok((nonce, self.effects_on(link, nonce))),
            // What came back for an earlier one.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok((nonce, None)),
            Err(error) => Err(cannot_send(error)),
        }
    }

    fn cross(
        &mut self,
        link: Link,
        sender: &UdpSocket,
        receiver: Option<&UdpSocket>,
    ) -> Result<Crossing, String> {
        let deadline = Instant::now() + PROBE_TIMEOUT;
        let mut last = "it did not reach the switch";
        while Instant::now() < deadline {
            let (nonce, effects) = self.send(sender, link)?;
            match effects {
                Some(effects) if effects.refused && is_refused(sender) => return Ok(Crossing::Refused),
                Some(effects) if effects.refused => {
                    last = "the switch refused it, but its sender saw nothing";
                }
                Some(effects) if effects.dropped => return Ok(Crossing::Dropped),
                Some(effects) if effects.lost || effects.corrupted => {}
                Some(effects) if effects.delayed || effects.reordered || effects.held => {
                    return Ok(Crossing::Arrived);
                }
                Some(_) if receiver.is_none_or(|receiver| arrived(receiver, nonce)) => {
                    return Ok(Crossing::Arrived);
                }
                Some(_) => last = "the switch passed it on, but it did not arrive",
                None => {}
            }
        }
        Err(format!("a probe got no answer within {PROBE_TIMEOUT:?}: {last}"))
    }

    fn effects_on(&self, link: Link, nonce: u64) -> Option<Effects> {
        let deadline = Instant::now() + ATTEMPT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let told = self.fates.recv_timeout(left).ok()?;
            if (told.link, told.nonce) == (link, nonce) {
                return Some(told.effects);
            }
        }
    }
}

/// Does its host tell the socket that what it sent was refused?
fn is_refused(sender: &UdpSocket) -> bool {
    let patient = sender.set_read_timeout(Some(ATTEMPT)).is_ok();
    patient && sender.recv(&mut [0; 64]).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn arrived(receiver: &UdpSocket, nonce: u64) -> bool {
    let deadline = Instant::now() + ATTEMPT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Zero would mean to wait for ever.
        if left.is_zero() || receiver.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        let mut payload = [0; 64];
        // Errors end with the deadline; datagrams of earlier probes are passed over.
        if let Ok(length) = receiver.recv(&mut payload)
            && probe_nonce(&payload[..length]) == Some(nonce)
        {
            return true;
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn cannot_send(error: io::Error) -> String {
    format!("cannot send a probe: {error}")
}
