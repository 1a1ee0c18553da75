//! What the harness says while it works. Everything visible is a consumer of these events.

use crate::engine::Clock;
use crate::env::Link;
use crate::nemesis::fault::PlannedFault;
use duress_checkers::{Alarm, Kind, Op, Tally};
use duress_reports::artifact::{JournalEvent, NodeSeen};
use duress_targets::Node;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A run is about to begin.
    Planned(Planned<'a>),
    /// The cluster is healthy: from here on, times are those of this clock.
    Started(Clock),
    /// A part of the run begins; the text says what it does.
    Phase(Stage, &'a str),
    /// An operation was invoked.
    Invoked,
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
    /// These links are cut now, and no others.
    Links(&'a BTreeSet<Link>),
    /// A node is seen in a new state.
    Node(&'a NodeSeen),
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

/// A run, before it begins.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'a> {
    /// `etcd-register-kill-pause-partition`.
    pub name: &'a str,
    /// The seed.
    pub seed: u64,
    /// Where it is kept.
    pub dir: &'a Path,
    /// The nodes, by position.
    pub nodes: &'a [Node],
    /// Client threads.
    pub clients: usize,
    /// Length of the main part.
    pub time: Duration,
    /// The faults, by number, from 1.
    pub faults: &'a [PlannedFault],
    /// Time limit of the checkers.
    pub check_time: Duration,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Hosts and servers are made.
    SetUp,
    /// Under faults.
    Main,
    /// Nothing is to be broken any more.
    Heal,
    /// Every key is read once more.
    Final,
    /// The history is judged.
    Check,
}

/// Consumes events. Called from the engine's thread, from the nemesis, from the watch and from those who
/// look at the nodes: must not block.
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
