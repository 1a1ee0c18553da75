//! Proves what a link does, by sending datagrams over it.

use super::host::Netns;
use super::switch::ProbeFate;
use super::switch::frame::{PROBE_PORT, probe_nonce, probe_payload};
use crate::env::Link;
use crate::env::packet::{Behavior, Effects};
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest time a probe takes, all attempts together.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one waits before a probe is sent again: queues of busy hosts may be full.
const ATTEMPT: Duration = Duration::from_millis(200);

/// One socket inside each host, the clients' last, which outlives the node's processes.
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

    /// Sends a datagram over the link. False when the switch dropped it, since the link is cut; true
    /// when it arrived at the other host, or will do so later; an error when neither was seen in time.
    pub(super) fn probe(&self, (from, to): Link) -> Result<bool, String> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + PROBE_TIMEOUT;
        let mut last = String::from("it did not reach the switch");
        while Instant::now() < deadline {
            let (nonce, effects) = self.send(&mut turn, (from, to))?;
            match effects {
                Some(effects) if effects.dropped => return Ok(false),
                Some(effects) if effects.lost || effects.corrupted => {}
                Some(effects) if effects.delayed || effects.reordered || effects.held => return Ok(true),
                Some(_) if self.arrived(to, nonce) => return Ok(true),
                Some(_) => last = "the switch passed it on, but it did not arrive".into(),
                None => {}
            }
        }
        Err(format!("a probe got no answer within {PROBE_TIMEOUT:?}: {last}"))
    }

    /// Sends datagrams over the link until one was treated like this: how many were sent then; `None`
    /// when `most` were not.
    pub(super) fn sample(&self, link: Link, behavior: &Behavior, most: u32) -> Result<Option<u32>, String> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // A link that flaps is up for a while.
        let patience = match behavior {
            Behavior::Flap { up_ms, down_ms } => Duration::from_millis((up_ms + down_ms).into()),
            _ => Duration::ZERO,
        };
        let deadline = Instant::now() + patience;
        let mut sent = 0;
        while sent < most || Instant::now() < deadline {
            sent += 1;
            if let (_, Some(effects)) = self.send(&mut turn, link)?
                && behavior.shows(effects)
            {
                return Ok(Some(sent));
            }
        }
        Ok(None)
    }

    /// Sends one; what became of it at the switch, if it got there in time.
    fn send(&self, turn: &mut Turn, (from, to): Link) -> Result<(u64, Option<Effects>), String> {
        let nonce = turn.next_nonce;
        turn.next_nonce += 1;
        self.sockets[from]
            .send_to(&probe_payload(nonce), (self.addresses[to], PROBE_PORT))
            .map_err(|e| format!("cannot send a probe: {e}"))?;
        Ok((nonce, turn.effects_on((from, to), nonce)))
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
