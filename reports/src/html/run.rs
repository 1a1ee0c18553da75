//! What it ran against, with which options, and the files beside the page.

use super::Page;
use crate::words;
use maud::{Markup, html};

/// Characters that stay as they are in a path of a link.
const UNRESERVED: &[u8] = b"-._~";

pub(super) fn section(page: &Page<'_>) -> Markup {
    let info = page.info;
    html! {
        section #run {
            h2 { "Run" }
            p.sub { "What it ran against, and the files beside this report." }
            div.two {
                dl.panel {
                    dt { "Test" } dd { (info.target) ", workload " (info.workload) ", seed " code { (info.seed) } }
                    @for (name, value) in &info.options { dt { (name) } dd { code { (value) } } }
                    dt { "Repeat" } dd { pre { (info.repeat) } }
                }
                div {
                    (system(page))
                }
            }
            h3 { br; "Files" }
            ul."panel files" {
                @for file in &page.conclusion.files {
                    @if let Some(href) = link(file) { li { a href=(href) { (file) } } } @else { li { (file) } }
                }
            }
        }
    }
}

fn system(page: &Page<'_>) -> Markup {
    let info = page.info;
    let m = &info.machine;
    html! {
        dl.panel {
            @if let Some(binary) = &info.binary {
                dt { "Binary" } dd { (binary.version) ", from " (binary.source) br; code { (binary.path) } }
                dt { "SHA-256" } dd { code { (binary.sha256) } }
            }
            @for node in &info.nodes {
                dt { (node.name) }
                dd {
                    (node.addr)
                    @if let Some(version) = &node.version { ", " (version) }
                    @if let Some((log, href)) = node.log.as_ref().and_then(|log| Some((log, link(log)?))) { ", " a href=(href) { (log) } }
                }
            }
            @for machine in &info.load { dt { "Load from " (machine.host) } dd { (machine.told()) } }
            dt { "Machine" } dd { (m.os) ", Linux " (m.kernel) ", " (m.cores) " processors, " (gibibytes(m.memory_bytes)) ", " (m.privilege) }
            dt { "Duress" } dd { (info.duress) }
            @if info.setup_ms > 0 { dt { "Cluster up" } dd { "after " (words::span(info.setup_ms.saturating_mul(1_000_000))) } }
            dt { "Phases" }
            dd {
                @for phase in &info.phases {
                    (phase.name) " " (words::at_bare(phase.start)) "–"
                    @match phase.end { Some(end) => (words::at(end)), None => "…" } br;
                }
            }
        }
    }
}

fn gibibytes(bytes: u64) -> String {
    format!("{}.{} GiB", bytes >> 30, ((bytes & ((1 << 30) - 1)) * 10) >> 30)
}

/// A relative path as a link; none for what leads elsewhere. Every component is encoded, so
/// that no scheme can come out of data.
fn link(path: &str) -> Option<String> {
    let mut href = String::new();
    for part in path.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            return None;
        }
        if !href.is_empty() {
            href.push('/');
        }
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || UNRESERVED.contains(&byte) {
                href.push(char::from(byte));
            } else {
                href.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    Some(href)
}

#[cfg(test)]
mod tests {
    use super::link;

    #[test]
    fn links_stay_in_the_directory() {
        assert_eq!(link("nodes/n1/etcd log.txt").as_deref(), Some("nodes/n1/etcd%20log.txt"));
        assert_eq!(link("javascript:alert(1)").as_deref(), Some("javascript%3Aalert%281%29"));
        assert_eq!([link("/etc/passwd"), link("../../x"), link("a//b"), link("")], [None, None, None, None]);
    }
}
