//! Sends the datagrams that prove what a link does: from a port that the other end knows since before the link
//! was cut, or, where new connections are cut, from one that it has never seen.
//!
//! Agents send them, and so does whoever has the clients. Ports are chosen here and not left to chance: there
//! are only some 28,000, and one that was used for an earlier probe is no new connection.

use super::agent::unspecified;
use super::wire::{How, Sent};
use crate::env::local::probe_payload;
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one waits for the refusal of a datagram.
const REFUSED_WITHIN: Duration = Duration::from_millis(200);
/// Most ends to which a connection is kept.
const MOST: usize = 256;
/// Ports that are tried for one that has not been used.
const MOST_TRIED: u32 = 64;

/// Connections to others.
#[derive(Debug, Default)]
pub(super) struct Acquaintances(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// One to each end.
    kept: BTreeMap<(IpAddr, u16), UdpSocket>,
    /// All ports that have ever been used to an end.
    used: BTreeSet<((IpAddr, u16), u16)>,
}

impl Acquaintances {
    /// Sees that there is one, with this datagram: whether it arrives does not matter.
    pub(super) fn begin(&self, to: (IpAddr, u16), nonce: u64) -> io::Result<()> {
        let mut known = self.known();
        let socket = known.connection(to)?;
        let _ = socket.take_error();
        // It may have been to pass what befalls packets.
        set_mark(socket, None)?;
        socket.send(&probe_payload(nonce)).map(drop)
    }

    /// Sends one, and sees what this host says to that. With a mark, if it has to have one.
    pub(super) fn send(
        &self,
        to: (IpAddr, u16),
        nonce: u64,
        (how, mark): (How, Option<u32>),
    ) -> io::Result<Sent> {
        let mut known = self.known();
        let fresh = if how.fresh { Some(known.fresh(to)?) } else { None };
        let socket = match &fresh {
            Some(fresh) => fresh,
            None => known.connection(to)?,
        };
        // What came back for an earlier one.
        let _ = socket.take_error();
        set_mark(socket, mark)?;
        send(socket, nonce, how.refusal)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn connection(&mut self, to: (IpAddr, u16)) -> io::Result<&UdpSocket> {
        if !self.kept.contains_key(&to) {
            let socket = self.fresh(to)?;
            if self.kept.len() >= MOST {
                self.kept.pop_first();
            }
            self.kept.insert(to, socket);
        }
        Ok(&self.kept[&to])
    }

    /// From a port that has not been used to this end, if there is one.
    fn fresh(&mut self, to: (IpAddr, u16)) -> io::Result<UdpSocket> {
        let mut socket = connect(to)?;
        for _ in 0..MOST_TRIED {
            if self.used.insert((to, socket.local_addr()?.port())) {
                break;
            }
            socket = connect(to)?;
        }
        Ok(socket)
    }
}

/// Sends one from a port of its own, and waits a moment for its refusal if that is wished.
pub(in crate::env) fn send_probe(to: (IpAddr, u16), nonce: u64, refusal: bool) -> io::Result<Sent> {
    send(&connect(to)?, nonce, refusal)
}

/// Only root may have one, and to have none again.
fn set_mark(socket: &UdpSocket, mark: Option<u32>) -> io::Result<()> {
    match setsockopt(socket, sockopt::Mark, &mark.unwrap_or_default()) {
        Err(_) if mark.is_none() => Ok(()),
        set => Ok(set?),
    }
}

fn connect(to: (IpAddr, u16)) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((unspecified(to.0), 0))?;
    socket.connect(SocketAddr::from(to))?;
    Ok(socket)
}

fn send(socket: &UdpSocket, nonce: u64, refusal: bool) -> io::Result<Sent> {
    match socket.send(&probe_payload(nonce)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(Sent::Forbidden),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(Sent::Refused),
        Err(error) => return Err(error),
    }
    if refusal {
        socket.set_read_timeout(Some(REFUSED_WITHIN))?;
        let refused = socket.recv(&mut [0; 64]).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused);
        return Ok(if refused { Sent::Refused } else { Sent::Gone });
    }
    Ok(Sent::Gone)
}
