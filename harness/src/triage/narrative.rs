//! What was found out about a run, in plain words: Markdown that is read as well without being rendered.

use super::shrink::{Ended, Shrunk, Size};
use std::fmt::Write as _;

/// Operations of a core that are listed.
const MAX_OPS: usize = 40;

/// All of it.
pub(super) fn of(shrunk: &Shrunk) -> String {
    let finding = &shrunk.finding;
    let signature = if finding.signature.is_empty() { &finding.title } else { &finding.signature };
    let mut text = format!("# {signature}\n\n{}\n", verdict(shrunk));
    for (other, run) in &shrunk.others {
        let _ = write!(text, "\n**Another violation showed on the way**: {other}, in `{}`\n", run.display());
    }
    let _ = write!(text, "\n## Run it\n\n```sh\n{}\n```\n", shrunk.command);
    if let Some(minimal) = &shrunk.minimal {
        let report = minimal.join("report.html");
        let number = shrunk.number.map_or(String::new(), |number| format!(", its finding {number}"));
        let _ = write!(text, "\nThe last run that showed it: `{}`{number}\n", report.display());
    }
    let _ = write!(text, "\n## What is left\n\n{}", sizes(&shrunk.before, &shrunk.after));
    if !shrunk.table.is_empty() {
        text.push_str("\n## Which faults matter\n\nRuns that show it, and where the true rate is at a confidence of 95 %:\n\n");
        for row in &shrunk.table {
            let _ = writeln!(text, "- {}: {}", row.what, row.rate);
        }
    }
    core(shrunk, &mut text);
    if !shrunk.steps.is_empty() {
        text.push_str("\n## What was tried\n\n");
        for step in &shrunk.steps {
            let rate = step.rate.map_or("there can be no such run".to_owned(), |rate| rate.to_string());
            let taken = if step.taken { "**taken**" } else { "not taken" };
            let _ = writeln!(text, "- {}: {rate}, {taken}", step.what);
        }
    }
    let _ = write!(
        text,
        "\n{} runs were made of `{}`. A smaller run was taken when {} of {} runs showed a {} found by the \
         checker `{}`, whatever its fingerprint. Dropping something changes when everything else happens, so that \
         what was not taken may matter by its timing alone.\n",
        shrunk.runs,
        shrunk.run.display(),
        shrunk.rule.need,
        shrunk.rule.tries,
        finding.anomaly,
        finding.checker,
    );
    text
}

fn verdict(shrunk: &Shrunk) -> String {
    let base = shrunk.base;
    let (before, after) = (&shrunk.before, &shrunk.after);
    match shrunk.ended {
        Ended::NeverShown => {
            return format!(
                "The run as it was did not show it again: {base}. There is nothing to make smaller."
            );
        }
        Ended::NoAnswer => {
            return "Runs came to no answer, so nothing is known about smaller ones.".to_owned();
        }
        _ if base.shown == 0 => return format!("Stopped before it showed again: {base}."),
        _ => {}
    }
    let mut text = format!(
        "It takes {} of {} faults, {} of {} nodes and {:.1} of {:.1} s. What is left shows it in {}, the run as it was in {base}.",
        after.faults.len(),
        before.faults.len(),
        after.nodes,
        before.nodes,
        after.seconds,
        before.seconds,
        shrunk.rate,
    );
    match shrunk.ended {
        Ended::Budget => text.push_str(" The budget ended the search: more could perhaps be left out."),
        Ended::Interrupted => text.push_str(" The search was interrupted: the same command goes on with it."),
        Ended::Searching => text.push_str(" The search goes on."),
        _ => {}
    }
    text
}

fn sizes(before: &Size, after: &Size) -> String {
    let rate = |rate: u64| if rate == 0 { "no limit".to_owned() } else { format!("{rate} per second") };
    let ops = |ops: Option<u64>| ops.map_or("no limit".to_owned(), |ops| ops.to_string());
    let rows = [
        ("faults", before.faults.len().to_string(), after.faults.len().to_string()),
        ("nodes", before.nodes.to_string(), after.nodes.to_string()),
        ("clients", before.clients.to_string(), after.clients.to_string()),
        ("keys in use", before.keys.to_string(), after.keys.to_string()),
        ("operations", rate(before.rate), rate(after.rate)),
        ("most operations", ops(before.ops), ops(after.ops)),
        ("length", format!("{:.1} s", before.seconds), format!("{:.1} s", after.seconds)),
    ];
    let mut text = String::from("| | before | after |\n|---|---|---|\n");
    for (what, before, after) in rows {
        let _ = writeln!(text, "| {what} | {before} | {after} |");
    }
    if !after.faults.is_empty() {
        let _ = write!(text, "\nFaults that are left: {}\n", after.faults.join(", "));
    }
    text
}

fn core(shrunk: &Shrunk, text: &mut String) {
    let Some(core) = &shrunk.core else { return };
    let _ =
        write!(text, "\n## The {} operations that prove it\n\n{}\n\n```\n", core.ops.len(), core.sentence);
    for op in core.ops.iter().take(MAX_OPS) {
        let _ = writeln!(text, "{op}");
    }
    if core.ops.len() > MAX_OPS {
        let _ = writeln!(text, "and {} more", core.ops.len() - MAX_OPS);
    }
    let _ = write!(text, "```\n\n```sh\n{}\n```\n", core.recheck);
}
