//! What was exercised: a verdict is worth as much as this.

use super::{FaultEffect, FaultState};
use crate::artifact::Run;
use crate::measure::{Calls, access, windows_in_effect};
use crate::words::SECOND;
use duress_checkers::{Call, Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What was exercised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Calls by function.
    pub ops: BTreeMap<String, Tally>,
    /// All of them.
    pub total: Tally,
    /// How many that are.
    #[serde(default)]
    pub calls: u64,
    /// `ok` calls that read.
    pub ok_reads: u64,
    /// `ok` calls that write.
    pub ok_writes: u64,
    /// `ok` calls that came back while at least one fault was in effect.
    pub ok_under_fault: u64,
    /// Writes acknowledged while at least one fault was in effect.
    pub writes_under_fault: u64,
    /// `ok` reads that came back within a second after a fault had begun to be undone: where stale
    /// values show.
    #[serde(default)]
    pub reads_just_after: u64,
    /// Distinct keys; absent when the workload is not keyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// Keys that nobody read once everything was healed; absent when the run did not get there,
    /// or the workload is not keyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_final_read: Option<u64>,
    /// From the start of the run's clock to its last event; nanoseconds.
    pub duration_ns: u64,
    /// Nanoseconds with at least one fault in effect.
    pub under_fault_ns: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, FaultTally>,
}

/// How calls ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// They happened.
    pub ok: u64,
    /// They did not.
    pub fail: u64,
    /// They may have.
    pub info: u64,
}

impl Tally {
    /// All.
    pub fn calls(&self) -> u64 {
        self.ok + self.fail + self.info
    }

    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Ok => self.ok += 1,
            Kind::Fail => self.fail += 1,
            Kind::Info | Kind::Invoke => self.info += 1,
        }
    }
}

/// What became of the faults of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultTally {
    /// Tried.
    pub planned: u64,
    /// Of these, applied.
    pub applied: u64,
    /// Of these, seen to take effect.
    pub bit: u64,
    /// Applied without any effect that a probe could see.
    pub did_not_bite: u64,
    /// There was nothing to break.
    pub skipped: u64,
    /// Nanoseconds in effect, summed over the faults.
    pub in_effect_ns: u64,
}

pub(super) fn evidence(run: &Run, calls: &Calls, faults: &[FaultEffect]) -> Evidence {
    let mut evidence = Evidence { keys: calls.keys, ..Evidence::default() };
    let access: Vec<_> = calls.fs.iter().map(|f| access(f)).collect();
    let mut by_f = vec![Tally::default(); calls.fs.len()];
    let duration = duration(run, calls);
    let active = windows_in_effect(&run.faults, duration);
    let mut heals: Vec<u64> = run.faults.iter().filter(|w| w.bit()).filter_map(|w| w.heal).collect();
    heals.sort_unstable();
    for row in &calls.rows {
        by_f[row.f as usize].add(row.kind);
        evidence.total.add(row.kind);
        let Some(answered) = row.succeeded() else { continue };
        let access = access[row.f as usize];
        // The last window that starts before the answer is the only one that can hold it.
        let before = active.partition_point(|w| w.0 <= answered);
        let under = before > 0 && answered < active[before - 1].1;
        evidence.ok_reads += u64::from(access.reads);
        let healed = heals.partition_point(|heal| *heal <= answered).checked_sub(1).map(|at| heals[at]);
        let just_after = healed.is_some_and(|heal| answered - heal <= SECOND);
        evidence.reads_just_after += u64::from(access.reads && just_after);
        evidence.ok_writes += u64::from(access.writes);
        evidence.ok_under_fault += u64::from(under);
        evidence.writes_under_fault += u64::from(under && access.writes);
    }
    evidence.calls = evidence.total.calls();
    evidence.ops = calls.fs.iter().cloned().zip(by_f).collect();
    evidence.without_final_read = without_final_read(run, calls);
    evidence.duration_ns = duration;
    evidence.under_fault_ns = active.iter().map(|(from, to)| to - from).sum();
    for fault in faults {
        evidence.faults.entry(fault.window.kind.clone()).or_default().count(fault);
    }
    evidence
}

fn without_final_read(run: &Run, calls: &Calls) -> Option<u64> {
    let healed = run.info.phases.iter().find(|phase| phase.name == "final")?.start;
    let read = run.history.calls().filter(|call| call.invoke.time >= healed && shows_all(call));
    let keys: BTreeSet<String> =
        read.filter_map(|call| Some(call.invoke.value.get(0)?.to_string())).collect();
    Some(calls.keys?.saturating_sub(keys.len() as u64))
}

/// Did a call show all that its object holds? Whoever takes out of it one by one has seen all when
/// nothing is left.
fn shows_all(call: &Call<'_>) -> bool {
    let Some(ok) = call.completion.filter(|op| op.kind == Kind::Ok) else { return false };
    match ok.f.as_str() {
        "dequeue" | "pop" | "delete-min" => ok.value.get(1).is_some_and(Value::is_null),
        f => access(f).reads,
    }
}

impl FaultTally {
    fn count(&mut self, fault: &FaultEffect) {
        self.planned += 1;
        self.in_effect_ns += fault.in_effect_ns;
        match fault.state {
            FaultState::Bit => self.bit += 1,
            FaultState::DidNotBite => self.did_not_bite += 1,
            FaultState::Skipped => self.skipped += 1,
            FaultState::CutOff => {}
        }
        self.applied += u64::from(fault.state != FaultState::Skipped);
    }
}

/// To the last thing that anybody noted.
fn duration(run: &Run, calls: &Calls) -> u64 {
    let phases = run.info.phases.iter().map(|p| p.end.unwrap_or(p.start));
    let faults = run.faults.iter().map(|w| w.healed.or(w.heal).or(w.in_effect).unwrap_or(w.start));
    phases.chain(faults).chain([calls.end]).max().unwrap_or(0)
}
