//! What the answers of a whole history say about requests that were not answered.
//!
//! Every revision is made by one request. So whoever made the revision at which a value was read
//! wrote that value; and a value that only one request writes was written at that revision or
//! never. A request in doubt that took effect anywhere else would contradict an answer that comes
//! later: to know that beforehand keeps the search from trying.

use super::op::{self, Asked, EtcdOp};
use super::state::EtcdState;
use crate::history::etcd::{Found, OperationKind, Stored};
use crate::history::{History, Kind};
use crate::model::Refusal;
use rustc_hash::{FxHashMap, FxHashSet};

/// See the top of this file.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Revisions made by requests that were answered.
    made: FxHashSet<i64>,
    /// For a revision at which something was read, a key and the value that was written there.
    written: FxHashMap<i64, (String, Stored)>,
    /// For a key and a value that one request alone writes, the revision at which it was read.
    once: FxHashMap<(String, Stored), i64>,
}

impl Known {
    pub(super) fn of(history: &History) -> Self {
        let mut known = Self::default();
        let mut writers: FxHashMap<(String, Stored), u64> = FxHashMap::default();
        for call in history.calls() {
            let answer = call.completion.filter(|done| done.kind == Kind::Ok).map(|done| &done.value);
            // What does not fit is for the search to refuse.
            let Ok(Some(op)) = op::read(&call.invoke.f, &call.invoke.value, answer) else { continue };
            if let Asked::Txn(txn) = &op.asked {
                let steps = txn.operations_on_success.iter().chain(&txn.operations_on_failure);
                for put in steps.filter(|step| step.kind == OperationKind::Put).map(|step| &step.put) {
                    *writers.entry((put.key.clone(), put.value.clone())).or_default() += 1;
                }
            }
            known.learn(&op);
        }
        known.once.retain(|written, _| writers.get(written) == Some(&1));
        known
    }

    fn learn(&mut self, op: &EtcdOp) {
        let Some(answered) = &op.answered else { return };
        if op.made_a_revision() {
            self.made.insert(answered.revision);
        }
        let shows_values = match &op.asked {
            // What an older revision held is not judged, and so proves nothing.
            Asked::Range(range) => !range.keys_only && !op.is_of_older_revision(),
            Asked::Txn(_) => true,
            Asked::Grant | Asked::Revoke(_) => false,
        };
        if shows_values {
            answered.results.iter().flat_map(|results| &results.found).for_each(|found| self.read(found));
        }
    }

    fn read(&mut self, Found { key, value, mod_revision, .. }: &Found) {
        if !self.written.contains_key(mod_revision) {
            let written = (key.clone(), value.clone());
            self.once.insert(written.clone(), *mod_revision);
            self.written.insert(*mod_revision, written);
        }
    }

    /// May a request in doubt lead from one state to another?
    pub(super) fn allows(&self, before: &EtcdState, after: &EtcdState, op: &EtcdOp) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::Other(why.to_owned()));
        if before == after {
            return refuse("changed nothing, and is as good as one that never happened");
        }
        let revision = after.revision();
        if revision == before.revision() {
            return Ok(());
        }
        if self.made.contains(&revision) {
            return refuse("made a revision that another request was answered with");
        }
        if let Some((key, value)) = self.written.get(&revision)
            && !after.wrote(key, value, revision)
        {
            return refuse("made a revision at which another value was written");
        }
        let Asked::Txn(txn) = &op.asked else { return Ok(()) };
        let steps = txn.operations_on_success.iter().chain(&txn.operations_on_failure);
        for put in steps.filter(|step| step.kind == OperationKind::Put).map(|step| &step.put) {
            let elsewhere =
                self.once.get(&(put.key.clone(), put.value.clone())).is_some_and(|at| *at != revision);
            if elsewhere && after.wrote(&put.key, &put.value, revision) {
                return refuse("wrote what was read at another revision");
            }
        }
        Ok(())
    }
}
