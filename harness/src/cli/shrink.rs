//! `duress shrink`

use super::triage::Again;
use crate::failure::Failure;
use crate::triage::{MAX_TIMES, Shrink};
use clap::Args;
use duress_targets::Registry;
use std::process::ExitCode;
use std::time::Duration;

/// `duress shrink`
#[derive(Debug, Args)]
pub(super) struct ShrinkArgs {
    #[command(flatten)]
    pub(super) run: Again,
    /// No run begins later than so long after the start; what was learnt until then is kept, and the same
    /// command goes on from there
    #[arg(long, default_value = "20m", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// Runs of each line of the table that says which faults matter
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TIMES)))]
    tries: u32,
    /// Also if the server's binary is not the one that was tested
    #[arg(long)]
    anyway: bool,
}

impl ShrinkArgs {
    pub(super) fn run(self, registry: &Registry) -> Result<ExitCode, Failure> {
        let (original, view, interrupted) = self.run.begin(registry, "making smaller")?;
        let shrink = Shrink {
            original: &original,
            budget: self.budget,
            jobs: self.run.jobs(),
            tries: self.tries,
            anyway: self.anyway,
        };
        let shrunk = shrink.go(&interrupted, &mut |line| view.note(line))?;
        drop(view);
        self.run.end(&shrunk, &shrunk.narrative());
        Ok(ExitCode::from(shrunk.exit_code()))
    }
}
