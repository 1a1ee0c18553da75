//! `summary.md`: the end of a run for the page of a CI job. GitHub drops the summaries of a step
//! altogether when they are too large, so this one is built to a budget, what matters most first.
//!
//! No image (only addresses would work), no link (the page does not know where the report will lie).

use crate::artifact::{Run, RunInfo};
use crate::conclusion::{Conclusion, FaultState, Mark, Outcome, in_order};
use crate::text;
use crate::words::{self, count};

/// Bytes of the file at most.
pub(crate) const BUDGET: usize = 64 << 10;
/// Of these, kept for saying what was left out.
const NOTICE: usize = 400;
/// Bytes of the counterexample at most; whoever needs more of it needs the report.
const EXAMPLE: usize = 24 << 10;
/// Longest headline, and longest text in a table, in characters.
const HEADLINE: usize = 300;
const CELL: usize = 120;
/// Rows of a table; the rest is counted.
const MAX_ROWS: usize = 20;

/// The file. The same run and conclusion give the same bytes.
pub(crate) fn summary(run: &Run, conclusion: &Conclusion) -> String {
    let info = &words::presentable(&run.info);
    let c = &words::presentable(conclusion);
    within_budget(&[
        ("verdict", head(info, c)),
        ("findings", findings(c)),
        ("repeat", repeat(info)),
        ("counterexample", counterexample(c)),
        ("doubts", doubts(c)),
        ("faults", details("Faults", &faults(c))),
        ("checkers", details("Checkers", &checkers(c))),
        ("errors", details("Errors", &errors(c))),
        ("latency", details("Latency", &latency(c))),
        ("environment", details("Environment", &environment(info))),
    ])
}

/// Those that fit, in their order, and which ones do not.
pub(crate) fn within_budget(sections: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut left_out = Vec::new();
    for (name, section) in sections {
        if out.len() + section.len() + NOTICE > BUDGET {
            left_out.push((*name).to_owned());
        } else if !section.is_empty() {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(section);
        }
    }
    if !left_out.is_empty() {
        let left_out = words::list(&left_out);
        out.push_str(&format!(
            "\nLeft out, for there is too much of it: {left_out}. All of it is in the report.\n"
        ));
    }
    out
}

fn head(info: &RunInfo, c: &Conclusion) -> String {
    let mark = match c.outcome {
        Outcome::Valid | Outcome::Known => "✓",
        Outcome::Violation | Outcome::Crash => "✕",
        Outcome::Unknown => "?",
        Outcome::Inconclusive | Outcome::Infrastructure => "!",
    };
    let e = &c.evidence;
    let headline = plain(&words::short(&c.headline, HEADLINE));
    let name = plain(&words::short(&format!("{} {}", info.name, info.id), HEADLINE));
    format!(
        "## {mark} {headline}\n\n{name}, seed {}: {} operations in {} ({} ok, {} fail, {} info)\n\n{}\n",
        info.seed,
        count(e.total.calls()),
        words::span(e.duration_ns),
        count(e.total.ok),
        count(e.total.fail),
        count(e.total.info),
        quoted(&c.lede),
    )
}

fn findings(c: &Conclusion) -> String {
    let rows = c.findings.iter().map(|f| {
        [f.number.to_string(), f.title.clone(), words::at(f.time), f.relation.clone(), f.checker.clone()]
    });
    table(["", "finding", "when", "fault", "checker"], rows)
}

fn repeat(info: &RunInfo) -> String {
    format!(
        "Repeat: {}\n\nIn the run directory: `report.html`, `verdict.json`, `history.jsonl`\n",
        code(&words::short(&info.repeat, 1000))
    )
}

fn counterexample(c: &Conclusion) -> String {
    let first = in_order(&c.verdicts).find_map(|(_, finding)| finding.counterexample.as_ref());
    let Some(example) = first.map(text::counterexample) else { return String::new() };
    let mut kept = String::new();
    for line in example.lines() {
        if kept.len() + line.len() > EXAMPLE {
            kept.push_str("… the rest is in the report\n");
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    let fence = "`".repeat(longest_run(&kept).max(2) + 1);
    format!("{fence}text\n{kept}{fence}\n")
}

/// What keeps it from being a pass, and what else is worth knowing.
fn doubts(c: &Conclusion) -> String {
    let notes = c.trust.iter().filter(|trust| trust.mark != Mark::Yes);
    notes
        .map(|trust| {
            let mark = if trust.mark == Mark::No { '✕' } else { '!' };
            format!("- {mark} {}\n", quoted(&words::short(&trust.text, HEADLINE)))
        })
        .take(MAX_ROWS)
        .collect()
}

fn faults(c: &Conclusion) -> String {
    let rows = c.faults.iter().map(|fault| {
        let in_effect = match fault.state {
            FaultState::Bit => words::span(fault.in_effect_ns),
            state => state.words().to_owned(),
        };
        [
            fault.window.name(),
            words::at(fault.window.start),
            in_effect,
            text::reached(fault.no_answer.as_ref()),
            text::reached(fault.first_write.as_ref()),
            text::reached(fault.recovered.as_ref()),
            format!("{} / {}", count(fault.fail), count(fault.info)),
        ]
    });
    let names = ["fault", "start", "in effect", "no answer", "first write", "recovered", "fail / info"];
    table(names, rows)
}

fn checkers(c: &Conclusion) -> String {
    let rows = c.verdicts.iter().map(|verdict| {
        let found = verdict.findings.len() as u64 + verdict.findings_omitted;
        let answer = match &verdict.reason {
            Some(reason) => format!("unknown: {reason}"),
            None if found > 0 => words::counted(found, "violation", "violations"),
            None => "no violation found".to_owned(),
        };
        [verdict.checker.clone(), answer]
    });
    table(["checker", "answer"], rows)
}

fn errors(c: &Conclusion) -> String {
    let rows = c.errors.iter().map(|row| {
        let means = match row.kind {
            duress_checkers::Kind::Fail => "did not happen",
            _ => "may have happened",
        };
        [row.class.clone(), means.to_owned(), count(row.total), count(row.no_fault), row.sample.clone()]
    });
    table(["error", "the operation", "total", "outside faults", "the first"], rows)
}

fn latency(c: &Conclusion) -> String {
    let rows = c.latency.iter().map(|row| {
        let [p50, p95, p99, max] = match &row.ms {
            Some(ms) => [ms.p50, ms.p95, ms.p99, ms.max].map(words::span_ms),
            None => [const { String::new() }; 4],
        };
        [row.f.clone(), count(row.ok), count(row.fail), count(row.info), p50, p95, p99, max]
    });
    table(["operation", "ok", "fail", "info", "p50", "p95", "p99", "max"], rows)
}

pub(crate) fn environment(info: &RunInfo) -> String {
    let m = &info.machine;
    let binary = info.binary.iter().flat_map(|b| {
        [
            ["binary".to_owned(), format!("{}, from {}", b.version, b.source)],
            ["SHA-256".to_owned(), b.sha256.clone()],
        ]
    });
    let fixed = [
        ["target".to_owned(), format!("{}, workload {}", info.target, info.workload)],
        [
            "machine".to_owned(),
            format!("{}, Linux {}, {} processors, {}", m.os, m.kernel, m.cores, m.privilege),
        ],
        ["Duress".to_owned(), info.duress.clone()],
        ["started".to_owned(), info.started.clone()],
    ];
    let load = info.load.iter().map(|machine| [format!("load from {}", machine.host), machine.told()]);
    let options = info.options.iter().map(|(name, value)| [name.clone(), value.clone()]);
    table(["", ""], fixed.into_iter().chain(binary).chain(load).chain(options))
}

pub(crate) fn details(name: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!("<details><summary>{name}</summary>\n\n{content}\n</details>\n")
}

/// Empty without rows.
pub(crate) fn table<const N: usize>(names: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut out = String::new();
    let mut more = 0_u64;
    for (at, row) in rows.enumerate() {
        match at {
            0 => {
                out.push_str(&line(&names.map(str::to_owned)));
                out.push_str(&line(&names.map(|_| "---".to_owned())));
            }
            MAX_ROWS.. => {
                more += 1;
                continue;
            }
            _ => {}
        }
        out.push_str(&line(&row.map(|cell| escaped(&words::short(&cell, CELL), false))));
    }
    if more > 0 {
        out.push_str(&format!("\nAnd {} more in the report.\n", count(more)));
    }
    out
}

/// `code` between backticks.
pub(crate) fn quoted(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let last = parts.len() - 1;
    let part = |(at, part): (usize, &&str)| match at % 2 {
        1 if at < last => code(part),
        // A backtick without its partner is one.
        1 => format!("\\`{}", escaped(part, false)),
        _ => escaped(part, at == 0),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Between more backticks than it holds in a row.
pub(crate) fn code(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(text) + 1);
    // A backtick at the edge would count as one of the fence; one space on both sides is taken off.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

pub(crate) fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text of which nothing is taken for markup, HTML, a formula, a link, a person or an issue.
pub(crate) fn plain(text: &str) -> String {
    escaped(text, true)
}

/// `first`: it begins a line.
fn escaped(text: &str, first: bool) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    let mut before = "";
    for (at, c) in text.char_indices() {
        let rest = &text[at..];
        let at_start = first && before.trim().is_empty();
        let numbered = first && !at_start && before.trim_start().chars().all(|c| c.is_ascii_digit());
        let acts = match c {
            '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '@' | '#' | '|' | '&' | '!' | '~' | '$' => true,
            '-' | '+' | '=' => at_start,
            '.' => numbered || before.ends_with(['w', 'W']),
            ')' => numbered,
            ':' => rest.starts_with("://"),
            _ => false,
        };
        if acts {
            out.push('\\');
        }
        // Four spaces in front would make it code.
        if !(c == ' ' && at_start) {
            out.push(c);
        }
        before = &text[..at + c.len_utf8()];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_is_markup() {
        assert_eq!(plain("a|b <b> [x](y) @me #1 *_`"), r"a\|b \<b\> \[x\](y) \@me \#1 \*\_\`");
        assert_eq!(plain("1. one"), r"1\. one");
        assert_eq!(plain("at 16.604 s - so"), "at 16.604 s - so");
        assert_eq!(plain("   - one"), r"\- one");
        assert_eq!(
            plain("see https://evil.example, www.evil.example"),
            r"see https\://evil.example, www\.evil.example"
        );
        assert_eq!(plain(r"$x$ \| ~~no~~ &lt;"), r"\$x\$ \\\| \~\~no\~\~ \&lt;");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let sections = [
            ("a", "a\n".to_owned()),
            ("b", "b".repeat(BUDGET)),
            ("c", "c\n".to_owned()),
            ("d", String::new()),
        ];
        let summary = within_budget(&sections);
        assert_eq!(
            summary,
            "a\n\nc\n\nLeft out, for there is too much of it: b. All of it is in the report.\n"
        );
        let almost = within_budget(&[("a", "a".repeat(BUDGET - NOTICE)), ("b", "b\n".to_owned())]);
        assert!(almost.len() <= BUDGET && almost.contains("Left out"));
    }

    #[test]
    fn code_is_fenced_by_more_than_it_holds() {
        assert_eq!(code("read 4"), "`read 4`");
        assert_eq!(code("a``b`c"), "```a``b`c```");
        assert_eq!(code("`x"), "`` `x ``");
        assert_eq!(code(""), "");
        assert_eq!(quoted("read `4` through *n4*"), r"read `4` through \*n4\*");
        assert_eq!(quoted("a ` b"), r"a \` b");
    }
}
