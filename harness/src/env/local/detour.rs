//! A detour for what a real host sends to some others: through an interface of our own, and the switch
//! that decides over it, and on by a socket whose packets the detour is not for.
//!
//! Not here: who sends packets that way (the agent's rules). Without them nothing comes here, and without
//! this, since the interface ends with it, the rules lead nowhere and the host's own routes count.

use super::interface::Interface;
use super::switch::frame::{ETHERNET, PROBE_PORT, internet_checksum, mac};
use super::switch::port::{HEADER, MAX_FRAME, open_tap};
use super::switch::{ProbeFate, Switch};
use crate::env::packet::{Behavior, Effects, Policies, Policy, Traffic};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, connect, getsockopt, recv, sendto,
    setsockopt, socket, socketpair, sockopt,
};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The switch's port for what this host sends; the others follow, in their order.
const OWN: usize = 0;

/// Most others: the switch knows ports by one byte.
const MOST_PEERS: usize = 200;

/// Room between the switch and the socket that sends on, bytes: what waited for long may come at once.
const ROOM: usize = 64 << 20;

/// How long one waits to hear of a probe.
const TOLD_WITHIN: Duration = Duration::from_millis(200);

/// Of a network that nobody has a way to, bytes.
const USUAL_MTU: i32 = 1500;

/// Where an address is in the header of IPv4.
const DESTINATION: usize = 16;

/// Where virtio's header says what is still to be summed up, and where the sum goes.
const CSUM_START: usize = 6;
const CSUM_OFFSET: usize = 8;
const NEEDS_CSUM: u8 = 1;

/// A detour. It ends, and what waits on it is lost, when it is dropped.
pub(in crate::env) struct Detour {
    peers: Vec<Ipv4Addr>,
    /// Absent when it ends.
    switch: Option<Switch>,
    fates: Mutex<Receiver<ProbeFate>>,
    sender: Option<JoinHandle<()>>,
}

impl Detour {
    /// Makes the interface, to these others and nobody else. What is sent on has this mark.
    pub(in crate::env) fn begin(interface: &str, mark: u32, peers: &[Ipv4Addr]) -> io::Result<Self> {
        if peers.len() > MOST_PEERS {
            return Err(io::Error::other(format!("{} hosts are more than {MOST_PEERS}", peers.len())));
        }
        let tap = open_tap(interface, false)?;
        // Nobody is there who would answer IPv6's questions. Where there is none, none has to be ended.
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"), "1");
        let device = Interface::of_this_namespace(interface)?;
        device.set_mtu(longest_packet(peers)?)?;
        device.up()?;
        for (port, peer) in (OWN + 1..).zip(peers) {
            device.add_neighbour(*peer, mac(port))?;
        }
        let kind = (AddressFamily::Unix, SockType::SeqPacket);
        let (inner, outer) = socketpair(kind.0, kind.1, None, SockFlag::SOCK_CLOEXEC)?;
        setsockopt(&inner, sockopt::SndBufForce, &ROOM)?;
        // The switch waits for nobody.
        fcntl(&inner, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)?;
        setsockopt(&raw, sockopt::Mark, &mark)?;
        let known = peers.to_vec();
        let sender = std::thread::Builder::new().name("detour".into());
        let sender = sender.spawn(move || send_on(&outer, &raw, &known))?;
        let mut ports = vec![tap];
        for _ in peers {
            ports.push(inner.try_clone()?);
        }
        drop(inner);
        let (switch, fates) = Switch::start(ports)?;
        Ok(Self {
            peers: peers.to_vec(),
            switch: Some(switch),
            fates: Mutex::new(fates),
            sender: Some(sender),
        })
    }

    /// Replaces what befalls packets on the way to each, by fault; what waits for what is no more goes on.
    pub(in crate::env) fn set(&self, behaviors: &[(u32, Ipv4Addr, Behavior)]) -> io::Result<()> {
        let mut policies = Policies::new();
        for (fault, peer, behavior) in behaviors {
            let policy: &mut Policy = policies.entry((OWN, self.port(*peer)?)).or_default();
            policy.behaviors.insert(*fault, behavior.clone());
        }
        self.switch()?.set_links(policies).map_err(io::Error::other)
    }

    /// What befell packets on the way to one so far.
    pub(in crate::env) fn traffic(&self, peer: Ipv4Addr) -> io::Result<Traffic> {
        Ok(self.switch()?.traffic((OWN, self.port(peer)?)))
    }

    /// Packets that a fault kept from being sent on so far.
    pub(in crate::env) fn taken(&self, fault: u32) -> u64 {
        self.switch.as_ref().map_or(0, |switch| switch.taken(fault))
    }

    /// What befell a probe, if it comes by in time.
    pub(in crate::env) fn fate(&self, peer: Ipv4Addr, nonce: u64) -> io::Result<Option<Effects>> {
        let link = (OWN, self.port(peer)?);
        let fates = self.fates.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + TOLD_WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match fates.recv_timeout(left) {
                Ok(told) if (told.link, told.nonce) == (link, nonce) => return Ok(Some(told.effects)),
                // An earlier one, for which nobody has waited.
                Ok(_) => {}
                Err(_) => return Ok(None),
            }
        }
    }

    fn switch(&self) -> io::Result<&Switch> {
        self.switch.as_ref().ok_or_else(|| io::Error::other("the detour has ended"))
    }

    fn port(&self, peer: Ipv4Addr) -> io::Result<usize> {
        let at = self.peers.iter().position(|&known| known == peer);
        at.map(|at| OWN + 1 + at).ok_or_else(|| io::Error::other(format!("no detour leads to {peer}")))
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        // Its ports close, which the sender hears.
        self.switch = None;
        if let Some(sender) = self.sender.take() {
            // A panic of that thread has been printed; here it must not become a second one.
            let _ = sender.join();
        }
    }
}

/// The longest packet that can be sent on to all of them that can be reached, bytes: one that is longer
/// would have to come in parts, which no raw socket makes.
fn longest_packet(peers: &[Ipv4Addr]) -> io::Result<i32> {
    let mut least = None;
    for &peer in peers {
        let flags = SockFlag::SOCK_CLOEXEC;
        let asked = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
        if connect(asked.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(peer, PROBE_PORT))).is_ok() {
            let mtu = getsockopt(&asked, sockopt::IpMtu)?;
            least = Some(least.map_or(mtu, |least: i32| least.min(mtu)));
        }
    }
    Ok(least.unwrap_or(USUAL_MTU).min(u16::MAX.into()))
}

/// Sends on what the switch hands out, until it ends.
fn send_on(from: &OwnedFd, raw: &OwnedFd, peers: &[Ipv4Addr]) {
    let mut frame = vec![0; MAX_FRAME];
    loop {
        let length = match recv(from.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            Ok(length @ 1..) => length,
            Err(nix::errno::Errno::EINTR) => continue,
            Ok(0) | Err(_) => return,
        };
        let frame = &mut frame[..length];
        sum_up(frame);
        let Some(packet) = frame.get(HEADER + ETHERNET..) else { continue };
        let Some(to) = packet.get(DESTINATION..DESTINATION + 4) else { continue };
        let to = Ipv4Addr::new(to[0], to[1], to[2], to[3]);
        if peers.contains(&to) {
            // What the host cannot send now is lost, as on any network.
            let _ = sendto(
                raw.as_raw_fd(),
                packet,
                &SockaddrIn::from(SocketAddrV4::new(to, 0)),
                MsgFlags::empty(),
            );
        }
    }
}

/// Makes the checksum that the host has left to its network card.
fn sum_up(frame: &mut [u8]) {
    let half = |at: usize| frame.get(at..at + 2).map(|two| usize::from(u16::from_ne_bytes([two[0], two[1]])));
    let (Some(start), Some(offset)) = (half(CSUM_START), half(CSUM_OFFSET)) else { return };
    let (start, place) = (HEADER + start, HEADER + start + offset);
    if frame[0] & NEEDS_CSUM != 0 && start < frame.len() && place + 2 <= frame.len() {
        let sum = internet_checksum(&frame[start..]);
        frame[place..place + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_made_where_it_is_asked_for_and_nothing_panics() {
        let mut frame = vec![0; HEADER + ETHERNET + 20 + 8];
        frame[0] = NEEDS_CSUM;
        frame[CSUM_START..CSUM_START + 2].copy_from_slice(&34_u16.to_ne_bytes());
        frame[CSUM_OFFSET..CSUM_OFFSET + 2].copy_from_slice(&6_u16.to_ne_bytes());
        frame.extend(b"payload");
        let before = frame.clone();
        sum_up(&mut frame);
        assert_ne!(frame, before);
        // Over data with a right checksum in it, the sum is 0, which is written as 0xffff.
        assert_eq!(internet_checksum(&frame[HEADER + 34..]), 0xffff);
        frame[0] = 0;
        let whole = frame.clone();
        sum_up(&mut frame);
        assert_eq!(frame, whole);
        for length in 0..before.len() {
            sum_up(&mut before.clone()[..length]);
        }
    }
}
