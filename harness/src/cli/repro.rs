//! `duress repro`

use super::triage::Again;
use crate::failure::Failure;
use crate::triage::{MAX_TIMES, Repro, Reproduced};
use clap::Args;
use duress_targets::Registry;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

/// `duress repro`
#[derive(Debug, Args)]
pub(super) struct ReproArgs {
    #[command(flatten)]
    pub(super) run: Again,
    /// How often
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TIMES)))]
    times: u32,
    /// Also if the server's binary is not the one that was tested
    #[arg(long)]
    anyway: bool,
}

impl ReproArgs {
    pub(super) fn run(self, registry: &Registry) -> Result<ExitCode, Failure> {
        let (original, view, interrupted) = self.run.begin(registry, "repeating")?;
        let repro =
            Repro { original: &original, times: self.times, jobs: self.run.jobs(), anyway: self.anyway };
        let mut ended = 0;
        let reproduced = repro.go(&interrupted, |_, answer| {
            ended += 1;
            view.note(&format!("{ended} of {}: {}", self.times, answer.told(&original.sought)));
        })?;
        drop(view);
        self.run.end(&reproduced, &summary(&reproduced));
        Ok(ExitCode::from(reproduced.exit_code()))
    }
}

fn summary(reproduced: &Reproduced) -> String {
    let finding = &reproduced.finding;
    let signature = if finding.signature.is_empty() { &finding.title } else { &finding.signature };
    let mut text = format!("{signature}\n\n  shown in {}, at a confidence of 95 %\n", reproduced.rate);
    if !finding.fingerprint.is_empty() {
        let same = reproduced.same_fingerprint;
        let _ = writeln!(text, "  {same} of them with the same fingerprint, {}", finding.fingerprint);
    }
    if reproduced.unanswered > 0 {
        let _ = writeln!(text, "  {} more came to no answer, and do not count", reproduced.unanswered);
    }
    if !reproduced.complete {
        text.push_str("  not all runs were made\n");
    }
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for run in &reproduced.runs {
        let what = if run.shown == Some(true) { "shown" } else { &run.headline };
        *outcomes.entry(what).or_default() += 1;
    }
    text.push('\n');
    for (what, count) in outcomes {
        let _ = writeln!(text, "  {count:>4} × {what}");
    }
    for run in reproduced.runs.iter().filter(|run| !run.others.is_empty()) {
        let _ = writeln!(text, "\n  ANOTHER VIOLATION: {}, {}", run.others.join("; "), run.run.display());
    }
    let _ = write!(
        text,
        "\n  each  {}\n  runs  {}\n",
        reproduced.command,
        reproduced.run.join("repro").display()
    );
    text
}
