//! Hears, and has sent, the datagrams that prove what a link does.

use super::{Trouble, trouble};
use crate::env::local::{PROBE_PORT, probe_nonce};
use crate::env::remote::acquaintances::Acquaintances;
use crate::env::remote::wire::{How, Sent};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn6, bind, setsockopt, socket, sockopt};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one waits for a datagram, before one looks whether it was dropped.
const GLANCE: Duration = Duration::from_millis(10);
/// Ports that are listened at, at a time.
const MOST: usize = 16;

/// Sockets at all addresses of the host, of both families.
pub(super) struct Ears {
    sockets: Mutex<BTreeMap<u16, Arc<UdpSocket>>>,
    acquaintances: Acquaintances,
}

impl Ears {
    /// Hears at [`PROBE_PORT`] from now on.
    pub(super) fn open() -> io::Result<Self> {
        let socket = Arc::new(bind_everywhere(PROBE_PORT)?);
        Ok(Self {
            sockets: Mutex::new([(PROBE_PORT, socket)].into()),
            acquaintances: Acquaintances::default(),
        })
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
            bind_everywhere(port)
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
        Ok(await_probe(&*self.socket(port)?, nonce, GLANCE))
    }

    fn socket(&self, port: u16) -> Result<Arc<UdpSocket>, Trouble> {
        let socket = self.sockets.lock().unwrap_or_else(PoisonError::into_inner).get(&port).cloned();
        socket.ok_or_else(|| trouble("hear a probe", format!("nobody listens at {port}")))
    }

    /// Waits for the second of two that were sent: had the first come before it? `None`: the second does
    /// not come in time.
    pub(super) fn missed(
        &self,
        nonce: u64,
        witness: u64,
        patience: Duration,
    ) -> Result<Option<bool>, Trouble> {
        let socket = self.socket(PROBE_PORT)?;
        let deadline = Instant::now() + patience;
        let mut came = false;
        while let Some((heard, _)) = hear(&socket, deadline) {
            if heard == witness {
                return Ok(Some(!came));
            }
            came |= heard == nonce;
        }
        Ok(None)
    }

    /// Begins a connection that a cut will find established.
    pub(super) fn acquaint(&self, to: (IpAddr, u16), nonce: u64) -> Result<(), Trouble> {
        let begun = self.acquaintances.begin(to, nonce);
        begun.map_err(|error| trouble("begin a connection", error.to_string()))
    }

    /// Sends one, and sees what this host says to that. With a mark, if it has to have one.
    pub(super) fn send(
        &self,
        to: (IpAddr, u16),
        nonce: u64,
        (how, mark): (How, Option<u32>),
    ) -> Result<Sent, Trouble> {
        let sent = self.acquaintances.send(to, nonce, (how, mark));
        sent.map_err(|error| trouble("send a probe", error.to_string()))
    }
}

/// At all addresses; of IPv4's only where the kernel has no others.
pub(in crate::env) fn bind_everywhere(port: u16) -> io::Result<UdpSocket> {
    let made = socket(AddressFamily::Inet6, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None);
    let Ok(both) = made else { return UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)) };
    // A host may have it otherwise by default.
    setsockopt(&both, sockopt::Ipv6V6Only, &false)?;
    let all = SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0));
    bind(both.as_raw_fd(), &all)?;
    Ok(UdpSocket::from(both))
}

/// All addresses of the same family.
pub(in crate::env) fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Waits for one; from where it came.
pub(in crate::env) fn await_probe(socket: &UdpSocket, nonce: u64, patience: Duration) -> Option<IpAddr> {
    let deadline = Instant::now() + patience;
    while let Some((heard, from)) = hear(socket, deadline) {
        // Those of earlier probes are passed over.
        if heard == nonce {
            return Some(from);
        }
    }
    None
}

/// The next probe, whichever it is, and from where it came.
fn hear(socket: &UdpSocket, deadline: Instant) -> Option<(u64, IpAddr)> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Zero would mean to wait for ever.
        if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
            return None;
        }
        let mut payload = [0; 64];
        // Errors end with the deadline.
        if let Ok((length, from)) = socket.recv_from(&mut payload)
            && let Some(nonce) = probe_nonce(&payload[..length])
        {
            return Some((nonce, from.ip()));
        }
    }
}
