//! `duress run` and `duress demo`.

use super::progress::{Mode, Progress, View};
use super::{ci, print, print_json, report, say};
use crate::env::disk::Layer;
use crate::failure::Failure;
use crate::plan::{Plan, RunOptions};
use crate::run::{self, Outcome};
use clap::{Args, Parser, ValueEnum};
use duress_reports::conclusion::Rule;
use duress_targets::Registry;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// `duress run`
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// What to test; `duress list targets`
    #[arg(default_value = "etcd")]
    target: String,
    /// What the clients do; `duress list workloads`
    #[arg(long, short)]
    workload: Option<String>,
    /// Nodes, 1 to 9 [default: the target's own, 5 for clusters]
    #[arg(long, short)]
    nodes: Option<usize>,
    /// Length of the part under faults
    #[arg(long, short, default_value = "30s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Kinds of faults, separated by commas, or `none`; `duress list faults` [default: kill, pause, and
    /// partition where there are two nodes]
    #[arg(long, short, value_delimiter = ',')]
    faults: Option<Vec<String>>,
    /// Mean length of a fault, and of the quiet between two of a kind; halved until all kinds fit into
    /// the run
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// Follow this schedule, like the `schedule.toml` of a run, instead of planning one
    #[arg(long, conflicts_with_all = ["interval", "faults"])]
    schedule: Option<PathBuf>,
    /// Let faults take the majority of the nodes too
    #[arg(long)]
    allow_majority_loss: bool,
    /// Same seed and options: same operations, same faults
    #[arg(long, short)]
    seed: Option<u64>,
    /// Client threads [default: twice the nodes, at least 4]
    #[arg(long, short)]
    concurrency: Option<usize>,
    /// Operations per second over all clients; 0 for no limit
    #[arg(long, default_value_t = RunOptions::default().rate)]
    rate: u64,
    /// Keys in use at the same time
    #[arg(long, default_value_t = RunOptions::default().keys)]
    keys: usize,
    /// Most operations, final reads not counted [default: no limit]
    #[arg(long)]
    ops: Option<u64>,
    /// Operations on a key before it is retired
    #[arg(long, default_value_t = RunOptions::default().ops_per_key)]
    ops_per_key: u64,
    /// How long a client waits for an answer [default: the workload's own, mostly 2s]
    #[arg(long, value_parser = humantime::parse_duration)]
    op_timeout: Option<Duration>,
    /// A setting of the target; `duress list targets`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Version of the server
    #[arg(long)]
    version: Option<String>,
    /// The server's binary
    #[arg(long)]
    bin: Option<PathBuf>,
    /// Another version of the server, for the faults `upgrade` and `upgrade-and-back`
    #[arg(long, value_name = "VERSION")]
    upgrade_to: Option<String>,
    /// Where the nodes keep their data; on disk it stays in the run directory
    #[arg(long, value_enum, default_value_t = Data::Memory)]
    data: Data,
    /// What faults of disks are made with; what is not `own` needs root
    #[arg(long, value_enum, default_value_t = Disks::Own)]
    disks: Disks,
    /// Where the nodes are: a file with an [ssh] table of hosts [default: on this machine]
    #[arg(long, value_name = "FILE")]
    on: Option<PathBuf>,
    /// Keep the last 64 MiB of packets, in capture.pcapng, also of a run without any failure
    #[arg(long)]
    capture: bool,
    /// Keep what the nodes have in their data directories, in nodes/<node>/data.tar.gz, also of a run without
    /// any failure
    #[arg(long)]
    keep_data: bool,
    /// Fewest ok operations of a run that counts
    #[arg(long, default_value_t = RunOptions::default().min_ok)]
    min_ok: u64,
    /// What the run is held to: ok-before|ok-during|ok-after[.KIND]=N, leader-changes=N,
    /// max-unavailable|max-recovery[.KIND[.leader|.follower]]=5s, sometimes=GOAL; with :finding or
    /// :inconclusive for what it means to miss it [default: limits are findings]
    #[arg(long = "gate", value_name = "NAME=VALUE")]
    gates: Vec<Rule>,
    /// End when the first violation shows, copy the nodes' data, and leave the cluster standing, with its
    /// faults, until Enter or Ctrl-C
    #[arg(long)]
    stop_on_violation: bool,
    /// … for so long, also where nobody is at the terminal
    #[arg(long, requires = "stop_on_violation", value_parser = humantime::parse_duration)]
    hold: Option<Duration>,
    /// A list of violations that are known (TOML): they do not fail the run until their day
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    #[command(flatten)]
    check: CheckLimits,
    #[command(flatten)]
    place: Place,
}

/// Limits of the checkers.
#[derive(Debug, Args)]
pub(super) struct CheckLimits {
    /// Time limit of the checkers; past it the verdict is unknown
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    pub(super) check_time: Duration,
    /// Memory limit of the checkers, in MiB
    #[arg(long, default_value_t = 2048)]
    pub(super) check_memory: usize,
}

/// Where the run goes, and how it is shown.
#[derive(Debug, Args)]
struct Place {
    /// Directory that holds the runs
    #[arg(long, default_value = "runs")]
    out: PathBuf,
    /// Use this very directory for the run; it must be empty or new
    #[arg(long, conflicts_with = "out")]
    dir: Option<PathBuf>,
    /// Print the plan and the fault schedule, and stop there
    #[arg(long)]
    dry_run: bool,
    /// Print verdict.json instead of the summary
    #[arg(long)]
    json: bool,
    /// This run has to fail, as it tests Duress: the index of runs tells whether it did
    #[arg(long)]
    canary: bool,
    /// What the index of runs is to find it by, like branch=main
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = setting)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    progress: Progress,
    /// The CI host to talk to in its own way; with `--progress json` none but the one that is named
    #[arg(long, value_enum, default_value_t = ci::Choice::Auto)]
    ci: ci::Choice,
    /// As what the plots are written into the run directory
    #[arg(long, value_enum, default_value_t = report::Plots::Svg)]
    plots: report::Plots,
}

/// `duress demo`
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// The planted bug: stale-read, lost-write, or none
    #[arg(long, default_value = "stale-read")]
    bug: String,
    /// Same seed: same operations, same faults
    #[arg(long, short)]
    seed: Option<u64>,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Data {
    /// In memory, gone with the run
    Memory,
    /// On disk, in the run directory
    Disk,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Disks {
    /// A file system of our own, in memory, that can do wrong in all ways; only for runs with such faults
    Own,
    /// A real ext4 in memory, which loses what was not fsynced when its power fails, and does nothing else
    Ext4,
}

impl RunArgs {
    pub(super) fn progress(&self) -> Mode {
        self.place.progress.mode
    }

    pub(super) fn run(self, registry: &Registry) -> Result<ExitCode, Failure> {
        let (options, place) = self.options();
        go(registry, options, &place)
    }

    fn options(self) -> (RunOptions, Place) {
        let options = RunOptions {
            target: self.target,
            workload: self.workload,
            nodes: self.nodes,
            time: self.time,
            faults: self.faults,
            interval: self.interval,
            schedule: self.schedule,
            allow_majority_loss: self.allow_majority_loss,
            seed: self.seed,
            concurrency: self.concurrency,
            rate: self.rate,
            ops: self.ops,
            ops_per_key: self.ops_per_key,
            keys: self.keys,
            op_timeout: self.op_timeout,
            settings: self.settings.into_iter().collect(),
            version: self.version,
            bin: self.bin,
            upgrade_to: self.upgrade_to,
            min_ok: self.min_ok,
            gates: self.gates,
            stop_on_violation: self.stop_on_violation,
            hold: self.hold,
            check_time: self.check.check_time,
            check_memory: self.check.check_memory << 20,
            data_on_disk: matches!(self.data, Data::Disk),
            disks: match self.disks {
                Disks::Own => Layer::Own,
                Disks::Ext4 => Layer::Ext4,
            },
            on: self.on,
            capture: self.capture,
            keep_data: self.keep_data,
            out: self.place.out.clone(),
            dir: self.place.dir.clone(),
            known: self.known,
            canary: self.place.canary,
            labels: self.place.labels.iter().cloned().collect(),
            plots: self.place.plots.into(),
        };
        (options, self.place)
    }
}

/// `duress run`, read again.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_version_flag = true)]
struct Again {
    #[command(flatten)]
    run: RunArgs,
}

/// The options that these arguments of `duress run` ask for.
///
/// # Errors
/// When they are none of this version.
pub(super) fn again(arguments: &[String]) -> Result<RunOptions, Failure> {
    let again = Again::try_parse_from(arguments).map_err(|error| {
        Failure::usage(
            format!("duress run {}", arguments.join(" ")),
            error.to_string().lines().next().unwrap_or_default().to_owned(),
            "make the run again with this version",
        )
    })?;
    Ok(again.run.options().0)
}

impl DemoArgs {
    pub(super) fn progress(&self) -> Mode {
        self.place.progress.mode
    }

    pub(super) fn run(self, registry: &Registry) -> Result<ExitCode, Failure> {
        let options = RunOptions {
            target: "sim".to_owned(),
            time: Duration::from_secs(8),
            interval: Duration::from_millis(1500),
            faults: Some(vec!["partition".to_owned()]),
            op_timeout: Some(Duration::from_millis(500)),
            settings: [("bug".to_owned(), self.bug)].into(),
            seed: self.seed,
            out: self.place.out.clone(),
            dir: self.place.dir.clone(),
            canary: self.place.canary,
            labels: self.place.labels.iter().cloned().collect(),
            plots: self.place.plots.into(),
            ..RunOptions::default()
        };
        go(registry, options, &self.place)
    }
}

fn go(registry: &Registry, options: RunOptions, place: &Place) -> Result<ExitCode, Failure> {
    // Then stderr is for a program.
    let host = if place.progress.mode == Mode::Json && place.ci == ci::Choice::Auto {
        ci::Choice::None
    } else {
        place.ci
    };
    ci::choose(host);
    let definition = options.schedule.clone();
    let mut view = View::new(place.progress.mode);
    let Some(ended) = attempt(registry, options, place, &mut view)? else { return Ok(ExitCode::SUCCESS) };
    let conclusion = &ended.conclusion;
    let failure = &ended.run.info.failure;
    let failure = failure.as_ref().map(|f| format!("{}: {}; {}", f.what, f.why, f.fix));
    if let Some(text) = &failure {
        view.json("error", json!({ "text": text }));
    }
    let end = json!({
        "outcome": conclusion.outcome,
        "exit_code": conclusion.exit_code,
        "headline": conclusion.headline,
        "dir": ended.claim.dir.path().display().to_string(),
    });
    view.json("end", end);
    drop(view);
    if place.json {
        print_json(&format!("{}\n", serde_json::to_string_pretty(conclusion).unwrap_or_default()));
    } else {
        print(&duress_reports::text::summary(&ended.claim.dir, &ended.run, conclusion));
    }
    if let Some(text) = failure.filter(|_| place.progress.mode != Mode::Json) {
        say(&format!("error: {text}"));
    }
    ci::tell(&ended, definition.as_deref());
    Ok(ExitCode::from(conclusion.exit_code))
}

/// `None` when there was nothing but the plan to be seen.
fn attempt(
    registry: &Registry,
    options: RunOptions,
    place: &Place,
    view: &mut View,
) -> Result<Option<Outcome>, Failure> {
    let plan = Plan::new(registry, options)?;
    if place.dry_run {
        print(&dry_run(&plan));
        return Ok(None);
    }
    let _group = ci::Group::begin(&format!("duress: {}, seed {}", plan.name(), plan.seed));
    let prepared = run::prepare(&plan, &*view.listener())?;
    view.tick();
    run::run(&plan, &prepared, &view.listener()).map(Some)
}

fn dry_run(plan: &Plan) -> String {
    let mut text = format!("{}, seed {}\n\n", plan.name(), plan.seed);
    for (name, value) in plan.table() {
        text.push_str(&format!("{name:<28} {value}\n"));
    }
    text.push_str("\nfaults, in milliseconds after the start\n");
    for (id, planned) in (1..).zip(&plan.schedule) {
        let fault: String = planned.fault.resolve(&plan.node_names, 0).description;
        let fault = if planned.fault.named().is_none() {
            fault.replace(&format!("the leader {}", plan.node_names[0]), "the leader")
        } else {
            fault
        };
        let trigger = planned.on.as_ref().map(|trigger| format!(" {}", trigger.told())).unwrap_or_default();
        text.push_str(&format!(
            "F{id:<3} {:>7} to {:>7}  {fault}{trigger}\n",
            planned.at_ms,
            planned.end_ms()
        ));
    }
    text.push_str(&format!("\n{}\n", plan.repeat(None, None)));
    text
}

fn setting(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as name=value".to_owned())
}
