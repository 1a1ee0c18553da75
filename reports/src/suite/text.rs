//! A suite for the terminal.

use super::table::Table;
use super::{Suite, Trial, severity};
use crate::conclusion::Outcome;
use crate::words::{self, counted};
use std::fmt::Write as _;
use std::path::Path;

/// Trials and findings that are named; the rest is counted.
const NAMED: usize = 20;
/// Longest headline, in characters.
const LONGEST: usize = 160;

/// The summary of what is in this directory; ends in a newline.
pub fn text(suite: &Suite, dir: &Path) -> String {
    let mut out = String::new();
    let facts = &suite.facts;
    let _ = writeln!(out, "{}\n", suite.headline);
    table(&mut out, suite);
    for finding in suite.findings.iter().take(NAMED) {
        let trials = counted(finding.trials.len() as u64, "trial", "trials");
        let first = finding.trials.first().copied().unwrap_or_default();
        let known = finding.known.as_ref().map(|known| format!(" ({known})")).unwrap_or_default();
        let told = finding.told(LONGEST);
        let _ = writeln!(out, "  {} {told}: {trials}, first {first}{known}", finding.fingerprint);
    }
    more(&mut out, suite.findings.len());
    let bad = worst_first(suite);
    for trial in bad.iter().take(NAMED) {
        let word = trial.outcome.map_or("not ended", Outcome::word);
        let headline = words::short(&trial.headline, LONGEST);
        let _ = writeln!(out, "\n  trial {} {word}: {headline}", trial.number);
        // As it is given to the next command.
        let run = trial.run.as_deref().map(|run| dir.join(run).display().to_string());
        let _ = writeln!(out, "    {}", run.as_deref().unwrap_or("it left no run directory"));
        let _ = writeln!(out, "    {}", trial.command);
    }
    more(&mut out, bad.len());
    if let Some(run) = to_repeat(&bad) {
        let run = dir.join(run).display().to_string();
        let _ = writeln!(out, "\n  how often does the first fail? duress repro {run}");
        let _ = writeln!(out, "  and with how little?          duress shrink {run}");
    }
    for reason in &suite.reasons {
        let _ = writeln!(out, "\n  {reason}");
    }
    let caught = facts.canaries.iter().filter(|canary| canary.caught).count();
    let canaries = counted(facts.canaries.len() as u64, "canary", "canaries");
    let took = words::span(facts.elapsed_ms.saturating_mul(1_000_000));
    let _ =
        writeln!(out, "\n{}; caught {caught} of {canaries}; {took}; seed {}", suite.accounting, facts.seed);
    out
}

/// Trials that are no pass.
pub(super) fn worst_first(suite: &Suite) -> Vec<&Trial> {
    let well = |trial: &Trial| matches!(trial.outcome, Some(Outcome::Valid | Outcome::Known));
    let mut bad: Vec<&Trial> = suite.facts.trials.iter().filter(|trial| !well(trial)).collect();
    bad.sort_by_key(|trial| std::cmp::Reverse(trial.outcome.map_or(0, severity)));
    bad
}

/// The first run with a finding that nobody knows.
pub(super) fn to_repeat<'a>(bad: &[&'a Trial]) -> Option<&'a str> {
    let open = |trial: &&&Trial| trial.findings.iter().any(|finding| finding.known.is_none());
    bad.iter().find(open).and_then(|trial| trial.run.as_deref())
}

fn more(out: &mut String, all: usize) {
    if all > NAMED {
        let _ = writeln!(out, "  and {} more", all - NAMED);
    }
}

fn table(out: &mut String, suite: &Suite) {
    let Table { faults, tests } = Table::new(suite);
    if tests.is_empty() {
        return;
    }
    let width = |text: &str| text.chars().count();
    let first = tests.iter().map(|(test, _)| width(test)).max().unwrap_or(0);
    let widest = |at: usize| tests.iter().map(|(_, cells)| width(&cells[at])).max().unwrap_or(0);
    let widths: Vec<usize> = faults.iter().enumerate().map(|(at, set)| width(set).max(widest(at))).collect();
    let mut line = |name: &str, cells: &[String]| {
        let mut text = format!("  {name:<first$}");
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(text, "  {cell:<width$}");
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    line("", &faults);
    tests.iter().for_each(|(test, cells)| line(test, cells));
    out.push('\n');
}
