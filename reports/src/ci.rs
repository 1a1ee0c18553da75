//! What a run says to GitHub Actions: annotations beside the job. And how to print what others wrote
//! into a log that is read for commands.
//!
//! Which host it is, and what else it wants, is for the command line.

use crate::artifact::Run;
use crate::conclusion::{Conclusion, Outcome, in_order};
use crate::words;

/// Findings with an annotation of their own. GitHub shows ten of a kind per step, and drops the rest
/// without a word.
const MAX_ANNOTATIONS: usize = 5;
/// Longest message, in characters.
const MAX_MESSAGE: usize = 1_000;
/// Longest title, in characters.
const MAX_TITLE: usize = 200;

/// Workflow commands, a line each: one per finding, and one for what kept the run from counting. `file`
/// is the test definition, relative to the repository, if it lies there.
pub fn annotations(run: &Run, conclusion: &Conclusion, file: Option<&str>) -> String {
    let c = &words::presentable(conclusion);
    let name = words::presentable(&run.info.name);
    let mut said: Vec<(&str, &str, String)> = Vec::new();
    let mut findings: Vec<_> = in_order(&c.verdicts).zip(&c.findings).collect();
    // One that decides is not to be lost behind those that are known.
    findings.sort_by_key(|(_, placed)| placed.is_known());
    for ((_, finding), placed) in findings.into_iter().take(MAX_ANNOTATIONS) {
        let level = if placed.is_known() { "warning" } else { "error" };
        said.push((level, &finding.title, format!("{name}, {}: {}", placed.relation, finding.sentence)));
    }
    let omitted: u64 = c.verdicts.iter().map(|v| v.findings_omitted).sum();
    let more = c.findings.len().saturating_sub(MAX_ANNOTATIONS) as u64 + omitted;
    if more > 0 {
        let level = if c.outcome.is_finding() { "error" } else { "warning" };
        said.push((level, &name, format!("and {} more in the report", words::count(more))));
    }
    match c.outcome {
        Outcome::Unknown => said.push(("warning", &name, c.headline.clone())),
        Outcome::Inconclusive | Outcome::Infrastructure => said.push(("error", &name, c.headline.clone())),
        // Somebody may have found one and hand over none.
        Outcome::Violation | Outcome::Crash if said.is_empty() => {
            said.push(("error", &name, c.headline.clone()));
        }
        Outcome::Violation | Outcome::Crash | Outcome::Known | Outcome::Valid => {}
    }
    let file = file.map_or(String::new(), |file| format!(",file={}", property(file)));
    said.into_iter()
        .map(|(level, title, message)| {
            let (title, message) = (words::short(title, MAX_TITLE), words::short(&message, MAX_MESSAGE));
            format!("::{level} title={}{file}::{}\n", property(&title), data(&message))
        })
        .collect()
}

/// The text with nothing in it that GitHub's runner takes for a command: `::` where a line begins, and
/// `##[` anywhere.
///
/// Not `::stop-commands::`: the runner reads stdout and stderr each on its own, so that what stops
/// commands on one of them says nothing about what comes on the other; and who is killed in between
/// leaves them stopped for the rest of the step.
pub fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive(['\n', '\r']) {
        let start = line.len() - line.trim_start().len();
        let (blank, said) = line.split_at(start);
        out.push_str(blank);
        match said.strip_prefix("::") {
            Some(rest) => {
                out.push_str(": :");
                out.push_str(&rest.replace("##[", "## ["));
            }
            None => out.push_str(&said.replace("##[", "## [")),
        }
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_no_command() {
        for (text, shown) in [
            ("::error::x", ": :error::x"),
            ("  ::set-output name=a::b\nplain ::error::", "  : :set-output name=a::b\nplain ::error::"),
            ("a ##[group]b\r::x", "a ## [group]b\r: :x"),
            ("##[##[", "## [## ["),
            ("\n\n", "\n\n"),
            ("fine\n", "fine\n"),
        ] {
            assert_eq!(inert(text), shown);
        }
    }

    #[test]
    fn properties_end_where_they_should() {
        assert_eq!(property("a:b,c%d\r\ne"), "a%3Ab%2Cc%25d%0D%0Ae");
        assert_eq!(data("a:b,c%d\n"), "a:b,c%25d%0A");
    }
}
