//! What a checker says: a verdict, its findings, and the evidence for both.
//!
//! Everything here is data for the reports. A sentence is written once, by the checker that
//! understands it; no report invents one.

use crate::history::{Kind, Process};
use crate::model::NamedModel;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The three answers, from best to worst: parts merge to the worst one, so that a violation
/// is never masked by a checker that gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Valid {
    /// No violation in what was checked.
    Valid,
    /// The checker gave up; the verdict carries the reason.
    Unknown,
    /// The history is not allowed.
    Violation,
}

/// A checker's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The checker's name, as in `linearizable`.
    pub checker: String,
    /// The answer.
    pub valid: Valid,
    /// Why it is unknown; otherwise absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Violations, the most telling one first.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Violations beyond those: counted, and not explained.
    #[serde(default, skip_serializing_if = "none")]
    pub findings_omitted: u64,
    /// What was looked at, in numbers: keys, calls, configurations, …
    #[serde(default)]
    pub stats: serde_json::Map<String, Value>,
}

impl Verdict {
    /// A verdict without findings.
    pub fn new(checker: impl Into<String>, valid: Valid) -> Self {
        Self {
            checker: checker.into(),
            valid,
            reason: None,
            findings: Vec::new(),
            findings_omitted: 0,
            stats: serde_json::Map::new(),
        }
    }

    /// A checker gave up.
    pub fn unknown(checker: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::new(checker, Valid::Unknown) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn none(n: &u64) -> bool {
    *n == 0
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind it is, in the field's words: `stale read`, `lost write`, `phantom value`, …
    pub anomaly: String,
    /// One line: `stale read on key 17`.
    pub title: String,
    /// Who saw what, through which node, when, and why it cannot be.
    pub sentence: String,
    /// The key, in keyed workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// Nanoseconds since the start of the run: when the impossible result came back.
    pub time: u64,
    /// The proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<Counterexample>,
}

/// Why no order of the operations explains what was seen.
///
/// Positions are into `ops`. The argument it carries: after `order`, every completed
/// operation that had to come before `culprit` has been placed; `finals` lists every state
/// that can hold at that point; none of them allows the culprit's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counterexample {
    /// The model, in words: `a register, initially nil`.
    pub model: String,
    /// The operations to show, by invocation: the core and its context.
    pub ops: Vec<ShownOp>,
    /// The operation that cannot be placed.
    pub culprit: usize,
    /// A subset of `ops`, with the culprit, that is impossible on its own.
    pub core: Vec<usize>,
    /// What the object held before the first operation shown.
    pub initial: String,
    /// The longest legal order, with the state after each step.
    pub order: Vec<Step>,
    /// Every state reachable before the culprit, and why it refuses the culprit.
    pub finals: Vec<FinalState>,
    /// How many final states there are beyond those listed.
    #[serde(default)]
    pub finals_omitted: usize,
    /// The argument in plain text, line by line, up to the point where `finals` completes it.
    pub argument: Vec<String>,
    /// How many calls on this key were checked.
    pub n_calls: usize,
    /// How many calls the shortest prefix that cannot be linearized holds.
    pub n_prefix: usize,
    /// The model as it is asked for by name; absent for models of somebody's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<NamedModel>,
    /// The violation over time, where that shows more than the order of the operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
}

/// An operation as a report draws it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownOp {
    /// Index of the invocation in the history.
    pub index: u64,
    /// Index of the completion, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_index: Option<u64>,
    /// Who.
    pub process: Process,
    /// Through which node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// In the model's words: `write 4`, `read → 4`, `cas 5 → 6`.
    pub label: String,
    /// How it ended.
    pub kind: Kind,
    /// Nanoseconds since the start of the run.
    pub invoked: u64,
    /// Nanoseconds; absent when nobody saw it return (`info`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<u64>,
}

/// One step of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Position in [`Counterexample::ops`].
    pub op: usize,
    /// What the object holds after it.
    pub state: String,
}

/// A state the object can be in when the culprit has to take effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalState {
    /// What it holds.
    pub state: String,
    /// Positions in [`Counterexample::ops`] of the open operations that took effect to get
    /// here beyond `order`; empty: nothing else happened.
    pub taken: Vec<usize>,
    /// The same in words: `nothing else happened`, `the unanswered cas 5 → 6 took effect`.
    pub assumption: String,
    /// Why the culprit cannot happen there: `returned 4, not 5`.
    pub refusal: String,
}

/// A violation over time: what became of an element, who held a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// What it shows: `element 7`.
    pub caption: String,
    /// From top to bottom.
    pub tracks: Vec<Track>,
    /// Where it goes wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clash: Option<Clash>,
}

/// A row of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// `seen`, `p3`.
    pub label: String,
    /// The node, where the row is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// By time; they may overlap.
    pub stretches: Vec<Stretch>,
}

/// Something that lasted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Nanoseconds since the start of the run.
    pub from: u64,
    /// Nanoseconds; absent when nobody saw it end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// What it is.
    pub label: String,
    /// How to take it.
    pub tone: Tone,
}

/// How to take what a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// As it should be.
    Plain,
    /// It may have happened.
    Doubt,
    /// It should not be.
    Wrong,
}

/// Where a picture goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clash {
    /// Nanoseconds since the start of the run.
    pub from: u64,
    /// Nanoseconds.
    pub to: u64,
    /// `p3 and p7 both held it for 812 ms`.
    pub words: String,
}
