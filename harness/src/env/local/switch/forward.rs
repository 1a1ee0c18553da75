//! The switch's thread: takes frames from ports, asks the link what becomes of them, hands them on.

use super::damage::damage;
use super::frame::{self, Destination};
use super::link::{Counter, PerLink, State, Treatment};
use super::port::{HEADER, MAX_FRAME};
use super::waiting::{Frame, Waiting};
use super::{Command, ProbeFate};
use crate::env::Link;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use nix::unistd::{read, write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

/// Frames taken from one port before the others and the commands get their turn.
const BATCH: usize = 64;

/// Files looked at per wake-up. What does not fit is ready at the next one.
const EVENTS: usize = 64;

/// The epoll tokens of the command file and of the timer; ports have their number.
const COMMANDS: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;

/// All that the thread owns.
pub(super) struct Forwarder {
    epoll: Epoll,
    ports: Vec<OwnedFd>,
    wake: Arc<EventFd>,
    commands: Receiver<Command>,
    probes: SyncSender<ProbeFate>,
    links: PerLink<State>,
    waiting: Waiting,
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
        let waiting = Waiting::new()?;
        epoll.add(&waiting.timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        let links = PerLink::perfect(ports.len(), Instant::now());
        let buffer = vec![0; MAX_FRAME];
        Ok(Self { epoll, ports, wake, commands, probes, links, waiting, counters, buffer })
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
                    TIMER => {
                        // Only wakes us up.
                        let _ = self.waiting.timer.wait();
                    }
                    port => self.serve(port as usize),
                }
            }
            self.release();
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
                Command::SetLinks { policies, done } => {
                    let now = Instant::now();
                    self.links.set(&policies, now);
                    for link in self.waiting.settle(&self.links, now) {
                        self.counters.get(link).drop_waiting();
                    }
                    // Before anything newer: those that waited come first.
                    self.release();
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
    fn cross(&mut self, from: usize, to: usize, length: usize, probe: Option<u64>) {
        let link = (from, to);
        let now = Instant::now();
        let mut treatment = self.links.get_mut(link).judge(now, length - HEADER);
        let damaged = treatment.damage.and_then(|how| {
            let mut copy = self.buffer[..length].to_vec();
            damage(&mut copy, how).then_some(copy)
        });
        treatment.effects.corrupted = damaged.is_some();
        let effects = treatment.effects;
        match probe {
            // Nobody waits when the queue is full: a prober takes its answers.
            Some(nonce) => _ = self.probes.try_send(ProbeFate { link, nonce, effects }),
            None => self.counters.get(link).add(effects),
        }
        if effects.dropped || effects.lost {
            return;
        }
        let frame = damaged.as_deref().unwrap_or(&self.buffer[..length]);
        for _ in 0..=u8::from(effects.duplicated) {
            let sent = hand_on(&self.ports[to], &mut self.waiting, link, &treatment, now, frame);
            if !sent {
                self.counters.get(link).add_overrun();
            }
        }
    }

    /// Hands on what is due by now.
    fn release(&mut self) {
        let now = Instant::now();
        while let Some(Frame { link, bytes, .. }) = self.waiting.pop(now) {
            if write(&self.ports[link.1], &bytes).is_err() {
                self.counters.get(link).add_overrun();
            }
        }
        self.waiting.arm(now);
    }
}

/// Writes a frame, or lets it wait. False: there is no room.
fn hand_on(
    port: &OwnedFd,
    waiting: &mut Waiting,
    link: Link,
    treatment: &Treatment,
    now: Instant,
    frame: &[u8],
) -> bool {
    match treatment.due {
        None if !treatment.effects.held => write(port, frame).is_ok(),
        due => waiting.push(link, due.unwrap_or(now), treatment.effects.held, frame),
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}
