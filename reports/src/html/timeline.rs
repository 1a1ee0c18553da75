//! One time axis: faults, nodes, rate and latency under each other. Twice: as figures that
//! need nothing, and as what the script draws instead, hidden until it does.

use super::Page;
use super::data;
use crate::figure::lanes;
use crate::words;
use maud::{Markup, PreEscaped, html};

pub(super) fn section(page: &Page<'_>) -> Markup {
    let plots = page.plots;
    html! {
        section #timeline {
            h2 { "Timeline" }
            p.sub {
                "Everything on one time axis. Grey bands: a fault was in effect, as its probe saw it."
                @if !page.conclusion.findings.is_empty() { " Red lines: findings, where the impossible result came back." }
            }
            @if page.calls.rows.is_empty() {
                p.sub { "No operation was invoked: there is nothing to draw." }
            } @else {
                p.note #timeline-trouble hidden {}
                (live())
                div."panel plots still" tabindex="0" {
                    (lanes(page.conclusion, page.calls, plots.axis))
                    h3 {
                        "Operations per second " span {
                            "in steps of " (words::span(plots.rate_step)) ":"
                            (key("ok")) "ok, or a comparison that failed as it may"
                            (key("fail")) "fail: did not happen"
                            (key("info")) "info: may have happened (both below the axis)"
                        }
                    }
                    (PreEscaped(plots.rate.themed()))
                    h3 { "Latency of every operation " span { "by invocation; rare outcomes are drawn on top, no operation is left out" } }
                    (PreEscaped(plots.latency_raw.themed()))
                }
            }
        }
    }
}

/// A sample of a colour.
pub(super) fn key(class: &str) -> Markup {
    html! { " " i class=(format!("key {class}")) {} }
}

/// Canvas by canvas, with its name, and where its live value goes.
fn live() -> Markup {
    html! {
        div #live hidden {
            div.tools {
                span.buttons role="group" aria-label="zoom" {
                    button type="button" data-zoom="0" { "whole run" }
                    button type="button" data-zoom="w" aria-label="zoom in" { "+" }
                    button type="button" data-zoom="s" aria-label="zoom out" { "−" }
                    button type="button" data-zoom="[" aria-label="previous finding or fault" { "‹" }
                    button type="button" data-zoom="]" aria-label="next finding or fault" { "›" }
                }
                span.legend {
                    (key("ok")) "ok" (key("fail")) "fail: did not happen" (key("info")) "info: may have happened"
                    (key("bad")) "violation"
                }
                span #range aria-live="polite" {}
            }
            div."panel lanes" #lanes tabindex="0" role="group"
                aria-label="timeline: a and d move, w and s zoom, brackets go to the previous and next finding or fault, 0 shows the whole run" {
                (lane("overview", "Whole run", &html! { "drag to choose" }))
                (lane("axis", "", &html! {}))
                (lane("faults", "Faults", &html! {}))
                (lane("nodes", "Nodes", &html! { span.names #names-nodes {} }))
                (lane("network", "Network", &html! { "who reaches whom" }))
                (lane("rate", "Operations/s", &html! { span #value-rate {} }))
                (lane("latency", "Latency", &html! { span #value-latency {} }))
                (lane("errors", "Errors", &html! { span.names #names-errors {} }))
                (lane("processes", "Clients", &html! { span.names #names-processes {} }))
                div #selection hidden {}
                div #cursor hidden {}
                div #tip role="status" hidden {}
            }
            p.note.keys {
                kbd { "a" } " " kbd { "d" } " move " kbd { "w" } " " kbd { "s" } " zoom " kbd { "[" } " " kbd { "]" }
                " previous, next finding or fault " kbd { "0" } " whole run. Drag to zoom, Shift and drag to move, "
                "Ctrl and wheel to zoom. The address keeps the window: a link shows what you see."
            }
            details #operations {
                summary { "Operations in this window" }
                div.search {
                    input #search type="search" aria-label="search the operations" spellcheck="false" autocomplete="off"
                        placeholder="key:7  value:3  process:4  node:n2  f:read  type:info  error:timeout  or any text";
                    span #listed aria-live="polite" {}
                }
                div.panel {
                    table {
                        thead {
                            tr {
                                th.r { "invoked" } th.r { "took" } th { "process" } th { "via" } th { "operation" }
                                th { "key" } th { "value" } th { "outcome" } th { "error" }
                            }
                        }
                        tbody {}
                    }
                }
            }
            details #logs hidden {
                summary { "What the nodes said in this window, near findings" }
                div.panel {
                    table {
                        thead { tr { th.r { "at" } th { "node" } th { "faults" } th { "said" } } }
                        tbody {}
                    }
                }
            }
        }
    }
}

fn lane(name: &str, title: &str, below: &Markup) -> Markup {
    html! {
        div class=(format!("lane {name}")) {
            div { b { (title) } small { (below) } }
            canvas data-lane=(name) {}
        }
    }
}

/// What the script reads.
pub(super) fn data(page: &Page<'_>) -> Markup {
    let Some(pack) = page.pack else { return html! {} };
    html! {
        script type="application/json" id="timeline-data" { (PreEscaped(data::json(page, pack))) }
        script type="application/octet-stream" id="ops" { (PreEscaped(&pack.payload)) }
    }
}
