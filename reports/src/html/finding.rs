//! Findings: what happened as a figure, why it is impossible, in words, what the nodes said, and how
//! to prove it again.

use super::Page;
use super::said;
use super::verdict::{capital, quoted};
use crate::conclusion::{Placed, Proof, in_order};
use crate::figure::{Context, order, picture, process};
use crate::regression;
use crate::words::{self, counted};
use duress_checkers::verdict::Step;
use duress_checkers::{Counterexample, Finding, History};
use maud::{Markup, html};

/// Findings shown in full; further ones are usually the same bug on other keys.
const MAX_FULL: usize = 1;
/// Findings shown at all.
const MAX_SHOWN: usize = 50;
/// Pixels up to which the argument has room beside the figure.
const FITTING: i64 = 980;
/// Final states that are drawn; the table has all.
const MAX_TABS: usize = 5;

/// What a finding is shown with.
struct Around<'a> {
    context: Context<'a>,
    /// In a run: the finding's place there.
    placed: Option<&'a Placed>,
    history: &'a History,
    /// With everything to be copied; for others the file has to do, lest the page grow with them.
    full: bool,
}

pub(super) fn sections(page: &Page<'_>) -> Markup {
    let all: Vec<_> = in_order(&page.conclusion.verdicts).zip(&page.conclusion.findings).collect();
    html! {
        @for (at, ((_, finding), placed)) in all.iter().take(MAX_SHOWN).enumerate() {
            section id=(format!("f{}", placed.number)) {
                h2 { span.num { (placed.number) } " " (capital(&finding.title)) }
                p.sub {
                    (words::at(placed.time)) ", " (placed.relation) ". " (quoted(&finding.sentence))
                }
                @let around = Around { context: page.context(), placed: Some(placed), history: page.history, full: at < MAX_FULL };
                // Without one there is only what the nodes said, which nobody should have to look for.
                @if at < MAX_FULL || finding.counterexample.is_none() { (body(page, at, finding, &around)) } @else {
                    details { summary { "show the counterexample" } (body(page, at, finding, &around)) }
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

fn body(page: &Page<'_>, at: usize, finding: &Finding, around: &Around<'_>) -> Markup {
    html! {
        (frame(finding, at as u64 + 1, around))
        @if let Some(excerpt) = page.said.get(at) { (said::section(excerpt, finding, page.conclusion)) }
    }
}

/// One that was placed in no run.
pub(super) fn alone(finding: &Finding, number: u64, history: &History) -> Markup {
    let around = Around { context: Context::default(), placed: None, history, full: true };
    html! {
        section id=(format!("f{number}")) {
            h2 { span.num { (number) } " " (capital(&finding.title)) }
            p.sub { (words::at(finding.time)) ". " (quoted(&finding.sentence)) }
            (frame(finding, number, &around))
        }
    }
}

fn frame(finding: &Finding, number: u64, around: &Around<'_>) -> Markup {
    let Some(example) = &finding.counterexample else {
        return html! {};
    };
    let figures = figures(example, number, around);
    let wide = figures.iter().any(|tab| tab.width > FITTING);
    html! {
        div."panel finding".wide[wide] {
            div {
                @if let Some(over_time) = &example.picture {
                    h3 { (capital(&over_time.caption)) }
                    div.figure tabindex="0" { (picture(over_time, &around.context).svg) }
                }
                @if figures.is_empty() {
                    p.note { "This counterexample does not hold together and cannot be drawn." }
                } @else {
                    (tabs(&figures, number))
                    (legend(example))
                }
                details { summary { "the operations as a table" } (operations(example)) }
                @if let Some(placed) = around.placed { (again(placed, around)) }
            }
            div.why {
                h3 { "Why it is impossible" }
                (argument(example))
                (finals(example))
                p.note { (words::checked(example)) }
                @if let Some(placed) = around.placed { (coincident(placed)) }
            }
        }
    }
}

/// The longest legal order, and how it ends.
struct Tab {
    /// Of the final state, in the counterexample.
    state: usize,
    name: String,
    svg: Markup,
    width: i64,
}

/// The order for each final state that follows from it: the first, and those for which operations took
/// effect that it does not hold.
fn figures(example: &Counterexample, number: u64, around: &Around<'_>) -> Vec<Tab> {
    let draw = |example: &Counterexample, state: usize, name: &str| {
        let figure = order(example, &format!("f{number}-{state}"), &around.context)?;
        Some(Tab { state, name: name.to_owned(), svg: figure.svg, width: figure.width })
    };
    if example.finals.is_empty() {
        return draw(example, 0, "").into_iter().collect();
    }
    let follows =
        |(at, state): &(usize, &duress_checkers::verdict::FinalState)| *at == 0 || !state.taken.is_empty();
    let states = example.finals.iter().enumerate().filter(follows).take(MAX_TABS);
    let tabs = states.map(|(at, state)| {
        let mut variant = example.clone();
        let taken = state.taken.iter().map(|&op| Step { op, state: state.state.clone() });
        variant.order.extend(taken);
        variant.finals = vec![state.clone()];
        draw(&variant, at, &state.assumption)
    });
    tabs.flatten().collect()
}

/// One of several, chosen without a script.
fn tabs(tabs: &[Tab], number: u64) -> Markup {
    let id = |tab: &Tab| format!("f{number}-s{}", tab.state);
    html! {
        @if let [one] = tabs {
            h3 { "Longest legal order" }
            div.figure tabindex="0" { (one.svg) }
        } @else {
            div.tabs {
                h3 { "Longest legal order, if" }
                @for (at, tab) in tabs.iter().enumerate() {
                    input class=(format!("s{}", tab.state)) type="radio" name=(format!("f{number}-states"))
                        id=(id(tab)) checked[at == 0];
                    " " label for=(id(tab)) { (words::short(&tab.name, 60)) } " "
                }
                @for tab in tabs {
                    div class=(format!("tab figure s{}", tab.state)) tabindex="0" { (tab.svg) }
                }
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

/// Line by line; where it is long, what leads to its end is there for who asks.
fn argument(example: &Counterexample) -> Markup {
    let (before, rest) = words::argument(example);
    html! {
        @if !before.is_empty() {
            details {
                summary { (counted(before.len() as u64, "step", "steps")) " that lead there" }
                ul { @for line in before { li { (quoted(line)) } } }
            }
        }
        @if !rest.is_empty() { ul { @for line in rest { li { (quoted(line)) } } } }
    }
}

fn finals(example: &Counterexample) -> Markup {
    let culprit = example.ops.get(example.culprit).map_or("the result", |op| &op.label);
    html! {
        @if !example.finals.is_empty() {
            table.finals {
                thead { tr { th { "If before it" } th { "it holds" } th { "so " code { (words::short(culprit, 40)) } } } }
                tbody {
                    @for (at, state) in example.finals.iter().enumerate() {
                        tr class=(format!("s{at}")) {
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

/// What else was the case, which need not be the cause.
fn coincident(placed: &Placed) -> Markup {
    html! {
        @if !placed.coincident.is_empty() {
            h3.next { "At the same time" }
            ul { @for fact in &placed.coincident { li { (fact) "." } } }
            p.note { "Coincidences in time: whether one of them is the cause is for you to judge." }
        }
    }
}

/// The proof as a file, as JSON and as a test.
fn again(placed: &Placed, around: &Around<'_>) -> Markup {
    let Some(proof) = &placed.proof else { return html! {} };
    let lines = |proof: &Proof| words::lines(&proof.lines(around.history));
    let test = around.full.then(|| regression::test(placed, proof, around.history)).flatten();
    html! {
        div.again {
            h3 { "Prove it again" }
            pre { (proof.recheck) }
            p.note {
                (counted(proof.ops.len() as u64, "operation", "operations")) " of the history, in "
                a href=(proof.file) { (proof.file) } "; the command is for the directory of the run."
            }
            @if let Some(test) = test {
                details { summary { "as JSON" } pre.code { (lines(proof)) } }
                details { summary { "as a test in Rust" } pre.code { (words::lines(&test)) } }
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
