//! `duress check`: judges a history that is already there.

use super::print;
use super::run::CheckLimits;
use crate::checking;
use crate::failure::Failure;
use clap::{Args, ValueEnum};
use duress_checkers::history::{self, Loaded, ReadOptions};
use duress_checkers::{History, Keys, Kind, Valid, Verdict};
use duress_reports::artifact::RunDir;
use duress_reports::conclusion::conclude;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `duress check`
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A run directory, or a history as JSON lines (`-` for standard input)
    path: PathBuf,
    /// What the clients did; `duress list workloads` [default: as the run says, else register]
    #[arg(long, short)]
    workload: Option<String>,
    /// Whether values are `[key, value]` pairs; runs of Duress always are
    #[arg(long, value_enum, default_value_t = KeysArg::Auto)]
    keys: KeysArg,
    #[command(flatten)]
    limits: CheckLimits,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeysArg {
    /// As the values look; doubts are said, not guessed away
    Auto,
    /// Every value is a pair
    Keyed,
    /// There is one object
    Single,
}

impl From<KeysArg> for Keys {
    fn from(arg: KeysArg) -> Self {
        match arg {
            KeysArg::Auto => Self::Auto,
            KeysArg::Keyed => Self::Keyed,
            KeysArg::Single => Self::Single,
        }
    }
}

impl CheckArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if self.path.is_dir() { self.check_run() } else { self.check_file() }
    }

    /// Checks a run again, and writes its verdict and reports anew.
    fn check_run(&self) -> Result<ExitCode, Failure> {
        let dir = RunDir::open(&self.path)?;
        let run = dir.load()?;
        let workload = self.workload.as_deref().unwrap_or(&run.info.workload);
        let verdict = self.judge(workload, Keys::Keyed, &run.history)?;
        let conclusion = conclude(&run, vec![verdict]);
        duress_reports::write(&dir, &run, &conclusion)?;
        if self.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&conclusion).unwrap_or_default()));
        } else {
            print(&duress_reports::text::summary(&dir, &run, &conclusion));
        }
        Ok(ExitCode::from(conclusion.exit_code))
    }

    fn check_file(&self) -> Result<ExitCode, Failure> {
        let Loaded { history, truncated, .. } = read(&self.path)?;
        let verdict =
            self.judge(self.workload.as_deref().unwrap_or("register"), self.keys.into(), &history)?;
        if truncated {
            super::say("the last line breaks off in its middle and was left out");
        }
        if history.calls().next().is_none() {
            return Err(Failure::usage(
                self.path.display().to_string(),
                "there is no client operation in it, so there is nothing to check",
                "give a history with at least one invocation of a client",
            ));
        }
        let nothing_succeeded = !history.ops().iter().any(|op| op.process.is_client() && op.kind == Kind::Ok);
        if nothing_succeeded && verdict.valid == Valid::Valid {
            return Err(Failure::usage(
                self.path.display().to_string(),
                "no operation of a client succeeded, so nothing was seen that could contradict anything",
                "give a history in which something succeeded",
            ));
        }
        if self.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&verdict).unwrap_or_default()));
        } else {
            print(&duress_reports::text::verdict(&verdict));
        }
        Ok(ExitCode::from(match verdict.valid {
            Valid::Valid => 0,
            Valid::Violation => 1,
            Valid::Unknown => 2,
        }))
    }

    fn judge(&self, workload: &str, keys: Keys, history: &History) -> Result<Verdict, Failure> {
        let entry = duress_workloads::registry::find(workload).ok_or_else(|| {
            let known: Vec<&str> =
                duress_workloads::registry::WORKLOADS.iter().map(|entry| entry.name).collect();
            Failure::usage(
                format!("--workload {workload}"),
                "there is no such workload",
                format!("choose from {}", known.join(", ")),
            )
        })?;
        let budget = checking::budget(self.limits.check_memory << 20);
        let checker = (entry.make)().checker(keys);
        Ok(checking::check(&*checker, history, &budget, self.limits.check_time))
    }
}

fn read(path: &Path) -> Result<Loaded, Failure> {
    let reader: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| {
            Failure::usage(path.display().to_string(), error.to_string(), "give a history or a run directory")
        })?;
        Box::new(file)
    };
    history::read(reader, &ReadOptions::default())
        .map_err(|source| Failure::History { path: path.to_owned(), source })
}
