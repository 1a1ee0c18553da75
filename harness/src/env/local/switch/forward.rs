//! The switch's thread: takes frames from ports, asks the link's policy, hands them on.

use super::frame::{self, Destination};
use super::link::{Counter, Fate, PerLink, Policy};
use super::port::{HEADER, MAX_FRAME};
use super::{Command, ProbeFate};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use nix::unistd::{read, write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

/// Frames taken from one port before the others and the commands get their turn.
const BATCH: usize = 64;

/// Files looked at per wake-up. What does not fit is ready at the next one.
const EVENTS: usize = 64;

/// The epoll token of the command file; ports have their number.
const COMMANDS: u64 = u64::MAX;

/// All that the thread owns.
pub(super) struct Forwarder {
    epoll: Epoll,
    ports: Vec<OwnedFd>,
    wake: Arc<EventFd>,
    commands: Receiver<Command>,
    probes: SyncSender<ProbeFate>,
    policies: PerLink<Policy>,
    counters: Arc<PerLink<Counter>>,
    buffer: Vec<u8>,
}

impl Forwarder {
    pub(super) fn new(
        ports: Vec<OwnedFd>,
        wake: Arc<EventFd>,
        commands: Receiver<Command>,
        probes: SyncSender<ProbeFate>,
        counters: Arc<PerLink<Counter>>,
    ) -> nix::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (index, port) in ports.iter().enumerate() {
            epoll.add(port, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        }
        epoll.add(&*wake, EpollEvent::new(EpollFlags::EPOLLIN, COMMANDS))?;
        let policies = PerLink::new(ports.len());
        Ok(Self { epoll, ports, wake, commands, probes, policies, counters, buffer: vec![0; MAX_FRAME] })
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(error) => unreachable!("epoll on our own files: {error}"),
            };
            for event in &events[..ready] {
                match event.data() {
                    COMMANDS => {
                        if self.obey() == Next::Stop {
                            return;
                        }
                    }
                    port => self.serve(port as usize),
                }
            }
        }
    }

    /// Carries out what has been asked for. The answer is sent after the change, by the thread
    /// that forwards: no frame read after it is judged by the old policy.
    fn obey(&mut self) -> Next {
        // Cannot fail in a way that matters: the counter only wakes us up.
        let _ = self.wake.read();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => return Next::Stop,
                Command::SetCuts { cuts, done } => {
                    self.policies = PerLink::with_cuts(self.ports.len(), &cuts);
                    // The asker gave up waiting: the change stands.
                    let _ = done.send(());
                }
            }
        }
        Next::Go
    }

    fn serve(&mut self, from: usize) {
        for _ in 0..BATCH {
            match read(&self.ports[from], &mut self.buffer) {
                Ok(length) => self.forward(from, length),
                Err(Errno::EINTR | Errno::ENETDOWN | Errno::ENOBUFS) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => {
                    // The interface is gone (a root server can remove it). A dead file that
                    // stays in the set would be reported for ever, at real-time priority.
                    let _ = self.epoll.delete(&self.ports[from]);
                    return;
                }
            }
        }
    }

    fn forward(&mut self, from: usize, length: usize) {
        let Some(frame) = self.buffer[..length].get(HEADER..) else { return };
        let probe = frame::probe(frame);
        match frame::destination(frame) {
            Some(Destination::Port(to)) if to < self.ports.len() && to != from => {
                self.cross(from, to, length, probe);
            }
            Some(Destination::Everyone) => {
                for to in (0..self.ports.len()).filter(|&to| to != from) {
                    self.cross(from, to, length, None);
                }
            }
            Some(Destination::Port(_)) | None => {}
        }
    }

    /// One frame at one link.
    fn cross(&self, from: usize, to: usize, length: usize, probe: Option<u64>) {
        let counter = self.counters.get((from, to));
        let fate = self.policies.get((from, to)).judge();
        match probe {
            // Nobody waits when the queue is full: a prober takes its answers.
            Some(nonce) => _ = self.probes.try_send(ProbeFate { link: (from, to), nonce, fate }),
            None => counter.add(fate),
        }
        if fate == Fate::Pass && write(&self.ports[to], &self.buffer[..length]).is_err() {
            counter.add_overrun();
        }
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}
