//! What one object may do: the sequential specification that a checker compares a history with.
//!
//! Not here: concurrency. A model knows one operation after the other; the search in
//! [`crate::linear`] decides whether some such order explains what happened at the same time.

mod register;

pub use register::{Held, Register, RegisterOp};

use crate::history::{Call, Process};
use serde_json::Value;
use std::fmt;
use std::hash::Hash;

/// The name of a violation whose kind is not proven.
pub(crate) const NOT_LINEARIZABLE: &str = "not linearizable";

/// A sequential object. Deterministic: a state and an operation have one outcome.
///
/// An implementation gets partitioning by key, the search, certificates and an explanation.
/// What it has to say about words (`label`, `show`, `told`) ends up in reports verbatim.
pub trait Model: Send + Sync {
    /// What the object can be like.
    type State: Clone + Eq + Hash + Send + Sync;

    /// What was asked together with what was answered. Equal values are interchangeable: the
    /// search treats them as one kind of operation.
    type Op: Clone + Eq + Hash + Send + Sync;

    /// In words, with its initial state: `a register, initially nil`.
    fn name(&self) -> String;

    /// The state before anything happened.
    fn initial(&self) -> Self::State;

    /// Reads one call. `process` is who made it, for objects that have owners; `asked` is the
    /// invocation's value and `answered` the completion's, absent when the outcome is in doubt.
    /// `None` means that the call can be left out, since it neither changes anything nor says
    /// anything: a read without an answer.
    ///
    /// # Errors
    /// In words, when this is no operation of this object: unknown `f`, or values of another shape.
    fn op(
        &self,
        process: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<Self::Op>, String>;

    /// The state after `op`.
    ///
    /// # Errors
    /// A [`Refusal`] when `op` cannot have been answered like this in `state`.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Result<Self::State, Refusal>;

    /// Can `op` never change any state? Must not say yes wrongly: the search then takes it as
    /// soon as it is legal, without looking at alternatives.
    fn is_observer(&self, op: &Self::Op) -> bool;

    /// The operation in a few characters: `write 4`, `read → 4`.
    fn label(&self, op: &Self::Op) -> String;

    /// The state in a few characters: `4`, `nil`.
    fn show(&self, state: &Self::State) -> String;

    /// What it is called in a sentence, where no key names it: `register`.
    fn noun(&self) -> &'static str {
        "object"
    }

    /// The operation as the predicate of a sentence: `read 4 from key 17`.
    fn told(&self, op: &Self::Op, object: &str) -> String {
        format!("did {} on {object}", self.label(op))
    }

    /// States such that, towards `ops` alone, every state that some order of some of `past` leads
    /// to behaves like one of them. They are where the search begins when it wants to refute a
    /// history by looking at a few of its operations only. `None` when they cannot be listed.
    fn any_state(&self, _past: &[&Self::Op], _ops: &[&Self::Op]) -> Option<Vec<Self::State>> {
        None
    }

    /// The kind of violation, if it can be proven from the calls. Without: `not linearizable`.
    fn anomaly(&self, _case: &Case<'_, Self::Op>) -> Option<Anomaly> {
        None
    }
}

/// Why an operation cannot have happened in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It answered with something that was not there.
    Returned {
        /// What it answered.
        returned: String,
        /// What was there.
        held: String,
    },
    /// It succeeded although its condition did not hold.
    Compared {
        /// What it was compared with.
        expected: String,
        /// What was there.
        held: String,
    },
    /// Anything else, in words that continue "it …".
    Other(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned { returned, held } => write!(f, "returned {returned}, not {held}"),
            Self::Compared { expected, held } => {
                write!(f, "succeeded by comparing with {expected}, not {held}")
            }
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// A call as the model read it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a, O> {
    /// What was asked and answered.
    pub op: &'a O,
    /// Who, when and through which node.
    pub call: Call<'a>,
}

/// A violation to be named.
#[derive(Debug)]
pub struct Case<'a, O> {
    /// Everything on this object that happened or may have happened.
    pub calls: &'a [Seen<'a, O>],
    /// What certainly did not happen.
    pub failed: &'a [Seen<'a, O>],
    /// Position in `calls` of the operation that cannot be placed.
    pub culprit: usize,
}

/// A kind of violation, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// As in `stale read`.
    pub name: &'static str,
    /// Continues a sentence that names the culprit: `373 ms after …`.
    pub because: String,
    /// Positions in [`Case::calls`] of the operations that prove it.
    pub evidence: Vec<usize>,
}
