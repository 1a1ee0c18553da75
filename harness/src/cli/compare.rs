//! `duress compare`: two runs side by side, from what is on disk.

use super::print;
use crate::failure::Failure;
use clap::Args;
use duress_reports::artifact::{RunDir, write_whole};
use duress_reports::compare::{Comparison, Side};
use duress_reports::compare_page;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `duress compare`
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// A run directory
    a: PathBuf,
    /// Another one
    b: PathBuf,
    /// Write a page, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl CompareArgs {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let comparison = Comparison::new(side(&self.a)?, side(&self.b)?);
        print(&comparison.text());
        if let Some(path) = &self.html {
            write_whole(path, compare_page(&comparison).as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn side(path: &Path) -> Result<Side, Failure> {
    let dir = RunDir::open(path)?;
    let run = dir.load()?;
    let conclusion = dir.load_conclusion()?.ok_or_else(|| {
        Failure::usage(
            path.display().to_string(),
            "it has no verdict: it is still running, or was killed",
            format!("wait for its end, or judge what there is: duress check {}", path.display()),
        )
    })?;
    Ok(Side::new(path.display().to_string(), &run, conclusion))
}
