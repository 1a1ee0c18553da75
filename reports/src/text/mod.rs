//! What the terminal shows at the end of a run: plain text, no colour, nothing foreign that
//! could act on the terminal.

mod example;
mod picture;

use crate::artifact::{Run, RunDir, RunInfo};
use crate::conclusion::{Conclusion, Evidence, FaultState, Mark, Outcome, Reached, grouped, in_order};
use crate::words::{self, count};
use duress_checkers::{Counterexample, Kind, Valid, Verdict};
use std::fmt::Write;

/// Findings listed; the rest is counted.
const MAX_FINDINGS: usize = 5;
/// Faults listed; the report has all of them.
const MAX_FAULTS: usize = 12;
/// Kinds of errors listed; the report has all of them.
const MAX_ERRORS: usize = 3;
/// Characters of an error that are shown.
const MAX_SAMPLE: usize = 300;
/// Widest description of a fault, in characters.
const FAULT_WIDTH: usize = 34;

/// The end of a run, ending in a newline.
pub fn summary(dir: &RunDir, run: &Run, conclusion: &Conclusion) -> String {
    let conclusion = &words::presentable(conclusion);
    let mut out = String::new();
    head(&mut out, &words::presentable(&run.info), conclusion);
    findings(&mut out, conclusion);
    reasons(&mut out, conclusion);
    errors(&mut out, conclusion);
    faults(&mut out, conclusion);
    let path = words::visible(&dir.path().display().to_string(), 1000);
    // A path with a space in it must survive being copied.
    let quoted = if path.contains([' ', '\'', '"', '\\', '$', '`']) {
        format!("'{}'", path.replace('\'', r"'\''"))
    } else {
        path.clone()
    };
    let _ = writeln!(out, "\n  report   {path}/report.html");
    if run.captured {
        let _ = writeln!(out, "  packets  {path}/capture.pcapng");
    }
    let _ = writeln!(out, "  repeat   {}", words::visible(&run.info.repeat, 1000));
    let _ = writeln!(out, "  recheck  duress check {quoted}");
    out
}

/// A checker's verdict on its own, as for a history that belongs to no run.
pub fn verdict(verdict: &Verdict) -> String {
    let verdict = &words::presentable(verdict);
    let mut out = String::new();
    let word = words::shout(match verdict.valid {
        Valid::Valid => Outcome::Valid,
        Valid::Violation => Outcome::Violation,
        Valid::Unknown => Outcome::Unknown,
    });
    let _ = writeln!(out, "{word}  {}", verdict.checker);
    if let Some(reason) = &verdict.reason {
        wrapped(&mut out, reason, "  ");
    }
    for (at, finding) in verdict.findings.iter().enumerate().take(MAX_FINDINGS) {
        let _ = writeln!(out, "\n  {:>2}  {}", at + 1, finding.title);
        wrapped(&mut out, &finding.sentence, "      ");
        if let Some(counterexample) = finding.counterexample.as_ref().filter(|_| at == 0) {
            out.push('\n');
            example::example(&mut out, counterexample);
        }
    }
    let more = verdict.findings.len().saturating_sub(MAX_FINDINGS) as u64 + verdict.findings_omitted;
    if more > 0 {
        let _ = writeln!(out, "      and {} more", count(more));
    }
    out.push('\n');
    for (name, value) in &verdict.stats {
        let _ = writeln!(out, "  {name:<20} {value}");
    }
    out
}

fn head(out: &mut String, info: &RunInfo, conclusion: &Conclusion) {
    let word = words::shout(conclusion.outcome);
    let e = &conclusion.evidence;
    let _ = writeln!(
        out,
        "{word}  {}  {} operations in {}  ({} ok, {} fail, {} info)  seed {}",
        info.name,
        count(e.total.calls()),
        words::span(e.duration_ns),
        count(e.total.ok),
        count(e.total.fail),
        count(e.total.info),
        info.seed
    );
    let _ = writeln!(out, "\n  {}\n", conclusion.headline);
    wrapped(out, &conclusion.lede, "  ");
}

fn findings(out: &mut String, conclusion: &Conclusion) {
    let all = &conclusion.findings;
    if all.is_empty() {
        return;
    }
    out.push('\n');
    let groups = grouped(all);
    let width = groups.iter().take(MAX_FINDINGS).map(|g| g[0].title.chars().count()).max().unwrap_or(0);
    for group in groups.iter().take(MAX_FINDINGS) {
        let finding = group[0];
        let (title, time) = (&finding.title, words::at(finding.time));
        let _ = writeln!(out, "  {:>2}  {title:<width$}  {time:>11}  {}", finding.number, finding.relation);
        let known = finding.known.as_ref().map_or(String::new(), |known| format!("  {}", known.words()));
        let _ = writeln!(out, "      {}{known}", finding.fingerprint);
        if group.len() > 1 {
            let _ = writeln!(out, "      and {} more like it", count(group.len() as u64 - 1));
        }
    }
    if groups.len() > MAX_FINDINGS {
        let _ = writeln!(
            out,
            "      and {} more kinds in the report",
            count((groups.len() - MAX_FINDINGS) as u64)
        );
    }
    let omitted: u64 = conclusion.verdicts.iter().map(|v| v.findings_omitted).sum();
    if omitted > 0 {
        let _ = writeln!(out, "      and {} more that are only counted", count(omitted));
    }
    let first = in_order(&conclusion.verdicts).find_map(|(_, f)| f.counterexample.as_ref());
    if let Some(counterexample) = first {
        out.push('\n');
        example::example(out, counterexample);
    }
    let mut proofs = all.iter().take(MAX_FINDINGS).filter_map(|placed| placed.proof.as_ref());
    if let Some(proof) = proofs.next() {
        let _ = writeln!(out, "\n  prove it again, in the directory of the run:");
        for proof in std::iter::once(proof).chain(proofs) {
            let _ = writeln!(out, "    {}", proof.recheck);
        }
    }
}

fn reasons(out: &mut String, conclusion: &Conclusion) {
    let notes = conclusion.trust.iter().filter(|t| t.mark != Mark::Yes);
    for (at, trust) in notes.enumerate() {
        if at == 0 {
            out.push('\n');
        }
        let mark = if trust.mark == Mark::No { '✕' } else { '!' };
        let _ = writeln!(out, "   {mark}  {}", trust.text);
    }
}

/// Where nothing is read or nothing is written, the client may not work at all: its errors say why.
fn errors(out: &mut String, conclusion: &Conclusion) {
    let Evidence { ok_reads, ok_writes, .. } = conclusion.evidence;
    if ok_reads > 0 && ok_writes > 0 {
        return;
    }
    let unexplained = conclusion.errors.iter().filter(|row| !row.expected && row.no_fault > 0);
    let told: Vec<_> = unexplained.take(MAX_ERRORS).collect();
    if told.is_empty() {
        return;
    }
    out.push_str("\n  errors outside faults\n");
    for row in told {
        let ended = if row.kind == Kind::Fail { "did not happen" } else { "may have happened" };
        let sample: String = row.sample.chars().take(MAX_SAMPLE).collect();
        wrapped(out, &format!("{}  {ended}, first: {sample}", count(row.no_fault)), "    ");
    }
}

fn faults(out: &mut String, conclusion: &Conclusion) {
    if conclusion.faults.is_empty() {
        return;
    }
    // Only faults of networks keep frames from crossing.
    let took = conclusion.faults.iter().any(|fault| fault.taken.is_some());
    let _ = writeln!(
        out,
        "\n  {:<FAULT_WIDTH$}  {:>9}  {:>9}  {:>11}  {:>11}  {:>6}  {:>6}{}",
        "faults",
        "in effect",
        "no answer",
        "first write",
        "recovered",
        "fail",
        "info",
        if took { "   packets" } else { "" }
    );
    for fault in conclusion.faults.iter().take(MAX_FAULTS) {
        let in_effect = match fault.state {
            FaultState::Bit => words::span(fault.in_effect_ns),
            FaultState::DidNotBite => "none".to_owned(),
            FaultState::Skipped => "skipped".to_owned(),
            FaultState::CutOff => "cut off".to_owned(),
        };
        let _ = writeln!(
            out,
            "  {:<FAULT_WIDTH$}  {in_effect:>9}  {:>9}  {:>11}  {:>11}  {:>6}  {:>6}{}",
            words::short(&fault.window.name(), FAULT_WIDTH),
            reached(fault.no_answer.as_ref()),
            reached(fault.first_write.as_ref()),
            reached(fault.recovered.as_ref()),
            count(fault.fail),
            count(fault.info),
            match &fault.taken {
                Some(taken) => format!("  {:>8}", count(taken.frames)),
                None if took => format!("  {:>8}", "-"),
                None => String::new(),
            }
        );
    }
    if conclusion.faults.len() > MAX_FAULTS {
        let _ = writeln!(out, "  and {} more in the report", conclusion.faults.len() - MAX_FAULTS);
    }
}

pub(crate) fn reached(value: Option<&Reached>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Reached::After(0)) => "none".to_owned(),
        Some(Reached::After(ns)) => words::span(*ns),
        Some(Reached::Not { within: 0, at_most: Some(ns), .. }) => format!("< {}", words::span(*ns)),
        Some(Reached::Not { within, .. }) => format!("> {}", words::span(*within)),
    }
}

/// Lines of at most 96 columns, broken between words.
pub(crate) fn wrapped(out: &mut String, text: &str, indent: &str) {
    const WIDTH: usize = 96;
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push('\n');
            column = 0;
        }
        out.push_str(if column == 0 { indent } else { " " });
        out.push_str(word);
        column += if column == 0 { indent.len() } else { 1 } + width;
    }
    if column > 0 {
        out.push('\n');
    }
}

/// A counterexample on its own, fit to be shown already.
pub(crate) fn counterexample(counterexample: &Counterexample) -> String {
    let mut out = String::new();
    example::example(&mut out, counterexample);
    out
}
