//! What hosts can do, and what nobody can do to them yet.

use super::Wants;
use super::capability::{Ability, Capability};
use crate::env::EnvError;
use crate::env::cut::Connections;
use crate::nemesis::fault::{Fault, PlannedFault};
use crate::nemesis::trigger::Trigger;

/// What a user can do about it.
const FIX: &str = "leave it out, or run on this machine: without --on";

/// What these faults will ask of hosts.
pub fn wants(schedule: &[PlannedFault]) -> Wants {
    let mut wants = Wants::default();
    for PlannedFault { fault, .. } in schedule {
        wants.clocks |= fault.needs_clocks();
        if let Fault::Partition { cut, .. } = fault {
            wants.cuts = true;
            wants.rejects |= cut.reject;
        }
    }
    wants
}

/// The first of these faults that cannot be done to hosts reached by an agent, and why.
pub fn refusal(schedule: &[PlannedFault]) -> Option<(&'static str, &'static str)> {
    schedule.iter().find_map(|planned| {
        let fault = &planned.fault;
        let why = match fault {
            Fault::Packet { .. } => "packets on real hosts are cut off or let through, and nothing else yet",
            Fault::Disk { .. } | Fault::DiskPowerFailure { .. } | Fault::DiskCorrupt { .. } => {
                "disks of real hosts are left alone"
            }
            Fault::Oom { .. } => "the memory of real hosts is left alone",
            Fault::Lifecycle { act, .. } if act.restores() => {
                "a snapshot is taken on a node's own host, where no client disturbs it"
            }
            Fault::Partition { cut, .. } if cut.connections != Connections::All => {
                "real hosts do not tell when a connection began"
            }
            _ if planned.on.as_ref().is_some_and(Trigger::needs_processes) => {
                "system calls and logs on real hosts are not watched"
            }
            _ => return None,
        };
        Some((fault.kind(), why))
    })
}

/// Sees that a host can do all of it.
pub(super) fn needs(host: &str, capabilities: &[Capability], wants: Wants) -> Result<(), EnvError> {
    let wanted = |ability| match ability {
        Ability::Cuts => wants.cuts,
        Ability::Rejects => wants.rejects,
        Ability::Clocks => wants.clocks,
    };
    let lacks =
        |capability: &Capability| wanted(capability.name).then(|| capability.missing.clone()).flatten();
    let missing = capabilities.iter().find_map(|capability| Some((capability.name, lacks(capability)?)));
    missing.map_or(Ok(()), |(ability, why)| {
        Err(EnvError::Unable {
            what: format!("use {host} for {}", ability.needed_for()),
            why,
            fix: format!("see `duress doctor --on HOSTS.toml`; {FIX}"),
        })
    })
}

/// A fault that no host can have.
pub(super) fn cannot(what: &str) -> EnvError {
    EnvError::Unable {
        what: what.to_owned(),
        why: "hosts reached by an agent cannot do it".to_owned(),
        fix: FIX.to_owned(),
    }
}
