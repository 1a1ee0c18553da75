//! What `duress repro`, `shrink` and `bisect` ask alike.

use super::progress::{Progress, View};
use super::{print, print_json, run};
use crate::event::Stage;
use crate::failure::Failure;
use crate::triage::{Interrupted, Original};
use clap::Args;
use duress_targets::Registry;
use serde::Serialize;
use std::path::PathBuf;

/// Which run, and how it is made.
#[derive(Debug, Args)]
pub(super) struct Again {
    /// The run directory, or the fingerprint of a finding
    run: String,
    /// Which of its findings: a number or a fingerprint [default: the kind that the run has
    /// most of and that is not known]
    #[arg(long)]
    finding: Option<String>,
    /// Directory that holds the runs, for fingerprints
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    /// Runs at the same time; they disturb each other
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Print JSON instead of a summary
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) progress: Progress,
}

impl Again {
    /// The run, and a view that tells of those that are made of it.
    pub(super) fn begin(
        &self,
        registry: &Registry,
        what: &str,
    ) -> Result<(Original, View, Interrupted), Failure> {
        let original =
            Original::open(&self.run, &self.runs, self.finding.as_deref(), (registry, run::again))?;
        let interrupted = Interrupted::listen();
        let told = format!("{what} {}: {}", original.dir.display(), original.sought.title);
        let view = View::begin(self.progress.mode, Stage::Main, &told);
        original.notes.iter().for_each(|note| view.note(note));
        Ok((original, view, interrupted))
    }

    pub(super) fn jobs(&self) -> usize {
        usize::from(self.jobs)
    }

    /// Prints what came of it, in one form or the other.
    pub(super) fn end(&self, result: &impl Serialize, summary: &str) {
        if self.json {
            print_json(&format!("{}\n", serde_json::to_string_pretty(result).unwrap_or_default()));
        } else {
            print(summary);
        }
    }
}
