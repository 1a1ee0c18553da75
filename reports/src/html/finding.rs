//! Findings: the counterexample as a figure, and why it is impossible, in words.

use super::Page;
use super::verdict::{capital, quoted};
use crate::conclusion::in_order;
use crate::figure::{order, process};
use crate::words::{self, counted};
use duress_checkers::{Counterexample, Finding};
use maud::{Markup, html};

/// Findings shown in full; further ones are usually the same bug on other keys.
const MAX_FULL: usize = 1;
/// Findings shown at all.
const MAX_SHOWN: usize = 50;
/// Pixels up to which the argument has room beside the figure.
const FITTING: i64 = 980;

pub(super) fn sections(page: &Page<'_>) -> Markup {
    let all: Vec<_> = in_order(&page.conclusion.verdicts).zip(&page.conclusion.findings).collect();
    html! {
        @for (at, ((_, finding), placed)) in all.iter().take(MAX_SHOWN).enumerate() {
            section id=(format!("f{}", placed.number)) {
                h2 { span.num { (placed.number) } " " (capital(&finding.title)) }
                p.sub { (words::at(placed.time)) ", " (placed.relation) ". " (quoted(&finding.sentence)) }
                @if at < MAX_FULL { (body(finding, placed.number)) } @else {
                    details { summary { "show the counterexample" } (body(finding, placed.number)) }
                }
            }
        }
        @if all.len() > MAX_SHOWN {
            p.sub { (counted((all.len() - MAX_SHOWN) as u64, "more finding is", "more findings are")) " in verdict.json." }
        }
        @let omitted = page.conclusion.verdicts.iter().map(|v| v.findings_omitted).sum();
        @if omitted > 0 {
            p.sub { (counted(omitted, "more violation was", "more violations were")) " found, and not explained." }
        }
    }
}

/// One that was placed in no run.
pub(super) fn alone(finding: &Finding, number: u64) -> Markup {
    html! {
        section id=(format!("f{number}")) {
            h2 { span.num { (number) } " " (capital(&finding.title)) }
            p.sub { (words::at(finding.time)) ". " (quoted(&finding.sentence)) }
            (body(finding, number))
        }
    }
}

fn body(finding: &Finding, number: u64) -> Markup {
    let Some(example) = &finding.counterexample else {
        return html! { p.note { "This checker hands over no counterexample." } };
    };
    let figure = order(example, &format!("f{number}"));
    let wide = figure.as_ref().is_some_and(|f| f.width > FITTING);
    html! {
        div."panel finding".wide[wide] {
            div {
                @match figure {
                    Some(figure) => {
                        div.figure tabindex="0" { (figure.svg) }
                        (legend(example))
                    }
                    None => p.note { "This counterexample does not hold together and cannot be drawn." }
                }
                details { summary { "the operations as a table" } (operations(example)) }
            }
            div.why {
                h3 { "Why it is impossible" }
                @if !example.argument.is_empty() {
                    ul { @for line in &example.argument { li { (quoted(line)) } } }
                }
                (finals(example))
                p.note { (words::checked(example)) }
            }
        }
    }
}

fn legend(example: &Counterexample) -> Markup {
    html! {
        p.note {
            "Bars run from invocation to return; the axis is warped where little happens (//). "
            "Numbers: the longest legal order, for " (example.model) ". "
            "Heavy outlines: the smallest core, impossible on its own. "
            "Hatched: nobody saw it return, it may have happened."
        }
    }
}

fn finals(example: &Counterexample) -> Markup {
    let culprit = example.ops.get(example.culprit).map_or("the result", |op| &op.label);
    html! {
        @if !example.finals.is_empty() {
            table {
                thead { tr { th { "If before it" } th { "it holds" } th { "so " code { (words::short(culprit, 40)) } } } }
                tbody {
                    @for state in &example.finals {
                        tr {
                            td { (state.assumption) }
                            td { code { (words::short(&state.state, 60)) } }
                            td.refused { "✕ " (state.refusal) }
                        }
                    }
                }
            }
            @if example.finals_omitted > 0 {
                p.note { "And " (counted(example.finals_omitted as u64, "more state", "more states")) ", none of which allows it." }
            }
        }
    }
}

fn operations(example: &Counterexample) -> Markup {
    html! {
        table {
            thead { tr { th { "process" } th { "via" } th { "operation" } th.r { "invoked" } th.r { "returned" } th.r { "in history" } } }
            tbody {
                @for (at, op) in example.ops.iter().enumerate() {
                    tr {
                        td { (process(op.process)) }
                        td { (op.node.as_deref().unwrap_or("")) }
                        td.refused[at == example.culprit] { code { (words::short(&op.label, 200)) } }
                        td.r { (words::at(op.invoked)) }
                        td.r { @match op.returned { Some(t) => (words::at(t)), None => span.dim { "never" } } }
                        td.r { (op.index) }
                    }
                }
            }
        }
    }
}
