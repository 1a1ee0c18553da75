//! The first screen: did it fail, what exactly, during which fault, and can it be believed.

use super::Page;
use crate::conclusion::{Mark, Outcome, Placed, grouped};
use crate::palette::{BAD, INFO, ON_BAD};
use crate::words::{self, count, counted};
use maud::{Markup, html};

/// Kinds of findings in the list; the rest is counted.
const MAX_LISTED: usize = 5;
/// Links to further ones of the same kind.
const MAX_LIKE_IT: usize = 12;

pub(super) fn section(page: &Page<'_>) -> Markup {
    let c = page.conclusion;
    html! {
        section #verdict {
            h1 { (sign(c.outcome)) span { (c.headline) } }
            p.lede { (quoted(&c.lede)) }
            div.two {
                div.panel {
                    @if c.findings.is_empty() { (exercised(page)) } @else { (findings(page)) }
                }
                (facts(page))
            }
            div.panel.command { span { "repeat" } pre { (page.info.repeat) } }
            (trust(page))
        }
    }
}

/// `code` between backticks.
pub(super) fn quoted(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

pub(super) fn sign(outcome: Outcome) -> Markup {
    let (back, fore, path) = match outcome {
        Outcome::Valid => ("var(--good,#1f6f4a)", "var(--panel,#ffffff)", "M11 20l6 6 11-13"),
        Outcome::Violation | Outcome::Crash => (BAD.paint, ON_BAD.paint, "M12 12l14 14m0-14l-14 14"),
        Outcome::Known => ("var(--ink3,#69737f)", "var(--panel,#ffffff)", "M12 12l14 14m0-14l-14 14"),
        Outcome::Unknown => (INFO.paint, "#241600", "M14 15c0-6 10-6 10 0 0 4-5 4-5 8m0 4v1"),
        Outcome::Inconclusive | Outcome::Infrastructure => (INFO.paint, "#241600", "M19 10v12m0 5v2"),
    };
    html! {
        svg width="38" height="38" viewBox="0 0 38 38" fill="none" stroke="none" role="img" aria-label=(outcome.word()) {
            rect width="38" height="38" rx="9" fill=(back) {}
            path d=(path) stroke=(fore) stroke-width="3" stroke-linecap="round" stroke-linejoin="round" {}
        }
    }
}

fn findings(page: &Page<'_>) -> Markup {
    let groups = grouped(&page.conclusion.findings);
    let gave_up = page.conclusion.verdicts.iter().filter(|v| v.valid == duress_checkers::Valid::Unknown);
    html! {
        ol.list {
            @for group in groups.iter().take(MAX_LISTED) {
                @let finding = group[0];
                li {
                    span.num.n[finding.is_known()] { (finding.number) }
                    div {
                        a.t href=(format!("#f{}", finding.number)) { (capital(&finding.title)) }
                        @if group.len() > 1 { (more(&group[1..])) }
                        div.d {
                            (finding.anomaly) ", found by " code { (finding.checker) } ", fingerprint "
                            code title="the same in every run that shows this, under any seed" { (finding.fingerprint) }
                        }
                        @if let Some(known) = &finding.known { div.d { (known.words()) } }
                    }
                    div."d f" { (words::at(finding.time)) br; (finding.relation) }
                }
            }
            @if groups.len() > MAX_LISTED {
                li { span."num n" { "+" } div { (count((groups.len() - MAX_LISTED) as u64)) " more kinds below" } }
            }
            @for verdict in gave_up {
                li {
                    span."num q" { "?" }
                    div { div.t { code { (verdict.checker) } " gave up" } div.d { (verdict.reason.as_deref().unwrap_or_default()) } }
                }
            }
        }
    }
}

/// Others of the same kind under the same fault, by their numbers.
fn more(others: &[&Placed]) -> Markup {
    html! {
        " and " (count(others.len() as u64)) " more like it:"
        @for other in others.iter().take(MAX_LIKE_IT) {
            " " a href=(format!("#f{}", other.number)) title=(other.title) { (other.number) }
        }
        @if others.len() > MAX_LIKE_IT { " …" }
    }
}

/// In the place of findings: what was tried in vain, and what kept it from counting.
fn exercised(page: &Page<'_>) -> Markup {
    let (c, e) = (page.conclusion, &page.conclusion.evidence);
    html! {
        ul.list {
            @for reason in &c.reasons {
                li { span."num q" { "!" } div { div.t { (quoted(&capital(reason))) } } }
            }
            li {
                span."num n" { "•" }
                div {
                    div.t { (counted(e.total.ok, "operation", "operations")) " succeeded" }
                    div.d {
                        @for (at, (f, tally)) in e.ops.iter().enumerate() {
                            @if at > 0 { ", " } (count(tally.ok)) " " (f)
                        }
                        @if let Some(keys) = e.keys { " on " (counted(keys, "key", "keys")) }
                    }
                }
                div."d f" { (count(e.ok_under_fault)) " under faults" }
            }
            @if e.reads_just_after > 0 && c.outcome == Outcome::Valid {
                li {
                    span."num n" { "•" }
                    div {
                        div.t { (counted(e.reads_just_after, "read", "reads")) " within a second after a fault" }
                        div.d { "where stale values show; nothing in them is wrong" }
                    }
                }
            }
            @for (kind, tally) in &e.faults {
                li {
                    span."num n" { "•" }
                    div {
                        div.t { (capital(kind)) ": " (tally.bit) " of " (tally.applied) " took effect" }
                        div.d {
                            @if tally.did_not_bite > 0 { (tally.did_not_bite) " did not take effect" }
                            @if tally.skipped > 0 { (tally.skipped) " skipped: nothing to break" }
                        }
                    }
                    div."d f" { (words::span(tally.in_effect_ns)) " in effect" }
                }
            }
        }
    }
}

fn facts(page: &Page<'_>) -> Markup {
    let (info, e) = (page.info, &page.conclusion.evidence);
    let version = info.binary.as_ref().map(|b| b.version.as_str());
    let version = version.or_else(|| info.nodes.iter().find_map(|n| n.version.as_deref()));
    let bit: u64 = e.faults.values().map(|t| t.bit).sum();
    let applied: u64 = e.faults.values().map(|t| t.applied).sum();
    html! {
        dl.panel {
            dt { "Operations" }
            dd {
                b { (count(e.total.calls())) } " in " (words::span(e.duration_ns)) ": "
                (count(e.total.ok)) " ok, " (count(e.total.fail)) " fail, " (count(e.total.info)) " info"
            }
            dt { "System" }
            dd {
                (info.target) " " (version.unwrap_or_default()) ", " (counted(info.nodes.len() as u64, "node", "nodes"))
                @for (name, value) in &info.settings { ", " code { (name) "=" (value) } }
            }
            dt { "Workload" }
            dd { (info.workload) @if let Some(keys) = e.keys { ", " (counted(keys, "key", "keys")) } }
            dt { "Faults" }
            dd {
                @if e.faults.is_empty() { "none" } @else {
                    (bit) " of " (applied) " took effect, " (words::span(e.under_fault_ns)) " under fault"
                }
            }
            dt { "Under faults" }
            dd { (count(e.ok_under_fault)) " ok, " (counted(e.writes_under_fault, "write", "writes")) " acknowledged" }
            dt { "Seed" }
            dd { code { (info.seed) } }
            dt { "Started" }
            dd { (info.started) }
        }
    }
}

fn trust(page: &Page<'_>) -> Markup {
    html! {
        ul.trust {
            li { b { "Can this run be trusted?" } }
            @for trust in &page.conclusion.trust {
                li.bad[trust.mark == Mark::No] {
                    @match trust.mark {
                        Mark::Yes => { span.yes { "✓" } }
                        Mark::Note => { span.hm { "!" } }
                        Mark::No => { span.no { "✕" } }
                    }
                    " " (quoted(&trust.text))
                }
            }
        }
    }
}

/// Sentences begin with a capital letter; data does not.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
