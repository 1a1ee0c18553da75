//! `report.html`: one file, nothing from anywhere else. It is complete with styles off, and
//! with scripts off, too: the one script, of this program, adds a timeline to look around in.
//!
//! Everything foreign goes through the template engine, which escapes it, after control
//! characters have been spelled out for the whole model at once; into the script's data, it goes
//! as JSON that no parser takes for markup. A page that still were to carry a script of somebody
//! else would find it forbidden by its own content security policy, which names ours by its hash.

mod cut;
mod data;
mod finding;
mod judged;
mod network;
mod over;
mod run;
mod said;
mod tables;
mod timeline;
mod verdict;

pub use judged::{Judged, page as judged_page};
pub use over::{compare_page, index_page, index_policy};

use crate::artifact::{Excerpt, FaultWindow, NodeSeen, Run, RunInfo};
use crate::conclusion::Conclusion;
use crate::figure::{Context, Sparks};
use crate::measure::Calls;
use crate::pack::{Moments, Pack, pack};
use crate::plots::Plots;
use crate::words;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use duress_checkers::History;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

/// The dark colours twice: where the reader's system asks for them, and where the reader does.
const STYLE: &str = concat!(
    include_str!("report.css"),
    "@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light]){",
    include_str!("dark.css"),
    "}}@media screen{:root[data-theme=dark]{",
    include_str!("dark.css"),
    "}}",
    include_str!("timeline.css"),
    include_str!("finding.css"),
);
const SCRIPT: &str = include_str!("report.js");

/// What every section reads. `info` and `conclusion` are fit to be shown.
struct Page<'a> {
    info: &'a RunInfo,
    conclusion: &'a Conclusion,
    calls: &'a Calls,
    plots: &'a Plots,
    sparks: Sparks,
    /// Absent when there is no operation.
    pack: Option<&'a Pack>,
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
    embed_ops: usize,
) -> String {
    let pack = (!calls.rows.is_empty())
        .then(|| pack(&run.history, &Moments::new(conclusion), calls, plots.axis, embed_ops));
    let info = words::presentable(&run.info);
    let conclusion = words::presentable(conclusion);
    let sparks = Sparks::new(calls, conclusion.quiet_rate);
    let windows = words::presentable(&run.faults);
    let nodes = words::presentable(&run.nodes);
    let (info, conclusion, history, pack) = (&info, &conclusion, &run.history, pack.as_ref());
    Page { info, conclusion, calls, plots, sparks, pack, history, windows, nodes, said }
        .render()
        .into_string()
}

/// The head of a page without a script: what it may load, which is nothing, and how it looks.
fn head(title: &str) -> Markup {
    head_under(&policy(""), title)
}

fn head_under(policy: &str, title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy);
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
                (head_under(&policy(&format!(" script-src 'sha256-{}';", hash(SCRIPT))), &self.title()))
                body {
                    (self.top())
                    main {
                        (verdict::section(self))
                        (timeline::section(self))
                        (finding::sections(self))
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
                            "This file needs no network, and no script for anything but looking around in the timeline; every number in it is in "
                            a href="verdict.json" { "verdict.json" } "."
                        }
                    }
                    (timeline::data(self))
                    script { (PreEscaped(SCRIPT)) }
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
                        " " a href="#timeline" { "Timeline" }
                        @if !c.findings.is_empty() { " " a href="#f1" { "Findings" } }
                        @if !c.faults.is_empty() { " " a href="#faults" { "Faults" } }
                        @if !c.errors.is_empty() { " " a href="#errors" { "Errors" } }
                        @if !c.latency.is_empty() { " " a href="#latency" { "Latency" } }
                        @if !c.flows.is_empty() { " " a href="#network" { "Network" } }
                        " " a href="#checkers" { "Checkers" }
                        " " a href="#run" { "Run" }
                    }
                    button #theme type="button" hidden { "theme: auto" }
                }
            }
        }
    }
}

/// The one style sheet and, if there is one, the script, by their hashes; no frame, no form, no
/// request.
fn policy(script: &str) -> String {
    let style = hash(STYLE);
    format!(
        "default-src 'none'; style-src 'sha256-{style}';{script} img-src data:; base-uri 'none'; form-action 'none'"
    )
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}
