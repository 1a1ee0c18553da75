//! Proves that a link is cut or not, by sending a datagram over it.

use super::host::Netns;
use super::switch::frame::{PROBE_PORT, probe_nonce, probe_payload};
use super::switch::{Fate, ProbeFate};
use crate::env::Link;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest time a probe takes, all attempts together.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one waits before a probe is sent again: queues of busy hosts may be full.
const ATTEMPT: Duration = Duration::from_millis(200);

/// One socket inside each node's host, which outlives the node's processes.
pub(super) struct Prober {
    sockets: Vec<UdpSocket>,
    addresses: Vec<IpAddr>,
    /// One probe at a time: they share the sockets.
    turn: Mutex<Turn>,
}

struct Turn {
    next_nonce: u64,
    fates: Receiver<ProbeFate>,
}

impl Prober {
    pub(super) fn new<'a>(
        hosts: impl Iterator<Item = (&'a Netns, IpAddr)>,
        fates: Receiver<ProbeFate>,
    ) -> io::Result<Self> {
        let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
        for (netns, address) in hosts {
            sockets.push(netns.run(|| UdpSocket::bind((address, PROBE_PORT)))?);
            addresses.push(address);
        }
        Ok(Self { sockets, addresses, turn: Mutex::new(Turn { next_nonce: 1, fates }) })
    }

    /// Sends a datagram over the link. True when it arrived at the other host, false when the
    /// switch dropped it; an error when neither was seen in time.
    pub(super) fn probe(&self, (from, to): Link) -> Result<bool, String> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + PROBE_TIMEOUT;
        let mut last = String::from("it did not reach the switch");
        while Instant::now() < deadline {
            let nonce = turn.next_nonce;
            turn.next_nonce += 1;
            self.sockets[from]
                .send_to(&probe_payload(nonce), (self.addresses[to], PROBE_PORT))
                .map_err(|e| format!("cannot send a probe: {e}"))?;
            match turn.fate_of((from, to), nonce) {
                Some(Fate::Drop) => return Ok(false),
                Some(Fate::Pass) if self.arrived(to, nonce) => return Ok(true),
                Some(Fate::Pass) => last = "the switch passed it on, but it did not arrive".into(),
                None => {}
            }
        }
        Err(format!("a probe got no answer within {PROBE_TIMEOUT:?}: {last}"))
    }

    fn arrived(&self, at: usize, nonce: u64) -> bool {
        let deadline = Instant::now() + ATTEMPT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Zero would mean to wait for ever.
            if left.is_zero() || self.sockets[at].set_read_timeout(Some(left)).is_err() {
                return false;
            }
            let mut payload = [0; 64];
            // Errors end with the deadline; datagrams of earlier probes are passed over.
            if let Ok(length) = self.sockets[at].recv(&mut payload)
                && probe_nonce(&payload[..length]) == Some(nonce)
            {
                return true;
            }
        }
    }
}

impl Turn {
    fn fate_of(&self, link: Link, nonce: u64) -> Option<Fate> {
        let deadline = Instant::now() + ATTEMPT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let told = self.fates.recv_timeout(left).ok()?;
            if (told.link, told.nonce) == (link, nonce) {
                return Some(told.fate);
            }
        }
    }
}
