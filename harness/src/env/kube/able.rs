//! What can be done to pods, and what not.

use crate::env::EnvError;
use crate::env::cut::Connections;
use crate::nemesis::fault::{Fault, PlannedFault};
use crate::nemesis::trigger::Trigger;

/// The first of these faults that cannot be done to pods, and why.
pub fn refusal(schedule: &[PlannedFault]) -> Option<(&'static str, &'static str)> {
    schedule.iter().find_map(|planned| Some((planned.fault.kind(), beyond(planned)?)))
}

fn beyond(PlannedFault { fault, on, .. }: &PlannedFault) -> Option<&'static str> {
    if on.as_ref().is_some_and(Trigger::needs_processes) {
        return Some("system calls and logs of pods are not watched");
    }
    match fault {
        Fault::Kill { .. } | Fault::Terminate { .. } | Fault::Pause { .. } => None,
        Fault::Partition { cut, .. } if cut.connections != Connections::All => {
            Some("rules in pods do not tell when a connection began")
        }
        Fault::Partition { .. } | Fault::Client { .. } => None,
        _ => Some("in pods, processes are ended and held and links are cut, and nothing else"),
    }
}

/// A fault that no pod can have.
pub(super) fn cannot(what: &str) -> EnvError {
    EnvError::Unable {
        what: what.to_owned(),
        why: "that is not done to pods".to_owned(),
        fix: "leave it out, or run on this machine: without --on".to_owned(),
    }
}
