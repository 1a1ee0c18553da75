//! One more operation for a simulated history.

use duress_checkers::{Kind, Op, Process};
use serde_json::Value;

/// Adds it, one nanosecond after the last one.
pub(crate) fn push(ops: &mut Vec<Op>, process: u64, kind: Kind, f: &str, value: Value) {
    let index = ops.len() as u64;
    let process = Process::Client(process);
    ops.push(Op { index, time: index, process, kind, f: f.into(), value, error: None, node: None });
}
