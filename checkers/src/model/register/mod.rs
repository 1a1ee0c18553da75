//! A register: read, write, compare-and-set of JSON values.
//!
//! `null` is a value like any other (shown as `nil`), never "unknown": a read that got no
//! answer is left out, a read that was answered `null` says that the register held `null`.

mod anomaly;
mod datum;
mod op;

pub use datum::Datum;
pub use op::RegisterOp;

use super::{Access, Anomaly, Case, Model, NamedModel, Refusal};
use crate::history::Process;
use crate::words::value as word;
use rustc_hash::FxHashSet;
use serde_json::Value;

/// A register that holds a JSON value.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `read` | anything, `null` by custom | the value read |
/// | `write` | the value | the same, or `null` |
/// | `cas` | `[old, new]` | the same, or `null` |
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    /// What it holds at first.
    pub initial: Value,
}

impl Default for Register {
    /// Initially `null`.
    fn default() -> Self {
        Self { initial: Value::Null }
    }
}

/// What a register holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Held {
    /// This.
    Value(Datum),
    /// Something that no operation in question reads or compares with.
    Other,
}

impl Model for Register {
    type State = Held;
    type Op = RegisterOp;

    fn name(&self) -> String {
        format!("a register, initially {}", word(&self.initial))
    }

    fn initial(&self) -> Held {
        Held::Value(Datum::from(&self.initial))
    }

    #[inline]
    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<RegisterOp>, String> {
        match f {
            "read" => Ok(answered.map(|value| RegisterOp::Read(value.into()))),
            // Which of the two took effect would be a guess.
            "write" | "cas" if answered.is_some_and(|value| !value.is_null() && value != asked) => {
                Err(format!("{f} of {asked} was answered with another value"))
            }
            "write" => Ok(Some(RegisterOp::Write(asked.into()))),
            "cas" => match asked.as_array().map(Vec::as_slice) {
                Some([old, new]) => Ok(Some(RegisterOp::Cas(old.into(), new.into()))),
                _ => Err(format!("cas wants [old, new], not {asked}")),
            },
            _ => Err(format!("a register knows read, write and cas, not `{f}`")),
        }
    }

    #[inline]
    fn step(&self, state: &Held, op: &RegisterOp) -> Result<Held, Refusal> {
        self.after(state, op).ok_or_else(|| {
            let held = self.show(state);
            match op {
                RegisterOp::Read(value) | RegisterOp::Write(value) => {
                    Refusal::Returned { returned: value.to_string(), held }
                }
                RegisterOp::Cas(old, _) => Refusal::Compared { expected: old.to_string(), held },
            }
        })
    }

    #[inline]
    fn after(&self, state: &Held, op: &RegisterOp) -> Option<Held> {
        match op {
            RegisterOp::Write(value) => Some(Held::Value(value.clone())),
            RegisterOp::Read(value) => holds(state, value).then(|| state.clone()),
            RegisterOp::Cas(old, new) => holds(state, old).then(|| Held::Value(new.clone())),
        }
    }

    #[inline]
    fn is_observer(&self, op: &RegisterOp) -> bool {
        op.written().is_none()
    }

    fn label(&self, op: &RegisterOp) -> String {
        op.label()
    }

    fn show(&self, state: &Held) -> String {
        match state {
            Held::Value(value) => value.to_string(),
            Held::Other => "another value".to_owned(),
        }
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("register", (!self.initial.is_null()).then(|| self.initial.clone()))
    }

    fn noun(&self) -> &'static str {
        "register"
    }

    fn told(&self, op: &RegisterOp, object: &str) -> String {
        match op {
            RegisterOp::Read(value) => format!("read {value} from {object}"),
            RegisterOp::Write(value) => format!("wrote {value} to {object}"),
            RegisterOp::Cas(old, new) => {
                format!("changed {object} from {old} to {new} (compare-and-set)")
            }
        }
    }

    /// Only values that somebody compares with can make a difference, and of these only those
    /// that somebody may have written; all others are alike.
    fn any_state(&self, past: &[&RegisterOp], ops: &[&RegisterOp]) -> Option<Vec<Held>> {
        let initial = Datum::from(&self.initial);
        let written: FxHashSet<&Datum> =
            past.iter().filter_map(|op| op.written()).chain([&initial]).collect();
        let mut states = vec![Held::Other];
        let mut seen = FxHashSet::default();
        for op in ops {
            let Some(value) = op.found() else { continue };
            if written.contains(value) && seen.insert(value) {
                states.push(Held::Value(value.clone()));
            }
        }
        Some(states)
    }

    fn heap_bytes(&self, state: &Held) -> usize {
        match state {
            Held::Value(value) => value.heap_bytes(),
            Held::Other => 0,
        }
    }

    fn op_heap_bytes(&self, op: &RegisterOp) -> usize {
        match op {
            RegisterOp::Read(value) | RegisterOp::Write(value) => value.heap_bytes(),
            RegisterOp::Cas(old, new) => old.heap_bytes() + new.heap_bytes(),
        }
    }

    #[inline]
    fn access(&self, op: &RegisterOp) -> Option<Access<Held>> {
        let held = |value: &Datum| Some(Held::Value(value.clone()));
        Some(match op {
            RegisterOp::Read(value) => Access { expects: held(value), leaves: None },
            RegisterOp::Write(value) => Access { expects: None, leaves: held(value) },
            RegisterOp::Cas(old, new) => Access { expects: held(old), leaves: held(new) },
        })
    }

    fn anomaly(&self, case: &Case<'_, RegisterOp>) -> Option<Anomaly> {
        anomaly::classify(&Datum::from(&self.initial), case)
    }
}

#[inline]
fn holds(state: &Held, value: &Datum) -> bool {
    matches!(state, Held::Value(held) if held == value)
}
