//! `duress issue`: the text of an issue on a finding, for whoever wants to post it.

use super::print;
use crate::failure::Failure;
use crate::index;
use clap::Args;
use duress_reports::artifact::RunDir;
use duress_reports::issue::issue;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `duress issue`
#[derive(Debug, Args)]
pub(super) struct IssueArgs {
    /// A fingerprint, of which the last run that is still here is told of; or a run directory
    what: String,
    /// Directory that holds the runs, for fingerprints
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    /// The finding's number in the report, of a run directory
    #[arg(long, default_value_t = 1)]
    number: u64,
}

impl IssueArgs {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let index = index::read(&self.runs).index;
        let refuse = |why: &str, fix: &str| Failure::usage(self.what.clone(), why, fix);
        let (path, number) = if Path::new(&self.what).is_dir() {
            (PathBuf::from(&self.what), self.number)
        } else {
            let named = |line: &&duress_reports::index::FindingLine| {
                [&line.fingerprint, &line.bug].contains(&&self.what)
            };
            let mut runs = index.runs.iter().rev().filter(|run| !run.gone);
            let found = runs.find_map(|run| Some((run, run.findings.iter().find(named)?)));
            let (run, line) = found.ok_or_else(|| {
                refuse(
                    "no run here has a finding with this fingerprint",
                    "see `duress findings`, or name a run directory",
                )
            })?;
            (self.runs.join(&run.path), line.number)
        };
        // Tomorrow `latest` points elsewhere, and the issue is read then, too.
        let path = match path.read_link() {
            Ok(target) => path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => path,
        };
        let dir = RunDir::open(&path)?;
        let run = dir.load()?;
        let conclusion = dir.load_conclusion()?.ok_or_else(|| {
            refuse(
                "it has no verdict: it is still running, or was killed",
                "judge what there is: duress check",
            )
        })?;
        let placed = conclusion.findings.iter().find(|placed| placed.number == number);
        let seen = placed.and_then(|placed| index.findings.iter().find(|f| f.bug == placed.bug));
        let issue = issue(&dir, &run, &conclusion, number, seen).ok_or_else(|| {
            refuse("the run has no such finding", "choose another with --number; see its report")
        })?;
        print(&format!("# {}\n\n{}", issue.title, issue.body));
        Ok(ExitCode::SUCCESS)
    }
}
