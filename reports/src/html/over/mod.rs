//! Pages over several runs: the index of all, and two side by side. Complete without script, styles
//! and network, like the page of a run.

mod compare;
mod index;
mod trend;

pub use compare::page as compare_page;
pub use index::page as index_page;

use crate::conclusion::Outcome;
use crate::words;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use std::path::{Component, Path};

/// The one of all pages, and what these have besides.
const STYLE: &str = concat!(include_str!("../report.css"), include_str!("over.css"));
/// The index filters with it; all rows are there without it.
const SCRIPT: &str = include_str!("index.js");

/// What an index may load: its own style and script, by their hashes, and nothing else. Whoever serves
/// it says the same in a header.
pub fn index_policy() -> String {
    policy(Some(SCRIPT))
}

fn policy(script: Option<&str>) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let script = script.map_or(String::new(), |text| format!(" script-src 'sha256-{}';", hash(text)));
    format!(
        "default-src 'none'; style-src 'sha256-{}';{script} img-src data:; base-uri 'none'; form-action 'none'",
        hash(STYLE)
    )
}

fn head(title: &str, script: Option<&str>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy(script));
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

/// The mark of an answer, the same in every list; `None` where there is no answer.
fn mark(outcome: Option<Outcome>) -> Markup {
    let (sign, class) = match outcome {
        Some(Outcome::Valid) => ("✓", "yes"),
        Some(Outcome::Violation | Outcome::Crash) => ("✕", "no"),
        Some(Outcome::Known) => ("✕", "dim"),
        Some(Outcome::Unknown) => ("?", "hm"),
        Some(Outcome::Inconclusive | Outcome::Infrastructure) => ("!", "hm"),
        None => ("–", "dim"),
    };
    html! { span class=(class) aria-hidden="true" { (sign) } }
}

fn outcome_word(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or("no answer", Outcome::word)
}

/// Longest foreign text in a cell, in characters.
const CELL: usize = 120;

/// Foreign text for a cell: nothing in it acts on the page, and a megabyte of it does not fill it.
fn shown(text: &str) -> String {
    words::visible(text, CELL)
}

/// A path below the page as a link; none for what leads elsewhere. Every component is encoded, so that
/// no scheme can come out of data.
fn link(path: &str) -> Option<String> {
    let mut href = String::new();
    for part in Path::new(path).components() {
        let Component::Normal(name) = part else { return None };
        if !href.is_empty() {
            href.push('/');
        }
        for byte in name.to_str()?.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                href.push(char::from(byte));
            } else {
                href.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    (!href.is_empty()).then_some(href)
}

#[cfg(test)]
mod tests {
    use super::link;

    #[test]
    fn links_stay_below() {
        assert_eq!(link("a b/report.html").as_deref(), Some("a%20b/report.html"));
        assert_eq!(link("javascript:alert(1)").as_deref(), Some("javascript%3Aalert%281%29"));
        assert_eq!([link("/etc/passwd"), link("a/../../x"), link("")], [None, None, None]);
    }
}
