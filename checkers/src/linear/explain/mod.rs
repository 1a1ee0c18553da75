//! A violation as a person wants it: who saw what, and why that cannot be.
//!
//! Everything said here is looked up or computed again from the proof; nothing new is decided.

mod core;
mod finals;
mod shown;

use super::engine::{Engine, Proof};
use super::window::Window;
use crate::history::{Call, Kind};
use crate::model::{Anomaly, Case, Model, NOT_LINEARIZABLE, Seen};
use crate::verdict::{Counterexample, FinalState, Finding, ShownOp, Step};
use crate::words::{self, plural};
use finals::Final;
use shown::Shown;

/// Final states listed; further ones are counted.
const MAX_FINALS: usize = 8;

/// Explains one key's violation. Never fails: what cannot be had within the budget is absent.
pub(super) fn finding<M: Model>(engine: &Engine<'_, M>, proof: &Proof) -> Finding {
    let part = engine.part;
    let object = match &part.key {
        Some(key) => format!("key {}", words::bare(key)),
        None => format!("the {}", engine.model.noun()),
    };
    let anomaly = anomaly(engine, proof);
    let culprit = part.calls[proof.culprit as usize];
    let time = culprit.returned().map_or(culprit.invoke.time, |op| op.time);
    let through = words::node(&culprit).map(|node| format!(" through {node}")).unwrap_or_default();
    let sentence = format!(
        "Process {} {}{through} at {}, {}.",
        culprit.invoke.process,
        engine.model.told(part.op(proof.culprit), &object),
        words::moment(time),
        anomaly.because
    );
    Finding {
        anomaly: anomaly.name.to_owned(),
        title: part
            .key
            .as_ref()
            .map_or_else(|| anomaly.name.to_owned(), |_| format!("{} on {object}", anomaly.name)),
        sentence,
        key: part.key.clone(),
        time,
        counterexample: Explanation::new(engine, proof, &anomaly, object).map(|e| e.counterexample()),
    }
}

fn anomaly<M: Model>(engine: &Engine<'_, M>, proof: &Proof) -> Anomaly {
    let part = engine.part;
    let seen = |(entry, &call)| Seen { op: part.op(entry), call };
    let calls: Vec<_> = (0_u32..).zip(&part.calls).map(seen).collect();
    let failed: Vec<_> = part.failed.iter().map(|(op, call)| Seen { op, call: *call }).collect();
    let case = Case { calls: &calls, failed: &failed, culprit: proof.culprit as usize };
    engine.model.anomaly(&case).unwrap_or_else(|| Anomaly {
        name: NOT_LINEARIZABLE,
        because: "which no order of the operations on it explains".to_owned(),
        evidence: Vec::new(),
    })
}

/// What the counterexample is made of. Operations are entries of the part.
struct Explanation<'a, M: Model> {
    engine: &'a Engine<'a, M>,
    proof: &'a Proof,
    object: String,
    core: Vec<u32>,
    finals: Vec<Final<M>>,
    /// The finals are what any past allows, not only the true one.
    finals_from_window: bool,
    shown: Shown<M>,
}

impl<'a, M: Model> Explanation<'a, M> {
    fn new(engine: &'a Engine<'a, M>, proof: &'a Proof, anomaly: &Anomaly, object: String) -> Option<Self> {
        let order = proof.order.as_deref()?;
        let part = engine.part;
        let until = part.entries[proof.culprit as usize].ret?;
        let whole = Window::new(&part.entries, &engine.observers, None, until);
        let (mut finals, finals_from_window) = match finals::finals(engine, &whole, order) {
            Some(finals) => (finals, false),
            None => (finals::finals(engine, &proof.window, order)?, true),
        };
        finals.retain(|last| engine.model.step(&last.state, part.op(proof.culprit)).is_err());
        let core = core::core(engine, proof);
        let evidence = anomaly.evidence.iter().filter_map(|&at| u32::try_from(at).ok());
        let taken = finals.iter().take(MAX_FINALS).flat_map(|last| last.taken.iter().chain(&last.decisive));
        let wanted: Vec<u32> = core.iter().chain(taken).copied().chain(evidence).collect();
        let shown = Shown::new(engine, proof.culprit, order, &wanted);
        Some(Self { engine, proof, object, core, finals, finals_from_window, shown })
    }

    fn counterexample(&self) -> Counterexample {
        let part = self.engine.part;
        let until = part.entries[self.proof.culprit as usize].ret;
        let at = |entry: &u32| self.shown.position(*entry);
        Counterexample {
            model: self.engine.model.name(),
            ops: self.shown.ops.iter().map(|&entry| self.shown_op(entry)).collect(),
            culprit: at(&self.proof.culprit).unwrap_or_default(),
            core: self.core.iter().filter_map(at).collect(),
            initial: self.engine.model.show(&self.shown.initial),
            order: self.steps(),
            finals: self.finals.iter().take(MAX_FINALS).map(|last| self.final_state(last)).collect(),
            finals_omitted: self.finals.len().saturating_sub(MAX_FINALS),
            argument: self.argument(),
            n_calls: part.entries.len() + part.failed.len(),
            n_prefix: part.entries.iter().filter(|entry| Some(entry.invoke) < until).count(),
        }
    }

    fn steps(&self) -> Vec<Step> {
        let step = |(entry, state): &(u32, M::State)| {
            Some(Step { op: self.shown.position(*entry)?, state: self.engine.model.show(state) })
        };
        self.shown.steps.iter().filter_map(step).collect()
    }

    fn final_state(&self, last: &Final<M>) -> FinalState {
        FinalState {
            state: self.engine.model.show(&last.state),
            taken: last.taken.iter().filter_map(|&entry| self.shown.position(entry)).collect(),
            assumption: self.assumption(last),
            refusal: match self.engine.model.step(&last.state, self.op(self.proof.culprit)) {
                Err(refusal) => refusal.to_string(),
                Ok(_) => unreachable!("final states that accept the culprit were left out"),
            },
        }
    }

    /// How this final state comes about: `the unanswered cas 5 → 6 took effect`.
    fn assumption(&self, last: &Final<M>) -> String {
        let name = |&entry: &u32| {
            let label = self.label(entry);
            if self.call(entry).returned().is_some() {
                format!("{label}, still in flight, came first")
            } else {
                format!("the unanswered {label} took effect")
            }
        };
        match (last.taken.as_slice(), last.decisive) {
            ([], None) => "nothing else happened".to_owned(),
            ([], Some(entry)) => {
                format!("{} by process {} came last", self.label(entry), self.call(entry).invoke.process)
            }
            (taken, _) => taken.iter().map(name).collect::<Vec<_>>().join(", and then "),
        }
    }

    fn argument(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let (object, culprit) = (&self.object, self.proof.culprit);
        lines.push(format!("At first {object} holds {}.", self.engine.model.show(&self.shown.initial)));
        for (n, (entry, state)) in (1..).zip(&self.shown.steps) {
            let by = words::who(self.call(*entry));
            let says = if self.engine.observers[self.engine.part.entries[*entry as usize].class as usize] {
                "agrees".to_owned()
            } else {
                format!("{object} holds {}", self.engine.model.show(state))
            };
            lines.push(format!("{n}. {} by {by}: {says}.", self.label(*entry)));
        }
        let label = self.label(culprit);
        let by = format!("{label} by {}", words::who(self.call(culprit)));
        lines.push(self.why_after(&by));
        let possible = plural(self.finals.len(), "value");
        let bound = if self.finals_from_window { "at most " } else { "" };
        lines.push(format!("Before it, {object} can hold {bound}{possible}, and none allows it:"));
        lines
    }

    /// Why the culprit comes after the order.
    fn why_after(&self, by: &str) -> String {
        let began = self.call(self.proof.culprit).invoke.index;
        let ended = |&(entry, _): &(u32, M::State)| self.engine.part.entries[entry as usize].ret;
        if !self.shown.steps.is_empty()
            && self.shown.steps.iter().all(|step| ended(step) < Some(began) && ended(step).is_some())
        {
            format!("{by} began after all of these had returned, so it comes after them.")
        } else {
            format!("{by} returned next; everything that returned before it is placed above or earlier.")
        }
    }

    fn shown_op(&self, entry: u32) -> ShownOp {
        let call = self.call(entry);
        ShownOp {
            index: call.invoke.index,
            completion_index: call.completion.map(|op| op.index),
            process: call.invoke.process,
            node: words::node(call).map(str::to_owned),
            label: self.label(entry),
            kind: if call.returned().is_some() { Kind::Ok } else { Kind::Info },
            invoked: call.invoke.time,
            returned: call.returned().map(|op| op.time),
        }
    }

    fn op(&self, entry: u32) -> &M::Op {
        self.engine.part.op(entry)
    }

    fn label(&self, entry: u32) -> String {
        self.engine.model.label(self.op(entry))
    }

    fn call(&self, entry: u32) -> &Call<'a> {
        &self.engine.part.calls[entry as usize]
    }
}
