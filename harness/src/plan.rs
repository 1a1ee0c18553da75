//! What a run will do, fully resolved, before anything is touched.
//!
//! A plan that can be made can be run, as far as names and numbers go; what only the machine
//! knows (namespaces, binaries) comes later, and fails with a typed error of its own.

mod checks;
mod place;

use crate::env::disk::Layer;
use crate::env::place::Place;
use crate::failure::Failure;
use crate::known;
use crate::nemesis::fault::{Fault, PlannedFault};
use crate::nemesis::schedule::{self, Schedule};
use duress_reports::conclusion::Rule;
use duress_reports::{Known, PlotFormat};
use duress_targets::{Registry, Server, Settings, Target, TargetEntry};
use duress_targets::{declared, nearest};
use duress_workloads::{Rng, WorkloadEntry, WorkloadOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Nodes are numbered in one byte of their MAC address, and nine is more than any quorum needs.
pub const MAX_NODES: usize = 9;
/// Fewer clients than this hardly meet.
const MIN_CLIENTS: usize = 4;
/// Kinds of faults in the name of a run; of more, only the number.
const MAX_NAMED: usize = 4;
/// More clients than this do not fit one engine thread.
pub const MAX_CONCURRENCY: usize = 1_000;
/// More live keys than this and hardly two operations meet on one.
pub const MAX_KEYS: usize = 10_000;
/// A checker with less gives up on anything, in MiB.
pub const MIN_CHECK_MIB: usize = 16;
/// The longest run; histories beyond it are for soak tests.
pub const MAX_TIME: Duration = Duration::from_secs(24 * 3600);

/// What was asked, as typed.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The target's name.
    pub target: String,
    /// The workload's name; the target's first when absent.
    pub workload: Option<String>,
    /// How many nodes; the target's own number when absent.
    pub nodes: Option<usize>,
    /// Length of the main part.
    pub time: Duration,
    /// Names of faults, `none` alone for none; when absent, those of
    /// [`crate::nemesis::catalogue::DEFAULT_FAULTS`] that so many nodes can have.
    pub faults: Option<Vec<String>>,
    /// Mean length of faults and of the quiet between them.
    pub interval: Duration,
    /// A schedule to follow instead.
    pub schedule: Option<PathBuf>,
    /// Let faults take the majority.
    pub allow_majority_loss: bool,
    /// The seed; drawn when absent.
    pub seed: Option<u64>,
    /// Client threads; when absent, twice the nodes, and 4 at least.
    pub concurrency: Option<usize>,
    /// Operations per second; 0 for no limit.
    pub rate: u64,
    /// Most operations, final reads not counted; no limit when absent.
    pub ops: Option<u64>,
    /// Operations on a key before it is retired.
    pub ops_per_key: u64,
    /// Keys in use at the same time.
    pub keys: usize,
    /// How long a client waits for an answer; the workload's own when absent.
    pub op_timeout: Option<Duration>,
    /// `--set name=value`.
    pub settings: BTreeMap<String, String>,
    /// Version of the server.
    pub version: Option<String>,
    /// The server's binary.
    pub bin: Option<PathBuf>,
    /// The version of the server that faults may bring in.
    pub upgrade_to: Option<String>,
    /// Fewest ok operations of a run that counts.
    pub min_ok: u64,
    /// Further gates.
    pub gates: Vec<Rule>,
    /// Leave the cluster as it is when the first violation shows.
    pub stop_on_violation: bool,
    /// For how long; when absent, until somebody at the terminal has seen enough.
    pub hold: Option<Duration>,
    /// Time limit of the checkers.
    pub check_time: Duration,
    /// Memory limit of the checkers, in bytes.
    pub check_memory: usize,
    /// Keep the nodes' data on disk, in the run directory.
    pub data_on_disk: bool,
    /// What faults of disks are made with.
    pub disks: Layer,
    /// A file that says where the nodes are; on this machine when absent.
    pub on: Option<PathBuf>,
    /// Keep the last frames of the network also when all was well.
    pub capture: bool,
    /// Keep the nodes' data also when all was well.
    pub keep_data: bool,
    /// Where run directories go.
    pub out: PathBuf,
    /// This very directory instead.
    pub dir: Option<PathBuf>,
    /// A list of violations that are known.
    pub known: Option<PathBuf>,
    /// It is to fail.
    pub canary: bool,
    /// What it is to be found by.
    pub labels: BTreeMap<String, String>,
    /// As what plots are written into it.
    pub plots: PlotFormat,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            target: "etcd".to_owned(),
            workload: None,
            nodes: None,
            time: Duration::from_secs(30),
            faults: None,
            interval: Duration::from_secs(5),
            schedule: None,
            allow_majority_loss: false,
            seed: None,
            concurrency: None,
            rate: 400,
            ops: None,
            ops_per_key: WorkloadOptions::default().ops_per_key,
            keys: WorkloadOptions::default().keys,
            op_timeout: None,
            settings: BTreeMap::new(),
            version: None,
            bin: None,
            upgrade_to: None,
            min_ok: 10,
            gates: Vec::new(),
            stop_on_violation: false,
            hold: None,
            check_time: Duration::from_secs(60),
            check_memory: 2 << 30,
            data_on_disk: false,
            disks: Layer::Own,
            on: None,
            capture: false,
            keep_data: false,
            out: PathBuf::from("runs"),
            dir: None,
            known: None,
            canary: false,
            labels: BTreeMap::new(),
            plots: PlotFormat::default(),
        }
    }
}

/// A request that makes sense.
pub struct Plan {
    /// As asked.
    pub options: RunOptions,
    /// The target's entry.
    pub entry: Arc<TargetEntry>,
    /// The target, configured.
    pub target: Arc<dyn Target>,
    /// Where its keys begin, if elsewhere than at 0.
    pub first_key: Option<i64>,
    /// The workload's entry.
    pub workload: &'static WorkloadEntry,
    /// How long a client waits for an answer.
    pub op_timeout: Duration,
    /// For its generators.
    pub workload_options: WorkloadOptions,
    /// Drawn if it was not given.
    pub seed: u64,
    /// `n1`, `n2`, …
    pub node_names: Vec<String>,
    /// Names of faults, or `none` alone.
    pub faults: Vec<String>,
    /// The faults, by time.
    pub schedule: Vec<PlannedFault>,
    /// Violations that do not decide.
    pub known: Vec<Known>,
    /// Where the nodes are.
    pub place: Place,
}

impl Plan {
    /// Resolves and checks a request.
    ///
    /// # Errors
    /// Unknown names, numbers out of range, combinations that cannot be.
    pub fn new(registry: &Registry, options: RunOptions) -> Result<Self, Failure> {
        checks::numbers(&options)?;
        let place = options.on.as_deref().map(Place::read).transpose()?.unwrap_or_default();
        let entry = find_target(registry, &options.target, &place)?;
        let nodes = place::nodes(&entry, options.nodes, place.room())?;
        let faults = options.faults.clone().unwrap_or_else(|| checks::default_faults(&entry, nodes));
        checks::refusals(&entry, &faults)?;
        let workload = find_workload(&entry, options.workload.as_deref())?;
        let seed = options.seed.unwrap_or_else(draw_seed);
        let make = |settings| (entry.make)(&Settings(settings), workload.name);
        let mut target = make(options.settings.clone())?;
        if matches!(target.server(), Server::InProcess(_)) {
            // What lives inside Duress has to be told what real servers see for themselves.
            let mut settings = options.settings.clone();
            settings.insert("nodes".to_owned(), nodes.to_string());
            settings.insert("seed".to_owned(), seed.to_string());
            target = make(settings)?;
        }
        checks::program(&options, &entry, &*target)?;
        let (target, first_key) = place::apart(&place, target);
        let inside = matches!(target.server(), Server::InProcess(_));
        let node_names: Vec<String> = (1..=nodes).map(|n| format!("n{n}")).collect();
        let kinds: Vec<String> = faults.iter().filter(|kind| *kind != "none").cloned().collect();
        // Who is always alone has no majority to lose.
        let allow_majority_loss = options.allow_majority_loss || entry.max_nodes == Some(1);
        let rng = Rng::new(seed).split("nemesis");
        let time_ms = millis(options.time);
        let asked = match &options.schedule {
            Some(path) => schedule::read(path, &node_names, time_ms, allow_majority_loss, &rng)?,
            None => Schedule::of(&kinds, millis(options.interval)),
        };
        let request = schedule::Request {
            planned: &asked.faults,
            lanes: &asked.lanes,
            nodes: &node_names,
            ports: &entry.ports,
            disks: options.disks,
            time_ms,
            allow_majority_loss,
        };
        let schedule = schedule::plan(&request, &rng)?;
        if inside && let Some(planned) = schedule.iter().find(|planned| planned.needs_real_servers()) {
            return Err(Failure::usage(
                format!("{} on {}", planned.fault.kind(), entry.name),
                "what lives inside Duress has no processes and sends no packets, and its clients need no network",
                "use a target with real servers, or other faults",
            ));
        }
        if target.lifecycle().is_none()
            && let Some(planned) = schedule.iter().find(|p| matches!(p.fault, Fault::Lifecycle { .. }))
        {
            return Err(Failure::usage(
                format!("{} on {}", planned.fault.kind(), entry.name),
                "its members do not come and go, and it is asked for nothing but operations",
                "use etcd, or other faults",
            ));
        }
        if let Some((fault, refusal)) = schedule.iter().find_map(|p| checks::refused(&entry, p.fault.kind()))
        {
            return Err(checks::not_to_be_borne(fault, refusal));
        }
        checks::versions(&schedule, options.upgrade_to.as_deref())?;
        if let Some(planned) = schedule.iter().find(|planned| planned.fault.needs_clocks()) {
            checks::clocks(planned.fault.kind(), &entry, inside)?;
        }
        checks::disks(&options, (&entry, inside), &schedule)?;
        place::check(&place, &options, (&entry, &*target), &schedule)?;
        checks::gates(&options.gates, &*target, &schedule)?;
        let concurrency = options.concurrency.unwrap_or((2 * nodes).max(MIN_CLIENTS));
        let workload_options = WorkloadOptions {
            concurrency,
            rate: options.rate,
            ops_per_key: options.ops_per_key,
            keys: options.keys,
        };
        let op_timeout = options.op_timeout.unwrap_or(workload.op_timeout);
        let known = options.known.as_deref().map(known::read).transpose()?.unwrap_or_default();
        Ok(Self {
            options,
            entry,
            target,
            first_key,
            workload,
            op_timeout,
            workload_options,
            seed,
            node_names,
            faults,
            schedule,
            known,
            place,
        })
    }

    /// `etcd-register-kill-pause-partition`.
    pub fn name(&self) -> String {
        let faults = match (&self.options.schedule, self.faults.is_empty()) {
            (Some(_), _) => "schedule".to_owned(),
            (None, true) => "none".to_owned(),
            // A name is a directory, too.
            (None, false) if self.faults.len() > MAX_NAMED => format!("{}-kinds", self.faults.len()),
            (None, false) => self.faults.join("-"),
        };
        format!("{}-{}-{faults}", self.entry.name, self.workload.name)
    }

    /// Settings of the target that are not its defaults.
    pub fn unusual_settings(&self) -> BTreeMap<String, String> {
        let usual = |name: &str, value: &str| {
            self.entry.options.iter().any(|option| option.name == name && option.default == value)
        };
        let set = self.options.settings.iter().filter(|(name, value)| !usual(name, value));
        set.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The kinds of faults that are planned, sorted.
    pub fn kinds(&self) -> BTreeSet<String> {
        self.schedule.iter().map(|planned| planned.fault.kind().to_owned()).collect()
    }

    /// Every option as resolved, for the report.
    pub fn table(&self) -> BTreeMap<String, String> {
        let o = &self.options;
        let duration = |d: Duration| humantime::format_duration(d).to_string();
        let mut table: BTreeMap<String, String> = [
            ("nodes", self.node_names.len().to_string()),
            ("time", duration(o.time)),
            ("faults", self.faults.join(",")),
            ("interval", duration(o.interval)),
            ("concurrency", self.workload_options.concurrency.to_string()),
            ("rate", if o.rate == 0 { "unlimited".to_owned() } else { format!("{}/s", o.rate) }),
            ("ops-per-key", o.ops_per_key.to_string()),
            ("keys", o.keys.to_string()),
            ("op-timeout", duration(self.op_timeout)),
            ("min-ok", o.min_ok.to_string()),
            ("allow-majority-loss", o.allow_majority_loss.to_string()),
            ("data", if o.data_on_disk { "disk" } else { "memory" }.to_owned()),
            ("check-time", duration(o.check_time)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if let Some(version) = &o.upgrade_to {
            table.insert("upgrade-to".to_owned(), version.clone());
        }
        if o.disks == Layer::Ext4 {
            table.insert("disks".to_owned(), "ext4".to_owned());
        }
        if let Some(on) = &o.on {
            table.insert("on".to_owned(), on.display().to_string());
        }
        let load: Vec<String> = self.place.load().iter().map(|way| way.host().to_owned()).collect();
        if !load.is_empty() {
            table.insert("load".to_owned(), load.join(", "));
        }
        if let Some(ops) = o.ops {
            table.insert("ops".to_owned(), ops.to_string());
        }
        if !o.gates.is_empty() {
            let gates: Vec<String> = o.gates.iter().map(ToString::to_string).collect();
            table.insert("gates".to_owned(), gates.join(", "));
        }
        for option in &self.entry.options {
            let value = o.settings.get(&*option.name).map_or(&*option.default, String::as_str);
            table.insert(format!("set {}", option.name), value.to_owned());
        }
        table
    }

    /// The command that repeats this run, with the version that was tested, and the run's own copy
    /// of a schedule.
    pub fn repeat(&self, version: Option<&str>, schedule: Option<&Path>) -> String {
        let (o, d) = (&self.options, RunOptions::default());
        let duration = |d: Duration| humantime::format_duration(d).to_string().replace(' ', "");
        let mut words = vec![format!("duress run {} --seed {}", quote(&o.target), self.seed)];
        let mut add = |differs: bool, flag: &str, value: String| {
            if differs {
                words.push(format!("--{flag} {}", quote(&value)));
            }
        };
        add(o.workload.is_some(), "workload", self.workload.name.to_owned());
        add(o.nodes.is_some(), "nodes", self.node_names.len().to_string());
        add(true, "time", duration(o.time));
        match &o.schedule {
            Some(path) => add(true, "schedule", schedule.unwrap_or(path).display().to_string()),
            None => {
                add(true, "faults", self.faults.join(","));
                add(o.interval != d.interval, "interval", duration(o.interval));
            }
        }
        add(o.concurrency.is_some(), "concurrency", self.workload_options.concurrency.to_string());
        add(o.rate != d.rate, "rate", o.rate.to_string());
        add(o.ops.is_some(), "ops", o.ops.unwrap_or_default().to_string());
        add(o.ops_per_key != d.ops_per_key, "ops-per-key", o.ops_per_key.to_string());
        add(o.keys != d.keys, "keys", o.keys.to_string());
        add(o.op_timeout.is_some(), "op-timeout", duration(self.op_timeout));
        for (name, value) in &o.settings {
            add(true, "set", format!("{name}={value}"));
        }
        match (&o.bin, version) {
            (Some(bin), _) => add(true, "bin", bin.display().to_string()),
            (None, Some(version)) => add(true, "version", version.to_owned()),
            (None, None) => {}
        }
        add(o.upgrade_to.is_some(), "upgrade-to", o.upgrade_to.clone().unwrap_or_default());
        add(o.min_ok != d.min_ok, "min-ok", o.min_ok.to_string());
        for gate in &o.gates {
            add(true, "gate", gate.to_string());
        }
        add(o.check_time != d.check_time, "check-time", duration(o.check_time));
        add(o.check_memory != d.check_memory, "check-memory", (o.check_memory >> 20).to_string());
        add(o.data_on_disk, "data", "disk".to_owned());
        add(o.disks == Layer::Ext4, "disks", "ext4".to_owned());
        if let Some(on) = &o.on {
            add(true, "on", on.display().to_string());
        }
        if o.capture {
            words.push("--capture".to_owned());
        }
        if o.keep_data {
            words.push("--keep-data".to_owned());
        }
        if o.allow_majority_loss {
            words.push("--allow-majority-loss".to_owned());
        }
        words.join(" ")
    }
}

/// The entry of a target whose nodes are in this place: a name, or the file that declares it.
///
/// # Errors
/// When there is none of that name, or something is wrong with the file.
pub fn find_target(registry: &Registry, name: &str, place: &Place) -> Result<Arc<TargetEntry>, Failure> {
    if declared::is_file(name) {
        return Ok(Arc::new(declared::read(Path::new(name), !place.is_here())?));
    }
    registry.find(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = registry.targets().iter().map(|entry| entry.name.as_str()).collect();
        let file = format!("{name}.toml");
        let own = Path::new(&file).is_file().then_some(file.as_str());
        let fix = match own.or_else(|| nearest::nearest(name, &known)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("choose from {}, or name the file of your own: my-db.toml", known.join(", ")),
        };
        Failure::usage(format!("target {name}"), "there is no such target", fix)
    })
}

fn find_workload(entry: &TargetEntry, name: Option<&str>) -> Result<&'static WorkloadEntry, Failure> {
    let name = name.unwrap_or_else(|| entry.workloads.first().map_or("register", String::as_str));
    let known: Vec<&str> = entry.workloads.iter().map(String::as_str).collect();
    let runs = format!("{} runs {}", entry.name, known.join(", "));
    let (why, fix) = match duress_workloads::registry::find(name) {
        Some(workload) if known.contains(&name) => return Ok(workload),
        Some(_) => (format!("{} cannot run it", entry.name), runs),
        None => {
            let meant = nearest::nearest(name, &known).map(|meant| format!("did you mean `{meant}`?"));
            ("there is no such workload".to_owned(), meant.unwrap_or(runs))
        }
    };
    Err(Failure::usage(format!("--workload {name}"), why, fix))
}

/// A seed that is easy to type, from the wall clock: it only has to differ from run to run.
pub(crate) fn draw_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Rng::new(u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or(0)).bits() >> 32
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// For a POSIX shell.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The words of a command whose words were [quoted](quote): what a shell makes of it.
pub fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            '\\' if !quoted => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_quoted() {
        let words = ["run", "a b", "it's", "", "'", "\\", "--set", "x=y z", "ü'\"$"].map(str::to_owned);
        let command = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
        assert_eq!(super::words(&command), words);
    }
}
