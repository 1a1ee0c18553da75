//! A machine on which clients are: its datagrams prove what the links between clients and nodes do.

use super::agent::{await_probe, send_probe, unspecified};
use super::wire::Sent;
use crate::env::local::PROBE_PORT;
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

    /// Sends a probe of this number, and waits a moment for its refusal if that is wished.
    ///
    /// # Errors
    /// When it cannot.
    fn send(&self, to: (IpAddr, u16), nonce: u64, refusal: bool) -> io::Result<Sent>;

    /// Hears probes at this port from now on, until it is asked for another; at any for 0, and at which.
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
    ear: Mutex<Option<UdpSocket>>,
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

    fn send(&self, to: (IpAddr, u16), nonce: u64, refusal: bool) -> io::Result<Sent> {
        send_probe(to, nonce, refusal)
    }

    fn hear(&self, like: IpAddr, port: u16) -> io::Result<u16> {
        let mut ear = self.ear.lock().unwrap_or_else(PoisonError::into_inner);
        // First, so that the same port is free again.
        *ear = None;
        let socket = UdpSocket::bind((unspecified(like), port))?;
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
