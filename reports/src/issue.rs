//! The text of an issue on a finding: what a maintainer needs to see it happen again, and no more.
//!
//! GitHub takes 65,536 characters and a title of 256; what does not fit is left out from the end, and
//! said. Nothing of the run acts as markup.

use crate::artifact::{Run, RunDir};
use crate::conclusion::{Conclusion, Placed, in_order};
use crate::index::OpenFinding;
use crate::markdown::{code, environment, longest_run, plain, quoted};
use crate::text;
use crate::words;
use duress_checkers::Finding;

/// Characters of a title.
const MAX_TITLE: usize = 200;
/// Bytes of the text.
const BUDGET: usize = 60_000;
/// Faults told of.
const MAX_FAULTS: usize = 10;
/// Bytes of the counterexample, and of the operations that prove it.
const MAX_EXAMPLE: usize = 20_000;

/// An issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Plain text, one line.
    pub title: String,
    /// Markdown.
    pub body: String,
}

/// On the finding of a run with this number; `seen` is what other runs say of it. `None` when the run has
/// no such finding.
pub fn issue(
    dir: &RunDir,
    run: &Run,
    conclusion: &Conclusion,
    number: u64,
    seen: Option<&OpenFinding>,
) -> Option<Issue> {
    let c = &words::presentable(conclusion);
    let (finding, placed) = in_order(&c.verdicts)
        .zip(&c.findings)
        .find(|(_, placed)| placed.number == number)
        .map(|((_, finding), placed)| (finding, placed))?;
    let info = &words::presentable(&run.info);
    let version = info.binary.as_ref().map_or(String::new(), |binary| format!(" {}", binary.version));
    let title = format!("{}{version}, {}: {} {}", info.target, info.workload, placed.anomaly, placed.moment);
    let sections = [
        quoted(&finding.sentence) + "\n",
        format!("To see it again:\n\n{}", fenced(&info.repeat, "sh")),
        story(c, placed),
        example(finding),
        operations(run, placed),
        standing(placed, seen),
        format!("### Environment\n\n{}", environment(info)),
        files(dir, placed),
    ];
    let mut body = String::new();
    let mut left_out = false;
    for section in sections.iter().filter(|section| !section.is_empty()) {
        if body.len() + section.len() > BUDGET {
            left_out = true;
            continue;
        }
        if !body.is_empty() {
            body.push('\n');
        }
        body.push_str(section);
    }
    if left_out {
        body.push_str("\nSome of it is too long for an issue; all of it is in the report.\n");
    }
    Some(Issue { title: words::short(&title, MAX_TITLE), body })
}

/// What was broken, and what clients saw, in the order of time.
fn story(c: &Conclusion, placed: &Placed) -> String {
    let before: Vec<_> =
        c.faults.iter().filter(|fault| fault.window.bit() && fault.window.start <= placed.time).collect();
    let mut out = String::from("### What happened\n\n");
    if before.len() > MAX_FAULTS {
        out.push_str(&format!("- {} earlier faults\n", before.len() - MAX_FAULTS));
    }
    for fault in before.iter().skip(before.len().saturating_sub(MAX_FAULTS)) {
        let window = &fault.window;
        let end = match window.heal {
            Some(heal) if heal <= placed.time => format!("until {}", words::at(heal)),
            Some(_) | None => "and it was still in effect at the end of this".to_owned(),
        };
        let seen = window.evidence.first().map_or(String::new(), |seen| format!(" ({})", quoted(seen)));
        out.push_str(&format!("- {}: {}{seen}, {end}\n", words::at(window.start), plain(&window.name())));
    }
    out.push_str(&format!(
        "- {}: {} ({})\n",
        words::at(placed.time),
        plain(&placed.title),
        plain(&placed.relation)
    ));
    for fact in &placed.coincident {
        out.push_str(&format!("- at that time {}\n", plain(fact)));
    }
    out
}

fn example(finding: &Finding) -> String {
    let Some(example) = &finding.counterexample else { return String::new() };
    format!("### Why it cannot be\n\n{}", fenced(&cut(&text::counterexample(example)), "text"))
}

/// The few operations that prove it, as `duress check` reads them.
fn operations(run: &Run, placed: &Placed) -> String {
    let Some(proof) = &placed.proof else { return String::new() };
    let lines = proof.lines(&run.history);
    if lines.is_empty() || lines.len() > MAX_EXAMPLE {
        return String::new();
    }
    let lines = words::inert_json(&lines);
    format!(
        "### The operations that prove it\n\nAs {}, for {}:\n\n{}",
        code(&proof.file),
        code(&proof.recheck),
        fenced(&lines, "json")
    )
}

fn standing(placed: &Placed, seen: Option<&OpenFinding>) -> String {
    let mut out = format!("Fingerprint {}", code(&placed.fingerprint));
    if let Some(seen) = seen {
        out.push_str(&format!(
            ", {}: seen in {} of {}",
            seen.life.word(),
            words::count(seen.seen),
            words::counted(seen.of, "run", "runs")
        ));
    }
    out + ".\n"
}

fn files(dir: &RunDir, placed: &Placed) -> String {
    let path = words::visible(&dir.path().display().to_string(), 1_000);
    let proof = placed.proof.as_ref().map_or(String::new(), |proof| format!(", {}", code(&proof.file)));
    format!(
        "The run directory was {}: `report.html`, `verdict.json`, `history.jsonl`, `faults.jsonl`{proof} and the nodes' logs.\n",
        code(&path)
    )
}

fn cut(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        if kept.len() + line.len() > MAX_EXAMPLE {
            kept.push_str("… the rest is in the report\n");
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

fn fenced(text: &str, language: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end())
}
