//! `duress check`: judges histories that are already there, ours and those of others.

mod choose;
mod file;
mod report;

use super::progress::{Progress, View};
use super::{print, print_json};
use crate::checking;
use crate::event::Stage;
use crate::failure::Failure;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use duress_checkers::history::{Format, Nil, ReadOptions};
use duress_checkers::model::models;
use duress_checkers::{Checker, History, Keys, Verdict};
use duress_reports::artifact::RunDir;
use duress_reports::conclusion::conclude;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Usual limits: of time for one history, of memory in MiB.
const TIME: &str = "60s";
const MEMORY: u64 = 2048;
/// A search needs some room to begin with.
const LEAST_MEMORY: u64 = 16;

/// `duress check`
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Histories (`-` for standard input), run directories, and reports of etcd's robustness tests
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// What an object may do [default: the one that fits, if only one does]
    #[arg(long, short, value_parser = names())]
    model: Option<String>,
    /// What it holds at first, as JSON or a word [default: the model's own]
    #[arg(long, value_name = "VALUE")]
    initial: Option<String>,
    /// How the history is written down [default: as it looks]
    #[arg(long, value_parser = formats())]
    format: Option<String>,
    /// What reading nil says: there was nil, or nobody knows, as Knossos takes it
    #[arg(long, value_enum, default_value_t = NilArg::Value)]
    nil: NilArg,
    /// Put right what can be put right soundly in a history that cannot be, and say so
    ///
    /// Lines go where their index says; the same line twice counts once; where time goes
    /// backwards the order of the lines counts; an operation that its process left open, or that
    /// completed in two ways, may or may not have happened. So a violation is one of the history
    /// as it was. A completion without its invocation is not repaired: lines are missing there, and
    /// nobody knows which. Nor are reports of etcd, whose order is told by nothing but time.
    #[arg(long)]
    repair: bool,
    /// Whether values are `[key, value]` pairs; runs of Duress always are
    #[arg(long, value_enum, default_value_t = KeysArg::Auto)]
    keys: KeysArg,
    /// Time limit for each history; past it the verdict is unknown
    #[arg(long, default_value = TIME, value_parser = humantime::parse_duration)]
    time_limit: Duration,
    /// Memory limit for each history, in MiB
    #[arg(long, default_value_t = MEMORY, value_parser = clap::value_parser!(u64).range(LEAST_MEMORY..))]
    memory_limit: u64,
    /// Print verdicts as JSON, one line for each
    #[arg(long)]
    json: bool,
    /// Write the verdict of the one history as a page, too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    pub(super) progress: Progress,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(models().iter().map(|entry| entry.name))
}

fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(Format::ALL.iter().map(|format| format.name()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NilArg {
    /// There was nil
    Value,
    /// Nobody knows
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        if self.report.is_some() && self.paths.len() > 1 {
            return Err(Failure::usage(
                "--report",
                "it is one page about one history",
                "check the histories one by one, or leave it out",
            ));
        }
        let mut worst = 0;
        for path in &self.paths {
            let code = self.one(path).unwrap_or_else(|failure| {
                View::new(self.progress.mode).fail(&failure);
                failure.code()
            });
            worst = worse(worst, code);
        }
        Ok(ExitCode::from(worst))
    }

    fn one(&self, path: &Path) -> Result<u8, Failure> {
        if !path.is_dir() {
            return self.check_file(path);
        }
        match report::files(path) {
            files if files.is_empty() => self.check_run(path),
            files => self.check_report(path, &files),
        }
    }

    /// Checks a run again, and writes its verdict and reports anew.
    fn check_run(&self, path: &Path) -> Result<u8, Failure> {
        let dir = RunDir::open(path).map_err(|_| {
            Failure::usage(
                path.display().to_string(),
                "it is neither a run of Duress, with a run.json, nor a report of etcd's tests, with client-*/operations.json",
                "name the histories in it",
            )
        })?;
        self.runs_know_themselves(path)?;
        let run = dir.load()?;
        let entry = duress_workloads::registry::find(&run.info.workload).ok_or_else(|| {
            Failure::usage(
                path.display().to_string(),
                format!("its workload {} is not known here", run.info.workload),
                "use the version of Duress that wrote it",
            )
        })?;
        let checker = (entry.make)().checker(Keys::Keyed);
        let verdict = self.judge(&path.display().to_string(), &*checker, &run.history);
        let conclusion = conclude(&run, vec![verdict]);
        duress_reports::write(&dir, &run, &conclusion)?;
        if self.json {
            print_json(&format!("{}\n", serde_json::to_string(&conclusion).unwrap_or_default()));
        } else {
            print(&duress_reports::text::summary(&dir, &run, &conclusion));
        }
        Ok(conclusion.exit_code)
    }

    /// What a run's own file answers is not to be asked again.
    fn runs_know_themselves(&self, path: &Path) -> Result<(), Failure> {
        let asked = [
            ("--model", self.model.is_some()),
            ("--initial", self.initial.is_some()),
            ("--format", self.format.is_some()),
            ("--nil", self.nil != NilArg::Value),
            ("--repair", self.repair),
            ("--keys", self.keys != KeysArg::Auto),
            ("--report", self.report.is_some()),
        ];
        match asked.into_iter().find(|(_, asked)| *asked) {
            None => Ok(()),
            Some((flag, _)) => Err(Failure::usage(
                flag,
                format!("{} is a run, which says itself how it is checked", path.display()),
                format!("give {} to have it your way", path.join("history.jsonl").display()),
            )),
        }
    }

    /// Talk.
    fn say(&self, text: &str) {
        View::new(self.progress.mode).note(text);
    }

    /// Checks with a view beside it.
    fn judge(&self, name: &str, checker: &dyn Checker, history: &History) -> Verdict {
        let limit = humantime::format_duration(self.time_limit);
        let what = format!("checking {name}, for {limit} at most");
        let _view = View::begin(self.progress.mode, Stage::Check, &what);
        checking::check(checker, history, &self.budget(), self.time_limit)
    }

    fn read_options(&self) -> ReadOptions {
        let named = self.format.as_deref();
        ReadOptions {
            format: Format::ALL.iter().copied().find(|format| Some(format.name()) == named),
            nil: match self.nil {
                NilArg::Value => Nil::Value,
                NilArg::Unknown => Nil::Unknown,
            },
            repair: self.repair,
        }
    }

    fn budget(&self) -> std::sync::Arc<duress_checkers::Budget> {
        let bytes = self.memory_limit.saturating_mul(1 << 20);
        checking::budget(usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}

/// Of two exit codes the one to end with: a violation is never masked, and neither is a history
/// that could not be read by one that is only unknown.
fn worse(a: u8, b: u8) -> u8 {
    let rank = |code: u8| match code {
        0 => 0,
        2 => 1,
        1 => 4,
        254 => 3,
        _ => 2,
    };
    if rank(b) > rank(a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::worse;

    #[test]
    fn a_violation_is_never_masked() {
        let order = [0, 2, 3, 254, 1];
        for (at, a) in order.iter().enumerate() {
            for b in &order[at..] {
                assert_eq!((worse(*a, *b), worse(*b, *a)), (*b, *b));
            }
        }
    }
}
