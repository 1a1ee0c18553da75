//! Tests by fault sets, a cell for each pair: what came of its trials.

use super::{Suite, severity};
use std::collections::{BTreeMap, BTreeSet};

/// The table in words, for all printers.
pub(super) struct Table {
    /// Fault sets, the simpler first.
    pub(super) faults: Vec<String>,
    /// A test, and a cell for each fault set.
    pub(super) tests: Vec<(String, Vec<String>)>,
}

impl Table {
    pub(super) fn new(suite: &Suite) -> Self {
        let trials = &suite.facts.trials;
        let faults: BTreeSet<(usize, &str)> =
            trials.iter().map(|trial| (trial.faults.split(',').count(), trial.faults.as_str())).collect();
        let tests: BTreeSet<&str> = trials.iter().map(|trial| trial.test.as_str()).collect();
        let row = |test: &str| {
            let cell = |(_, set): &(usize, &str)| cell(suite, test, set);
            (test.to_owned(), faults.iter().map(cell).collect())
        };
        Self {
            tests: tests.into_iter().map(row).collect(),
            faults: faults.into_iter().map(|(_, set)| set.to_owned()).collect(),
        }
    }
}

/// `2 valid, 1 VIOLATION`: the worst last, where it is seen.
fn cell(suite: &Suite, test: &str, faults: &str) -> String {
    let mut counts: BTreeMap<(u8, &str), u64> = BTreeMap::new();
    for trial in suite.facts.trials.iter().filter(|t| t.test == test && t.faults == faults) {
        let kind = trial.outcome.map_or((0, "not ended"), |outcome| (severity(outcome), outcome.word()));
        *counts.entry(kind).or_default() += 1;
    }
    let told = counts.into_iter().map(|((_, word), count)| match word {
        "violation" => format!("{count} VIOLATION"),
        "crash" => format!("{count} CRASH"),
        word => format!("{count} {word}"),
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { "·".to_owned() } else { told.join(", ") }
}
