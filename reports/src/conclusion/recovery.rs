//! Did the cluster come back, once everything was healed? Safety under faults is for the checkers;
//! this is the other half, and known as soon as the run is.

use crate::artifact::Run;
use crate::words;
use duress_checkers::{Finding, Valid, Verdict};

/// The anomaly of a cluster that did not come back.
pub const NO_RECOVERY: &str = "no recovery";
/// What the verdict is called.
pub(super) const CHECKER: &str = "recovered";

/// A violation if it did not; nothing if it did, or if nobody can ask that of it.
pub(super) fn verdict(run: &Run) -> Option<Verdict> {
    let why = run.info.unrecovered.as_ref()?;
    let heal = run.info.phases.iter().find(|phase| phase.name == "heal");
    let (from, to) = heal.map_or((0, 0), |phase| (phase.start, phase.end.unwrap_or(phase.start)));
    let waited = words::span(to.saturating_sub(from));
    let finding = Finding {
        anomaly: NO_RECOVERY.to_owned(),
        title: "the cluster did not come back".to_owned(),
        sentence: format!(
            "All faults were undone at {}, and all servers started; {waited} later: {why}",
            words::at(from)
        ),
        key: None,
        time: to,
        counterexample: None,
    };
    Some(Verdict { findings: vec![finding], ..Verdict::new(CHECKER, Valid::Violation) })
}
