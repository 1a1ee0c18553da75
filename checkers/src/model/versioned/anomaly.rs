//! What kind of violation a versioned register shows, where that can be proven.

use super::VersionedOp;
use crate::model::{Anomaly, Case, NOT_LINEARIZABLE, Seen};
use crate::words::{after, value as word, who};
use serde_json::Value;

type Call<'a> = Seen<'a, VersionedOp>;

pub(super) fn classify(initial: &Value, case: &Case<'_, VersionedOp>) -> Option<Anomaly> {
    match case.calls[case.culprit].op {
        VersionedOp::Read(version, value) => from_nowhere(initial, value, case)
            .or_else(|| two_values(initial, *version, value, case))
            .or_else(|| newer(*version, case)),
        VersionedOp::Cas(old, ..) => lost_update(*old, case),
        VersionedOp::Write(..) => None,
    }
}

/// Version and value that a call shows to have been there.
fn shows<'a>(call: &'a Call<'_>) -> Option<(i64, &'a Value)> {
    match call.op {
        VersionedOp::Read(version, value)
        | VersionedOp::Write(value, Some(version))
        | VersionedOp::Cas(_, value, Some(version)) => Some((*version, value)),
        VersionedOp::Write(_, None) | VersionedOp::Cas(_, _, None) => None,
    }
}

/// Nobody had begun to write the value when it was read.
fn from_nowhere(initial: &Value, value: &Value, case: &Case<'_, VersionedOp>) -> Option<Anomaly> {
    let ended = case.calls[case.culprit].returned()?;
    let writes = |call: &&Call| call.op.written().is_some_and(|(_, written)| written == value);
    if value == initial || case.calls.iter().filter(writes).any(|call| call.invoked() < ended) {
        return None;
    }
    let shown = word(value);
    let (name, because) = if case.calls.iter().chain(case.failed).any(|call| writes(&call)) {
        (NOT_LINEARIZABLE, format!("although no write of {shown} had begun then, but for one that failed"))
    } else {
        ("phantom value", format!("but nobody ever wrote {shown} to it"))
    };
    Some(Anomaly { name, because, evidence: Vec::new() })
}

/// Somebody saw another value with this version.
fn two_values(initial: &Value, version: i64, value: &Value, case: &Case<'_, VersionedOp>) -> Option<Anomaly> {
    let ended = case.calls[case.culprit].returned()?;
    if version == 0 && value != initial {
        let because = format!("although version 0 is {}, which was there at first", word(initial));
        return Some(Anomaly { name: "two values of one version", because, evidence: Vec::new() });
    }
    let over = case.calls.iter().position(|call| {
        call.returned().is_some_and(|end| end < ended)
            && shows(call).is_some_and(|(other, seen)| other == version && seen != value)
    })?;
    let (_, seen) = shows(&case.calls[over])?;
    let because = format!("although version {version} is {} for {}", word(seen), who(&case.calls[over].call));
    Some(Anomaly { name: "two values of one version", because, evidence: vec![over] })
}

/// A newer version had been there before the culprit began.
fn newer(version: i64, case: &Case<'_, VersionedOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let over = case.calls.iter().position(|call| {
        call.returned().is_some_and(|end| end < culprit.invoked())
            && shows(call).is_some_and(|(other, _)| other > version)
    })?;
    let call = &case.calls[over];
    let (other, _) = shows(call)?;
    Some(Anomaly {
        name: "stale read",
        because: format!(
            "in an operation that began {} version {other} had been there for {}",
            after(call.return_time(), culprit.call.invoke.time),
            who(&call.call)
        ),
        evidence: vec![over],
    })
}

/// Somebody else had replaced the same version. There is only one of it.
fn lost_update(old: i64, case: &Case<'_, VersionedOp>) -> Option<Anomaly> {
    let ended = case.calls[case.culprit].returned()?;
    let over = (0..case.calls.len()).find(|&at| {
        let call = &case.calls[at];
        at != case.culprit
            && call.returned().is_some_and(|end| end < ended)
            && matches!(call.op, VersionedOp::Cas(other, ..) if *other == old)
    })?;
    Some(Anomaly {
        name: "lost update",
        because: format!("although {} had replaced version {old}, too", who(&case.calls[over].call)),
        evidence: vec![over],
    })
}
