//! A machine on which clients are: its datagrams prove what the links between clients and nodes do.

use super::acquaintances::Acquaintances;
use super::agent::{await_probe, unspecified};
use super::wire::{How, Sent};
use crate::env::local::PROBE_PORT;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A machine from which clients reach the nodes directly.
pub trait Origin: Send + Sync {
    /// What it is called.
    fn name(&self) -> &str;

    /// The address that a host would see, if nobody translates it on the way.
    ///
    /// # Errors
    /// When nobody knows.
    fn address(&self, to: IpAddr) -> io::Result<IpAddr>;

    /// Begins a connection that a cut will find established, with a probe of this number.
    ///
    /// # Errors
    /// When it cannot.
    fn acquaint(&self, to: (IpAddr, u16), nonce: u64) -> io::Result<()>;

    /// Sends a probe of this number.
    ///
    /// # Errors
    /// When it cannot.
    fn send(&self, to: (IpAddr, u16), nonce: u64, how: How) -> io::Result<Sent>;

    /// Hears probes at this port from now on, until it is asked for another; for 0 at one which nobody else
    /// has, always the same: says which.
    ///
    /// # Errors
    /// When it cannot.
    fn hear(&self, like: IpAddr, port: u16) -> io::Result<u16>;

    /// Has this probe come? Waits so long for it.
    ///
    /// # Errors
    /// When nobody hears.
    fn heard(&self, nonce: u64, patience: Duration) -> io::Result<bool>;
}

/// The machine that this runs on.
#[derive(Debug, Default)]
pub struct Here {
    acquaintances: Acquaintances,
    ear: Mutex<Option<UdpSocket>>,
    /// What hears at any port, by all addresses of a family.
    own: Mutex<BTreeMap<IpAddr, UdpSocket>>,
}

impl Origin for Here {
    fn name(&self) -> &str {
        "this machine"
    }

    fn address(&self, to: IpAddr) -> io::Result<IpAddr> {
        let socket = UdpSocket::bind((unspecified(to), 0))?;
        socket.connect((to, PROBE_PORT))?;
        Ok(socket.local_addr()?.ip())
    }

    fn acquaint(&self, to: (IpAddr, u16), nonce: u64) -> io::Result<()> {
        self.acquaintances.begin(to, nonce)
    }

    fn send(&self, to: (IpAddr, u16), nonce: u64, how: How) -> io::Result<Sent> {
        self.acquaintances.send(to, nonce, (how, None))
    }

    fn hear(&self, like: IpAddr, port: u16) -> io::Result<u16> {
        let mut ear = self.ear.lock().unwrap_or_else(PoisonError::into_inner);
        // First, so that the same port is free again.
        *ear = None;
        let all = unspecified(like);
        let socket = if port == 0 { self.own(all)? } else { UdpSocket::bind((all, port))? };
        let port = socket.local_addr()?.port();
        *ear = Some(socket);
        Ok(port)
    }

    fn heard(&self, nonce: u64, patience: Duration) -> io::Result<bool> {
        let ear = self.ear.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = ear.as_ref().ok_or_else(|| io::Error::other("nobody hears probes here"))?;
        Ok(await_probe(socket, nonce, patience).is_some())
    }
}

impl Here {
    fn own(&self, all: IpAddr) -> io::Result<UdpSocket> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = own.get(&all) {
            return socket.try_clone();
        }
        let socket = UdpSocket::bind((all, 0))?;
        own.insert(all, socket.try_clone()?);
        Ok(socket)
    }
}
