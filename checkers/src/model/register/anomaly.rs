//! What kind of violation a register shows, where that can be proven.
//!
//! Each rule below argues from the calls alone and is silent when an operation in doubt could
//! explain what was seen: a name that is wrong misleads more than no name.

use super::{Datum, RegisterOp};
use crate::model::{Anomaly, Case, NOT_LINEARIZABLE, Seen};
use crate::words::{after, node, who};

type Call<'a> = Seen<'a, RegisterOp>;

/// So many reads that miss a write make it lost instead of late.
const READS_THAT_MISS: usize = 2;

pub(super) fn classify(initial: &Datum, case: &Case<'_, RegisterOp>) -> Option<Anomaly> {
    match case.calls[case.culprit].op {
        RegisterOp::Read(value) => {
            never_written(initial, value, case).or_else(|| overwritten(initial, value, case))
        }
        RegisterOp::Cas(old, new) if old != new => lost_update(initial, old, case),
        RegisterOp::Cas(..) | RegisterOp::Write(_) => None,
    }
}

/// Nobody had begun to write the value when it was read.
fn never_written(initial: &Datum, value: &Datum, case: &Case<'_, RegisterOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let read = culprit.returned()?;
    let is_writer = |call: &&Call| call.op.written() == Some(value);
    if value == initial || case.calls.iter().any(|call| is_writer(&call) && call.invoked() < read) {
        return None;
    }
    let unproven = |because| Some(Anomaly { name: NOT_LINEARIZABLE, because, evidence: Vec::new() });
    if let Some(failed) = case.failed.iter().find(|call| is_writer(call) && call.invoked() < read) {
        let by = who(&failed.call);
        return unproven(format!("although the only write of {value}, by {by}, had been reported as failed"));
    }
    match case.calls.iter().find(is_writer) {
        Some(later) => unproven(format!(
            "although the first write of {value}, by {}, began only after that",
            who(&later.call)
        )),
        None => Some(Anomaly {
            name: "phantom value",
            because: format!("but nobody ever wrote {value} to it"),
            evidence: Vec::new(),
        }),
    }
}

/// The value was gone for good before the read began: whoever wrote it had returned before
/// something else began and returned that shows another value.
fn overwritten(initial: &Datum, value: &Datum, case: &Case<'_, RegisterOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let (began, read) = (culprit.invoked(), culprit.returned()?);
    let mut written_until = None;
    let mut writer = None;
    for (at, call) in case.calls.iter().enumerate() {
        if call.op.written() == Some(value) && call.invoked() < read {
            // In doubt: it may take effect at any time.
            let end = call.returned()?;
            if written_until < Some(end) {
                (written_until, writer) = (Some(end), Some(at));
            }
        }
    }
    if writer.is_none() && value != initial {
        return None;
    }
    let shows_another = |op: &RegisterOp| match op {
        RegisterOp::Read(other) | RegisterOp::Write(other) => other != value,
        RegisterOp::Cas(old, new) => old != value || new != value,
    };
    let proves = |call: &Call| {
        Some(call.invoked()) > written_until
            && call.returned().is_some_and(|end| end < began)
            && shows_another(call.op)
    };
    let proof = (0..case.calls.len())
        .filter(|&at| proves(&case.calls[at]))
        .min_by_key(|&at| (case.calls[at].op.written().is_none(), case.calls[at].returned()))?;
    let over = &case.calls[proof];
    let (label, by) = (over.op.label(), who(&over.call));
    let late = after(over.return_time(), culprit.call.invoke.time);
    let evidence = writer.into_iter().chain([proof]).collect();
    if let Some(missed) = lost(value, proof, case) {
        return Some(Anomaly {
            name: "lost write",
            because: format!(
                "in an operation that began {late} {label} by {by} had been acknowledged: none of the {missed} reads that followed saw that write, not even where it had been acknowledged, and nobody ever did"
            ),
            evidence,
        });
    }
    let how = if over.op.written().is_some() { "had been acknowledged" } else { "had returned" };
    Some(Anomaly {
        name: "stale read",
        because: format!(
            "in an operation that began {late} {label} by {by} {how}: {value} was gone by then, and nothing wrote it again"
        ),
        evidence,
    })
}

/// How many reads in a row returned the old `value` after the write at `over`, if nobody ever saw
/// what that wrote. One of them went through the node that had acknowledged it: what all others miss may
/// be a write that they are yet to hear of.
fn lost(value: &Datum, over: usize, case: &Case<'_, RegisterOp>) -> Option<usize> {
    let RegisterOp::Write(written) = case.calls[over].op else { return None };
    let seen = |call: &Call| call.op.found() == Some(written);
    if case.calls.iter().any(seen) {
        return None;
    }
    let end = case.calls[over].returned()?;
    // Every read until somebody changes the register again, and there must be no other change
    // in flight that could have hidden the write.
    let (mut missed, mut there) = (0, false);
    for (at, call) in case.calls.iter().enumerate() {
        if at == over {
            continue;
        }
        if call.op.written().is_some() {
            if call.returned().is_some_and(|ret| ret < case.calls[over].invoked()) {
                continue;
            }
            if call.invoked() < end {
                return None;
            }
            break;
        }
        if call.invoked() > end {
            if !matches!(call.op, RegisterOp::Read(seen) if seen == value) {
                return None;
            }
            missed += 1;
            there |= node(&call.call) == node(&case.calls[over].call);
        }
    }
    (there && missed >= READS_THAT_MISS).then_some(missed)
}

/// More operations replaced `old` than ever wrote it.
fn lost_update(initial: &Datum, old: &Datum, case: &Case<'_, RegisterOp>) -> Option<Anomaly> {
    let read = case.calls[case.culprit].returned()?;
    let replaced: Vec<usize> = (0..case.calls.len())
        .filter(|&at| {
            let call = &case.calls[at];
            call.returned().is_some_and(|end| end <= read)
                && matches!(call.op, RegisterOp::Cas(before, after) if before == old && after != old)
        })
        .collect();
    let written =
        case.calls.iter().filter(|call| call.invoked() < read && call.op.written() == Some(old)).count()
            + usize::from(initial == old);
    let other = *replaced.iter().find(|&&at| at != case.culprit)?;
    if written == 0 || replaced.len() <= written {
        return None;
    }
    Some(Anomaly {
        name: "lost update",
        because: format!(
            "although {old} had been there only {}, and {} by {} had replaced it too",
            if written == 1 { "once".to_owned() } else { format!("{written} times") },
            case.calls[other].op.label(),
            who(&case.calls[other].call)
        ),
        evidence: replaced,
    })
}
