//! `duress soak` and `duress merge`.

use super::progress::{Progress, View};
use super::{print, print_json, say};
use crate::failure::Failure;
use crate::plan::draw_seed;
use crate::soak::manifest::{MAX_SHARDS, Manifest};
use crate::soak::{self, Came, Halt, Soak, matrix};
use clap::Args;
use duress_checkers::words::counted;
use duress_reports::suite::text;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// `duress soak`
#[derive(Debug, Args)]
pub(super) struct SoakArgs {
    /// What to combine (TOML)
    matrix: PathBuf,
    /// Begin runs for so long; the first round of combinations has to fit
    #[arg(long, value_parser = humantime::parse_duration, required_unless_present = "trials")]
    budget: Option<Duration>,
    /// So many trials, over all shards
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    trials: Option<u64>,
    /// Which part of the trials, like 3/16: the parts together are the whole
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(u64, u64)>,
    /// The directory; the same command goes on with what is in it
    #[arg(long, default_value = "soak")]
    dir: PathBuf,
    /// Runs at the same time
    #[arg(long, short, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Stop after so many findings that are probably different bugs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    stop_after: Option<u64>,
    /// All seeds are derived from it [default: that of the file, or of the directory, or drawn]
    #[arg(long, short)]
    seed: Option<u64>,
    /// Keep only the small files of valid runs
    #[arg(long)]
    thin: bool,
    /// Print soak.json instead of the summary
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) progress: Progress,
}

/// `duress merge`
#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The directories of the shards
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// The directory for all of them; it must be empty or new
    #[arg(long, default_value = "soak")]
    dir: PathBuf,
    /// Print soak.json instead of the summary
    #[arg(long)]
    json: bool,
}

impl SoakArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (mut matrix, named) = matrix::read(&self.matrix)?;
        matrix.thin |= self.thin;
        if !(1..=soak::MAX_JOBS).contains(&self.jobs) {
            let fix = format!("use 1 to {}", soak::MAX_JOBS);
            return Err(Failure::usage(format!("--jobs {}", self.jobs), "out of range", fix));
        }
        let known = Manifest::read(&self.dir)?;
        let seed = match (self.seed.or(named).or(known.as_ref().map(|known| known.seed)), self.shard) {
            (Some(seed), _) => seed,
            (None, None) => draw_seed(),
            (None, Some((part, of))) => {
                return Err(Failure::usage(
                    format!("--shard {part}/{of}"),
                    "the shards of one soak need the same seed",
                    "give all of them the same --seed, like the number of the pipeline",
                ));
            }
        };
        if known.is_none() {
            soak::refuse(&matrix.combinations)?;
        }
        let (part, of) = self.shard.unwrap_or((1, 1));
        let begins = Manifest::new(matrix, seed).shard(part, of);
        let manifest = Manifest {
            trials: self.trials,
            budget_ms: self.budget.map(|budget| u64::try_from(budget.as_millis()).unwrap_or(u64::MAX)),
            stop_after: self.stop_after,
            // What goes on is still the night that it began in.
            session: known
                .map(|known| known.session)
                .filter(|s| !s.is_empty())
                .unwrap_or(begins.session.clone()),
            ..begins
        };
        let failed = |source| Failure::File { path: self.dir.clone(), what: "run", source };
        let halt = Halt::listen().map_err(failed)?;
        let combinations = counted(manifest.matrix.combinations.len() as u64, "combination", "combinations");
        let what = format!("soak of {combinations}, seed {seed}");
        // No heartbeat: a night of them is a log that nobody reads.
        let view = View::new(self.progress.mode);
        view.note(&what);
        let soak = Soak { manifest, dir: self.dir.clone(), jobs: self.jobs };
        let came = soak.go(&halt, |line| view.note(line))?;
        drop(view);
        show(came, &self.dir, self.json)
    }
}

impl MergeArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        show(soak::merge(&self.dirs, &self.dir)?, &self.dir, self.json)
    }
}

/// A violation is never masked: not by a disk that is full, either.
fn show(came: Came, dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let Came { suite, failure } = came;
    if json {
        print_json(&format!("{}\n", serde_json::to_string_pretty(&suite).unwrap_or_default()));
    } else {
        print(&text(&suite, dir));
    }
    match failure {
        Some(failure) if !suite.outcome.is_finding() => return Err(failure),
        Some(failure) => say(&format!("error: {failure}")),
        None if !json => print(&format!("{}\n", dir.join("index.html").display())),
        None => {}
    }
    Ok(ExitCode::from(suite.exit_code))
}

fn shard(text: &str) -> Result<(u64, u64), String> {
    let wrong = || format!("write it as 3/16, with at most {MAX_SHARDS}; the first is 1");
    let (part, of) = text.split_once('/').ok_or_else(wrong)?;
    let (part, of): (u64, u64) = (part.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
    if (1..=of).contains(&part) && of <= MAX_SHARDS { Ok((part, of)) } else { Err(wrong()) }
}
