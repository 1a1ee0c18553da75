//! Sends and hears the datagrams that prove what a link does.

use super::{Trouble, trouble};
use crate::env::local::{PROBE_PORT, probe_nonce, probe_payload};
use crate::env::remote::wire::Sent;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one waits for the refusal of a datagram.
const REFUSED_WITHIN: Duration = Duration::from_millis(200);
/// How long one waits for a datagram, before one looks whether it was dropped.
const GLANCE: Duration = Duration::from_millis(10);
/// Ports that are listened at, at a time.
const MOST: usize = 16;

/// Sockets at all addresses of the host.
pub(super) struct Ears {
    any: IpAddr,
    sockets: Mutex<BTreeMap<u16, Arc<UdpSocket>>>,
}

impl Ears {
    /// Hears at [`PROBE_PORT`] from now on.
    pub(super) fn open(address: IpAddr) -> io::Result<Self> {
        let any = unspecified(address);
        let socket = Arc::new(UdpSocket::bind((any, PROBE_PORT))?);
        Ok(Self { any, sockets: Mutex::new([(PROBE_PORT, socket)].into()) })
    }

    /// Hears at this port, too. A server that listens there would take the datagrams away.
    pub(super) fn listen(&self, port: u16) -> Result<(), Trouble> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if sockets.contains_key(&port) {
            return Ok(());
        }
        let bound = if sockets.len() >= MOST {
            Err(io::Error::other("too many ports are listened at"))
        } else {
            UdpSocket::bind((self.any, port))
        };
        let socket =
            bound.map_err(|error| trouble(&format!("hear UDP at port {port}"), error.to_string()))?;
        sockets.insert(port, Arc::new(socket));
        Ok(())
    }

    pub(super) fn close(&self, port: u16) {
        if port != PROBE_PORT {
            self.sockets.lock().unwrap_or_else(PoisonError::into_inner).remove(&port);
        }
    }

    /// Has this one come? From where?
    pub(super) fn heard(&self, port: u16, nonce: u64) -> Result<Option<IpAddr>, Trouble> {
        let socket = self.sockets.lock().unwrap_or_else(PoisonError::into_inner).get(&port).cloned();
        let socket = socket.ok_or_else(|| trouble("hear a probe", format!("nobody listens at {port}")))?;
        Ok(await_probe(&socket, nonce, GLANCE))
    }

    /// Sends one, and sees what this host says to that.
    pub(super) fn send(&self, to: (IpAddr, u16), nonce: u64, refusal: bool) -> Result<Sent, Trouble> {
        send_probe(to, nonce, refusal).map_err(|error| trouble("send a probe", error.to_string()))
    }
}

/// All addresses of the same family.
pub(in crate::env) fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Sends one from a port of its own.
pub(in crate::env) fn send_probe(to: (IpAddr, u16), nonce: u64, refusal: bool) -> io::Result<Sent> {
    let socket = UdpSocket::bind((unspecified(to.0), 0))?;
    socket.connect(SocketAddr::from(to))?;
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

/// Waits for one; from where it came.
pub(in crate::env) fn await_probe(socket: &UdpSocket, nonce: u64, patience: Duration) -> Option<IpAddr> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Zero would mean to wait for ever.
        if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
            return None;
        }
        let mut payload = [0; 64];
        // Errors end with the deadline; datagrams of earlier probes are passed over.
        if let Ok((length, from)) = socket.recv_from(&mut payload)
            && probe_nonce(&payload[..length]) == Some(nonce)
        {
            return Some(from.ip());
        }
    }
}
