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

/// Attempts to move one fault to a later time before it is left out.
const MAX_MOVES: usize = 100;

impl<'a> Budget<'a> {
    /// A minority, unless told otherwise.
    pub(super) fn new(names: &'a [String], allow_majority_loss: bool) -> Self {
        let most = if allow_majority_loss { names.len() } else { names.len().saturating_sub(1) / 2 };
        Self { names, most }
    }

    /// Makes a schedule fit: a fault that would take too many nodes loses victims, or is moved
    /// behind the one that is in its way, or, at the end of the run, is left out.
    pub(super) fn fit(
        &self,
        planned: Vec<PlannedFault>,
        time_ms: u64,
        min_fault_ms: u64,
    ) -> Vec<PlannedFault> {
        let mut fitted: Vec<PlannedFault> = Vec::new();
        for mut fault in planned {
            for _ in 0..MAX_MOVES {
                let clear = !fitted.iter().any(|other| overlap(other, &fault) && collide(other, &fault));
                if clear && let Some(fits) = self.shrink(&fault, &fitted) {
                    fitted.push(fits);
                    break;
                }
                let behind = fitted
                    .iter()
                    .filter(|other| overlap(other, &fault) && disruption(&other.fault, self.names).any())
                    .map(PlannedFault::end_ms)
                    .min();
                let Some(at_ms) = behind else { break };
                fault.at_ms = at_ms;
                fault.for_ms = fault.for_ms.min(time_ms.saturating_sub(at_ms));
                if fault.for_ms < min_fault_ms {
                    break;
                }
            }
        }
        fitted.sort_by_key(|fault| (fault.at_ms, fault.for_ms));
        fitted
    }

    /// The fault, with as many of its victims as the budget leaves; `None` when it leaves none.
    fn shrink(&self, fault: &PlannedFault, active: &[PlannedFault]) -> Option<PlannedFault> {
        let mut taken = Disruption::default();
        for other in active.iter().filter(|other| overlap(other, fault)) {
            taken.add(disruption(&other.fault, self.names));
        }
        let mut fault = fault.clone();
        loop {
            let mut sum = taken.clone();
            sum.add(disruption(&fault.fault, self.names));
            if sum.len() <= self.most {
                return Some(fault);
            }
            if !lose_a_victim(&mut fault.fault) {
                return None;
            }
        }
    }
}

/// Nodes that are taken, by name, and leaders that are, whoever they are.
#[derive(Clone, Debug, Default)]
struct Disruption {
    nodes: BTreeSet<String>,
    leaders: usize,
}

impl Disruption {
    fn len(&self) -> usize {
        self.nodes.len() + self.leaders
    }

    fn any(&self) -> bool {
        self.len() > 0
    }

    fn add(&mut self, other: Self) {
        self.nodes.extend(other.nodes);
        self.leaders += other.leaders;
    }
}

fn disruption(fault: &Fault, names: &[String]) -> Disruption {
    let victims = |victims: &Victims| match victims {
        Victims::Leader => Disruption { nodes: BTreeSet::new(), leaders: 1 },
        Victims::Named(names) => Disruption { nodes: names.iter().cloned().collect(), leaders: 0 },
    };
    match fault {
        Fault::Kill { nodes } | Fault::Terminate { nodes } | Fault::Pause { nodes } => victims(nodes),
        Fault::Partition { shape } => match shape {
            Shape::Isolate(nodes) | Shape::Deaf(nodes) | Shape::Mute(nodes) => victims(nodes),
            // Everybody still hears a majority there; but a node less, and somebody may not.
            // The nodes next to the cut count as one, as if it were a leader's isolation.
            Shape::Bridge(_) | Shape::MajoritiesRing(_) => Disruption { nodes: BTreeSet::new(), leaders: 1 },
            Shape::Groups(_) => {
                let resolved = fault.resolve(names, 0);
                Disruption {
                    nodes: resolved.disrupted.iter().map(|&node| names[node].clone()).collect(),
                    leaders: 0,
                }
            }
        },
    }
}

/// Takes the last of several victims out.
fn lose_a_victim(fault: &mut Fault) -> bool {
    match fault {
        Fault::Kill { nodes: Victims::Named(names) }
        | Fault::Terminate { nodes: Victims::Named(names) }
        | Fault::Pause { nodes: Victims::Named(names) }
            if names.len() > 1 =>
        {
            names.pop();
            true
        }
        _ => false,
    }
}

/// Do both end or stop processes of the same node? The second would find nothing to break.
fn collide(a: &PlannedFault, b: &PlannedFault) -> bool {
    let process = |fault: &Fault| !matches!(fault, Fault::Partition { .. });
    let (Some(ours), Some(theirs)) = (a.fault.named(), b.fault.named()) else {
        // The same leader could be meant twice; once it is gone, another one leads, if any.
        return process(&a.fault)
            && process(&b.fault)
            && a.fault.named().is_none()
            && b.fault.named().is_none();
    };
    process(&a.fault) && process(&b.fault) && ours.iter().any(|name| theirs.contains(name))
}

fn overlap(a: &PlannedFault, b: &PlannedFault) -> bool {
    a.at_ms < b.end_ms() && b.at_ms < a.end_ms()
}
