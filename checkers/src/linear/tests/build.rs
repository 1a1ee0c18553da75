//! Histories for tests, written down event by event.

use crate::history::{History, Kind, Op, Process};
use serde_json::{Value, json};

/// Builds a history; indices and times follow from the position.
#[derive(Clone, Debug, Default)]
pub(super) struct Build {
    pub(super) ops: Vec<Op>,
}

/// A millisecond between events.
const STEP: u64 = 1_000_000;

impl Build {
    pub(super) fn event(&mut self, process: u64, kind: Kind, f: &str, value: Value) -> &mut Self {
        let index = self.ops.len() as u64;
        self.ops.push(Op {
            index,
            time: index * STEP,
            process: Process::Client(process),
            kind,
            f: f.into(),
            value,
            error: None,
            node: Some(format!("n{}", process % 5 + 1).into()),
        });
        self
    }

    pub(super) fn invoke(&mut self, process: u64, f: &str, value: Value) -> &mut Self {
        self.event(process, Kind::Invoke, f, value)
    }

    pub(super) fn ok(&mut self, process: u64, f: &str, value: Value) -> &mut Self {
        self.event(process, Kind::Ok, f, value)
    }

    /// Invoked and answered at once.
    pub(super) fn did(&mut self, process: u64, f: &str, value: Value) -> &mut Self {
        let asked = if f == "read" { Value::Null } else { value.clone() };
        self.invoke(process, f, asked).ok(process, f, value)
    }

    /// Invoked, and nobody knows.
    pub(super) fn lost(&mut self, process: u64, f: &str, value: Value) -> &mut Self {
        self.invoke(process, f, value.clone()).event(process, Kind::Info, f, value)
    }

    pub(super) fn history(&self) -> History {
        History::new(self.ops.clone()).expect("a test builds a history")
    }

    /// The same with every value wrapped as `[key, value]`.
    pub(super) fn keyed(&self, key: &Value) -> Self {
        let mut keyed = self.clone();
        for op in &mut keyed.ops {
            op.value = json!([key, op.value]);
        }
        keyed
    }
}
