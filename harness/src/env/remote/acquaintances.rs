//! Sends the datagrams that prove what a link does, from a port of their own each, or from one that was
//! known to the other end before the link was cut.
//!
//! Agents send them, and so does whoever has the clients.

use super::agent::unspecified;
use super::wire::{How, Sent};
use crate::env::local::probe_payload;
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one waits for the refusal of a datagram.
const REFUSED_WITHIN: Duration = Duration::from_millis(200);
/// Most connections that are kept for cuts of established ones.
const MOST: usize = 256;

/// Connections that were there before a link was cut.
#[derive(Debug, Default)]
pub(super) struct Acquaintances(Mutex<BTreeMap<(IpAddr, u16), UdpSocket>>);

impl Acquaintances {
    /// Begins one, with this datagram: whether it arrives does not matter.
    pub(super) fn begin(&self, to: (IpAddr, u16), nonce: u64) -> io::Result<()> {
        let socket = connect(to)?;
        socket.send(&probe_payload(nonce))?;
        let mut known = self.known();
        if known.len() >= MOST {
            known.pop_first();
        }
        known.insert(to, socket);
        Ok(())
    }

    /// Sends one, and sees what this host says to that. With a mark, if it has to have one.
    pub(super) fn send(
        &self,
        to: (IpAddr, u16),
        nonce: u64,
        (how, mark): (How, Option<u32>),
    ) -> io::Result<Sent> {
        let mut known = self.known();
        let kept = if how.known { known.remove(&to) } else { None };
        let socket = kept.map_or_else(|| connect(to), Ok)?;
        // What came back for an earlier one.
        let _ = socket.take_error();
        if mark.is_some() || how.known {
            set_mark(&socket, mark)?;
        }
        let sent = send(&socket, nonce, how.refusal);
        if how.known {
            known.insert(to, socket);
        }
        sent
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<(IpAddr, u16), UdpSocket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
