//! `duress heal`: removes what a killed run may have left.
//!
//! Nodes, networks and mounts go with the process that made them: the kernel sees to that.
//! What can be left is a journal with open faults and, where the kernel was prevented from
//! doing its part, processes and control groups. All are looked for, by what the journal says; and
//! containers, which are the user's own, are put right.

use super::{print, say};
use crate::failure::Failure;
use crate::store;
use clap::Args;
use duress_reports::artifact::{RunDir, RunStatus};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Noted in a run that was swept, so that it is swept once.
const KILLED: &str = "duress was killed during this run";

/// `duress heal`
#[derive(Debug, Args)]
pub(super) struct HealArgs {
    /// Directory that holds the runs
    #[arg(default_value = "runs")]
    out: PathBuf,
}

impl HealArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if !self.out.is_dir() {
            return Err(Failure::usage(
                self.out.display().to_string(),
                "there is no such directory",
                "give the directory that holds the runs",
            ));
        }
        let mut healed = 0;
        for dir in store::runs(&self.out) {
            let mut info = dir.load_info()?;
            let swept = info.warnings.iter().any(|warning| warning == KILLED);
            if info.status != RunStatus::Running || swept {
                continue;
            }
            if store::is_alive(&dir) {
                say(&format!("{}: still running, left alone", dir.path().display()));
                continue;
            }
            let marks = marks(&dir);
            let (ended, removed) = crate::env::local::heal::sweep(&marks);
            let containers = crate::env::docker::sweep(&marks);
            info.warnings.push(KILLED.to_owned());
            dir.write_info(&info)?;
            healed += 1;
            print(&format!(
                "{}: killed; {}; `duress check {}` judges what it recorded\n",
                dir.path().display(),
                match (ended, removed) {
                    (0, 0) if containers > 0 => format!("{containers} containers are right again"),
                    (0, 0) => "nothing of it was left".to_owned(),
                    (_, 0) => format!("{ended} processes ended"),
                    _ => format!("{ended} processes ended, {removed} control groups removed"),
                },
                shown(dir.path()),
            ));
        }
        if healed == 0 {
            print("nothing to heal\n");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What the journal says may be left: the undo data of every fault.
fn marks(dir: &RunDir) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(dir.faults_file()).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|entry| entry.get("undo").cloned())
        .collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
