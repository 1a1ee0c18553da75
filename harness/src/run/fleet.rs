//! The load machines of a run, if a file names some: that they are there, and what is written down of them.

use crate::engine::Fleet;
use crate::engine::fleet::Config;
use crate::env::place::Place;
use crate::failure::Failure;
use crate::plan::Plan;
use duress_reports::artifact::RunInfo;
use duress_targets::Node;
use std::sync::Arc;

/// Puts agents on them; `None` when clients work from this machine.
pub(super) fn start(plan: &Plan, nodes: &[Node]) -> Result<Option<Arc<Fleet>>, Failure> {
    let Place::Ssh(hosts) = &plan.place else { return Ok(None) };
    let Some(load) = &hosts.load else { return Ok(None) };
    let config = Config {
        transports: hosts.load(),
        target: plan.entry.name.clone(),
        workload: plan.workload.name.to_owned(),
        settings: plan.options.settings.clone(),
        nodes: nodes.to_owned(),
        threads: plan.workload_options.concurrency,
        op_timeout: plan.op_timeout,
        dead_man: load.dead_man,
    };
    Ok(Some(Fleet::start(&config)?))
}

/// Notes what they did, and that there is nothing behind the run's end if all were lost.
pub(super) fn account(fleet: Option<&Fleet>, info: &mut RunInfo) {
    let Some(fleet) = fleet else { return };
    info.load = fleet.told();
    info.doubts.extend(fleet.doubt());
}
