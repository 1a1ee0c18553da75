//! Which moments of a long run keep their operations: around findings and around the edges of
//! faults.

use super::Moments;
use crate::measure::{Calls, merged};
use crate::words::SECOND;

/// Around a finding.
const FINDING: u64 = 30 * SECOND;
/// Around the moments at which a fault began and ended.
const EDGE: u64 = 5 * SECOND;
/// How often everything is halved; a thousandth of a window is no window any more.
const MAX_HALVINGS: u32 = 10;

/// Spans in nanoseconds, in order, apart from each other; all are narrowed alike until they hold
/// at most so many operations.
pub(super) fn around(moments: &Moments, calls: &Calls, axis: (u64, u64), most: usize) -> Vec<(u64, u64)> {
    let mut out = Vec::new();
    for halvings in 0..=MAX_HALVINGS {
        out = spans(moments, axis, halvings);
        if calls.rows.iter().filter(|row| inside(&out, row.invoked)).count() <= most {
            return out;
        }
    }
    // So dense that even these hold too much.
    out.clear();
    out
}

fn spans(moments: &Moments, axis: (u64, u64), halvings: u32) -> Vec<(u64, u64)> {
    let findings = moments.findings.iter().map(|t| (*t, FINDING));
    let edges = moments.edges.iter().map(|t| (*t, EDGE));
    merged(findings.chain(edges).map(|(t, room)| {
        let room = room >> halvings;
        (t.saturating_sub(room), t.saturating_add(room).min(axis.1))
    }))
}

/// Is a moment in one of the spans?
pub(super) fn inside(spans: &[(u64, u64)], at: u64) -> bool {
    let after = spans.partition_point(|(from, _)| *from <= at);
    after > 0 && at <= spans[after - 1].1
}
