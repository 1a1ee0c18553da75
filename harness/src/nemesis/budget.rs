//! The fault budget: a majority of the nodes stays alive and connected.
//!
//! Counted when the schedule is made, not when a fault strikes, so that the schedule stays a
//! function of the seed. Who leads is not known then: a fault on the leader counts as one more
//! node, whoever it will be.

use super::fault::{Fault, PlannedFault, Shape, Victims};
use std::collections::BTreeSet;

/// How many nodes may be disrupted at once.
pub(super) struct Budget<'a> {
    names: &'a [String],
    most: usize,
}

/// The time there is for faults, in milliseconds.
pub(super) struct Room {
    /// Length of the run.
    pub(super) time_ms: u64,
    /// Quiet between a fault and one that had to wait for its end: clusters need a while to recover.
    pub(super) quiet_ms: u64,
    /// The shortest fault that is worth it.
    pub(super) min_fault_ms: u64,
}

/// Attempts to move one fault to a later time before it is left out.
const MAX_MOVES: usize = 100;

impl<'a> Budget<'a> {
    /// A minority, unless told otherwise.
    pub(super) fn new(names: &'a [String], allow_majority_loss: bool) -> Self {
        let most = if allow_majority_loss { names.len() } else { names.len().saturating_sub(1) / 2 };
        Self { names, most }
    }

    /// Makes a fault fit among those that are planned already: one that would take too many nodes
    /// loses victims, or is moved behind the one in its way; `None` at the end of the run.
    pub(super) fn place(
        &self,
        mut fault: PlannedFault,
        planned: &[PlannedFault],
        room: &Room,
    ) -> Option<PlannedFault> {
        // It only ever moves to later times: of a long schedule little is in its way.
        let concerns = |other: &&PlannedFault| other.settled_ms() > fault.at_ms || other.fault.spoils_data();
        let planned: Vec<PlannedFault> = planned.iter().filter(concerns).cloned().collect();
        for _ in 0..MAX_MOVES {
            fault.end_by(room.time_ms);
            if fault.for_ms < room.min_fault_ms {
                return None;
            }
            let clear = !planned.iter().any(|other| other.meets(&fault));
            if clear && let Some(fits) = self.shrink(&fault, &planned) {
                return Some(fits);
            }
            let in_the_way = planned
                .iter()
                .filter(|other| other.overlaps(&fault))
                .filter(|other| other.meets(&fault) || disruption(&other.fault, self.names).any());
            fault.at_ms = in_the_way.map(PlannedFault::settled_ms).min()? + room.quiet_ms;
        }
        None
    }

    /// Do the nodes that this fault and those in force take fit the budget?
    pub(super) fn leaves_room(&self, fault: &PlannedFault, planned: &[PlannedFault]) -> bool {
        let together = |felt: &dyn Fn(&PlannedFault) -> bool| {
            let mut taken = disruption(&fault.fault, self.names);
            for other in planned.iter().filter(|other| felt(other)) {
                taken.add(disruption(&other.fault, self.names));
            }
            // Whoever leads is one of them.
            taken.len().min(self.names.len())
        };
        // Data that is spoilt stays so, and a majority of nodes with such may have lost what it agreed
        // on: those count together however long ago they were.
        let spoilt = fault.fault.spoils_data().then(|| together(&|other| other.fault.spoils_data()));
        together(&|other| other.overlaps(fault)) <= self.most && spoilt.unwrap_or(0) <= self.most
    }

    /// The fault, with as many of its victims as the budget leaves; `None` when it leaves none.
    fn shrink(&self, fault: &PlannedFault, active: &[PlannedFault]) -> Option<PlannedFault> {
        let mut fault = fault.clone();
        self.spoil_again(&mut fault.fault, active);
        while !self.leaves_room(&fault, active) {
            if !lose_a_victim(&mut fault.fault) {
                return None;
            }
        }
        Some(fault)
    }

    /// Where no more nodes may have spoilt data, it is spoilt of those that have it already.
    fn spoil_again(&self, fault: &mut Fault, active: &[PlannedFault]) {
        let (Fault::DiskCorrupt { nodes: Victims::Named(names), .. }
        | Fault::StartWith { nodes: Victims::Named(names), .. }) = fault
        else {
            return;
        };
        let spoilt = active.iter().filter(|other| other.fault.spoils_data());
        let again: BTreeSet<String> =
            spoilt.filter_map(|other| other.fault.named()).flatten().cloned().collect();
        let others: Vec<String> = names.iter().filter(|name| !again.contains(*name)).cloned().collect();
        if again.len() + others.len() > self.most {
            let wanted = names.len();
            *names = again.into_iter().chain(others).take(wanted).collect();
        }
    }
}

/// Nodes that are taken, by name, and unnamed that are, whoever they are.
#[derive(Debug, Default)]
struct Disruption {
    nodes: BTreeSet<String>,
    /// Nodes that cannot be named before the fault strikes.
    unnamed: usize,
}

impl Disruption {
    fn len(&self) -> usize {
        self.nodes.len() + self.unnamed
    }

    fn any(&self) -> bool {
        self.len() > 0
    }

    fn add(&mut self, other: Self) {
        self.nodes.extend(other.nodes);
        self.unnamed += other.unnamed;
    }
}

fn disruption(fault: &Fault, names: &[String]) -> Disruption {
    let most = names.len().saturating_sub(1) / 2;
    let victims = |victims: &Victims| match victims {
        Victims::Leader | Victims::Follower => Disruption { nodes: BTreeSet::new(), unnamed: 1 },
        Victims::Named(names) => Disruption { nodes: names.iter().cloned().collect(), unnamed: 0 },
    };
    match fault {
        Fault::Packet { behavior, .. } if behavior.connects() => Disruption::default(),
        // The nodes do not notice.
        Fault::Client { .. } => Disruption::default(),
        // No protocol may rest on the time of day; on timeouts many do.
        Fault::Clock { clocks, .. } if !clocks.monotonic() => Disruption::default(),
        Fault::Disk { misdeed, .. } if misdeed.is_bearable() => Disruption::default(),
        Fault::Lifecycle { act, .. } if act.is_bearable() => Disruption::default(),
        Fault::Kill { nodes, .. }
        | Fault::Terminate { nodes, .. }
        | Fault::Pause { nodes }
        | Fault::CpuStarve { nodes, .. }
        | Fault::Packet { nodes, .. }
        | Fault::Clock { nodes, .. }
        | Fault::Disk { nodes, .. }
        | Fault::DiskPowerFailure { nodes, .. }
        | Fault::DiskCorrupt { nodes, .. }
        | Fault::StartWith { nodes, .. }
        | Fault::Lifecycle { nodes, .. }
        | Fault::Oom { nodes } => victims(nodes),
        Fault::Partition { shape, .. } => match shape {
            Shape::Isolate(nodes)
            | Shape::Deaf(nodes)
            | Shape::Mute(nodes)
            | Shape::Clients(nodes)
            | Shape::Everybody(nodes) => victims(nodes),
            // Everybody still hears a majority there, but a bare one: a node less, and nobody may.
            Shape::Bridge(_) | Shape::MajoritiesRing(_) => {
                Disruption { nodes: BTreeSet::new(), unnamed: most.max(1) }
            }
            Shape::Groups(_) => {
                let resolved = fault.resolve(names, 0);
                Disruption {
                    nodes: resolved.disrupted.iter().map(|&node| names[node].clone()).collect(),
                    unnamed: 0,
                }
            }
        },
    }
}

/// Takes the last of several victims out.
fn lose_a_victim(fault: &mut Fault) -> bool {
    match fault {
        Fault::Kill { nodes: Victims::Named(names), .. }
        | Fault::Terminate { nodes: Victims::Named(names), .. }
        | Fault::Pause { nodes: Victims::Named(names) }
        | Fault::CpuStarve { nodes: Victims::Named(names), .. }
        | Fault::Packet { nodes: Victims::Named(names), .. }
        | Fault::Clock { nodes: Victims::Named(names), .. }
        | Fault::Disk { nodes: Victims::Named(names), .. }
        | Fault::DiskPowerFailure { nodes: Victims::Named(names), .. }
        | Fault::DiskCorrupt { nodes: Victims::Named(names), .. }
        | Fault::Oom { nodes: Victims::Named(names) }
            if names.len() > 1 =>
        {
            names.pop();
            true
        }
        Fault::Lifecycle { nodes: Victims::Named(names), act } if names.len() > 1 && !act.restores() => {
            names.pop();
            true
        }
        _ => false,
    }
}
