//! The page about a history that belongs to no run: the verdict, its proof, and how it was read.

use super::verdict::{capital, quoted, sign};
use super::{finding, head, tables};
use crate::conclusion::Outcome;
use crate::words::{self, count, counted};
use duress_checkers::{History, Kind, Valid, Verdict};
use maud::{DOCTYPE, Markup, html};

/// A history and what was found in it.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Where it came from.
    pub source: &'a str,
    /// How it was written down.
    pub format: &'a str,
    /// What it was compared with.
    pub model: &'a str,
    /// The operations.
    pub history: &'a History,
    /// What is to be known about how it was read.
    pub notes: &'a [String],
    /// What the checker says.
    pub verdict: &'a Verdict,
}

/// The page: one file, no script. Depends on nothing but its argument.
pub fn page(judged: &Judged<'_>) -> String {
    let verdict = words::presentable(judged.verdict);
    let outcome = match verdict.valid {
        Valid::Valid => Outcome::Valid,
        Valid::Violation => Outcome::Violation,
        Valid::Unknown => Outcome::Unknown,
    };
    let source = words::visible(judged.source, MAX_SOURCE);
    let headline = verdict.findings.first().map_or_else(
        || capital(&format!("{}: {}", verdict.checker, outcome.word())),
        |finding| capital(&finding.title),
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&format!("{} {source}: {headline}", words::shout(outcome))))
            body {
                div.top { header { span.crumb { "duress / " b { (source) } } } }
                main {
                    section #verdict {
                        h1 { (sign(outcome)) span { (headline) } }
                        p.lede { (quoted(&lede(&verdict))) }
                        (facts(judged, &source))
                    }
                    @for (at, found) in verdict.findings.iter().enumerate() {
                        (finding::alone(found, at as u64 + 1, judged.history))
                    }
                    (tables::verdicts(std::slice::from_ref(&verdict)))
                }
                footer { p { "Times are as the history gives them. This file needs no network and no script." } }
            }
        }
    }
    .into_string()
}

/// Longest source shown, in characters.
const MAX_SOURCE: usize = 300;

fn lede(verdict: &Verdict) -> String {
    match (&verdict.reason, verdict.findings.len() as u64 + verdict.findings_omitted) {
        (Some(reason), _) => capital(&format!("the checker gave up: {reason}.")),
        (None, 0) => "There is an order of all operations that explains what was seen.".to_owned(),
        (None, n) => format!("{}.", capital(&counted(n, "violation was found", "violations were found"))),
    }
}

fn facts(judged: &Judged<'_>, source: &str) -> Markup {
    let kinds = |wanted| judged.history.calls().filter(|call| call.kind() == wanted).count() as u64;
    let (ok, fail, info) = (kinds(Kind::Ok), kinds(Kind::Fail), kinds(Kind::Info));
    html! {
        dl.panel {
            dt { "History" } dd { (source) " (" (judged.format) ")" }
            dt { "Model" } dd { (judged.model) }
            dt { "Operations" }
            dd { b { (count(ok + fail + info)) } ": " (count(ok)) " ok, " (count(fail)) " fail, " (count(info)) " info" }
            @for note in judged.notes { dt { "Note" } dd { (words::visible(note, MAX_SOURCE)) } }
        }
    }
}
