//! What many runs say together: which tests ran under which faults, which findings are open and since
//! when, whether figures leave their usual range. Computed from the lines of runs alone: same lines,
//! same index. Not here: where the lines come from, and how it looks.

mod finding;
mod line;
mod trend;

pub use finding::{Life, OpenFinding, RESOLVED_AFTER};
pub use line::{FindingLine, MAX_LINE, RunLine};
pub use trend::{Metric, Point, Trend};

use crate::conclusion::Outcome;
use std::collections::BTreeMap;

/// Many runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index {
    /// By their start, the oldest first.
    pub runs: Vec<RunLine>,
    /// Findings of all of them, the newest first, those that are known last.
    pub findings: Vec<OpenFinding>,
    /// Fault sets, and per test one cell for each of them.
    pub matrix: Matrix,
    /// Figures of runs that can be compared, for the tests that ran last.
    pub trends: Vec<Trend>,
    /// Runs that had to fail.
    pub canary: Canary,
}

/// Which test ran under which faults. Canaries are not in it: they test Duress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    /// Columns, fewer faults first.
    pub faults: Vec<String>,
    /// Rows, with a cell for each column.
    pub tests: Vec<(String, Vec<Option<Cell>>)>,
}

/// The runs of a test under a set of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// How many.
    pub runs: u64,
    /// Of these, with a violation that counted.
    pub violations: u64,
    /// The last one, as a position in [`Index::runs`].
    pub last: usize,
}

/// Runs that had to fail. One that was tried again because it proved nothing counts once: see [`RunLine::canary_name`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canary {
    /// How many there were.
    pub runs: u64,
    /// In how many of them a violation was found.
    pub caught: u64,
    /// The last one, as a position in [`Index::runs`].
    pub last: Option<usize>,
    /// Those that did not fail.
    pub missed: Vec<usize>,
}

impl Index {
    /// Of these runs, in whatever order; of two lines about one run the later one counts.
    pub fn new(lines: impl IntoIterator<Item = RunLine>) -> Self {
        let by_path: BTreeMap<String, RunLine> =
            lines.into_iter().map(|line| (line.path.clone(), line)).collect();
        let mut runs: Vec<RunLine> = by_path.into_values().collect();
        runs.sort_by(|a, b| (&a.started, &a.path).cmp(&(&b.started, &b.path)));
        Self {
            findings: finding::findings(&runs),
            matrix: matrix(&runs),
            trends: trend::trends(&runs),
            canary: canary(&runs),
            runs,
        }
    }
}

fn matrix(runs: &[RunLine]) -> Matrix {
    let tested = || runs.iter().enumerate().filter(|(_, run)| !run.canary);
    let mut faults: Vec<(usize, String)> =
        tested().map(|(_, run)| (run.faults.len(), run.fault_set())).collect();
    faults.sort();
    faults.dedup();
    let faults: Vec<String> = faults.into_iter().map(|(_, set)| set).collect();
    let mut tests: BTreeMap<String, Vec<Option<Cell>>> = BTreeMap::new();
    for (at, run) in tested() {
        let row = tests.entry(run.test.clone()).or_insert_with(|| vec![None; faults.len()]);
        let Some(column) = faults.iter().position(|set| *set == run.fault_set()) else { continue };
        let cell = row[column].get_or_insert(Cell { runs: 0, violations: 0, last: at });
        cell.runs += 1;
        cell.violations += u64::from(run.outcome.is_some_and(Outcome::is_finding));
        cell.last = at;
    }
    Matrix { faults, tests: tests.into_iter().collect() }
}

fn canary(runs: &[RunLine]) -> Canary {
    let mut attempts: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    // One that still runs has not passed yet.
    for (at, run) in runs.iter().enumerate().filter(|(_, run)| run.canary && run.outcome.is_some()) {
        attempts.entry((run.session(), run.canary_name())).or_default().push(at);
    }
    let caught = |at: &usize| runs[*at].outcome.is_some_and(Outcome::is_finding);
    let mut canary = Canary { last: attempts.values().flatten().max().copied(), ..Canary::default() };
    for attempts in attempts.values() {
        canary.runs += 1;
        if attempts.iter().any(caught) {
            canary.caught += 1;
        } else {
            canary.missed.extend(attempts.last());
        }
    }
    canary.missed.sort_unstable();
    canary
}
