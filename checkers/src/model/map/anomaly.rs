//! What kind of violation a map shows, where that can be proven.

use super::{MapOp, Micro};
use crate::model::persist::Element;
use crate::model::{Anomaly, Case, NOT_LINEARIZABLE, Seen};
use crate::words::{after, who};
use serde_json::Value;

type Call<'a> = Seen<'a, MapOp>;

pub(super) fn classify(initial: &Value, case: &Case<'_, MapOp>) -> Option<Anomaly> {
    let reads = outside_reads(case.calls[case.culprit].op);
    let nowhere = reads.iter().find_map(|(key, value)| from_nowhere(initial, key, value, case));
    nowhere.or_else(|| reads.iter().find_map(|(key, value)| overwritten(initial, key, value, case)))
}

/// Reads that show what was there before the transaction.
fn outside_reads(txn: &MapOp) -> Vec<(&Element, &Element)> {
    let mut reads = Vec::new();
    let mut written: Vec<&Element> = Vec::new();
    for micro in txn.micros() {
        match micro {
            Micro::Read(key, Some(value)) if !written.contains(&key) => reads.push((key, value)),
            Micro::Read(..) => {}
            Micro::Write(key, _) => written.push(key),
        }
    }
    reads
}

/// The last value that a transaction writes to a key.
fn written<'a>(txn: &'a MapOp, key: &Element) -> Option<&'a Element> {
    txn.writes().filter(|(other, _)| *other == key).last().map(|(_, value)| value)
}

/// Nobody had begun to write the value to the key when it was read.
fn from_nowhere(initial: &Value, key: &Element, value: &Element, case: &Case<'_, MapOp>) -> Option<Anomaly> {
    let ended = case.calls[case.culprit].returned()?;
    let writes = |call: &&Call| written(call.op, key) == Some(value);
    let others = || case.calls.iter().enumerate().filter(|&(at, _)| at != case.culprit).map(|(_, call)| call);
    if value.value() == initial || others().filter(writes).any(|call| call.invoked() < ended) {
        return None;
    }
    let mut tried = others().chain(case.failed).flat_map(|call| call.op.writes());
    if tried.any(|(other, wrote)| other == key && wrote == value) {
        let because = format!("although no transaction that left {value} at key {key} had begun");
        return Some(Anomaly { name: NOT_LINEARIZABLE, because, evidence: Vec::new() });
    }
    let because = format!("but nobody ever wrote {value} to key {key}");
    Some(Anomaly { name: "phantom value", because, evidence: Vec::new() })
}

/// The value was gone for good before the culprit began: every transaction that wrote it had
/// returned before another began that wrote or read another value there, and that had returned.
fn overwritten(initial: &Value, key: &Element, value: &Element, case: &Case<'_, MapOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let (began, ended) = (culprit.invoked(), culprit.returned()?);
    let mut written_until = None;
    for (at, call) in case.calls.iter().enumerate() {
        if at != case.culprit && written(call.op, key) == Some(value) && call.invoked() < ended {
            // In doubt: it may take effect at any time.
            written_until = written_until.max(Some(call.returned()?));
        }
    }
    if written_until.is_none() && value.value() != initial {
        return None;
    }
    let shows_another = |txn: &MapOp| match written(txn, key) {
        Some(last) => last != value,
        None => outside_reads(txn).iter().any(|(other, seen)| *other == key && *seen != value),
    };
    let over = case.calls.iter().position(|call| {
        Some(call.invoked()) > written_until
            && call.returned().is_some_and(|end| end < began)
            && shows_another(call.op)
    })?;
    let call = &case.calls[over];
    Some(Anomaly {
        name: "stale read",
        because: format!(
            "in an operation that began {} a transaction by {} had returned that shows another value of key {key}, \
             and nothing wrote {value} again",
            after(call.return_time(), culprit.call.invoke.time),
            who(&call.call)
        ),
        evidence: vec![over],
    })
}
