//! What came of a run: the one answer, and all the facts that the printers show.
//!
//! `verdict.json` is this, word for word: every number on the page is in it. It is computed
//! from the run and the checkers' verdicts alone, so that `duress report` can do it again.

mod coincident;
mod crash;
mod evidence;
mod fingerprint;
mod gated;
mod gates;
mod known;
mod moment;
mod outcome;
mod placed;
mod proof;
mod recovery;
mod trust;

pub use crate::measure::{ErrorRow, FaultEffect, FaultState, LatencyRow, Quantiles, Reached};
pub use crash::CRASH;
pub use evidence::{Evidence, FaultTally, Tally};
pub use gates::{Demand, GOALS, Gate, GateState, Gates, LOG, LOG_GOALS, Missed, Role, Rule, Scope, When};
pub use known::{Known, KnownAs};
pub(crate) use known::{excused, with_findings};
pub use outcome::Outcome;
pub use placed::Placed;
pub(crate) use placed::{grouped, in_order};
pub use proof::Proof;
pub use recovery::NO_RECOVERY;
pub use trust::{Mark, Trust};

use crate::artifact::{FORMAT, Flow, Run, RunInfo, RunStatus, file};
use crate::measure::{Calls, Quiet, busiest, effects, errors, latency, taken};
use crate::plots::PlotFormat;
use duress_checkers::Verdict;
use serde::{Deserialize, Serialize};

/// `verdict.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conclusion {
    /// [`FORMAT`].
    pub format: u32,
    /// The answer.
    pub outcome: Outcome,
    /// Of the process: 0 valid or nothing but known violations, 1 violation or crash, 2 unknown, 3 infrastructure or
    /// inconclusive.
    pub exit_code: u8,
    /// The run did not come to its own end; the answer is about what there is.
    pub interrupted: bool,
    /// One line.
    pub headline: String,
    /// A few sentences.
    pub lede: String,
    /// What keeps it from being a pass, the first one deciding; empty for a pass.
    pub reasons: Vec<String>,
    /// What the user held it to, and how that came out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Can the run be trusted?
    pub trust: Vec<Trust>,
    /// What was exercised.
    pub evidence: Evidence,
    /// The findings of all checkers, and which fault each of them fell into.
    pub findings: Vec<Placed>,
    /// What the checkers said.
    pub verdicts: Vec<Verdict>,
    /// What each fault did.
    pub faults: Vec<FaultEffect>,
    /// Gaps in the answers that are longer count as an outage; nanoseconds.
    pub outage_ns: u64,
    /// Acknowledged calls per second while nothing was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_rate: Option<f64>,
    /// Errors by class and fault.
    pub errors: Vec<ErrorRow>,
    /// Latency by function.
    pub latency: Vec<LatencyRow>,
    /// Who talked to whom, the busiest first; empty where there is no network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<Flow>,
    /// Files of the run, relative to its directory.
    pub files: Vec<String>,
    /// `run.json`, so that this one file has every number that the page shows; absent in files of
    /// versions that did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunInfo>,
}

/// Draws the conclusion. Pure; safe for runs that failed, were killed or never began.
pub fn conclude(run: &Run, mut verdicts: Vec<Verdict>) -> Conclusion {
    // Verdicts of an earlier conclusion have them already.
    verdicts.retain(|verdict| !is_of_the_run(verdict));
    verdicts.extend(recovery::verdict(run));
    verdicts.extend(crash::verdict(run));
    let calls = Calls::new(&run.history);
    let quiet = Quiet::new(&calls, &run.faults, &run.info);
    let interrupted = matches!(run.info.status, RunStatus::Interrupted | RunStatus::Running);
    // A run that broke down may have done so between a fault and its probe, too.
    let mut faults = effects(&calls, &quiet, &run.faults, run.info.status != RunStatus::Finished);
    for fault in &mut faults {
        fault.taken = taken(&run.flows, fault.window.id);
    }
    let evidence = evidence::evidence(run, &calls, &faults);
    let gates = gated::gates(run, &calls, &faults, &evidence);
    verdicts.extend(gated::verdict(&gates, evidence.duration_ns));
    let findings = placed::place(run, &verdicts, evidence.duration_ns);
    let omitted = verdicts.iter().map(|v| v.findings_omitted).sum();
    let errors = errors(&calls, &run.faults);
    let decided = outcome::decide(&outcome::Facts {
        run,
        verdicts: &verdicts,
        faults: &faults,
        evidence: &evidence,
        findings: &findings,
        errors: &errors,
        gates: &gates,
    });
    Conclusion {
        format: FORMAT,
        outcome: decided.outcome,
        exit_code: decided.outcome.exit_code(),
        interrupted,
        headline: decided.headline,
        lede: decided.lede,
        trust: trust::trust(run, &faults, &evidence, (&findings, omitted), (&gates, &decided.reasons)),
        reasons: decided.reasons,
        gates,
        evidence,
        files: files(run, PlotFormat::default(), &findings),
        findings,
        verdicts,
        faults,
        outage_ns: quiet.outage,
        // Two decimals are more than it is good for, and keep the files free of noise.
        quiet_rate: quiet.rate.map(|r| (r * 100.0).round() / 100.0),
        errors,
        latency: latency(&calls),
        flows: busiest(&run.flows),
        run: Some(run.info.clone()),
    }
}

/// Is it on what the run itself says, and not by a checker of its history?
fn is_of_the_run(verdict: &Verdict) -> bool {
    [recovery::CHECKER, crash::CHECKER, gated::CHECKER].contains(&verdict.checker.as_str())
}

impl Conclusion {
    /// Lists the files again, after one was added to the run; [`crate::write`] writes the plots that
    /// are listed.
    pub fn list_files(&mut self, run: &Run, plots: PlotFormat) {
        self.files = files(run, plots, &self.findings);
    }
}

fn files(run: &Run, plots: PlotFormat, findings: &[Placed]) -> Vec<String> {
    let proofs = findings.iter().filter_map(|placed| Some(placed.proof.as_ref()?.file.as_str()));
    let journal = (!run.faults.is_empty()).then_some(file::FAULTS);
    let flows = (!run.flows.is_empty()).then_some(file::FLOWS);
    let nodes = (!run.nodes.is_empty()).then_some(file::NODES);
    let capture = run.captured.then_some(file::CAPTURE);
    let fixed =
        [file::INFO, file::HISTORY, file::VERDICT, file::REPORT, file::JUNIT, file::SUMMARY, file::TRACE];
    let logs = run.info.nodes.iter().filter_map(|n| n.log.as_deref());
    fixed
        .into_iter()
        .chain(journal)
        .chain(flows)
        .chain(nodes)
        .chain(capture)
        .chain(proofs)
        .map(str::to_owned)
        .chain(plots.files(run))
        .chain(logs.map(str::to_owned))
        .chain(run.info.kept.iter().cloned())
        .collect()
}
