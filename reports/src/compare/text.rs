//! Two runs side by side on a terminal.

use super::{Comparison, Side, fault_figures, fault_names, figures};
use crate::words::{self, count, counted};
use std::fmt::Write;

/// Widest value in a column.
const VALUE: usize = 34;
/// Widest name of a row.
const NAME: usize = 26;
/// Faults listed.
const MAX_FAULTS: usize = 20;
/// Findings listed.
const MAX_FINDINGS: usize = 20;

impl Comparison {
    /// As plain text, ending in a newline.
    pub fn text(&self) -> String {
        let shown = self.presentable();
        let mut out = String::new();
        head(&mut out, "A", &shown.a);
        head(&mut out, "B", &shown.b);
        differences(&mut out, &shown);
        findings(&mut out, &shown);
        rows(
            &mut out,
            "figures",
            figures(&shown).iter().map(|f| [f.name.clone(), f.words(f.a), f.words(f.b), f.delta()]),
        );
        faults(&mut out, &shown);
        out
    }
}

fn head(out: &mut String, letter: &str, side: &Side) {
    let word = words::shout(side.conclusion.outcome);
    let _ = writeln!(out, "{letter}  {word}  {}  {}  {}", side.info.name, side.info.id, side.info.started);
    let _ = writeln!(out, "   {}", words::short(&side.conclusion.headline, 160));
}

fn differences(out: &mut String, comparison: &Comparison) {
    let same = counted(comparison.same as u64, "option is", "options are");
    if comparison.differences.is_empty() {
        let _ = writeln!(out, "\n  all {same} the same");
        return;
    }
    let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    let different = comparison.differences.iter();
    rows(
        out,
        "asked differently",
        different.map(|(name, a, b)| [name.clone(), cell(a), cell(b), String::new()]),
    );
    let _ = writeln!(out, "  {same} the same");
}

fn findings(out: &mut String, comparison: &Comparison) {
    if comparison.findings.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n  findings");
    for pair in comparison.findings.iter().take(MAX_FINDINGS) {
        let place = match (pair.a, pair.b) {
            (_, 0) => "only A",
            (0, _) => "only B",
            _ => "both",
        };
        let (a, b) = (count(pair.a), count(pair.b));
        let _ = writeln!(
            out,
            "  {place:<7} {a:>4} {b:>4}  {:<12}  {}",
            pair.fingerprint,
            words::short(&pair.signature, 100)
        );
    }
    if comparison.findings.len() > MAX_FINDINGS {
        let _ = writeln!(out, "  and {} more", comparison.findings.len() - MAX_FINDINGS);
    }
}

fn faults(out: &mut String, comparison: &Comparison) {
    for pair in comparison.faults.iter().take(MAX_FAULTS) {
        let (a, b) = fault_names(comparison, pair);
        let title = if a == b { a } else { format!("{a} / {b}") };
        let all = fault_figures(comparison, pair);
        let told = all.iter().filter(|f| f.a.is_some() || f.b.is_some());
        rows(
            out,
            &words::short(&title, 90),
            told.map(|f| [f.name.clone(), f.words(f.a), f.words(f.b), f.delta()]),
        );
    }
    if comparison.faults.len() > MAX_FAULTS {
        let _ = writeln!(out, "  and {} more faults", comparison.faults.len() - MAX_FAULTS);
    }
}

/// Name, both values, and the difference.
type Row = [String; 4];

fn rows(out: &mut String, title: &str, rows: impl Iterator<Item = Row>) {
    let cut = |[name, a, b, delta]: Row| {
        [words::short(&name, NAME), words::short(&a, VALUE), words::short(&b, VALUE), delta]
    };
    let rows: Vec<Row> = rows.map(cut).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let (name, a, b) = (width(0), width(1), width(2));
    let _ = writeln!(out, "\n  {title}");
    for [what, first, second, delta] in &rows {
        let line = format!("  {what:<name$}  {first:>a$}  {second:>b$}  {delta}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
}
