//! `report.html`: one file, no script, nothing from anywhere else. It is complete with styles
//! off, too.
//!
//! Everything foreign goes through the template engine, which escapes it, after control
//! characters have been spelled out for the whole model at once. A page that still were to
//! carry a script would find it forbidden by its own content security policy.

mod finding;
mod judged;
mod network;
mod run;
mod said;
mod tables;
mod timeline;
mod verdict;

pub use judged::{Judged, page as judged_page};

use crate::artifact::{Excerpt, FaultWindow, NodeSeen, Run, RunInfo};
use crate::conclusion::Conclusion;
use crate::figure::{Context, Sparks};
use crate::measure::Calls;
use crate::plots::Plots;
use crate::words;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use duress_checkers::History;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = concat!(include_str!("report.css"), include_str!("finding.css"));

/// What every section reads. `info` and `conclusion` are fit to be shown.
struct Page<'a> {
    info: &'a RunInfo,
    conclusion: &'a Conclusion,
    calls: &'a Calls,
    plots: &'a Plots,
    sparks: Sparks,
    /// As it is: what is shown of it is made fit for it there.
    history: &'a History,
    windows: Vec<FaultWindow>,
    nodes: Vec<NodeSeen>,
    /// What the nodes said around the first findings.
    said: &'a [Excerpt],
}

/// The page. Depends on nothing but its arguments.
pub(crate) fn page(
    run: &Run,
    conclusion: &Conclusion,
    calls: &Calls,
    plots: &Plots,
    said: &[Excerpt],
) -> String {
    let info = words::presentable(&run.info);
    let conclusion = words::presentable(conclusion);
    let sparks = Sparks::new(calls, conclusion.quiet_rate);
    let windows = words::presentable(&run.faults);
    let nodes = words::presentable(&run.nodes);
    let history = &run.history;
    Page { info: &info, conclusion: &conclusion, calls, plots, sparks, history, windows, nodes, said }
        .render()
        .into_string()
}

/// The head of every page: what it may load, which is nothing, and how it looks.
fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy());
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

impl Page<'_> {
    /// What is known about the nodes, for figures.
    fn context(&self) -> Context<'_> {
        let end = self.conclusion.evidence.duration_ns;
        Context { faults: &self.windows, nodes: &self.nodes, end }
    }

    fn render(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(&self.title()))
                body {
                    (self.top())
                    main {
                        (verdict::section(self))
                        (finding::sections(self))
                        (timeline::section(self))
                        (tables::faults(self))
                        (tables::errors(self))
                        (tables::latency(self))
                        (network::section(self))
                        (tables::checkers(self))
                        (run::section(self))
                    }
                    footer {
                        p {
                            "Written by duress " (self.info.duress) ". Times are seconds since the start of the run. "
                            "This file needs no network and no script; every number in it is in "
                            a href="verdict.json" { "verdict.json" } "."
                        }
                    }
                }
            }
        }
    }

    /// For tabs, mails and chats.
    fn title(&self) -> String {
        let word = words::shout(self.conclusion.outcome);
        let what = self.conclusion.findings.first().map_or(&self.conclusion.headline, |f| &f.title);
        format!("{word} {} {}: {what}", self.info.name, self.info.id)
    }

    fn top(&self) -> Markup {
        let c = self.conclusion;
        html! {
            div.top {
                header {
                    span.crumb { "duress / " (self.info.name) " / " b { (self.info.id) } }
                    nav aria-label="sections" {
                        a href="#verdict" { "Verdict" }
                        @if !c.findings.is_empty() { " " a href="#f1" { "Findings" } }
                        " " a href="#timeline" { "Timeline" }
                        @if !c.faults.is_empty() { " " a href="#faults" { "Faults" } }
                        @if !c.errors.is_empty() { " " a href="#errors" { "Errors" } }
                        @if !c.latency.is_empty() { " " a href="#latency" { "Latency" } }
                        @if !c.flows.is_empty() { " " a href="#network" { "Network" } }
                        " " a href="#checkers" { "Checkers" }
                        " " a href="#run" { "Run" }
                    }
                }
            }
        }
    }
}

/// The one style sheet, by its hash; no script, no frame, no form, no request.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
}
