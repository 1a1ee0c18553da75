//! One time axis: faults, nodes, rate and latency under each other.

use super::Page;
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
                div."panel plots" tabindex="0" {
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
