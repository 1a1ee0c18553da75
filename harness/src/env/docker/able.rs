//! What can be done to containers, and what cannot, with the reason.

use super::live::Live;
use super::{Containers, guardian};
use crate::env::EnvError;
use crate::env::cut::Connections;
use crate::env::remote::HostAbilities;
use crate::env::remote::agent::{Tool, firewall_capabilities};
use crate::env::remote::capability::{Ability, Capability};
use crate::nemesis::fault::{Fault, PlannedFault};
use crate::nemesis::trigger::Trigger;

/// What a user can do about it.
const FIX: &str = "leave it out, or run on this machine, with `rootfs` for the image's files";

/// Why the clocks of containers stay right.
const CLOCKS: &str = "a program gets a clock of its own when it is started, and the engine starts it";

/// The first of these faults that containers cannot have, and why.
pub fn refusal(schedule: &[PlannedFault]) -> Option<(&'static str, &'static str)> {
    schedule.iter().find_map(|planned| {
        let fault = &planned.fault;
        let why = match fault {
            _ if fault.needs_clocks() => CLOCKS,
            Fault::Packet { .. } => "packets of containers are cut off or let through, and nothing else",
            Fault::Disk { .. } | Fault::DiskPowerFailure { .. } | Fault::DiskCorrupt { .. } => {
                "the disks of containers are the engine's"
            }
            Fault::Oom { .. } => "the memory of containers is the engine's",
            Fault::StartWith { .. } => "what is in containers and their volumes is the user's own",
            Fault::Lifecycle { .. } => "containers are started as they were made, and no other way",
            Fault::Partition { cut, .. } if cut.connections != Connections::All => {
                "rules in containers do not tell when a connection began"
            }
            _ if planned.on.as_ref().is_some_and(Trigger::needs_processes) => {
                "system calls and logs of containers are not watched"
            }
            _ => return None,
        };
        Some((fault.kind(), why))
    })
}

/// What each of these containers allows, tried in its network.
pub fn abilities(containers: &Containers) -> Vec<HostAbilities> {
    let table = guardian::table();
    let of = |name: &String| {
        let tried = || {
            let container = containers.running(name)?;
            let address = containers.addresses(name, &container)?[0];
            let live = Live::open(container.state.pid, address, &table);
            let live = live.map_err(|why| super::containers::unfit(name, why))?;
            let able = live.within(|| Ok(firewall_capabilities(Tool::Nft, &table)));
            let able = able.map_err(|why| super::containers::unfit(name, why))?;
            let clocks = Capability { name: Ability::Clocks, missing: Some(CLOCKS.to_owned()) };
            Ok(able.into_iter().chain([clocks]).collect())
        };
        (name.clone(), super::rights().and_then(|()| tried()))
    };
    containers.names().iter().map(of).collect()
}

/// A fault that no container can have.
pub(super) fn cannot(what: &str) -> EnvError {
    super::unable(what, "that is not done to containers of an engine".to_owned(), FIX)
}
