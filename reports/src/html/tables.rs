//! Faults, errors, latency, checkers: the numbers.

use super::Page;
use super::timeline::key;
use super::verdict::quoted;
use crate::conclusion::{FaultEffect, FaultState, Quantiles, Reached};
use crate::words::{self, count};
use duress_checkers::{Kind, Valid, Verdict};
use maud::{Markup, PreEscaped, html};
use serde_json::Value;

/// Below this a write was acknowledged as if nothing had happened; nanoseconds.
const AT_ONCE: u64 = 50_000_000;

pub(super) fn faults(page: &Page<'_>) -> Markup {
    let c = page.conclusion;
    let quiet =
        c.quiet_rate.map_or("unknown: there was too little time without a fault".to_owned(), |rate| {
            format!("{} operations per second", count(rate.round() as u64))
        });
    // Only faults of networks keep frames from crossing.
    let took = c.faults.iter().any(|fault| fault.taken.is_some());
    html! {
        @if !c.faults.is_empty() {
            section #faults {
                h2 { "Faults and what they did" }
                p.sub {
                    "From 5 s before to 10 s after each fault; blue: answered (ok, or a comparison that failed), below the line: what did not succeed, "
                    "dashed: the usual rate (" (quiet) "). A gap of more than " (words::span(c.outage_ns)) " without any answer counts as an outage."
                }
                div.panel tabindex="0" {
                    table {
                        thead { tr {
                            th { "Fault" } th.r { "Start" br; "in effect" } th { "Effect" }
                            th.r { "No answer" br; "anywhere" } th.r { "First write" br; "acknowledged" }
                            th.r { "Usual rate" br; "after heal" } th.r { "p99 while" br; "active" }
                            th.r { "ok while" br; "active" } th.r { "fail" br; "info" }
                            @if took { th.r { "Packets" br; "taken" } }
                        } }
                        tbody { @for fault in &c.faults { (fault_row(page, fault, took)) } }
                    }
                }
            }
        }
    }
}

fn fault_row(page: &Page<'_>, fault: &FaultEffect, took: bool) -> Markup {
    let window = &fault.window;
    let findings = page.conclusion.findings.iter().filter(|f| f.fault == Some(window.id));
    html! {
        tr id=(format!("fault-{}", window.id)) {
            td {
                b { (window.name()) }
                @for finding in findings { " " a.num href=(format!("#f{}", finding.number)) { (finding.number) } }
                @if fault.state != FaultState::Bit { " " small.refused { (fault.state.words()) } }
                @for line in &window.evidence { " " small { (words::short(line, 200)) } }
            }
            td.r { (words::at_bare(window.start)) " " small { (words::span(fault.in_effect_ns)) } }
            td { @if fault.state != FaultState::Skipped { (page.sparks.figure(window)) } }
            td.r { (reached(fault.no_answer.as_ref(), "none", 0)) }
            td.r { (reached(fault.first_write.as_ref(), "at once", AT_ONCE)) }
            td.r { (reached(fault.recovered.as_ref(), "at once", AT_ONCE)) }
            td.r { @match fault.p99_ms { Some(ms) => (words::span_ms(ms)), None => span.dim { "no ok" } } }
            td.r { (count(fault.ok)) }
            td.r { (count(fault.fail)) " " small { (count(fault.info)) } }
            @if took {
                td.r { @match &fault.taken { Some(taken) => (count(taken.frames)), None => span.dim { "–" } } }
            }
        }
    }
}

/// Censored, never invented: `> 12.0 s, end of run`.
fn reached(value: Option<&Reached>, small: &str, limit: u64) -> Markup {
    html! {
        @match value {
            None => span.dim { "–" },
            Some(Reached::After(ns)) if *ns <= limit => span.dim { (small) },
            Some(Reached::After(ns)) => (words::span(*ns)),
            Some(Reached::Not { within: 0, at_most: Some(ns), .. }) => { "< " (words::span(*ns)) },
            Some(Reached::Not { within, before, .. }) => { "> " (words::span(*within)) " " small { "then " (before) } }
        }
    }
}

pub(super) fn errors(page: &Page<'_>) -> Markup {
    let c = page.conclusion;
    // Faults without an error would only widen the table.
    let columns: Vec<u32> = c
        .faults
        .iter()
        .map(|f| f.window.id)
        .filter(|id| c.errors.iter().any(|e| e.by_fault.iter().any(|(fault, _)| fault == id)))
        .collect();
    let most = c
        .errors
        .iter()
        .filter(|e| !e.expected)
        .flat_map(|e| e.by_fault.iter().map(|(_, n)| *n).chain([e.no_fault]));
    let most = most.max().unwrap_or(1);
    html! {
        @if !c.errors.is_empty() {
            section #errors {
                h2 { "Errors" }
                p.sub {
                    "By class, and by the faults during which, or up to 2 s after which, the operation was open; "
                    "one that fell into two faults counts for both."
                }
                div.panel tabindex="0" {
                    table {
                        thead { tr {
                            th { "Error" } th { "The operation" } th.r { "total" }
                            @for id in &columns { th.r { a href=(format!("#fault-{id}")) { "F" (id) } } }
                            th.r { "no fault" }
                        } }
                        tbody {
                            @for row in &c.errors {
                                tr {
                                    th { (row.class) " " small { (words::short(&row.sample, 160)) } }
                                    td {
                                        @if row.expected { "did not happen: the comparison failed, as it may" }
                                        @else if row.kind == Kind::Fail { "did not happen" }
                                        @else { "may have happened" }
                                    }
                                    td.r { (count(row.total)) }
                                    @for id in &columns {
                                        @let n = row.by_fault.iter().find(|(fault, _)| fault == id).map_or(0, |(_, n)| *n);
                                        (cell(n, most, row.expected))
                                    }
                                    (cell(row.no_fault, most, row.expected))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The fuller, the darker; and the number says it, too.
fn cell(n: u64, most: u64, expected: bool) -> Markup {
    let shade = match (n, expected) {
        (0, _) => "r dim",
        (_, true) => "r",
        (n, _) if n * 50 < most => "r h1",
        (n, _) if n * 10 < most => "r h2",
        (n, _) if n * 3 < most => "r h3",
        _ => "r h4",
    };
    html! { td class=(shade) { (count(n)) } }
}

pub(super) fn latency(page: &Page<'_>) -> Markup {
    let c = page.conclusion;
    let names = ["p50", "p95", "p99", "p99.9", "max"];
    let values = |q: &Quantiles| [q.p50, q.p95, q.p99, q.p999, q.max];
    html! {
        @if !c.latency.is_empty() {
            section #latency {
                h2 { "Latency" }
                p.sub { "Of operations that succeeded; a timeout is not a latency, and is counted instead." }
                div.panel tabindex="0" {
                    table {
                        thead { tr {
                            th { "Operation" } th.r { "ok" } th.r { "fail" } th.r { "info" }
                            @for name in names { th.r { (name) } }
                        } }
                        tbody {
                            @for row in &c.latency {
                                tr {
                                    th { code { (row.f) } }
                                    td.r { (count(row.ok)) } td.r { (count(row.fail)) } td.r { (count(row.info)) }
                                    @if let Some(ms) = &row.ms {
                                        @for value in values(ms) { td.r { (words::span_ms(value)) } }
                                    } @else {
                                        @for _ in names { td.r { span.dim { "no ok" } } }
                                    }
                                }
                            }
                        }
                    }
                    @if !page.calls.rows.is_empty() {
                        div.plots {
                            h3 {
                                "Over time " span {
                                    (key("p50")) "p50" (key("p95")) "p95" (key("p99")) "p99" (key("max")) "slowest; a gap where there were too few operations"
                                }
                            }
                            (PreEscaped(page.plots.latency_quantiles.themed()))
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn checkers(page: &Page<'_>) -> Markup {
    verdicts(&page.conclusion.verdicts)
}

pub(super) fn verdicts(verdicts: &[Verdict]) -> Markup {
    html! {
        section #checkers {
            h2 { "Checkers" }
            p.sub { "What each checker said, and how much it looked at." }
            div.panel tabindex="0" {
                table {
                    thead { tr { th { "Checker" } th { "Verdict" } th { "Looked at" } } }
                    tbody {
                        @if verdicts.is_empty() { tr { td colspan="3" { "Nothing was checked." } } }
                        @for verdict in verdicts {
                            tr {
                                th { code { (verdict.checker) } }
                                td {
                                    @match verdict.valid {
                                        Valid::Valid => { span.yes { "✓" } " no violation found" }
                                        Valid::Unknown => { span.hm { "?" } " unknown" }
                                        Valid::Violation => {
                                            span.no { "✕" } " "
                                            (words::counted(verdict.findings.len() as u64, "violation", "violations"))
                                        }
                                    }
                                    @if let Some(reason) = &verdict.reason { " " small { (quoted(reason)) } }
                                }
                                td { (stats(&verdict.stats)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn stats(stats: &serde_json::Map<String, Value>) -> Markup {
    html! {
        @for (at, (name, value)) in stats.iter().enumerate() {
            @if at > 0 { ", " }
            (name.replace('_', " ")) " "
            b {
                @match value {
                    Value::Number(n) if n.is_u64() => (count(n.as_u64().unwrap_or_default())),
                    Value::String(text) => (words::short(text, 120)),
                    other => (words::short(&other.to_string(), 120)),
                }
            }
        }
    }
}
