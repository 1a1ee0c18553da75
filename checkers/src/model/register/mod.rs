//! A register: read, write, compare-and-set of JSON values.
//!
//! `null` is a value like any other (shown as `nil`), never "unknown": a read that got no
//! answer is left out, a read that was answered `null` says that the register held `null`.

mod anomaly;
mod op;

pub use op::RegisterOp;

use super::{Access, Anomaly, Case, Model, Refusal};
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
    Value(Value),
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
        Held::Value(self.initial.clone())
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<RegisterOp>, String> {
        match f {
            "read" => Ok(answered.map(|value| RegisterOp::Read(value.clone()))),
            // Which of the two took effect would be a guess.
            "write" | "cas" if answered.is_some_and(|value| !value.is_null() && value != asked) => {
                Err(format!("{f} of {asked} was answered with another value"))
            }
            "write" => Ok(Some(RegisterOp::Write(asked.clone()))),
            "cas" => match asked.as_array().map(Vec::as_slice) {
                Some([old, new]) => Ok(Some(RegisterOp::Cas(Box::new([old.clone(), new.clone()])))),
                _ => Err(format!("cas wants [old, new], not {asked}")),
            },
            _ => Err(format!("a register knows read, write and cas, not `{f}`")),
        }
    }

    fn step(&self, state: &Held, op: &RegisterOp) -> Result<Held, Refusal> {
        self.after(state, op).ok_or_else(|| {
            let held = self.show(state);
            match op {
                RegisterOp::Read(value) | RegisterOp::Write(value) => {
                    Refusal::Returned { returned: word(value), held }
                }
                RegisterOp::Cas(pair) => Refusal::Compared { expected: word(&pair[0]), held },
            }
        })
    }

    fn after(&self, state: &Held, op: &RegisterOp) -> Option<Held> {
        match op {
            RegisterOp::Write(value) => Some(Held::Value(value.clone())),
            RegisterOp::Read(value) => holds(state, value).then(|| state.clone()),
            RegisterOp::Cas(pair) => holds(state, &pair[0]).then(|| Held::Value(pair[1].clone())),
        }
    }

    fn is_observer(&self, op: &RegisterOp) -> bool {
        op.written().is_none()
    }

    fn label(&self, op: &RegisterOp) -> String {
        op.label()
    }

    fn show(&self, state: &Held) -> String {
        match state {
            Held::Value(value) => word(value),
            Held::Other => "another value".to_owned(),
        }
    }

    fn noun(&self) -> &'static str {
        "register"
    }

    fn told(&self, op: &RegisterOp, object: &str) -> String {
        match op {
            RegisterOp::Read(value) => format!("read {} from {object}", word(value)),
            RegisterOp::Write(value) => format!("wrote {} to {object}", word(value)),
            RegisterOp::Cas(pair) => {
                let [old, new] = &**pair;
                format!("changed {object} from {} to {} (compare-and-set)", word(old), word(new))
            }
        }
    }

    /// Only values that somebody compares with can make a difference, and of these only those
    /// that somebody may have written; all others are alike.
    fn any_state(&self, past: &[&RegisterOp], ops: &[&RegisterOp]) -> Option<Vec<Held>> {
        let written: FxHashSet<&Value> =
            past.iter().filter_map(|op| op.written()).chain([&self.initial]).collect();
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
            Held::Value(Value::String(text)) => text.len(),
            Held::Value(Value::Array(list)) => list.len() * size_of::<Value>(),
            // An entry is a key and a value.
            Held::Value(Value::Object(map)) => map.len() * 2 * size_of::<Value>(),
            Held::Value(_) | Held::Other => 0,
        }
    }

    fn access(&self, op: &RegisterOp) -> Option<Access<Held>> {
        let held = |value: &Value| Some(Held::Value(value.clone()));
        Some(match op {
            RegisterOp::Read(value) => Access { expects: held(value), leaves: None },
            RegisterOp::Write(value) => Access { expects: None, leaves: held(value) },
            RegisterOp::Cas(pair) => Access { expects: held(&pair[0]), leaves: held(&pair[1]) },
        })
    }

    fn anomaly(&self, case: &Case<'_, RegisterOp>) -> Option<Anomaly> {
        anomaly::classify(&self.initial, case)
    }
}

fn holds(state: &Held, value: &Value) -> bool {
    matches!(state, Held::Value(held) if held == value)
}
