//! The load machines of a run, if a file names some: that they are there, and what is written down of them.

use super::{hosts, no_runtime};
use crate::engine::Fleet;
use crate::engine::fleet::{Config, Parcel};
use crate::env::place::Place;
use crate::env::remote;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::store::Claim;
use duress_reports::artifact::RunInfo;
use duress_targets::Node;
use duress_targets::declared::Declaration;
use std::sync::Arc;

/// The folder of a run in which client programs' logs are.
pub(super) const CLIENT_LOGS: &str = "clients";

/// Puts agents on them, with what clients need; `None` when clients work from this machine.
pub(super) fn start(plan: &Plan, claim: &Claim, nodes: &[Node]) -> Result<Option<Arc<Fleet>>, Failure> {
    let Place::Ssh(hosts) = &plan.place else { return Ok(None) };
    let Some(load) = &hosts.load else { return Ok(None) };
    let config = Config {
        transports: hosts.load(),
        run: remote::run_name(&claim.id),
        logs: claim.dir.path().join(CLIENT_LOGS),
        parcel: plan.entry.declaration.as_ref().map(|file| parcel(plan, file)).transpose()?,
        first_key: plan.first_key,
        target: plan.entry.name.clone(),
        workload: plan.workload.name.to_owned(),
        settings: plan.options.settings.clone(),
        nodes: nodes.to_owned(),
        threads: plan.workload_options.concurrency,
        op_timeout: plan.op_timeout,
        opens_within: plan.target.opens_within().unwrap_or(plan.op_timeout),
        dead_man: load.dead_man,
    };
    Ok(Some(Fleet::start(&config)?))
}

/// What there is of a target that is declared in a file.
fn parcel(plan: &Plan, file: &Declaration) -> Result<Parcel, Failure> {
    let needs = plan.target.client_needs();
    let files = hosts::beside(&needs)?;
    let told_nothing = match plan.target.client_program() {
        Some((program, _)) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // One that does not start here, either, shows when it is to set up.
            runtime.map_err(no_runtime)?.block_on(program.told_nothing(None)).ok().flatten()
        }
        None => None,
    };
    Ok(Parcel::pack(file, (&needs.folder, &files), told_nothing)?)
}

/// Notes what they did, and that there is nothing behind the run's end if all were lost.
pub(super) fn account(fleet: Option<&Fleet>, info: &mut RunInfo) {
    let Some(fleet) = fleet else { return };
    info.load = fleet.told();
    info.doubts.extend(fleet.doubt());
}
