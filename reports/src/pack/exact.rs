//! Times to the microsecond, and keys and values, of the operations around findings; of all of them in a short run.

use super::columns::Writer;
use super::{Chosen, Moments};
use crate::measure::Calls;
use crate::words::{SECOND, visible};
use duress_checkers::{Call, History};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;

/// Up to here every operation is exact.
const FEW: usize = 20_000;
/// Otherwise at most this many …
const MAX_OPS: usize = 5_000;
/// … this far around findings.
const MARGIN: u64 = 2 * SECOND;
/// Keys and values at most, in bytes before they are deflated.
const MAX_BYTES: usize = 1 << 20;
/// Longest value, in characters.
const MAX_VALUE: usize = 120;

pub(super) fn write(
    writer: &mut Writer,
    history: &History,
    moments: &Moments,
    chosen: &Chosen,
    calls: &Calls,
) {
    let near = near(moments, chosen, calls);
    let all = calls.rows.len() <= FEW;
    let mut exact = Exact::default();
    // First what a finding needs, then what there is room for.
    for nearby in [true, false] {
        let wanted = |at: &usize| near.contains(at) == nearby && (nearby || all);
        for (at, call) in history.calls().enumerate().filter(|(at, _)| wanted(at)) {
            let Some(position) = chosen.position(at) else { continue };
            if !exact.push(position, &call) {
                break;
            }
        }
    }
    match serde_json::to_vec(&exact) {
        Ok(json) => writer.bytes(&json),
        Err(e) => unreachable!("numbers and texts are JSON: {e}"),
    }
}

/// Columns, since like compresses well with like.
#[derive(Default, Serialize)]
struct Exact {
    /// Position among the embedded operations, less that of the one before.
    at: Vec<i64>,
    /// Microseconds since the start of the run, less those of the one before.
    invoked: Vec<i64>,
    /// Microseconds; -1: it never returned.
    took: Vec<i64>,
    key: Vec<String>,
    value: Vec<String>,
    #[serde(skip)]
    last: (i64, i64),
    #[serde(skip)]
    bytes: usize,
}

impl Exact {
    /// False when there is no more room.
    fn push(&mut self, position: usize, call: &Call<'_>) -> bool {
        let op = call.invoke;
        let value = call.returned().map_or(&op.value, |returned| &returned.value);
        let (key, value) = match value.as_array().map(Vec::as_slice) {
            Some([key, value]) => (text(key), text(value)),
            _ => (String::new(), text(value)),
        };
        self.bytes += key.len() + value.len();
        if self.bytes > MAX_BYTES {
            return false;
        }
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let (position, invoked) = (signed(position as u64), signed(op.time / 1_000));
        self.at.push(position - self.last.0);
        self.invoked.push(invoked - self.last.1);
        self.took.push(call.completion.map_or(-1, |c| signed(c.time.saturating_sub(op.time) / 1_000)));
        self.key.push(key);
        self.value.push(value);
        self.last = (position, invoked);
        true
    }
}

/// Positions of the calls around findings, the nearest of them where there are too many.
fn near(moments: &Moments, chosen: &Chosen, calls: &Calls) -> HashSet<usize> {
    let mut findings = moments.findings.clone();
    findings.sort_unstable();
    let away = |t: u64| {
        let after = findings.partition_point(|f| *f < t);
        let both = [after.checked_sub(1), Some(after)].into_iter().flatten();
        both.filter_map(|at| findings.get(at)).map(|f| f.abs_diff(t)).min().unwrap_or(u64::MAX)
    };
    let mut near: Vec<(u64, usize)> = chosen
        .of(calls)
        .map(|(at, row)| (away(row.invoked), at))
        .filter(|(away, _)| *away <= MARGIN)
        .collect();
    near.sort_unstable();
    near.truncate(MAX_OPS);
    near.into_iter().map(|(_, at)| at).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => visible(text, MAX_VALUE),
        other => visible(&other.to_string(), MAX_VALUE),
    }
}
