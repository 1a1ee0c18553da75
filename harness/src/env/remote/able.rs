//! What hosts can do, and what nobody can do to them yet.

use super::Wants;
use super::capability::Capability;
use crate::env::EnvError;
use crate::env::cut::Connections;
use crate::nemesis::fault::{Fault, PlannedFault};
use crate::nemesis::trigger::{Happening, Trigger};
use duress_targets::Node;

/// What a user can do about it.
const FIX: &str = "leave it out, or run on this machine: without --on";

/// What these faults will ask of hosts.
pub fn wants(schedule: &[PlannedFault]) -> Wants {
    let mut wants = Wants::default();
    for PlannedFault { fault, on, .. } in schedule {
        wants.clocks |= fault.needs_clocks();
        wants.memory |= fault.needs_limited_memory();
        wants.disk = if fault.needs_a_disk() { wants.disk.or(Some(false)) } else { wants.disk };
        wants.disk = wants.disk.map(|direct_reads| direct_reads || fault.needs_direct_reads());
        wants.packets |= matches!(fault, Fault::Packet { .. });
        wants.calls.extend(on.as_ref().and_then(Trigger::call));
        if let Some(Trigger { event: Happening::Log { node, .. }, .. }) = on {
            wants.logs.insert(node.clone());
        }
        if let Fault::Partition { cut, .. } = fault {
            wants.cuts = true;
            wants.rejects |= cut.reject;
            wants.connections |= cut.connections != Connections::All;
        }
    }
    wants
}

/// The first of these faults that cannot be done to hosts reached by an agent, and why.
pub fn refusal(schedule: &[PlannedFault]) -> Option<(&'static str, &'static str)> {
    schedule.iter().find_map(|planned| {
        let fault = &planned.fault;
        let why = match fault {
            Fault::Lifecycle { act, .. } if act.restores() => {
                "a snapshot is taken on a node's own host, where no client disturbs it"
            }
            _ => return None,
        };
        Some((fault.kind(), why))
    })
}

/// Sees that a host can do all of it.
pub(super) fn needs(host: &str, capabilities: &[Capability], wants: &Wants) -> Result<(), EnvError> {
    let wanted = |ability| wants.need(ability);
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

/// Sees that all of them together can have it: that every host can is not enough.
pub(super) fn together(nodes: &[Node], wants: &Wants) -> Result<(), EnvError> {
    let refuse = |why: String| {
        let what = "mistreat packets between hosts".to_owned();
        Err(EnvError::Unable { what, why, fix: FIX.to_owned() })
    };
    if !wants.packets {
        return Ok(());
    }
    if nodes.len() == 1 {
        return refuse("a single node talks to the clients only, whose host is left alone".to_owned());
    }
    match nodes.iter().find(|node| node.addr.to_canonical().is_ipv6()) {
        Some(node) => {
            refuse(format!("{} has the address {}, and it is done over IPv4", node.name, node.addr))
        }
        None => Ok(()),
    }
}
