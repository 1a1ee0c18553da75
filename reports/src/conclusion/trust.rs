//! Can this run be trusted? An idle or broken run must not look like a pass.

use super::gates::{Gate, GateState};
use super::{Evidence, FaultEffect, FaultState, Placed};
use crate::artifact::{Run, RunStatus};
use crate::words::counted;
use serde::{Deserialize, Serialize};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// How it came out.
    pub mark: Mark,
    /// In words.
    pub text: String,
}

/// How a thing that was looked at came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// As it should.
    Yes,
    /// Worth knowing, decides nothing.
    Note,
    /// It keeps the run from passing.
    No,
}

/// Faults without effect that are named; all are counted.
const MAX_TOOTHLESS: usize = 5;

/// `omitted` violations have no finding. `reasons` are what [`super::outcome`] decided by; each of them
/// is shown as a `No`.
pub(super) fn trust(
    run: &Run,
    faults: &[FaultEffect],
    evidence: &Evidence,
    (findings, omitted): (&[Placed], u64),
    (gates, reasons): (&[Gate], &[String]),
) -> Vec<Trust> {
    let mut trust = Vec::new();
    let mut say = |mark, text: String| trust.push(Trust { mark, text });
    reasons.iter().for_each(|reason| say(Mark::No, reason.clone()));
    known_lines(findings, omitted, &mut say);
    for gate in gates.iter().filter(|gate| !gate.is_doubt()) {
        say(if gate.state == GateState::Met { Mark::Yes } else { Mark::Note }, gate.words());
    }
    faults_line(faults, &mut say);
    toothless(faults, reasons, &mut say);
    if evidence.total.ok > 0 {
        say(Mark::Yes, format!("{} succeeded", counted(evidence.total.ok, "operation", "operations")));
    }
    if faults.iter().any(|f| f.state == FaultState::Bit) {
        let writes = evidence.writes_under_fault;
        let mark = if writes > 0 { Mark::Yes } else { Mark::Note };
        say(mark, format!("{} acknowledged under faults", counted(writes, "write", "writes")));
    }
    match run.info.status {
        RunStatus::Finished if !run.truncated => say(Mark::Yes, "history complete".to_owned()),
        RunStatus::Interrupted => say(
            Mark::Note,
            match &run.info.stopped {
                Some(why) => format!("stopped before its end: {why}"),
                None => "stopped by the user before its end".to_owned(),
            },
        ),
        RunStatus::Running => say(Mark::Note, "the run was cut off and never said that it ended".to_owned()),
        RunStatus::Finished | RunStatus::Failed => {}
    }
    if run.truncated {
        say(Mark::Note, "the last line of the history broke off and was left out".to_owned());
    }
    let unhealed = faults.iter().filter(|f| f.state != FaultState::Skipped && f.window.healed.is_none());
    match unhealed.count() as u64 {
        0 if faults.is_empty() => {}
        0 => say(Mark::Yes, "every fault was undone".to_owned()),
        n => say(Mark::Note, format!("{} not seen to be undone", counted(n, "fault", "faults"))),
    }
    run.info.warnings.iter().for_each(|warning| say(Mark::Note, warning.clone()));
    trust
}

fn faults_line(faults: &[FaultEffect], say: &mut impl FnMut(Mark, String)) {
    let of = |state| faults.iter().filter(|f| f.state == state).count() as u64;
    let (bit, skipped, cut_off) = (of(FaultState::Bit), of(FaultState::Skipped), of(FaultState::CutOff));
    let applied = faults.len() as u64 - skipped;
    match (bit, applied) {
        (_, 0) if faults.is_empty() => say(Mark::Note, "no faults in this run".to_owned()),
        (bit, applied) if bit == applied && bit > 0 => {
            say(Mark::Yes, format!("{} took effect, each one probed", counted(bit, "fault", "faults")));
        }
        (bit, _) => say(Mark::Note, format!("{bit} of {applied} faults seen to take effect")),
    }
    if skipped > 0 {
        say(Mark::Note, format!("{} skipped: nothing to break", counted(skipped, "fault", "faults")));
    }
    if cut_off > 0 {
        say(Mark::Note, format!("{} cut off before its probe", counted(cut_off, "fault", "faults")));
    }
}

/// Faults without effect that no reason tells of, as others of their kind had one.
fn toothless(faults: &[FaultEffect], reasons: &[String], say: &mut impl FnMut(Mark, String)) {
    let told = faults.iter().filter(|f| f.state == FaultState::DidNotBite).map(FaultEffect::toothless);
    let untold: Vec<String> = told.filter(|text| !reasons.contains(text)).collect();
    for text in untold.iter().take(MAX_TOOTHLESS) {
        say(Mark::Note, text.clone());
    }
    if untold.len() > MAX_TOOTHLESS {
        say(Mark::Note, format!("{} more did not take effect", untold.len() - MAX_TOOTHLESS));
    }
}

fn known_lines(findings: &[Placed], omitted: u64, say: &mut impl FnMut(Mark, String)) {
    let listed: Vec<_> = findings.iter().filter_map(|finding| finding.known.as_ref()).collect();
    let expired = listed.iter().filter(|known| known.expired).count() as u64;
    let known = listed.len() as u64 - expired;
    if known > 0 {
        say(
            Mark::Note,
            format!("{} known, and decide nothing", counted(known, "violation is", "violations are")),
        );
    }
    if expired > 0 {
        let were = counted(expired, "violation was", "violations were");
        say(
            Mark::Note,
            format!("{were} known for a time that was over when the run began: what is found decides"),
        );
    }
    if known > 0 && omitted > 0 {
        let more = counted(omitted, "more violation was", "more violations were");
        say(
            Mark::Note,
            format!("{more} counted and not explained: nobody can say that they are known, so they decide"),
        );
    }
}
