//! The kinds of faults that `--faults` knows, and how one of each is drawn.
//!
//! Not here: when they strike, and how many at once; see [`super::schedule`].

mod draw;
mod kinds;

pub(super) use draw::Draw;
pub use kinds::FAULTS;

use super::fault::{Fault, PlannedFault, Shape, Victims};
use super::trigger::{Happening, Trigger};
use crate::env::Whom;
use crate::env::cut::Cut;
use crate::failure::Failure;
use duress_targets::nearest;

/// A kind of fault as given to `--faults`: the single source for `duress list faults`.
pub struct FaultEntry {
    /// As given to `--faults`.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// Fewest nodes that it makes sense for.
    pub min_nodes: usize,
    /// It is none if it leaves a majority alone.
    pub takes_majority: bool,
    /// It is about one of the ports that servers listen on.
    pub needs_ports: bool,
    /// Only a file system of our own can do it.
    pub needs_own_disk: bool,
    pub(super) make: fn(&mut Draw<'_>) -> Fault,
    /// What it waits for.
    awaits: Option<fn(&mut Draw<'_>, &Fault) -> Happening>,
    rhythm: Rhythm,
}

/// What happens between the beginning and the end of a planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rhythm {
    /// It is in force.
    Steady,
    /// It is in force again and again: so many milliseconds, and so many not.
    Pulses { on_ms: u64, off_ms: u64 },
    /// One victim after the other: each for so many milliseconds, and so many for it to recover.
    Rolling { on_ms: u64, off_ms: u64 },
    /// The same, and never again.
    Once { on_ms: u64, off_ms: u64 },
}

/// The group of what operators do.
const LIFECYCLE: [&str; 5] = ["member-remove", "member-replace", "leader-transfer", "defragment", "compact"];

const fn entry(
    name: &'static str,
    doc: &'static str,
    min_nodes: usize,
    make: fn(&mut Draw<'_>) -> Fault,
) -> FaultEntry {
    FaultEntry {
        name,
        doc,
        min_nodes,
        takes_majority: false,
        needs_ports: false,
        needs_own_disk: false,
        make,
        awaits: None,
        rhythm: Rhythm::Steady,
    }
}

impl FaultEntry {
    const fn in_rhythm(mut self, rhythm: Rhythm) -> Self {
        self.rhythm = rhythm;
        self
    }

    const fn on(mut self, awaits: fn(&mut Draw<'_>, &Fault) -> Happening) -> Self {
        self.awaits = Some(awaits);
        self
    }

    const fn about_a_port(mut self) -> Self {
        self.needs_ports = true;
        self
    }

    const fn on_own_disks(mut self) -> Self {
        self.needs_own_disk = true;
        self
    }

    const fn taking_the_majority(mut self) -> Self {
        self.takes_majority = true;
        self
    }

    /// Is there one of this kind at most?
    pub(super) fn is_unique(&self) -> bool {
        matches!(self.rhythm, Rhythm::Once { .. })
    }

    /// One of this kind, in this time. What it waits for may take half of it.
    pub(super) fn draw(&self, at_ms: u64, for_ms: u64, draw: &mut Draw<'_>) -> PlannedFault {
        let fault = (self.make)(draw);
        let within_ms = for_ms / 2;
        let on = self.awaits.map(|awaits| Trigger { within_ms, event: awaits(draw, &fault) });
        let for_ms = if on.is_some() { for_ms - within_ms } else { for_ms };
        PlannedFault { at_ms, for_ms, on, fault }
    }

    /// The faults that a planned one of this kind is made of, by time. A rolling restart takes as long
    /// as it takes.
    pub(super) fn pieces(&self, whole: PlannedFault) -> Vec<PlannedFault> {
        let (on_ms, off_ms) = match self.rhythm {
            Rhythm::Steady => return vec![whole],
            Rhythm::Pulses { on_ms, off_ms }
            | Rhythm::Rolling { on_ms, off_ms }
            | Rhythm::Once { on_ms, off_ms } => (on_ms, off_ms),
        };
        let piece = |n: u64, fault| PlannedFault {
            at_ms: whole.at_ms + n * (on_ms + off_ms),
            for_ms: on_ms,
            on: None,
            fault,
        };
        match (&whole.fault, self.rhythm) {
            (Fault::Terminate { nodes: Victims::Named(names), .. }, Rhythm::Rolling { .. }) => {
                (0..).zip(names).map(|(n, name)| piece(n, terminate(Victims::one(name)))).collect()
            }
            (Fault::Lifecycle { nodes: Victims::Named(names), act }, Rhythm::Once { .. }) => (0..)
                .zip(names)
                .map(|(n, name)| piece(n, Fault::Lifecycle { nodes: Victims::one(name), act: *act }))
                .collect(),
            (fault, _) => {
                let pulses = (whole.for_ms / (on_ms + off_ms)).max(1);
                (0..pulses).map(|n| piece(n, fault.clone())).collect()
            }
        }
    }
}

const SILENT: &str = "packet-corrupt-silent";

/// Never drawn for a group: no server has to survive them, or they need what slows down the others.
const ASKED_FOR_ONLY: [&str; 5] = [SILENT, "disk-lies", "disk-short-read", "disk-bit-flip", "disk-corrupt"];

/// Faults asked for by default, where there are nodes enough.
pub const DEFAULT_FAULTS: [&str; 3] = ["kill", "pause", "partition"];

/// Those of [`DEFAULT_FAULTS`] that so many nodes can have.
pub fn default_faults(nodes: usize) -> Vec<String> {
    let can_have = |entry: &&FaultEntry| DEFAULT_FAULTS.contains(&entry.name) && entry.min_nodes <= nodes;
    FAULTS.iter().filter(can_have).map(|entry| entry.name.to_owned()).collect()
}

/// The entry of a name.
///
/// # Errors
/// When there is none.
pub fn find(name: &str) -> Result<&'static FaultEntry, Failure> {
    FAULTS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let fix = choose(name);
        Failure::usage(format!("--faults {name}"), "there is no such fault", fix)
    })
}

/// What to do about a name that none has.
pub fn choose(name: &str) -> String {
    let known: Vec<&str> = FAULTS.iter().map(|entry| entry.name).collect();
    nearest::choose(name, &known, "`duress list faults`, or `none`")
}

fn kill(nodes: Victims) -> Fault {
    Fault::Kill { nodes, whom: Whom::Tree }
}

fn terminate(nodes: Victims) -> Fault {
    Fault::Terminate { nodes, whom: Whom::Tree }
}

fn partition(shape: Shape) -> Fault {
    cut(shape, Cut::default())
}

fn cut(shape: Shape, cut: Cut) -> Fault {
    Fault::Partition { shape, cut }
}
