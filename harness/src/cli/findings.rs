//! `duress findings`: what was found in all runs, and where each of it stands.

use super::{print, print_json, say};
use crate::failure::Failure;
use crate::index;
use clap::Args;
use duress_checkers::words::counted;
use duress_reports::index::{Index, OpenFinding};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// `duress findings`
#[derive(Debug, Args)]
pub(super) struct FindingsArgs {
    /// Directory that holds the runs. Lines of runs on other machines are found in its findings/*.jsonl:
    /// put their index.jsonl there, each under a name of its own
    #[arg(default_value = "runs")]
    out: PathBuf,
    /// Print JSON, an object for each finding
    #[arg(long)]
    json: bool,
}

impl FindingsArgs {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        index::directory(&self.out)?;
        let found = index::read(&self.out);
        for warning in index::told(&found.warnings) {
            say(&format!("warning: {warning}"));
        }
        let index = &found.index;
        if self.json {
            let all: Vec<Value> = index.findings.iter().map(|finding| object(index, finding)).collect();
            print_json(&format!("{}\n", serde_json::to_string_pretty(&all).unwrap_or_default()));
        } else {
            print(&text(index));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(index: &Index) -> String {
    if index.findings.is_empty() {
        return format!("no finding in {}\n", counted(index.runs.len() as u64, "run", "runs"));
    }
    let mut out = String::new();
    for finding in &index.findings {
        let (first, last) = (&index.runs[finding.first], &index.runs[finding.last]);
        let stands = if finding.known.is_some() { "known" } else { finding.life.word() };
        out.push_str(&format!("{stands:<8}  {}  {}\n", finding.fingerprint, finding.signature));
        let runs = counted(finding.of, "run", "runs");
        out.push_str(&format!(
            "          in {} of {runs}, {} to {}",
            finding.seen, first.started, last.started
        ));
        if finding.life.without() > 0 {
            out.push_str(&format!(", not in the last {}", finding.life.without()));
        }
        out.push('\n');
        if finding.fingerprints.len() > 1 {
            let moments: Vec<&str> = finding.moments.iter().map(String::as_str).collect();
            let prints: Vec<&str> = finding.fingerprints.iter().map(String::as_str).collect();
            out.push_str(&format!("          {}\n          as {}\n", moments.join(", "), prints.join(", ")));
        }
        if let Some(known) = &finding.known {
            out.push_str(&format!("          {known}\n"));
        }
        out.push_str(&format!("          run      {}\n          repeat   {}\n", last.path, last.repeat));
    }
    out
}

fn object(index: &Index, finding: &OpenFinding) -> Value {
    let run = |at: usize| {
        let run = &index.runs[at];
        json!({ "path": run.path, "started": run.started, "session": run.session(), "here": !run.gone })
    };
    json!({
        "bug": finding.bug,
        "fingerprint": finding.fingerprint,
        "fingerprints": finding.fingerprints,
        "signature": finding.signature,
        "state": finding.life.word(),
        "known": finding.known,
        "without": finding.life.without(),
        "moments": finding.moments,
        "versions": finding.versions,
        "count": finding.count,
        "seen": finding.seen,
        "of": finding.of,
        "first": run(finding.first),
        "last": run(finding.last),
        "repeat": index.runs[finding.last].repeat,
    })
}
