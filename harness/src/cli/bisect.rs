//! `duress bisect`

use super::triage::Again;
use crate::failure::Failure;
use crate::triage::{Bisect, Bisected, Build, Found, MAX_TIMES};
use clap::Args;
use duress_targets::Registry;
use std::fmt::Write as _;
use std::path::{self, PathBuf};
use std::process::ExitCode;

/// Builds between which something can change.
const MIN_BUILDS: usize = 2;

/// `duress bisect`
#[derive(Debug, Args)]
pub(super) struct BisectArgs {
    #[command(flatten)]
    pub(super) run: Again,
    /// Versions of the server in their order, separated by commas
    #[arg(long, value_delimiter = ',', required_unless_present = "bins", conflicts_with = "bins")]
    versions: Vec<String>,
    /// Binaries of the server in their order, separated by commas
    #[arg(long, value_delimiter = ',')]
    bins: Vec<PathBuf>,
    /// Runs of each that is tested
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TIMES)))]
    times: u32,
}

impl BisectArgs {
    pub(super) fn run(self, registry: &Registry) -> Result<ExitCode, Failure> {
        let builds = self.builds()?;
        let (original, view, interrupted) = self.run.begin(registry, "bisecting")?;
        let bisect = Bisect { original: &original, builds, times: self.times, jobs: self.run.jobs() };
        let bisected = bisect.go(&interrupted, |build, answer| {
            view.note(&format!("{build}: {}", answer.told(&original.sought)));
        })?;
        drop(view);
        self.run.end(&bisected, &summary(&bisected));
        Ok(ExitCode::from(bisected.exit_code()))
    }

    fn builds(&self) -> Result<Vec<Build>, Failure> {
        let mut builds: Vec<Build> = self.versions.iter().cloned().map(Build::Version).collect();
        for bin in &self.bins {
            let whole = path::absolute(bin).ok().filter(|bin| bin.is_file());
            builds.push(Build::Bin(whole.ok_or_else(|| {
                Failure::usage(format!("--bins {}", bin.display()), "there is no such file", "check the path")
            })?));
        }
        if builds.len() < MIN_BUILDS {
            return Err(Failure::usage("one build alone", "nothing can change in it", "name two or more"));
        }
        Ok(builds)
    }
}

fn summary(bisected: &Bisected) -> String {
    let finding = &bisected.finding;
    let signature = if finding.signature.is_empty() { &finding.title } else { &finding.signature };
    let mut text = format!("{signature}\n\n");
    for one in &bisected.tested {
        let _ = write!(text, "  {}: {}", one.build, one.rate);
        if one.unanswered > 0 {
            let _ = write!(text, ", {} came to no answer", one.unanswered);
        }
        if one.others > 0 {
            let _ = write!(text, ", ANOTHER VIOLATION in {}", one.others);
        }
        text.push('\n');
    }
    let said = match &bisected.found {
        Found::Between { before, after, came, certain } => {
            let verb = if *came { "came" } else { "went" };
            let sure = if *certain {
                "The intervals of their rates have nothing in common."
            } else {
                "The intervals of their rates overlap, so the rates may be the same: use more --times."
            };
            format!(
                "It {verb} between {before} and {after}. {sure} What was not tested is taken to be like its neighbours."
            )
        }
        Found::Everywhere => "Both ends show it; what is between them was not tested.".to_owned(),
        Found::Nowhere => "Neither end shows it; what is between them was not tested.".to_owned(),
        Found::Open => "That is open: runs came to no answer, or were not made.".to_owned(),
    };
    let _ = write!(text, "\n{said}\n  runs  {}\n", bisected.run.join("bisect").display());
    text
}
