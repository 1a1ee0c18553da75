//! `summary.md` of a suite, for the page of a CI job; built to the same budget as that of a run.

use super::Suite;
use super::table::Table;
use super::text::{to_repeat, worst_first};
use crate::conclusion::Outcome;
use crate::markdown::{BUDGET, code, details, plain, table as rows, within_budget};
use crate::words::{self, counted};

/// Longest headline, in characters.
const HEADLINE: usize = 300;
/// More fault sets than this are no table that fits a page.
const MAX_COLUMNS: usize = 16;
/// Rows of it; the rest is in `soak.json`.
const MAX_ROWS: usize = 60;

/// The file. The same suite gives the same bytes.
pub fn markdown(suite: &Suite) -> String {
    let text = within_budget(&[
        ("verdict", head(suite)),
        ("findings", findings(suite)),
        ("table", table(suite)),
        ("trials", trials(suite)),
        ("canaries", details("Canaries", &canaries(suite))),
    ]);
    debug_assert!(text.len() <= BUDGET);
    text
}

fn head(suite: &Suite) -> String {
    let mark = match suite.outcome {
        Outcome::Valid | Outcome::Known => "✓",
        Outcome::Violation | Outcome::Crash => "✕",
        Outcome::Unknown => "?",
        _ => "!",
    };
    let facts = &suite.facts;
    let took = words::span(facts.elapsed_ms.saturating_mul(1_000_000));
    let shards = if facts.shards.is_empty() { String::new() } else { format!(", shard {}", facts.shards) };
    let mut text = format!(
        "## {mark} {}\n\n{}, {} of {} covered, {took}, seed {}{}\n",
        plain(&words::short(&suite.headline, HEADLINE)),
        plain(&suite.accounting),
        facts.covered,
        counted(facts.combinations, "combination", "combinations"),
        facts.seed,
        plain(&shards),
    );
    for reason in &suite.reasons {
        text.push_str(&format!("\n- {}", plain(&words::short(reason, HEADLINE))));
    }
    text.push_str("\n\nAll runs: `index.html` in the directory of the soak.\n");
    text
}

fn findings(suite: &Suite) -> String {
    let cells = suite.findings.iter().map(|finding| {
        [
            finding.fingerprint.clone(),
            finding.told(HEADLINE),
            finding.trials.len().to_string(),
            finding.trials.first().map(u64::to_string).unwrap_or_default(),
            finding.known.clone().unwrap_or_default(),
        ]
    });
    rows(["fingerprint", "finding", "trials", "first", "known"], cells)
}

fn table(suite: &Suite) -> String {
    let Table { faults, tests } = Table::new(suite);
    if tests.is_empty() || faults.len() > MAX_COLUMNS {
        return String::new();
    }
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let cells = |first: &str, rest: &[String]| -> Vec<String> {
        std::iter::once(first).chain(rest.iter().map(String::as_str)).map(plain).collect()
    };
    let mut text = line(&cells("", &faults)) + &line(&vec!["---".to_owned(); faults.len() + 1]);
    for (test, row) in tests.iter().take(MAX_ROWS) {
        text.push_str(&line(&cells(test, row)));
    }
    if tests.len() > MAX_ROWS {
        text.push_str(&format!("\nAnd {} more in `soak.json`.\n", tests.len() - MAX_ROWS));
    }
    text
}

fn trials(suite: &Suite) -> String {
    let cells = worst_first(suite).into_iter().map(|trial| {
        [
            trial.number.to_string(),
            trial.outcome.map_or("not ended", Outcome::word).to_owned(),
            trial.headline.clone(),
            trial.run.clone().unwrap_or_default(),
        ]
    });
    let table = rows(["trial", "", "what", "run"], cells);
    let bad = worst_first(suite);
    let first = bad.first().map(|trial| format!("\nRepeat the first: {}\n", code(&trial.command)));
    let again = to_repeat(&bad).map(|run| {
        let (repro, shrink) = (code(&format!("duress repro {run}")), code(&format!("duress shrink {run}")));
        format!(
            "\nIn the directory of the soak, how often does it fail: {repro}; with how little: {shrink}\n"
        )
    });
    table + &first.unwrap_or_default() + &again.unwrap_or_default()
}

fn canaries(suite: &Suite) -> String {
    let cells = suite.facts.canaries.iter().map(|canary| {
        let caught = if canary.caught { "caught" } else { "MISSED" };
        [canary.name.clone(), caught.to_owned(), canary.attempts.to_string(), canary.told.clone()]
    });
    rows(["canary", "", "attempts", "what"], cells)
}
