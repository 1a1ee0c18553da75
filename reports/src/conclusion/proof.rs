//! What of a run's history is enough to prove a finding again, and how to do that.

use crate::artifact::Run;
use duress_checkers::model::NamedModel;
use duress_checkers::{Finding, History, Keys, Kind, Op, Process, reproduce};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Findings whose proof is written to a file of its own; others are in the history.
const MAX_FILES: usize = 8;

/// The few operations that prove a finding again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Where they are, relative to the run directory: `findings/1.jsonl`.
    pub file: String,
    /// The command that proves it again, without the path of the run.
    pub recheck: String,
    /// Indices of their invocations in the history.
    pub ops: Vec<u64>,
    /// What they are compared with.
    pub model: NamedModel,
    /// Are their values `[key, value]`?
    pub keyed: bool,
}

impl Proof {
    /// Of the finding with this number, if it can be proven again.
    pub(super) fn new(run: &Run, number: u64, finding: &Finding) -> Option<Self> {
        if number > MAX_FILES as u64 {
            return None;
        }
        let again = reproduce(&run.history, finding)?;
        let file = file(number);
        let keyed = again.keys == Keys::Keyed;
        Some(Self {
            recheck: recheck(&again.model, keyed, &file),
            file,
            ops: again.history.calls().map(|call| call.invoke.index).collect(),
            model: again.model,
            keyed,
        })
    }

    /// Every file that a proof may have.
    pub(crate) fn files() -> impl Iterator<Item = String> {
        (1..=MAX_FILES as u64).map(file)
    }

    /// Its operations, in their order. Looks only at the part of the history where they are.
    pub(crate) fn of(&self, history: &History) -> Vec<Op> {
        let mut wanted: BTreeSet<u64> = self.ops.iter().copied().collect();
        let mut open: BTreeSet<Process> = BTreeSet::new();
        let all = history.ops();
        let start = wanted.first().map_or(all.len(), |first| all.partition_point(|op| op.index < *first));
        let mut ops = Vec::new();
        for op in &all[start..] {
            if wanted.is_empty() && open.is_empty() {
                break;
            }
            let invoked = wanted.remove(&op.index);
            if invoked {
                open.insert(op.process);
            }
            if invoked || (op.kind != Kind::Invoke && open.remove(&op.process)) {
                ops.push(op.clone());
            }
        }
        ops
    }

    /// Its operations as the file holds them.
    pub(crate) fn lines(&self, history: &History) -> String {
        let ops = self.of(history);
        ops.iter().filter_map(|op| Some(serde_json::to_string(op).ok()? + "\n")).collect()
    }
}

fn file(number: u64) -> String {
    format!("findings/{number}.jsonl")
}

fn recheck(model: &NamedModel, keyed: bool, file: &str) -> String {
    let initial = model
        .initial
        .as_ref()
        .map_or(String::new(), |value| format!(" --initial '{}'", value.to_string().replace('\'', r"'\''")));
    let keys = if keyed { "keyed" } else { "single" };
    format!("duress check --model {}{initial} --keys {keys} {file}", model.name)
}
