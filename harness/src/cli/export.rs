//! `duress export`: the figures of all runs for other programs.

use super::{print, say};
use crate::failure::Failure;
use crate::index;
use clap::{Args, ValueEnum};
use duress_reports::export;
use duress_reports::index::Index;
use std::path::PathBuf;
use std::process::ExitCode;

/// `duress export`
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Directories that hold runs, or soaks
    #[arg(default_value = "runs")]
    dirs: Vec<PathBuf>,
    /// As what
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Text that Prometheus and its collectors read
    Openmetrics,
    /// A line per run
    Csv,
}

impl ExportArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut lines = Vec::new();
        for dir in &self.dirs {
            index::directory(dir)?;
            let found = index::read(dir);
            for warning in index::told(&found.warnings) {
                say(&format!("warning: {warning}"));
            }
            // Where it lies tells runs of several directories apart.
            let several = self.dirs.len() > 1;
            lines.extend(found.index.runs.into_iter().map(|mut line| {
                if several {
                    line.path = dir.join(&line.path).display().to_string();
                }
                line
            }));
        }
        let index = Index::new(lines);
        print(&match self.format {
            Format::Openmetrics => export::openmetrics(&index),
            Format::Csv => export::csv(&index),
        });
        Ok(ExitCode::SUCCESS)
    }
}
