//! A violation as a person wants it: who saw what, and why that cannot be.
//!
//! Everything said here is looked up or computed again from the proof; nothing new is decided.

mod core;
mod finals;
mod shown;
mod stale;

use super::engine::Proof;
use super::states::States;
use super::subject::Subject;
use super::window::Window;
use crate::history::Kind;
use crate::model::{Anomaly, NOT_LINEARIZABLE};
use crate::verdict::{Counterexample, FinalState, Finding, Picture, ShownOp, Step};
use crate::words;
use finals::{Final, Listed};
use shown::Shown;

/// Final states listed; further ones are counted.
const MAX_FINALS: usize = 8;

/// Explains one key's violation. Never fails: an order and final states that cannot be had within
/// the budget are said to be missing.
pub(super) fn finding(subject: &Subject<'_>, proof: &Proof) -> Finding {
    let judged = subject.object;
    let object = match judged.key() {
        Some(key) => format!("key {}", words::bare(key)),
        None => format!("the {}", judged.noun()),
    };
    let object = match judged.told_cells() {
        Some(cells) => format!("{cells} of {object}"),
        None => object,
    };
    let is_named = judged.key().is_some() || !judged.cells().is_empty();
    let anomaly = anomaly(subject, proof);
    let culprit = subject.call(proof.culprit);
    let time = culprit.returned().map_or(culprit.invoke.time, |op| op.time);
    let through = words::node(&culprit).map(|node| format!(" through {node}")).unwrap_or_default();
    let sentence = format!(
        "Process {} {}{through} at {}, {}.",
        culprit.invoke.process,
        judged.told(subject.class(proof.culprit), &object),
        words::at(time),
        anomaly.because
    );
    Finding {
        anomaly: anomaly.name.to_owned(),
        title: title(anomaly.name, is_named.then_some(&object)),
        sentence,
        key: judged.key().cloned(),
        time,
        counterexample: Some(Explanation::new(subject, proof, &anomaly, object).counterexample()),
    }
}

/// `stale read on key 17`. The general name would only repeat the verdict.
fn title(anomaly: &str, key: Option<&String>) -> String {
    let name = if anomaly == NOT_LINEARIZABLE { "no legal order" } else { anomaly };
    key.map_or_else(|| name.to_owned(), |key| format!("{name} on {key}"))
}

/// What the model calls the violation.
pub(super) fn anomaly(subject: &Subject<'_>, proof: &Proof) -> Anomaly {
    let named = subject.object.anomaly(proof.culprit);
    named.or_else(|| stale::stale(subject, proof)).unwrap_or_else(|| Anomaly {
        name: NOT_LINEARIZABLE,
        because: "which no order of the operations on it explains".to_owned(),
        evidence: Vec::new(),
    })
}

/// What the counterexample is made of. Operations are entries of the part.
struct Explanation<'a> {
    subject: &'a Subject<'a>,
    proof: &'a Proof,
    object: String,
    core: Vec<u32>,
    picture: Option<Picture>,
    finals: Finals<'a>,
    shown: Shown<'a>,
}

/// What the object can be like before the culprit.
enum Finals<'a> {
    /// After some order of all that came before.
    Exact(Listed<'a>),
    /// More than that: what any past allows.
    AtMost(Listed<'a>),
    /// Too many to visit, or nothing to visit them from.
    Unlisted,
}

impl<'a> Finals<'a> {
    fn new(subject: &Subject<'a>, proof: &Proof) -> Self {
        let (Some(order), Some(until)) = (&proof.order, subject.ret(proof.culprit)) else {
            return Self::Unlisted;
        };
        if let Some(finals) = finals::finals(subject, &Window::new(subject, None, until), order) {
            return Self::Exact(finals);
        }
        finals::finals(subject, &proof.window, order).map_or(Self::Unlisted, Self::AtMost)
    }

    fn listed(&self) -> Option<&Listed<'a>> {
        match self {
            Self::Exact(listed) | Self::AtMost(listed) => Some(listed),
            Self::Unlisted => None,
        }
    }

    fn list(&self) -> &[Final] {
        self.listed().map_or(&[], |listed| &listed.list)
    }

    /// `Before it, key 17 can hold 2 values, and none allows it:`
    fn told(&self, object: &str) -> String {
        let values = || words::counted(self.list().len() as u64, "value", "values");
        match self {
            Self::Exact(_) => format!("Before it, {object} can hold {}, and none allows it:", values()),
            Self::AtMost(_) => {
                format!("Before it, {object} can hold at most {}, and none allows it:", values())
            }
            Self::Unlisted => {
                format!(
                    "What {object} can hold before it is too much to list; the search found no way that allows it."
                )
            }
        }
    }
}

impl<'a> Explanation<'a> {
    fn new(subject: &'a Subject<'a>, proof: &'a Proof, anomaly: &Anomaly, object: String) -> Self {
        let finals = Finals::new(subject, proof);
        let evidence: Vec<u32> = anomaly.evidence.iter().filter_map(|&at| u32::try_from(at).ok()).collect();
        let core = core::core(subject, proof, &evidence);
        let listed = finals.list().iter().take(MAX_FINALS);
        let taken = listed.flat_map(|last| last.taken.iter().chain(&last.decisive));
        let wanted: Vec<u32> = core.iter().chain(taken).copied().chain(evidence).collect();
        let shown = Shown::new(subject, proof.culprit, proof.order.as_deref().unwrap_or_default(), &wanted);
        let picture = subject.object.picture(proof.culprit, anomaly);
        Self { subject, proof, object, core, picture, finals, shown }
    }

    fn counterexample(&self) -> Counterexample {
        let object = self.subject.object;
        let until = self.subject.ret(self.proof.culprit);
        let at = |entry: &u32| self.shown.position(*entry);
        Counterexample {
            model: object.name(),
            ops: self.shown.ops.iter().map(|&entry| self.shown_op(entry)).collect(),
            culprit: at(&self.proof.culprit).unwrap_or_default(),
            core: self.core.iter().filter_map(at).collect(),
            initial: self.shown.states.show(self.shown.initial),
            order: self.steps(),
            finals: self.final_states(),
            finals_omitted: self.finals.list().len().saturating_sub(MAX_FINALS),
            argument: self.argument(),
            n_calls: self.subject.entries.len() + object.failed().len(),
            n_prefix: self.subject.entries.iter().filter(|entry| Some(entry.invoke) < until).count(),
            named: object.named(),
            picture: self.picture.clone(),
        }
    }

    fn steps(&self) -> Vec<Step> {
        let step = |&(entry, state): &(u32, u32)| {
            Some(Step { op: self.shown.position(entry)?, state: self.shown.states.show(state) })
        };
        self.shown.steps.iter().filter_map(step).collect()
    }

    fn final_states(&self) -> Vec<FinalState> {
        let Some(Listed { states, list }) = self.finals.listed() else { return Vec::new() };
        list.iter().take(MAX_FINALS).map(|last| self.final_state(states, last)).collect()
    }

    fn final_state(&self, states: &States<'_>, last: &Final) -> FinalState {
        FinalState {
            state: states.show(last.state),
            taken: last.taken.iter().filter_map(|&entry| self.shown.position(entry)).collect(),
            assumption: self.assumption(last),
            refusal: match states.refusal(last.state, self.subject.class(self.proof.culprit)) {
                Some(refusal) => refusal.to_string(),
                None => {
                    unreachable!("the search that listed the final states found none that allows the culprit")
                }
            },
        }
    }

    /// How this final state comes about: `the unanswered cas 5 → 6 took effect`.
    fn assumption(&self, last: &Final) -> String {
        let name = |&entry: &u32| {
            let label = self.subject.label(entry);
            if self.subject.call(entry).returned().is_some() {
                format!("{label}, still in flight, came first")
            } else {
                format!("the unanswered {label} took effect")
            }
        };
        match (last.taken.as_slice(), last.decisive) {
            ([], None) => "nothing else happened".to_owned(),
            ([], Some(entry)) => {
                format!(
                    "{} by process {} came last",
                    self.subject.label(entry),
                    self.subject.call(entry).invoke.process
                )
            }
            (taken, _) => taken.iter().map(name).collect::<Vec<_>>().join(", and then "),
        }
    }

    fn argument(&self) -> Vec<String> {
        let (object, culprit) = (&self.object, self.proof.culprit);
        let label = self.subject.label(culprit);
        let by = format!("{label} by {}", words::who(&self.subject.call(culprit)));
        if self.proof.order.is_none() {
            return vec![
                format!("No order of what came before {by} was found within the budget."),
                "Whatever that order is, the operations marked as the core rule it out.".to_owned(),
            ];
        }
        let mut lines =
            vec![format!("At first {object} holds {}.", self.shown.states.show(self.shown.initial))];
        for (n, &(entry, state)) in (1..).zip(&self.shown.steps) {
            let by = words::who(&self.subject.call(entry));
            let says = if self.subject.is_observer(entry) {
                "agrees".to_owned()
            } else {
                format!("{object} holds {}", self.shown.states.show(state))
            };
            lines.push(format!("{n}. {} by {by}: {says}.", self.subject.label(entry)));
        }
        lines.push(self.why_after(&by));
        lines.push(self.finals.told(object));
        lines
    }

    /// Why the culprit comes after the order.
    fn why_after(&self, by: &str) -> String {
        let began = self.subject.invoke(self.proof.culprit);
        let ended = |&(entry, _): &(u32, u32)| self.subject.ret(entry);
        if !self.shown.steps.is_empty()
            && self.shown.steps.iter().all(|step| ended(step) < Some(began) && ended(step).is_some())
        {
            format!("{by} began after all of these had returned, so it comes after them.")
        } else {
            format!("{by} returned next; everything that returned before it is placed above or earlier.")
        }
    }

    fn shown_op(&self, entry: u32) -> ShownOp {
        let call = self.subject.call(entry);
        ShownOp {
            index: call.invoke.index,
            completion_index: call.completion.map(|op| op.index),
            process: call.invoke.process,
            node: words::node(&call).map(str::to_owned),
            label: self.subject.label(entry),
            kind: if call.returned().is_some() { Kind::Ok } else { Kind::Info },
            invoked: call.invoke.time,
            returned: call.returned().map(|op| op.time),
        }
    }
}
