//! Findings over runs: when each was seen first and last, how often, and where it stands now.
//!
//! The lines of runs are the database: a finding that a run does not have is in them, too. Lines of
//! several machines are put together by their runs.

use super::RunLine;
use std::collections::{BTreeMap, BTreeSet};

/// So many runs of its tests without it, and a finding is resolved. They may have been lucky.
pub const RESOLVED_AFTER: u64 = 10;

/// What is probably one bug, in however many runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFinding {
    /// See [`crate::conclusion::Placed::bug`].
    pub bug: String,
    /// The fingerprint of the last one; see [`crate::conclusion::Placed::fingerprint`].
    pub fingerprint: String,
    /// The same in words.
    pub signature: String,
    /// All fingerprints, sorted.
    pub fingerprints: BTreeSet<String>,
    /// The faults that it came with: `during kill+partition`.
    pub moments: BTreeSet<String>,
    /// Versions of the target that have it, as far as they are known.
    pub versions: BTreeSet<String>,
    /// Where it stands.
    pub life: Life,
    /// All of it was known when it was last seen, in words.
    pub known: Option<String>,
    /// How often it was found, in all runs.
    pub count: u64,
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

/// Where a finding stands, by sessions: see [`RunLine::session`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// The last session of its tests is the first that has it.
    New,
    /// Seen before, and again in the last session of its tests.
    Ongoing,
    /// The last session of its tests does not have it, nor have so many runs since it was seen last.
    NotSeen(u64),
    /// Likewise, and these are [`RESOLVED_AFTER`] or more.
    Resolved(u64),
}

impl Life {
    /// One word, or two.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ongoing => "ongoing",
            Self::NotSeen(_) => "not seen",
            Self::Resolved(_) => "resolved",
        }
    }

    /// Runs since then without it.
    pub fn without(self) -> u64 {
        match self {
            Self::New | Self::Ongoing => 0,
            Self::NotSeen(runs) | Self::Resolved(runs) => runs,
        }
    }
}

/// By where they stand: what is known last, then what was seen last first. Canaries are left out, as
/// what they find is planted.
pub(super) fn findings(runs: &[RunLine]) -> Vec<OpenFinding> {
    let mut by_bug: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate().filter(|(_, run)| !run.canary) {
        for finding in &run.findings {
            let seen = by_bug.entry(finding.bug()).or_default();
            if seen.last() != Some(&at) {
                seen.push(at);
            }
        }
    }
    let mut findings: Vec<OpenFinding> =
        by_bug.into_iter().filter_map(|(bug, seen)| open(runs, bug, &seen)).collect();
    findings.sort_by(|a, b| {
        let rank = |f: &OpenFinding| (f.known.is_some(), f.life, std::cmp::Reverse(f.last));
        rank(a).cmp(&rank(b)).then_with(|| a.bug.cmp(&b.bug))
    });
    findings
}

fn open(runs: &[RunLine], bug: &str, seen: &[usize]) -> Option<OpenFinding> {
    let (first, last) = (*seen.first()?, *seen.last()?);
    let of_bug = |at: usize| runs[at].findings.iter().filter(move |finding| finding.bug() == bug);
    let all = || seen.iter().flat_map(|at| of_bug(*at));
    let line = of_bug(last).next()?;
    // One fingerprint that nobody listed, and it is not known.
    let known = if of_bug(last).all(|f| f.known.is_some()) { line.known.clone() } else { None };
    let same_test = |run: &RunLine| !run.canary && seen.iter().any(|at| comparable(run, &runs[*at]));
    let of = runs.iter().filter(|run| run.counts() && same_test(run)).count() as u64;
    let since = runs[last + 1..].iter().filter(|run| run.counts() && same_test(run)).count() as u64;
    let latest = runs.iter().rfind(|run| run.counts() && same_test(run)).unwrap_or(&runs[last]);
    let life = if runs[last].session() == latest.session() || since == 0 {
        if runs[first].session() == runs[last].session() { Life::New } else { Life::Ongoing }
    } else if since < RESOLVED_AFTER {
        Life::NotSeen(since)
    } else {
        Life::Resolved(since)
    };
    Some(OpenFinding {
        bug: bug.to_owned(),
        fingerprint: line.fingerprint.clone(),
        signature: line.signature.clone(),
        fingerprints: all().map(|finding| finding.fingerprint.clone()).collect(),
        moments: all().map(|finding| finding.moment.clone()).filter(|moment| !moment.is_empty()).collect(),
        versions: seen.iter().filter_map(|at| runs[*at].version.clone()).collect(),
        life,
        known,
        count: all().map(|finding| finding.count).sum(),
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
