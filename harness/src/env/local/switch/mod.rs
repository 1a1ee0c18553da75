//! The cluster's network: an Ethernet switch in user space, one thread, which decides the fate
//! of every frame per directed link.
//!
//! A switch in the kernel would need `tc`, `nft` or their netlink dialects, and could neither
//! change all links at one instant nor say why a frame was dropped. It knows ports, not nodes:
//! which port is whose, and what to cut, is told by its owner.

mod answer;
mod capture;
mod damage;
pub(super) mod flows;
mod forward;
pub(super) mod frame;
mod link;
pub(super) mod port;
mod rest;
mod veth;
mod waiting;

use crate::env::Link;
use crate::env::packet::{Effects, Policies, Traffic};
use flows::Talk;
use forward::Forwarder;
use link::{Counter, PerLink, Taken};
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Real-time priority of the switch's thread: any is above all ordinary threads, and without it
/// a busy machine adds milliseconds of latency that nobody asked for.
pub(super) const PRIORITY: i32 = 10;

/// Longest wait for the thread to obey. It takes tens of microseconds.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// Commands under way. Callers wait for their answers, so there is one per calling thread.
const COMMAND_QUEUE: usize = 16;

/// Answers about probes that nobody has taken yet.
const PROBE_QUEUE: usize = 64;

/// A running switch. Stops when dropped.
pub(super) struct Switch {
    commands: SyncSender<Command>,
    wake: Arc<EventFd>,
    counters: Arc<PerLink<Counter>>,
    taken: Arc<Taken>,
    thread: Option<JoinHandle<()>>,
    realtime: Result<(), Errno>,
}

/// What is asked of the switch's thread.
enum Command {
    SetLinks { policies: Policies, done: SyncSender<()> },
    Tell { hosts: Vec<String>, done: SyncSender<Seen> },
    Stop,
}

/// What the switch has seen.
pub(super) struct Seen {
    /// Who talked to whom.
    pub(super) talks: Vec<Talk>,
    /// The last frames, as a file of pcapng.
    pub(super) capture: Vec<u8>,
}

/// What became of a probe.
pub(super) struct ProbeFate {
    pub(super) link: Link,
    pub(super) nonce: u64,
    pub(super) effects: Effects,
}

impl Switch {
    /// Starts to forward between these ports. The receiver tells the fates of probes.
    pub(super) fn start(ports: Vec<OwnedFd>) -> io::Result<(Self, Receiver<ProbeFate>)> {
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let counters = Arc::new(PerLink::zero(ports.len()));
        let taken = Arc::<Taken>::default();
        let counts = (Arc::clone(&counters), Arc::clone(&taken));
        let (commands, receive_commands) = sync_channel(COMMAND_QUEUE);
        let (send_probes, probes) = sync_channel(PROBE_QUEUE);
        let (send_realtime, realtime) = sync_channel(1);
        let forwarder = Forwarder::new(ports, Arc::clone(&wake), receive_commands, send_probes, counts)?;
        let thread = std::thread::Builder::new().name("switch".into()).spawn(move || {
            let _ = send_realtime.send(super::realtime::enter(PRIORITY));
            forwarder.run();
        })?;
        let realtime = realtime.recv().unwrap_or(Err(Errno::ECANCELED));
        Ok((Self { commands, wake, counters, taken, thread: Some(thread), realtime }, probes))
    }

    /// Replaces all policies. When this returns, frames read later are judged by the new ones: none
    /// that is sent later crosses a cut, and those that wait at a port when it is lifted do. Of those
    /// that the switch itself let wait, the ones on a cut link are dropped, and the ones on a link
    /// that no longer delays or holds are handed on.
    pub(super) fn set_links(&self, policies: Policies) -> Result<(), Stopped> {
        let (done, wait) = sync_channel(1);
        self.command(Command::SetLinks { policies, done })?;
        wait.recv_timeout(COMMAND_TIMEOUT).map_err(|_| Stopped)
    }

    /// What it has seen so far, and for the capture, since it was last asked. `hosts` are the names of
    /// those at the ports.
    pub(super) fn tell(&self, hosts: Vec<String>) -> Result<Seen, Stopped> {
        let (done, wait) = sync_channel(1);
        self.command(Command::Tell { hosts, done })?;
        wait.recv_timeout(COMMAND_TIMEOUT).map_err(|_| Stopped)
    }

    /// What a link did so far, probes not counted.
    pub(super) fn traffic(&self, link: Link) -> Traffic {
        self.counters.get(link).traffic()
    }

    /// Frames that a fault kept from crossing so far, probes not counted.
    pub(super) fn taken(&self, fault: u32) -> u64 {
        self.taken.by(fault)
    }

    /// Frames that there was no room for, over all links: loss that nobody asked for.
    pub(super) fn overruns(&self) -> u64 {
        self.counters.overruns()
    }

    /// Did the thread get its real-time priority?
    pub(super) fn realtime(&self) -> Result<(), Errno> {
        self.realtime
    }

    fn command(&self, command: Command) -> Result<(), Stopped> {
        self.commands.send(command).map_err(|_| Stopped)?;
        self.wake.write(1).map_err(|_| Stopped)?;
        Ok(())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let told = self.command(Command::Stop);
        if let (Ok(()), Some(thread)) = (told, self.thread.take()) {
            // A panic of that thread has been printed; here it must not become a second one.
            let _ = thread.join();
        }
    }
}

/// The switch's thread does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the switch does not answer")]
pub(super) struct Stopped;
