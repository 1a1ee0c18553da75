//! A key-value map, or several registers, that transactions read and write at once.

mod anomaly;
mod op;

pub use op::{MapOp, Micro};

use super::persist::{Element, Map};
use super::{Anomaly, Case, Model, NamedModel, Refusal, listed};
use crate::history::Process;
use crate::words::value as word;
use serde_json::Value;

/// A map of JSON values by key, read and written by transactions on any number of keys at once.
///
/// `txn` is its only operation. Its value is a list of micro-operations, done in order:
/// `["r", key, null]`, answered `["r", key, value]`, and `["w", key, value]`.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyValue {
    /// What every key holds at first.
    pub initial: Value,
}

impl Default for KeyValue {
    /// Every key holds `null`.
    fn default() -> Self {
        Self { initial: Value::Null }
    }
}

/// What a map holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cells {
    /// Keys that do not hold what they held at first; or, where others are unknown, all that are
    /// known.
    known: Map<Element, Element>,
    /// May keys that are not listed hold anything?
    others: bool,
}

impl Model for KeyValue {
    type State = Cells;
    type Op = MapOp;

    fn name(&self) -> String {
        format!("a map, every key initially {}", word(&self.initial))
    }

    fn initial(&self) -> Cells {
        Cells { known: Map::default(), others: false }
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<MapOp>, String> {
        if f != "txn" {
            return Err(format!("a map knows txn, not `{f}`"));
        }
        let txn = MapOp::parse(asked, answered)?;
        // Without an answer, and without a change, it says nothing.
        Ok(Some(txn).filter(|txn| answered.is_some() || txn.writes().next().is_some()))
    }

    fn step(&self, state: &Cells, op: &MapOp) -> Result<Cells, Refusal> {
        op.micros().iter().try_fold(state.clone(), |state, micro| match micro {
            Micro::Write(key, value) => Ok(self.with(&state, key, value)),
            Micro::Read(_, None) => Ok(state),
            Micro::Read(key, Some(seen)) => match self.held(&state, key) {
                Some(held) if held == *seen => Ok(state),
                None => Ok(self.with(&state, key, seen)),
                Some(held) => Err(Refusal::Returned {
                    returned: format!("{seen} for key {key}"),
                    held: held.to_string(),
                }),
            },
        })
    }

    fn is_observer(&self, op: &MapOp) -> bool {
        op.writes().next().is_none()
    }

    fn label(&self, op: &MapOp) -> String {
        op.micros().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    fn show(&self, state: &Cells) -> String {
        let each = state.known.iter().map(|(key, value)| format!("{key}: {value}"));
        listed("{", each.chain(state.others.then(|| "…".to_owned())), "}")
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("map", (!self.initial.is_null()).then(|| self.initial.clone()))
    }

    fn noun(&self) -> &'static str {
        "map"
    }

    fn told(&self, op: &MapOp, object: &str) -> String {
        format!("did the transaction {} on {object}", self.label(op))
    }

    fn any_state(&self, _: &[&MapOp], _: &[&MapOp]) -> Option<Vec<Cells>> {
        Some(vec![Cells { known: Map::default(), others: true }])
    }

    fn heap_bytes(&self, state: &Cells) -> usize {
        state.known.path_bytes()
    }

    fn cells(&self, op: &MapOp) -> Option<Vec<Element>> {
        let key = |micro: &Micro| match micro {
            Micro::Read(key, _) | Micro::Write(key, _) => key.clone(),
        };
        Some(op.micros().iter().map(key).collect())
    }

    fn cell_nouns(&self) -> (&'static str, &'static str) {
        ("key", "keys")
    }

    fn anomaly(&self, case: &Case<'_, MapOp>) -> Option<Anomaly> {
        anomaly::classify(&self.initial, case)
    }
}

impl KeyValue {
    /// What a key holds. Absent: nobody knows.
    fn held(&self, state: &Cells, key: &Element) -> Option<Element> {
        state.known.get(key).cloned().or_else(|| (!state.others).then(|| (&self.initial).into()))
    }

    fn with(&self, state: &Cells, key: &Element, value: &Element) -> Cells {
        let known = if !state.others && *value.value() == self.initial {
            state.known.without(key)
        } else {
            state.known.with(key.clone(), value.clone())
        };
        Cells { known, ..*state }
    }
}
