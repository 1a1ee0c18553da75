//! Errors by class and by the fault that they fall into.

use super::Calls;
use crate::artifact::FaultWindow;
use crate::words::SECOND;
use duress_checkers::Kind;
use duress_checkers::history::class::PRECONDITION;
use serde::{Deserialize, Serialize};

/// How long after its end a fault still explains an error: connections break when a node
/// comes back, too.
const AFTERMATH: u64 = 2 * SECOND;

/// Errors of one class that ended in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRow {
    /// The text before the first `: `.
    pub class: String,
    /// `fail`: did not happen. `info`: may have happened.
    pub kind: Kind,
    /// How many.
    pub total: u64,
    /// An answer of the system that the workload expects; in no error rate.
    pub expected: bool,
    /// Fault and count, for faults with any. An error during two faults counts for both.
    pub by_fault: Vec<(u32, u64)>,
    /// During no fault, nor within two seconds after one.
    pub no_fault: u64,
    /// The first one, whole.
    pub sample: String,
}

/// The matrix, largest class first, expected ones last.
pub(crate) fn errors(calls: &Calls, faults: &[FaultWindow]) -> Vec<ErrorRow> {
    let spans: Vec<(u64, u64)> = faults.iter().map(|w| explains(w, calls.end)).collect();
    let width = faults.len();
    // For each class twice (fail, info): the total, what no fault explains, and a cell per fault.
    let mut cells = vec![0_u64; calls.classes.len() * 2 * (width + 2)];
    for row in calls.rows.iter().filter(|row| row.kind != Kind::Ok) {
        let at = (row.class as usize * 2 + usize::from(row.kind == Kind::Info)) * (width + 2);
        let mut explained = false;
        cells[at] += 1;
        for (cell, span) in cells[at + 2..].iter_mut().zip(&spans) {
            let hit = overlaps((row.invoked, row.completed.unwrap_or(calls.end)), *span);
            *cell += u64::from(hit);
            explained |= hit;
        }
        cells[at + 1] += u64::from(!explained);
    }
    let mut rows: Vec<ErrorRow> = cells
        .chunks(width + 2)
        .enumerate()
        .filter(|(_, counts)| counts[0] > 0)
        .map(|(at, counts)| {
            let class = &calls.classes[at / 2];
            ErrorRow {
                class: class.name.clone(),
                kind: if at % 2 == 0 { Kind::Fail } else { Kind::Info },
                total: counts[0],
                expected: class.name == PRECONDITION,
                by_fault: faults
                    .iter()
                    .zip(&counts[2..])
                    .filter(|(_, n)| **n > 0)
                    .map(|(w, n)| (w.id, *n))
                    .collect(),
                no_fault: counts[1],
                sample: class.sample.clone(),
            }
        })
        .collect();
    rows.sort_by(|a, b| (a.expected, b.total, &a.class).cmp(&(b.expected, a.total, &b.class)));
    rows
}

/// From when it was being applied to two seconds after it was undone. A skipped fault
/// explains nothing: its span is empty.
pub(crate) fn explains(window: &FaultWindow, end: u64) -> (u64, u64) {
    if window.skipped {
        return (u64::MAX, 0);
    }
    let healed = window.healed.or(window.heal);
    (window.start, healed.map_or(end, |t| t.saturating_add(AFTERMATH)))
}

/// Attribution by invocation alone would put the resets of a kill under "no fault": what
/// counts is that the call was open at some time of the span.
pub(crate) fn overlaps(call: (u64, u64), span: (u64, u64)) -> bool {
    call.0 <= span.1 && span.0 <= call.1
}
