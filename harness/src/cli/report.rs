//! `duress report`: writes the reports of a run again, from what is on disk. Whatever the verdict
//! is, it exits with 0 once they are written: judging is `duress check`'s. And the index of all runs.

use super::{print, say};
use crate::failure::Failure;
use crate::{checking, index};
use clap::{Args, ValueEnum};
use duress_checkers::Keys;
use duress_reports::PlotFormat;
use duress_reports::artifact::RunDir;
use duress_reports::conclusion::conclude;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// A run that was killed before it was checked is checked now, for this long at most.
const CHECK_LIMIT: Duration = Duration::from_secs(60);
/// … with this much memory at most.
const CHECK_MEMORY: usize = 2 << 30;

/// `duress report`
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The run directory
    #[arg(default_value = "runs/latest")]
    run: PathBuf,
    /// Write the index of all runs in this directory instead: index.html and index.jsonl
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "runs", conflicts_with = "run")]
    index: Option<PathBuf>,
    /// Operations that the page carries in full; a run of more is drawn from counts, and from
    /// its operations around findings and faults
    #[arg(long, value_name = "N", default_value_t = duress_reports::EMBED_OPS)]
    embed_ops: usize,
    /// As what the plots are written
    #[arg(long, value_enum, default_value_t = Plots::Svg)]
    plots: Plots,
}

/// As what the plots of a run are written into its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Plots {
    /// plots/*.svg
    Svg,
    /// plots/*.png, for what shows no SVG
    Png,
    /// Not at all; the page has its own
    None,
}

impl From<Plots> for PlotFormat {
    fn from(plots: Plots) -> Self {
        match plots {
            Plots::Svg => Self::Svg,
            Plots::Png => Self::Png,
            Plots::None => Self::None,
        }
    }
}

impl ReportArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(out) = &self.index {
            index::directory(out)?;
            let found = index::read(out);
            for warning in index::told(&found.warnings) {
                say(&format!("warning: {warning}"));
            }
            print(&format!("{}\n", index::write(out, &found.index)?.display()));
            return Ok(ExitCode::SUCCESS);
        }
        let dir = RunDir::open(&self.run)?;
        let run = dir.load()?;
        let verdicts = match dir.load_conclusion()? {
            Some(conclusion) => conclusion.verdicts,
            None => match duress_workloads::registry::find(&run.info.workload) {
                Some(entry) => {
                    let checker = (entry.make)().checker(Keys::Keyed);
                    vec![checking::check(
                        &*checker,
                        &run.history,
                        &checking::budget(CHECK_MEMORY),
                        CHECK_LIMIT,
                    )]
                }
                None => Vec::new(),
            },
        };
        let mut conclusion = conclude(&run, verdicts);
        conclusion.list_files(&run, self.plots.into());
        duress_reports::write_embedding(&dir, &run, &conclusion, self.embed_ops)?;
        print(&format!("{}\n", dir.report_file().display()));
        Ok(ExitCode::SUCCESS)
    }
}
