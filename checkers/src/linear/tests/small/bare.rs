//! The engine on a list of operations, without a history around it: what most comparisons with the
//! oracle go through, since they would otherwise spend their time on JSON.
//!
//! Not here: reading calls from a history. One comparison in some goes the whole way.

use crate::linear::engine::{self, Answer};
use crate::linear::explain;
use crate::linear::limits::{Charge, Limits};
use crate::linear::partition::{Entry, Moment, Part, partition};
use crate::linear::subject::Subject;
use crate::linear::{Flags, Keys, Linearizable};
use crate::model::Model;
use crate::{Budget, Checker, History, Process, Valid, Verdict};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::sync::atomic::AtomicUsize;

/// More than any small history needs.
const MEMORY: usize = 1 << 28;

/// An operation by number, when it was invoked and when it returned.
pub(super) type Called = (u32, Moment, Option<Moment>);

/// A model, and its operations by number.
pub(in super::super) trait Bare {
    /// Has the model read a call. None: it can be left out.
    fn op(&mut self, process: Process, f: &str, asked: &Value, answered: Option<&Value>) -> Option<u32>;

    /// What the engine says of these calls, which come in the order of their invocations, and
    /// which of its own proofs failed.
    fn decide(&self, calls: &[Called], flags: Flags) -> (Valid, Vec<String>);

    /// What the checker says of a whole history.
    fn check(&self, history: &History, keys: Keys) -> Verdict;

    /// The names of the violations of a history.
    fn named(&self, history: &History) -> Vec<Named>;
}

/// The name of a violation. Calls are told by when they were invoked.
pub(in super::super) struct Named {
    pub(in super::super) name: &'static str,
    pub(in super::super) culprit: Moment,
    pub(in super::super) evidence: Vec<Moment>,
}

struct On<M: Model> {
    model: M,
    ops: Vec<M::Op>,
    numbers: FxHashMap<M::Op, u32>,
}

/// The engine on histories of `model`.
pub(in super::super) fn bare<M: Model + Clone + 'static>(model: M) -> Box<dyn Bare> {
    Box::new(On { model, ops: Vec::new(), numbers: FxHashMap::default() })
}

impl<M: Model + Clone> Bare for On<M> {
    fn op(&mut self, process: Process, f: &str, asked: &Value, answered: Option<&Value>) -> Option<u32> {
        let op = self.model.op(process, f, asked, answered).expect("an operation of this model")?;
        Some(*self.numbers.entry(op).or_insert_with_key(|op| {
            self.ops.push(op.clone());
            u32::try_from(self.ops.len() - 1).expect("few operations")
        }))
    }

    fn decide(&self, calls: &[Called], flags: Flags) -> (Valid, Vec<String>) {
        let history = History::default();
        let mut part = Part::new(&self.model, None, &history);
        let mut classes: Vec<u32> = Vec::with_capacity(calls.len());
        for &(op, invoke, ret) in calls {
            let class = classes.iter().position(|&known| known == op).unwrap_or_else(|| {
                classes.push(op);
                part.classes.push(self.ops[op as usize].clone());
                classes.len() - 1
            });
            let class = u32::try_from(class).expect("few classes");
            part.entries.push(Entry { class, invoke, ret });
        }
        let (budget, held) = (Budget::new(MEMORY, 1), AtomicUsize::new(0));
        let limits = Limits::new(&budget, &held);
        let decided = engine::decide(&Subject::new(&part, &limits), flags);
        let valid = match decided.answer {
            Answer::Valid => Valid::Valid,
            Answer::Violation(_) => Valid::Violation,
            Answer::Spent(_) | Answer::Bug => Valid::Unknown,
        };
        (valid, decided.bugs)
    }

    fn check(&self, history: &History, keys: Keys) -> Verdict {
        Linearizable::new(self.model.clone(), keys).check(history, &Budget::new(MEMORY, 1))
    }

    fn named(&self, history: &History) -> Vec<Named> {
        let (budget, held) = (Budget::new(MEMORY, 1), AtomicUsize::new(0));
        let limits = Limits::new(&budget, &held);
        let Ok(parts) = partition(&self.model, Keys::Single, history, &mut Charge::new(&limits)) else {
            panic!("{} does not take its own history", self.model.name())
        };
        let name = |part: &Part<'_, M>| {
            let subject = Subject::new(part, &limits);
            let Answer::Violation(proof) = engine::decide(&subject, Flags::ALL).answer else { return None };
            let anomaly = explain::anomaly(&subject, &proof);
            let evidence = anomaly.evidence.iter().map(|&at| part.entries[at].invoke).collect();
            Some(Named { name: anomaly.name, culprit: subject.invoke(proof.culprit), evidence })
        };
        parts.parts.iter().filter_map(name).collect()
    }
}
