//! What the nodes said around a finding.

use crate::artifact::{Excerpt, Said};
use crate::conclusion::{Conclusion, FaultState};
use crate::words::{self, counted};
use duress_checkers::Finding;
use maud::{Markup, html};

/// Characters of a line that are shown.
const LONGEST: usize = 400;

pub(super) fn section(excerpt: &Excerpt, finding: &Finding, conclusion: &Conclusion) -> Markup {
    if excerpt.lines.is_empty() {
        return html! {};
    }
    let after = excerpt.lines.partition_point(|said| said.at < finding.time);
    html! {
        details.said open[excerpt.lines.len() <= SHORT] {
            summary { "what the nodes said, 300 ms around it (" (counted(excerpt.lines.len() as u64, "line", "lines")) ")" }
            div.panel {
                table {
                    thead { tr { th.r { "at" } th { "node" } th { "faults" } th { "said" } } }
                    tbody {
                        @for (at, said) in excerpt.lines.iter().enumerate() {
                            @if at == after { (here(finding)) }
                            tr {
                                td.r { (words::at_bare(said.at)) }
                                td { (said.node) }
                                td { (active(said, conclusion)) }
                                td { code { (words::visible(&said.text, LONGEST)) } }
                            }
                        }
                        @if after == excerpt.lines.len() { (here(finding)) }
                    }
                }
            }
            p.note {
                "Seconds since the start of the run, by each node's own clock, and without the time that a line gives itself. "
                @for name in skewed(conclusion, finding) { (name) " was in effect: times of its nodes are wrong by as much. " }
                @if excerpt.left_out > 0 {
                    (counted(excerpt.left_out as u64, "more line", "more lines")) ", further away or like these, left out."
                }
            }
        }
    }
}

/// Up to so many lines are shown without being asked for.
const SHORT: usize = 12;

/// Between the lines: the impossible result.
fn here(finding: &Finding) -> Markup {
    html! {
        tr.here { td.r { (words::at_bare(finding.time)) } td {} td {} td { "✕ " (finding.title) } }
    }
}

/// `F2`: in effect, or being undone, on that node at that time.
fn active(said: &Said, conclusion: &Conclusion) -> String {
    let active = conclusion.faults.iter().filter(|fault| {
        let window = &fault.window;
        fault.state == FaultState::Bit
            && window.nodes.contains(&said.node)
            && window.start <= said.at
            && window.healed.or(window.heal).is_none_or(|end| said.at <= end)
    });
    active.map(|fault| format!("F{}", fault.window.id)).collect::<Vec<_>>().join(" ")
}

/// Faults of clocks around the finding.
fn skewed(conclusion: &Conclusion, finding: &Finding) -> Vec<String> {
    let windows = conclusion.faults.iter().filter(|fault| fault.state == FaultState::Bit).map(|f| &f.window);
    let skewed = windows.filter(|window| {
        window.kind.contains("clock")
            && window.start <= finding.time
            && window.healed.is_none_or(|end| finding.time <= end)
    });
    skewed.map(crate::artifact::FaultWindow::name).collect()
}
