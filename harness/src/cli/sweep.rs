//! `duress sweep`.

use super::print;
use super::progress::{Progress, View};
use super::run::Disks;
use crate::env::place::Place;
use crate::env::trap::{Call, Moment};
use crate::event::Stage;
use crate::failure::Failure;
use crate::plan::find_target;
use crate::sweep::{Outcome, Point, Sweep};
use clap::{Args, ValueEnum};
use duress_targets::Registry;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Most of the points that went wrong are alike: so many are named.
const NAMED: usize = 10;

/// `duress sweep`
#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    /// What to test; `duress list targets`
    #[arg(default_value = "etcd")]
    target: String,
    /// What the one client does; `duress list workloads`
    #[arg(long, short, default_value = "set")]
    workload: String,
    /// Operations of the script
    #[arg(long, default_value_t = 200)]
    ops: u64,
    /// Operations per second; 0 for no limit
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Crash at which calls
    #[arg(long, value_enum, default_value_t = At::Sync)]
    at: At,
    /// Before the call is made, after it and before the server knows, or once each
    #[arg(long, value_enum, default_value_t = When::Both)]
    when: When,
    /// How
    #[arg(long, value_enum, default_value_t = Crash::PowerFailure)]
    crash: Crash,
    /// What the node's disk is made with; what is not `own` needs root
    #[arg(long, value_enum, default_value_t = Disks::Own)]
    disks: Disks,
    /// Same seed: same operations
    #[arg(long, short, default_value_t = 1)]
    seed: u64,
    /// A setting of the target; `duress list targets`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Version of the server
    #[arg(long)]
    version: Option<String>,
    /// The server's binary
    #[arg(long)]
    bin: Option<PathBuf>,
    /// Runs at the same time [default: one per core]
    #[arg(long, short)]
    jobs: Option<usize>,
    /// Directory for the runs; it must be empty or new
    #[arg(long)]
    dir: PathBuf,
    /// Keep the runs that went well, too
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    pub(super) progress: Progress,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum At {
    /// fsync, fdatasync
    Sync,
    /// rename, renameat, renameat2; before it only
    Rename,
    /// What is sent on sockets; before it only
    Send,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Crash {
    /// What was not made durable is lost
    PowerFailure,
    /// SIGKILL: what was written is there
    Kill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Before,
    After,
    Both,
}

impl SweepArgs {
    pub(super) fn run(self, registry: &Registry) -> Result<ExitCode, Failure> {
        find_target(registry, &self.target, &Place::Here)?;
        if self.dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Failure::usage(
                format!("--dir {}", self.dir.display()),
                "it is not empty",
                "give a new directory, or empty this one",
            ));
        }
        let sweep = self.sweep()?;
        let what = format!("crashing {} at each {}", self.target, at(self.at));
        let view = View::begin(self.progress.mode, Stage::Main, &what);
        let told = |point: &Point| view.note(&format!("{}: {}", name(self.at, point), word(point.outcome)));
        let points = sweep.go(told)?;
        drop(view);
        print(&summary(&self, &points));
        Ok(ExitCode::from(exit_code(&points)))
    }

    fn sweep(&self) -> Result<Sweep, Failure> {
        let call = match self.at {
            At::Sync => Call::Sync,
            At::Rename => Call::Rename,
            At::Send => Call::Send,
        };
        let moments = match (self.when, call) {
            (When::Both, Call::Sync) => vec![Moment::Before, Moment::After],
            (When::After, Call::Sync) => vec![Moment::After],
            (When::Before | When::Both, _) => vec![Moment::Before],
            (When::After, _) => {
                return Err(Failure::usage(
                    "--when after",
                    "only syncs can be made in the server's place",
                    "use --when before",
                ));
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Sweep {
            run: self.arguments(),
            call,
            moments,
            power_failure: self.crash == Crash::PowerFailure,
            dir: self.dir.clone(),
            jobs: self.jobs.unwrap_or(cores),
            keep: self.keep,
        })
    }

    /// One client, on one node and one key.
    fn arguments(&self) -> Vec<OsString> {
        let ops = self.ops.to_string();
        let seed = self.seed.to_string();
        let rate = self.rate.to_string();
        let disks = match self.disks {
            Disks::Own => "own",
            Disks::Ext4 => "ext4",
        };
        let mut words: Vec<OsString> = [
            &self.target,
            "--workload",
            &self.workload,
            "--seed",
            &seed,
            "--ops",
            &ops,
            "--ops-per-key",
            &ops,
            "--nodes",
            "1",
            "--keys",
            "1",
            "--concurrency",
            "1",
            "--rate",
            &rate,
            "--allow-majority-loss",
            "--disks",
            disks,
        ]
        .map(OsString::from)
        .into();
        let settings = self.settings.iter().map(|setting| ("--set", OsString::from(setting)));
        let version = self.version.iter().map(|version| ("--version", OsString::from(version)));
        let bin = self.bin.iter().map(|bin| ("--bin", bin.clone().into_os_string()));
        for (flag, value) in settings.chain(version).chain(bin) {
            words.extend([flag.into(), value]);
        }
        words
    }
}

fn summary(asked: &SweepArgs, points: &[Point]) -> String {
    let mut text = format!(
        "{} {}, seed {}: {} operations by one client",
        asked.target, asked.workload, asked.seed, asked.ops
    );
    text.push_str("\n\n");
    for moment in [Moment::Before, Moment::After] {
        let of: Vec<&Point> = points.iter().filter(|point| point.moment == moment).collect();
        let Some(last) = of.iter().rev().find(|point| point.outcome != Outcome::NotReached) else { continue };
        let count = |outcome| of.iter().filter(|p| p.outcome == outcome && p.nth <= last.nth).count();
        let crash = if asked.crash == Crash::Kill { "kill" } else { "power failure" };
        let _ = write!(text, "  {crash} {:<6} each of {} {}s:", when(moment), last.nth, at(asked.at));
        for outcome in OUTCOMES.into_iter().filter(|&outcome| count(outcome) > 0) {
            let _ = write!(text, "  {} {}", count(outcome), word(outcome));
        }
        text.push('\n');
    }
    let wrong: Vec<&Point> = points.iter().filter(|point| !well(point)).collect();
    for point in wrong.iter().take(NAMED) {
        let run = point.run.as_deref().unwrap_or(&asked.dir);
        let _ = write!(text, "\n  {}: {}, {}", name(asked.at, point), word(point.outcome), run.display());
    }
    if wrong.len() > NAMED {
        let _ = write!(text, "\n  and {} more in {}", wrong.len() - NAMED, asked.dir.display());
    }
    if exit_code(points) == 3 && wrong.is_empty() {
        text.push_str("\n  it does not count: no call was reached\n");
    }
    text.push('\n');
    text
}

/// As they are told.
const OUTCOMES: [Outcome; 8] = [
    Outcome::Recovered,
    Outcome::Violation,
    Outcome::NotRecovered,
    Outcome::Failed,
    Outcome::Unknown,
    Outcome::Inconclusive,
    Outcome::NotReached,
    Outcome::Interrupted,
];

fn well(point: &Point) -> bool {
    matches!(point.outcome, Outcome::Recovered | Outcome::NotReached)
}

/// The worst of them; a sweep without a crash proves nothing. What was not reached does not count:
/// a server syncs by its own clock, too, so one run of the script makes a few calls more than the
/// next.
fn exit_code(points: &[Point]) -> u8 {
    let any = |outcome| points.iter().any(|point| point.outcome == outcome);
    if any(Outcome::Violation) || any(Outcome::NotRecovered) {
        1
    } else if any(Outcome::Unknown) {
        2
    } else if !any(Outcome::Recovered) || !points.iter().all(well) {
        3
    } else {
        0
    }
}

fn name(calls: At, point: &Point) -> String {
    format!("{} {} {}", when(point.moment), at(calls), point.nth)
}

fn at(at: At) -> &'static str {
    match at {
        At::Sync => "sync",
        At::Rename => "rename",
        At::Send => "send",
    }
}

fn when(moment: Moment) -> &'static str {
    match moment {
        Moment::Before => "before",
        Moment::After => "after",
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Recovered => "recovered",
        Outcome::NotReached => "not reached",
        Outcome::Violation => "LOST SOMETHING",
        Outcome::Unknown => "unknown",
        Outcome::NotRecovered => "DID NOT COME BACK",
        Outcome::Failed => "FAILED",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Interrupted => "interrupted",
    }
}
