//! etcd: a sorted map whose every change has a revision, with transactions and leases.
//!
//! After etcd's own description of itself, `tests/robustness/model/deterministic.go`.

mod known;
mod op;
mod state;
#[cfg(test)]
mod tests;

pub use op::EtcdOp;
pub use state::EtcdState;

use super::{Anomaly, Case, Model, NamedModel, Refusal};
use crate::history::{History, Kind, Process};
use crate::words::{after, counted, who};
use known::Known;
use serde_json::Value;
use std::sync::Arc;

/// A whole store of etcd, empty at revision 1 at first.
///
/// Questions and answers are those of the reports of etcd's robustness tests, as
/// [`Format::EtcdReport`](crate::history::Format::EtcdReport) reads them:
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `range` | `{"Start", "End", "Limit", "KeysOnly", "Revision"}` | `{"Revision", "Range": {"KVs", "Count"}}` |
/// | `txn` | `{"Conditions", "OperationsOnSuccess", "OperationsOnFailure"}` | `{"Revision", "Txn": {"Failure", "Results"}}` |
/// | `leaseGrant`, `leaseRevoke` | `{"LeaseID"}` | `{"Revision"}` |
/// | `compact`, `defragment` | anything | anything: they change nothing that is judged |
///
/// Every answer has to carry the revision that the store had at that moment. A range at an older
/// revision is judged by that alone: what was there then is not remembered. Leases are taken not to run out,
/// since no report says when they would.
#[derive(Clone, Debug, Default)]
pub struct Etcd {
    /// Of the history that is judged.
    known: Arc<Known>,
}

impl Model for Etcd {
    type State = EtcdState;
    type Op = EtcdOp;

    fn name(&self) -> String {
        "a store of etcd, initially empty at revision 1".to_owned()
    }

    fn initial(&self) -> EtcdState {
        EtcdState::default()
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<EtcdOp>, String> {
        op::read(f, asked, answered)
    }

    fn learned(&self, history: &History) -> Option<Self> {
        Some(Self { known: Arc::new(Known::of(history)) })
    }

    fn step(&self, state: &EtcdState, op: &EtcdOp) -> Result<EtcdState, Refusal> {
        let after = state.after(op)?;
        if op.answered.is_none() {
            self.known.allows(state, &after, op)?;
        }
        Ok(after)
    }

    fn is_observer(&self, op: &EtcdOp) -> bool {
        op.is_observer()
    }

    fn label(&self, op: &EtcdOp) -> String {
        op.to_string()
    }

    fn show(&self, state: &EtcdState) -> String {
        state.to_string()
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("etcd", Some(Value::Array(Vec::new())))
    }

    fn noun(&self) -> &'static str {
        "store"
    }

    fn told(&self, op: &EtcdOp, object: &str) -> String {
        format!("did {op} on {object}")
    }

    /// Revisions never go back.
    fn anomaly(&self, case: &Case<'_, EtcdOp>) -> Option<Anomaly> {
        let culprit = &case.calls[case.culprit];
        let revision = culprit.op.revision().filter(|_| culprit.op.is_observer())?;
        let newer = case.calls.iter().position(|call| {
            call.op.revision() > Some(revision) && call.returned().is_some_and(|end| end < culprit.invoked())
        })?;
        let call = &case.calls[newer];
        Some(Anomaly {
            name: "stale read",
            because: format!(
                "in an operation that began {} {} had been answered at revision {}",
                after(call.return_time(), culprit.call.invoke.time),
                who(&call.call),
                call.op.revision()?,
            ),
            evidence: vec![newer],
        })
    }
}

impl Etcd {
    /// Does some answer show that the store was empty at first? It then was at revision 1, which
    /// no change ever has.
    pub fn seen_empty(history: &History) -> bool {
        let at_first = |call: crate::Call<'_>| {
            let done = call.completion.filter(|done| done.kind == Kind::Ok)?;
            let op = op::read(&call.invoke.f, &call.invoke.value, Some(&done.value)).ok()??;
            (op.revision() == Some(1)).then_some(())
        };
        history.calls().any(|call| at_first(call).is_some())
    }

    /// What of a history is not judged, or only under an assumption, in words.
    pub fn not_judged(history: &History) -> Vec<String> {
        let (mut older, mut leases, mut idle) = (0, 0, 0);
        for call in history.calls() {
            let done = call.completion.filter(|done| done.kind == Kind::Ok).map(|done| &done.value);
            match call.invoke.f.as_str() {
                "leaseGrant" => leases += 1,
                "compact" | "defragment" => idle += 1,
                "range" => {
                    let op = op::read("range", &call.invoke.value, done).ok().flatten();
                    older += u64::from(op.is_some_and(|op| op.is_of_older_revision()));
                }
                _ => {}
            }
        }
        let mut notes = Vec::new();
        if older > 0 {
            let reads = counted(older, "read", "reads");
            notes.push(format!(
                "{reads} of older revisions: only the revision of the answer was judged, not what it shows"
            ));
        }
        if leases > 0 {
            notes.push(format!(
                "{} granted: taken not to run out",
                counted(leases, "lease was", "leases were")
            ));
        }
        if idle > 0 {
            notes.push(format!(
                "{} not judged",
                counted(idle, "compaction or defragmentation was", "compactions and defragmentations were")
            ));
        }
        notes
    }
}
