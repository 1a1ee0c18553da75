//! The index of all runs.

use super::{head, link, mark, outcome_word, shown, trend};
use crate::index::{Cell, Index, Life, OpenFinding, RESOLVED_AFTER, RunLine};
use crate::words::{self, count, counted};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Rows of runs; the file has all of them.
const MAX_ROWS: usize = 2_000;
/// Findings listed.
const MAX_FINDINGS: usize = 200;
/// Choices in one filter.
const MAX_CHOICES: usize = 200;
/// Characters of a row that the text filter looks at.
const SEARCHED: usize = 600;

/// The page. Depends on nothing but its argument.
pub fn page(index: &Index) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head("Duress: runs", Some(super::SCRIPT)))
            body {
                div.top { header {
                    span.crumb { "duress / " b { "runs" } }
                    nav aria-label="sections" {
                        a href="#findings" { "Findings" } " " a href="#matrix" { "Tests" } " "
                        @if !index.trends.is_empty() { a href="#trends" { "Trends" } " " }
                        a href="#runs" { "Runs" }
                    }
                } }
                main {
                    (overview(index))
                    (findings(index))
                    (matrix(index))
                    (trend::section(index))
                    (runs(index))
                }
                footer { p {
                    "Times are UTC. Computed from index.jsonl and the runs beside it; complete without a script, "
                    "which only filters."
                } }
                script { (PreEscaped(super::SCRIPT)) }
            }
        }
    }
    .into_string()
}

fn overview(index: &Index) -> Markup {
    let tested = || index.runs.iter().filter(|run| !run.canary);
    let open = index.findings.iter().filter(|f| f.known.is_none()).count() as u64;
    let last = index.runs.last();
    html! {
        section #overview {
            h1 { (counted(index.runs.len() as u64, "run", "runs")) }
            p.lede {
                @if let Some(last) = last { "The last one began at " (stamp(&last.started)) ". " }
                @if open > 0 { b { (counted(open, "finding", "findings")) } " not listed as known. " }
                @else { "No finding that is not listed as known. " }
                @let proves = tested().filter(|run| !run.counts()).count() as u64;
                @if proves > 0 { (counted(proves, "run", "runs")) " came to no answer, and counts neither way." }
            }
            (canary(index))
        }
    }
}

fn canary(index: &Index) -> Markup {
    let canary = &index.canary;
    let last = canary.last.map(|at| &index.runs[at]);
    html! {
        ul.trust {
            @match last {
                None => li {
                    span.hm { "!" } " No canary has run: a run that has to fail, " code { "duress demo --canary" }
                    ", shows that a violation would be noticed."
                },
                Some(last) => {
                    li.bad[!canary.missed.is_empty()] {
                        @if canary.missed.is_empty() { span.yes { "✓" } } @else { span.no { "✕" } }
                        " Canary: caught " (count(canary.caught)) " of " (count(canary.runs)) ", the last one at "
                        (stamp(&last.started)) "."
                    }
                    @for at in canary.missed.iter().rev().take(5) {
                        @let run = &index.runs[*at];
                        li.bad {
                            span.no { "✕" } " " (to_report(run, &shown(&run.id), "")) " had to fail, and was "
                            (outcome_word(run.outcome)) ": until this is explained, do not trust a pass."
                        }
                    }
                }
            }
        }
    }
}

fn findings(index: &Index) -> Markup {
    html! {
        section #findings {
            h2 { "Findings" }
            p.sub {
                "A row is probably one bug: same target, settings, checker and kind, whatever faults it came with. Its "
                "fingerprints tell these apart, too; known.toml lists fingerprints. New: only in the last session (the label "
                code { "session" } ", or the day). Resolved: not in " (count(RESOLVED_AFTER)) " runs of its tests. Runs that "
                "came to no answer are not counted."
            }
            @if index.findings.is_empty() { p.note { "None in any of these runs." } } @else {
                div.panel tabindex="0" { table {
                    thead { tr { th { "Finding" } th { "Where it stands" } th.r { "Seen in" } th { "First" } th { "Last" } th { "Fingerprint" } } }
                    tbody { @for finding in index.findings.iter().take(MAX_FINDINGS) { (finding_row(index, finding)) } }
                } }
                @if index.findings.len() > MAX_FINDINGS {
                    p.sub { "And " (count((index.findings.len() - MAX_FINDINGS) as u64)) " more." }
                }
            }
        }
    }
}

fn finding_row(index: &Index, finding: &OpenFinding) -> Markup {
    let (first, last) = (&index.runs[finding.first], &index.runs[finding.last]);
    let anchor = format!("#f{}", finding.number);
    html! {
        tr.known[finding.known.is_some()] {
            th {
                (to_report(last, &shown(&finding.signature), &anchor))
                @if finding.moments.len() > 1 {
                    small { "in all " (shown(&finding.moments.iter().cloned().collect::<Vec<_>>().join(", "))) }
                }
            }
            td {
                @match (&finding.known, finding.life) {
                    (None, Life::New) => b.no { "new" },
                    (None, Life::Ongoing) => b.no { "ongoing" },
                    (None, Life::NotSeen(_)) => span.hm { "not seen lately" },
                    (None, Life::Resolved(_)) => span.yes { "resolved" },
                    (Some(_), _) => "known",
                }
                @let without = finding.life.without();
                @if without > 0 { small { "not in the last " (counted(without, "run", "runs")) } }
                @if let Some(known) = &finding.known { small { (shown(known)) } }
            }
            td.r { (count(finding.seen)) " of " (count(finding.of)) }
            td { (stamp(&first.started)) }
            td { (stamp(&last.started)) }
            td {
                code { (shown(&finding.fingerprint)) }
                @if finding.fingerprints.len() > 1 {
                    small { "and " (count(finding.fingerprints.len() as u64 - 1)) " more" }
                }
            }
        }
    }
}

fn matrix(index: &Index) -> Markup {
    html! {
        section #matrix {
            h2 { "Tests and faults" }
            p.sub { "The last run of each, and how many of all runs have a violation that counts." }
            div.panel tabindex="0" { table.matrix {
                thead { tr { th { "Test" } @for set in &index.matrix.faults { th { (shown(set)) } } } }
                tbody {
                    @for (test, cells) in &index.matrix.tests {
                        tr { th { (shown(test)) } @for cell in cells { td { (cell_of(index, cell.as_ref())) } } }
                    }
                }
            } }
        }
    }
}

fn cell_of(index: &Index, cell: Option<&Cell>) -> Markup {
    let Some(cell) = cell else { return html! { span.dim title="never ran" { "·" } } };
    let run = &index.runs[cell.last];
    let word = outcome_word(run.outcome);
    html! {
        (mark(run.outcome)) " " (to_report(run, word, ""))
        small { (count(cell.violations)) " of " (counted(cell.runs, "run", "runs")) }
    }
}

fn runs(index: &Index) -> Markup {
    let newest = || index.runs.iter().rev().take(MAX_ROWS);
    html! {
        section #runs {
            h2 { "Runs" }
            (filters(index))
            div.panel tabindex="0" { table {
                thead { tr {
                    th { "Began" } th { "Test" } th { "Faults" } th { "Verdict" } th.r { "Operations" } th.r { "Rate" }
                    th.r { "p99" } th.r { "No answer" } th.r { "Seed" } th { "Run" }
                } }
                tbody #rows { @for run in newest() { (row(run)) } }
            } }
            @if index.runs.len() > MAX_ROWS {
                p.sub { "And " (count((index.runs.len() - MAX_ROWS) as u64)) " older ones in index.jsonl." }
            }
        }
    }
}

/// Hidden until the script shows them: without it they would do nothing.
fn filters(index: &Index) -> Markup {
    let choices = |of: &dyn Fn(&RunLine) -> Option<String>| {
        let mut all: Vec<String> = index.runs.iter().filter_map(of).map(|text| shown(&text)).collect();
        all.sort();
        all.dedup();
        all.truncate(MAX_CHOICES);
        all
    };
    let branch = |run: &RunLine| run.labels.get("branch").cloned();
    let all = [
        ("test", choices(&|run| Some(run.test.clone()))),
        ("faults", choices(&|run| Some(run.fault_set()))),
        ("verdict", choices(&|run| Some(outcome_word(run.outcome).to_owned()))),
        ("branch", choices(&branch)),
    ];
    html! {
        div.filters #filters hidden {
            @for (name, choices) in all.iter().filter(|(_, choices)| choices.len() > 1) {
                label { (name) " " select data-filter=(name) {
                    option value="" { "all" }
                    @for choice in choices { option { (choice) } }
                } }
            }
            label { "text " input type="search" autocomplete="off" data-filter="text"; }
            span.dim #shown aria-live="polite" {}
        }
    }
}

fn row(run: &RunLine) -> Markup {
    let text = format!("{} {} {} {:?} {}", run.path, run.headline, run.seed, run.labels, fingerprints(run));
    html! {
        tr data-test=(shown(&run.test)) data-faults=(shown(&run.fault_set())) data-verdict=(outcome_word(run.outcome))
            data-branch=[run.labels.get("branch").map(|branch| shown(branch))]
            data-text=(words::visible(&text, SEARCHED).to_lowercase()) {
            td { (stamp(&run.started)) }
            td { (shown(&run.test)) @if run.canary { " " span.chip { "canary" } } }
            td { (shown(&run.fault_set())) }
            td {
                (mark(run.outcome)) " " (outcome_word(run.outcome))
                @if !run.headline.is_empty() { small { (shown(&run.headline)) } }
            }
            td.r { (count(run.calls)) }
            td.r { @if let Some(rate) = run.rate { (count(rate as u64)) "/s" } }
            td.r { @if let Some(ms) = run.p99_ms { (words::span_ms(ms)) } }
            td.r { @if let Some(ns) = run.no_answer_ns { (words::span(ns)) } }
            td.r { code { (run.seed) } }
            td {
                (to_report(run, &shown(&run.id), ""))
                @for (name, value) in &run.labels { " " span.chip { (shown(name)) "=" (shown(value)) } }
            }
        }
    }
}

fn fingerprints(run: &RunLine) -> String {
    run.findings.iter().map(|f| f.fingerprint.as_str()).collect::<Vec<_>>().join(" ")
}

/// A run that is running has no report yet, and one that was removed has none any more.
fn to_report(run: &RunLine, text: &str, anchor: &str) -> Markup {
    let href = link(&format!("{}/report.html", run.path)).filter(|_| run.outcome.is_some());
    html! {
        @match href.filter(|_| !run.gone) {
            Some(href) => a href=(format!("{href}{anchor}")) { (text) },
            None => (text),
        }
    }
}

/// `2026-11-21 03:14` of `2026-11-21T03:14:15Z`.
fn stamp(started: &str) -> String {
    match (started.get(..10), started.get(11..16)) {
        (Some(day), Some(time)) if started.is_ascii() && started.len() == 20 => {
            shown(&format!("{day} {time}"))
        }
        _ => shown(started),
    }
}
