//! What the harness says while it works. Everything visible is a consumer of these events.

use duress_checkers::{Alarm, Kind, Op, Tally};
use duress_reports::artifact::JournalEvent;
use std::time::Duration;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A part of the run begins; the text says what it does.
    Phase(&'a str),
    /// An operation completed.
    Completed {
        /// The completion.
        op: &'a Op,
        /// Since its invocation.
        latency: Duration,
    },
    /// A fault changed its state.
    Fault {
        /// Counted from 1.
        id: u32,
        /// Nanoseconds since the start of the run.
        time: u64,
        /// What happened.
        event: &'a JournalEvent,
    },
    /// A violation shows, while the run goes on.
    Alarm(&'a Alarm),
    /// How far the watch for violations is.
    Watched {
        /// Operations it has not looked at yet.
        behind: u64,
        /// What it has found.
        tally: &'a Tally,
    },
    /// Something the user should know.
    Note(&'a str),
}

/// Consumes events. Called from the engine's thread, from the nemesis and from the watch: must not block.
pub trait Listener: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event<'_>);
}

/// How many operations ended which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Happened.
    pub ok: u64,
    /// Did not.
    pub fail: u64,
    /// In doubt.
    pub info: u64,
}

impl Counts {
    /// Counts one completion.
    pub fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Ok => self.ok += 1,
            Kind::Fail => self.fail += 1,
            Kind::Info => self.info += 1,
            Kind::Invoke => {}
        }
    }
}
