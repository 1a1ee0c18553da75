//! The switch's thread: takes frames from ports, asks the link what becomes of them, hands them on.

use super::answer::refuse;
use super::capture::Capture;
use super::damage::damage;
use super::flows::{Epoch, Flows, Ticket};
use super::frame::{self, Destination, Packet};
use super::link::{Counter, PerLink, State, Subject, Taken};
use super::port::{HEADER, MAX_FRAME};
use super::rest::Rest;
use super::waiting::{Frame, Waiting};
use super::{Command, ProbeFate, Seen};
use crate::env::Link;
use crate::env::packet::Policies;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use nix::unistd::{read, write};
use std::collections::BTreeSet;
use std::os::fd::{AsFd as _, OwnedFd};
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
    /// Ports that may have frames: they were reported since they were last found empty.
    ready: BTreeSet<usize>,
    wake: Arc<EventFd>,
    commands: Receiver<Command>,
    probes: SyncSender<ProbeFate>,
    links: PerLink<State>,
    /// Changes of links so far.
    epoch: Epoch,
    waiting: Waiting,
    counters: Arc<PerLink<Counter>>,
    flows: Flows,
    /// Frames that each fault kept from crossing, for those who ask meanwhile.
    taken: Arc<Taken>,
    capture: Capture,
    rest: Rest,
    buffer: Vec<u8>,
}

impl Forwarder {
    pub(super) fn new(
        ports: Vec<OwnedFd>,
        wake: Arc<EventFd>,
        commands: Receiver<Command>,
        probes: SyncSender<ProbeFate>,
        (counters, taken): (Arc<PerLink<Counter>>, Arc<Taken>),
    ) -> nix::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (index, port) in ports.iter().enumerate() {
            // Reported when something arrives, not for as long as it is there: for that the kernel would ask
            // each port that we have just emptied once more, before every sleep.
            epoll.add(port, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, index as u64))?;
        }
        epoll.add(&*wake, EpollEvent::new(EpollFlags::EPOLLIN, COMMANDS))?;
        let waiting = Waiting::new()?;
        epoll.add(&waiting.timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        let now = Instant::now();
        let links = PerLink::perfect(ports.len(), now);
        Ok(Self {
            epoll,
            ports,
            ready: BTreeSet::new(),
            wake,
            commands,
            probes,
            links,
            epoch: 0,
            waiting,
            counters,
            flows: Flows::default(),
            taken,
            capture: Capture::new(),
            rest: Rest::new(now),
            buffer: vec![0; MAX_FRAME],
        })
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            let patience = if self.ready.is_empty() { EpollTimeout::NONE } else { EpollTimeout::ZERO };
            let reported = match self.epoll.wait(&mut events, patience) {
                Ok(reported) => reported,
                Err(Errno::EINTR) => continue,
                Err(error) => unreachable!("epoll on our own files: {error}"),
            };
            for event in &events[..reported] {
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
                    port => _ = self.ready.insert(port as usize),
                }
            }
            let served = std::mem::take(&mut self.ready);
            for &port in &served {
                if self.serve(port) == Left::Perhaps {
                    self.ready.insert(port);
                }
            }
            self.release();
            if !served.is_empty() && self.ready.is_empty() {
                self.rest.take([self.wake.as_fd(), self.waiting.timer.as_fd()]);
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
                Command::SetLinks { policies, done } => {
                    self.change(&policies);
                    // The asker gave up waiting: the change stands.
                    let _ = done.send(());
                }
                Command::Tell { hosts, done } => {
                    let seen = Seen { talks: self.flows.talks(), capture: self.capture.take(&hosts) };
                    let _ = done.send(seen);
                }
            }
        }
        Next::Go
    }

    fn change(&mut self, policies: &Policies) {
        let now = Instant::now();
        self.epoch += 1;
        self.links.set(policies, (now, self.epoch));
        for (frame, (fault, refused)) in self.waiting.settle(&self.links, now) {
            let bytes = &frame.bytes[HEADER..];
            let word = if refused { "refused" } else { "dropped" };
            let fate = format!("{word} by F{fault} while it waited");
            self.capture.keep(now, frame.link, bytes, Some(&fate));
            // What became of a probe was told when it came.
            if frame.counted {
                if refused && let Some(answer) = refuse(bytes, &frame::packet(bytes)) {
                    // Its sender sends it again, and is answered then.
                    let _ = write(&self.ports[frame.link.0], &answer);
                }
                self.counters.get(frame.link).drop_waiting();
                self.flows.take_back(frame.ticket, Some(fault), bytes.len());
                self.taken.add(fault);
            }
        }
        // Before anything newer: those that waited come first.
        self.release();
    }

    fn serve(&mut self, from: usize) -> Left {
        for _ in 0..BATCH {
            match read(&self.ports[from], &mut self.buffer) {
                Ok(length) => self.forward(from, length),
                Err(Errno::EINTR | Errno::ENETDOWN | Errno::ENOBUFS) => {}
                Err(Errno::EAGAIN) => return Left::Nothing,
                Err(_) => {
                    // The interface is gone (a root server can remove it). A dead file that
                    // stays in the set may be reported again and again, at real-time priority.
                    let _ = self.epoll.delete(&self.ports[from]);
                    return Left::Nothing;
                }
            }
        }
        Left::Perhaps
    }

    fn forward(&mut self, from: usize, length: usize) {
        let Some(frame) = self.buffer[..length].get(HEADER..) else { return };
        match frame::destination(frame) {
            Some(Destination::Port(to)) if to < self.ports.len() && to != from => {
                let packet = frame::packet(frame);
                let probe = frame::probe(frame, &packet);
                self.cross((from, to), length, &packet, probe);
            }
            Some(Destination::Everyone) => {
                let packet = frame::packet(frame);
                for to in (0..self.ports.len()).filter(|&to| to != from) {
                    self.cross((from, to), length, &packet, None);
                }
            }
            Some(Destination::Port(_)) | None => {}
        }
    }

    /// One frame at one link.
    fn cross(&mut self, link: Link, length: usize, packet: &Packet, probe: Option<u64>) {
        let now = Instant::now();
        let bytes = length - HEADER;
        let ticket = self.flows.note(link, packet, self.epoch);
        let subject = Subject { bytes, ports: packet.ports, begun: ticket.begun };
        let mut treatment = self.links.get_mut(link).judge(now, &subject);
        let damaged = treatment.damage.and_then(|how| {
            let mut copy = self.buffer[..length].to_vec();
            damage(&mut copy, how).then_some(copy)
        });
        treatment.effects.corrupted = damaged.is_some();
        if damaged.is_none() {
            treatment.by.retain(|(_, what)| *what != "corrupted");
        }
        let frame = &self.buffer[HEADER..length];
        if treatment.refused
            && let Some(answer) = refuse(frame, packet)
        {
            treatment.effects.refused = write(&self.ports[link.0], &answer).is_ok();
        }
        self.capture.keep(now, link, frame, treatment.told().as_deref());
        let effects = treatment.effects;
        match probe {
            // Nobody waits when the queue is full: a prober takes its answers.
            Some(nonce) => _ = self.probes.try_send(ProbeFate { link, nonce, effects }),
            None => {
                self.counters.get(link).add(effects);
                match treatment.taker {
                    Some((fault, _)) => {
                        self.flows.take(ticket, Some(fault), bytes);
                        self.taken.add(fault);
                    }
                    None => self.flows.pass(ticket, bytes),
                }
            }
        }
        if treatment.taker.is_some() {
            return;
        }
        let whole = damaged.as_deref().unwrap_or(&self.buffer[..length]);
        for copy in 0..=u8::from(effects.duplicated) {
            let counted = copy == 0 && probe.is_none();
            let sent = match treatment.due {
                None if !effects.held => write(&self.ports[link.1], whole).is_ok(),
                due => {
                    let due = due.unwrap_or(now);
                    let frame = Frame { due, number: 0, link, ticket, counted, bytes: whole.to_vec() };
                    self.waiting.push(frame, effects.held)
                }
            };
            if !sent {
                miss((&self.counters, &mut self.flows), link, counted.then_some(ticket), bytes);
            }
        }
    }

    /// Hands on what is due by now.
    fn release(&mut self) {
        let now = Instant::now();
        while let Some(Frame { link, bytes, ticket, counted, .. }) = self.waiting.pop(now) {
            if write(&self.ports[link.1], &bytes).is_err() {
                let counts = (&*self.counters, &mut self.flows);
                miss(counts, link, counted.then_some(ticket), bytes.len() - HEADER);
            }
        }
        self.waiting.arm(now);
    }
}

/// A frame that should have passed, but there was no room for it.
fn miss(
    (counters, flows): (&PerLink<Counter>, &mut Flows),
    link: Link,
    counted: Option<Ticket>,
    bytes: usize,
) {
    counters.get(link).add_overrun();
    if let Some(ticket) = counted {
        flows.take_back(ticket, None, bytes);
    }
}

/// What a port still has after a batch.
#[derive(PartialEq, Eq)]
enum Left {
    Nothing,
    Perhaps,
}

#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}
