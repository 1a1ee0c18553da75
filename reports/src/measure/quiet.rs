//! How the clients fare when nothing is broken: the measure for everything else.

use super::Calls;
use super::errors::explains;
use crate::artifact::{FaultWindow, RunInfo};
use crate::words::SECOND;

/// A gap in the answers is an outage from here on, however fast the system is otherwise.
const MIN_OUTAGE: u64 = SECOND / 4;
/// … or from this many median gaps on.
const OUTAGE_GAPS: u64 = 20;
/// Less quiet time than this says nothing about a rate.
const MIN_QUIET: u64 = 2 * SECOND;

/// What quiet time looks like, and when the clients had nothing to ask.
#[derive(Clone, Debug)]
pub(crate) struct Quiet {
    /// Acknowledged calls per second; absent when there was too little quiet time.
    pub(crate) rate: Option<f64>,
    /// Gaps between answers that are longer count as an outage; nanoseconds.
    pub(crate) outage: u64,
    /// Times of all answers, sorted.
    pub(crate) answers: Vec<u64>,
    /// Stretches longer than `outage` without any open call, and the pause after the main phase, however
    /// short: silence nobody can blame.
    pub(crate) idle: Vec<(u64, u64)>,
    /// Where the clients asked at their usual rate: the main phase, or all there is.
    pub(crate) main: (u64, u64),
    /// When the last client asked in it: from then on they only wait, until the phase is over.
    pub(crate) asked_until: u64,
}

impl Quiet {
    pub(crate) fn new(calls: &Calls, faults: &[FaultWindow], info: &RunInfo) -> Self {
        // Of the right size at once: grown as it fills, it would take twice the room.
        let mut answers = Vec::with_capacity(calls.rows.iter().filter(|r| r.answered().is_some()).count());
        answers.extend(calls.rows.iter().filter_map(super::Row::answered));
        answers.sort_unstable();
        let main = main_phase(calls, info);
        let noisy = merged(faults.iter().map(|w| explains(w, calls.end)));
        let (mut quiet_ns, mut quiet_answers, mut gaps) = (0_u64, 0_u64, Vec::new());
        for (from, to) in complement(&noisy, main) {
            let inside = between(&answers, from, to);
            quiet_ns += to - from;
            quiet_answers += inside.len() as u64;
            gaps.extend(inside.windows(2).map(|w| w[1] - w[0]));
        }
        gaps.sort_unstable();
        let median = super::quantile(&gaps, 500).unwrap_or(0);
        let outage = MIN_OUTAGE.max(median.saturating_mul(OUTAGE_GAPS));
        let rate = (quiet_ns >= MIN_QUIET && quiet_answers > 0)
            .then(|| quiet_answers as f64 / (quiet_ns as f64 / 1e9));
        let asked = calls.rows.iter().map(|row| row.invoked).filter(|t| *t <= main.1);
        let asked_until = asked.max().unwrap_or(main.1);
        Self { rate, outage, answers, idle: idle(calls, outage, main.1), main, asked_until }
    }
}

fn main_phase(calls: &Calls, info: &RunInfo) -> (u64, u64) {
    let main = info.phases.iter().find(|p| p.name == "main");
    let start = main.map_or(calls.start, |p| p.start.max(calls.start));
    let end = main.and_then(|p| p.end).map_or(calls.end, |end| end.min(calls.end));
    (start, end.max(start))
}

/// Answers in `[from, to)`.
pub(crate) fn between(sorted: &[u64], from: u64, to: u64) -> &[u64] {
    let start = sorted.partition_point(|t| *t < from);
    let end = sorted.partition_point(|t| *t < to).max(start);
    &sorted[start..end]
}

/// Overlapping spans made one; empty ones left out.
pub(crate) fn merged(spans: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut spans: Vec<_> = spans.filter(|(from, to)| from < to).collect();
    spans.sort_unstable();
    let mut out: Vec<(u64, u64)> = Vec::new();
    for (from, to) in spans {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

fn complement(spans: &[(u64, u64)], within: (u64, u64)) -> Vec<(u64, u64)> {
    let mut out = Vec::new();
    let mut from = within.0;
    for span in spans {
        let to = span.0.min(within.1);
        if to > from {
            out.push((from, to));
        }
        from = from.max(span.1);
    }
    if from < within.1 {
        out.push((from, within.1));
    }
    out
}

/// A call that never returned asks for nothing any more once it was sent: were it open for
/// ever, nothing would ever be idle.
fn idle(calls: &Calls, longest: u64, main_end: u64) -> Vec<(u64, u64)> {
    let mut idle = Vec::new();
    let mut busy: Option<u64> = None;
    // By invocation; foreign histories whose clocks run backwards make no idle time by it.
    for row in &calls.rows {
        let over = |until: &u64| *until <= main_end && main_end < row.invoked;
        let long = |until: &u64| row.invoked > until.saturating_add(longest);
        if let Some(until) = busy.filter(|until| over(until) || long(until)) {
            idle.push((until, row.invoked));
        }
        let until = row.completed.unwrap_or(row.invoked) + 1;
        busy = Some(busy.map_or(until, |b| b.max(until)));
    }
    idle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_merge_and_leave_gaps() {
        let spans = merged([(5, 9), (1, 3), (8, 12), (20, 20), (3, 4)].into_iter());
        assert_eq!(spans, [(1, 4), (5, 12)]);
        assert_eq!(complement(&spans, (0, 15)), [(0, 1), (4, 5), (12, 15)]);
        assert_eq!(complement(&spans, (2, 6)), [(4, 5)]);
        assert_eq!(complement(&[], (2, 6)), [(2, 6)]);
    }
}
