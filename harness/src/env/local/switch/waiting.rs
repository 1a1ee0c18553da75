//! Frames that are not due yet, and those that a link holds back.

use super::flows::Ticket;
use super::frame;
use super::link::{PerLink, State, Subject};
use super::port::HEADER;
use crate::env::Link;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

/// Most that may wait, bytes; what comes on top is lost. A gigabit for half a second.
const MAX_BYTES: usize = 64 << 20;

/// The shortest time to set a timer to: zero would switch it off.
const SOON: Duration = Duration::from_nanos(1);

/// A frame that waits.
pub(super) struct Frame {
    pub(super) due: Instant,
    /// Breaks ties, as it is given when it begins to wait: what came first goes first.
    pub(super) number: u64,
    pub(super) link: Link,
    /// Whose it is.
    pub(super) ticket: Ticket,
    /// It is in the counts: no probe, and no second copy.
    pub(super) counted: bool,
    pub(super) bytes: Vec<u8>,
}

impl Frame {
    /// The fault whose cut is now for it, and whether it refuses.
    fn cut(&self, state: &State) -> Option<(u32, bool)> {
        let frame = self.bytes.get(HEADER..).unwrap_or_default();
        let subject =
            Subject { bytes: frame.len(), ports: frame::packet(frame).ports, begun: self.ticket.begun };
        state.cut(&subject)
    }
}

/// All that wait.
pub(super) struct Waiting {
    pub(super) timer: TimerFd,
    delayed: BinaryHeap<Frame>,
    held: BTreeMap<Link, Vec<Frame>>,
    bytes: usize,
    next: u64,
}

impl Waiting {
    pub(super) fn new() -> nix::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Self {
            timer: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?,
            delayed: BinaryHeap::new(),
            held: BTreeMap::new(),
            bytes: 0,
            next: 0,
        })
    }

    /// Keeps a frame until it is due, or until its link lets go. False: there is no room.
    pub(super) fn push(&mut self, mut frame: Frame, held: bool) -> bool {
        if self.bytes + frame.bytes.len() > MAX_BYTES {
            return false;
        }
        self.bytes += frame.bytes.len();
        self.next += 1;
        frame.number = self.next;
        if held {
            self.held.entry(frame.link).or_default().push(frame);
        } else {
            self.delayed.push(frame);
        }
        true
    }

    /// The next frame that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Frame> {
        if self.delayed.peek()?.due > now {
            return None;
        }
        let frame = self.delayed.pop()?;
        self.bytes -= frame.bytes.len();
        Some(frame)
    }

    /// Sets the timer to the next frame.
    pub(super) fn arm(&self, now: Instant) {
        if let Some(next) = self.delayed.peek() {
            let wait = next.due.saturating_duration_since(now).max(SOON);
            let at = Expiration::OneShot(TimeSpec::from_duration(wait));
            // Cannot fail with a valid timer and time.
            let _ = self.timer.set(at, TimerSetTimeFlags::empty());
        }
    }

    /// After a change of policies: takes out what a cut is now for, and makes due what waits for a link
    /// that no longer makes anybody wait. Returns those taken out, each with the fault and whether it
    /// refuses.
    pub(super) fn settle(&mut self, links: &PerLink<State>, now: Instant) -> Vec<(Frame, (u32, bool))> {
        let mut taken = Vec::new();
        for mut frame in std::mem::take(&mut self.delayed) {
            let link = links.get(frame.link);
            if let Some(cut) = frame.cut(link) {
                self.bytes -= frame.bytes.len();
                taken.push((frame, cut));
                continue;
            }
            if !link.delays() {
                frame.due = frame.due.min(now);
            }
            self.delayed.push(frame);
        }
        for (link, frames) in std::mem::take(&mut self.held) {
            let state = links.get(link);
            for mut frame in frames {
                if let Some(cut) = frame.cut(state) {
                    self.bytes -= frame.bytes.len();
                    taken.push((frame, cut));
                } else if state.holds() {
                    self.held.entry(link).or_default().push(frame);
                } else {
                    frame.due = frame.due.min(now);
                    self.delayed.push(frame);
                }
            }
        }
        taken
    }
}

/// The greatest comes first out of a heap: the earliest is the greatest.
impl Ord for Frame {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl PartialOrd for Frame {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Frame {}
