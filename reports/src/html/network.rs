//! Who talked to whom over the network.

use super::Page;
use crate::artifact::{Flow, Volume};
use crate::words::count;
use maud::{Markup, html};

/// Rows shown; `flows.jsonl` has all of them.
const MAX_ROWS: usize = 100;

pub(super) fn section(page: &Page<'_>) -> Markup {
    let flows = &page.conclusion.flows;
    html! {
        @if !flows.is_empty() {
            section #network {
                h2 { "Network" }
                p.sub {
                    "Who talked to whom: packets that crossed, as the hosts hand them over, up to 64 KiB of TCP in one, "
                    "and those that a fault kept from crossing."
                }
                div.panel tabindex="0" {
                    table {
                        thead { tr {
                            th { "Client" } th { "Server" } th { "Port" } th.r { "Connections" }
                            th.r { "Packets" br; "there" } th.r { "Packets" br; "back" } th.r { "Taken by" br; "faults" }
                        } }
                        tbody { @for flow in flows.iter().take(MAX_ROWS) { (row(flow)) } }
                    }
                }
                @if flows.len() > MAX_ROWS {
                    p.sub { "And " (count((flows.len() - MAX_ROWS) as u64)) " more in flows.jsonl." }
                }
            }
        }
    }
}

fn row(flow: &Flow) -> Markup {
    html! {
        tr {
            th { (flow.client) }
            td { (flow.server) }
            td { @if let Some(port) = flow.port { (port) " " } small { (flow.protocol) } }
            td.r { (count(flow.connections)) }
            td.r { (volume(&flow.there)) }
            td.r { (volume(&flow.back)) }
            td.r {
                @if flow.taken.is_empty() { span.dim { "–" } }
                @for taken in &flow.taken {
                    (count(taken.volume.frames)) " " small {
                        @match taken.fault { Some(fault) => a href=(format!("#fault-{fault}")) { "F" (fault) }, None => "no room" }
                    } " "
                }
            }
        }
    }
}

fn volume(volume: &Volume) -> Markup {
    html! { (count(volume.frames)) " " small { (bytes(volume.bytes)) } }
}

fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let unit = (bytes.max(1).ilog2() as usize / 10).min(UNITS.len() - 1);
    format!("{} {}", bytes >> (10 * unit), UNITS[unit])
}
