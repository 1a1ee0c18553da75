//! Findings over runs: when each was seen first and last, and how often.

use super::RunLine;
use std::collections::BTreeMap;

/// The same finding, in however many runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFinding {
    /// See [`crate::conclusion::Placed::fingerprint`].
    pub fingerprint: String,
    /// The same in words.
    pub signature: String,
    /// Where it stands.
    pub life: Life,
    /// It was known when it was last seen, in words.
    pub known: Option<String>,
    /// Runs with it.
    pub seen: u64,
    /// Runs of the same tests under the same faults that came to an answer, from all times.
    pub of: u64,
    /// The first run with it, as a position in [`super::Index::runs`].
    pub first: usize,
    /// The last one.
    pub last: usize,
    /// Its number in the report of that.
    pub number: u64,
}

/// Where a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// The last run of its test is the first that has it.
    New,
    /// Seen before, and again in the last run of a test that has it.
    Ongoing,
    /// So many runs that came to an answer since then do not have it. They may have been lucky.
    NotSeen(u64),
}

/// By where they stand: what is known last, then what was seen last first. Canaries are left out, as
/// what they find is planted.
pub(super) fn findings(runs: &[RunLine]) -> Vec<OpenFinding> {
    let mut by_fingerprint: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate().filter(|(_, run)| !run.canary) {
        for finding in &run.findings {
            let seen = by_fingerprint.entry(&finding.fingerprint).or_default();
            if seen.last() != Some(&at) {
                seen.push(at);
            }
        }
    }
    let mut findings: Vec<OpenFinding> =
        by_fingerprint.into_iter().filter_map(|(fingerprint, seen)| open(runs, fingerprint, &seen)).collect();
    findings.sort_by(|a, b| {
        let rank = |f: &OpenFinding| (f.known.is_some(), f.life, std::cmp::Reverse(f.last));
        rank(a).cmp(&rank(b)).then_with(|| a.fingerprint.cmp(&b.fingerprint))
    });
    findings
}

fn open(runs: &[RunLine], fingerprint: &str, seen: &[usize]) -> Option<OpenFinding> {
    let (first, last) = (*seen.first()?, *seen.last()?);
    let line = runs[last].findings.iter().find(|finding| finding.fingerprint == fingerprint)?;
    let same_test = |run: &RunLine| !run.canary && seen.iter().any(|at| comparable(run, &runs[*at]));
    let of = runs.iter().filter(|run| run.counts() && same_test(run)).count() as u64;
    let since = runs[last + 1..].iter().filter(|run| run.counts() && same_test(run)).count() as u64;
    let life = match (since, seen.len()) {
        (0, 1) => Life::New,
        (0, _) => Life::Ongoing,
        (since, _) => Life::NotSeen(since),
    };
    Some(OpenFinding {
        fingerprint: fingerprint.to_owned(),
        signature: line.signature.clone(),
        life,
        known: line.known.clone(),
        seen: seen.len() as u64,
        of: of.max(seen.len() as u64),
        first,
        last,
        number: line.number,
    })
}

/// A run under other faults or settings says nothing about a finding that it does not have.
fn comparable(a: &RunLine, b: &RunLine) -> bool {
    a.test == b.test && a.faults == b.faults && a.settings == b.settings
}
