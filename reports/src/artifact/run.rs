//! `run.json`: what was asked of a run, with everything resolved.

use crate::conclusion::{Gates, Known};
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Clients of one machine that are named.
const MOST_LISTED: usize = 24;

/// Written when the run starts, and again at each phase and at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// [`super::FORMAT`].
    pub format: u32,
    /// Unique: `20261121-031415-1f2e`.
    pub id: String,
    /// `etcd-register-kill+pause+partition`.
    pub name: String,
    /// How far it got.
    pub status: RunStatus,
    /// Wall clock at the start, RFC 3339, UTC.
    pub started: String,
    /// Version of Duress.
    pub duress: String,
    /// The command that repeats it, seed included.
    pub repeat: String,
    /// `etcd`.
    pub target: String,
    /// `register`.
    pub workload: String,
    /// The seed.
    pub seed: u64,
    /// The nodes.
    pub nodes: Vec<NodeInfo>,
    /// Every option as resolved, for the table of the report: `time` → `30s`.
    pub options: BTreeMap<String, String>,
    /// What was tested; absent for in-process targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<Binary>,
    /// Where.
    pub machine: Machine,
    /// What it has to have done before it may pass.
    pub gates: Gates,
    /// Milliseconds from the first server's start to the last node's first answer.
    #[serde(default)]
    pub setup_ms: u64,
    /// Set-up, main, heal, final reads, …: with times, as far as it got.
    #[serde(default)]
    pub phases: Vec<Phase>,
    /// Things the user should know that decide nothing: `no real-time priority for the switch`.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Things that keep a run from being a pass: `n3 exited by itself`, `2 keys have no final read`.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// Why the cluster was not healthy again after the last fault, all of which it should have survived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrecovered: Option<String>,
    /// Servers that ended although nobody had asked them to, and no fault had left them a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exits: Vec<ServerExit>,
    /// What gates look for in the nodes' logs: how many lines say it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noted: BTreeMap<String, u64>,
    /// Why it ended before its time, where that was no interrupt by the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<RunFailure>,
    /// Violations that were known when it began, and do not decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Known>,
    /// It was to fail: it tests Duress, and not the target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// Settings of the target that are not its usual ones: `reads` → `serializable`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// What the user wants it to be found by: `branch` → `main`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The file that the target was declared in, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declaration: Option<Declaration>,
    /// Milliseconds that the checkers took; absent when they never ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_ms: Option<u64>,
    /// Wall clock when the run's clock showed zero, in nanoseconds since 1970: it relates the nodes'
    /// logs to the run. Absent when the run did not get there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_epoch: Option<u64>,
    /// The machines from which clients worked, if not from this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load: Vec<LoadMachine>,
    /// Files that were saved of the nodes, relative to the run directory: core files, data, how servers ended,
    /// what the kernel said of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
}

/// The file of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// As it was named.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// How far a run got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Still running, or killed without a chance to say so.
    Running,
    /// To the end.
    Finished,
    /// Stopped by the user; what there is was checked.
    Interrupted,
    /// By an error of the run itself.
    Failed,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// `n1`.
    pub name: String,
    /// `10.77.0.1`.
    pub addr: String,
    /// Path of the server's log, relative to the run directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The server's version, as it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A machine from which clients worked. All times are durations by its own clock, or by the run's; no two clocks
/// are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadMachine {
    /// As the user named it.
    pub host: String,
    /// The first processes of its threads. When one retires, its thread goes on as that number plus the run's
    /// `concurrency`, and so on. When a machine is lost, its threads go on from the next one.
    pub clients: Vec<u64>,
    /// Operations that came back.
    pub calls: u64,
    /// What they took there, in the mean, microseconds.
    pub there_us: u64,
    /// By how much the history's intervals are longer than that, in the mean, microseconds.
    pub line_us: u64,
    /// The fastest way there and back, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_us: Option<u64>,
    /// Why it was lost, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

impl LoadMachine {
    /// In words: `clients 0, 2; 1,200 operations, 0.8 ms each, and 0.2 ms more for the line`.
    pub fn told(&self) -> String {
        let listed = |clients: &[u64]| clients.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let clients = match self.clients.split_at_checked(MOST_LISTED) {
            Some((first, more)) if !more.is_empty() => format!("{} and {} more", listed(first), more.len()),
            _ => listed(&self.clients),
        };
        let ms = |us: u64| words::span(us.saturating_mul(1_000));
        let did = match self.calls {
            0 => "no operation came back".to_owned(),
            n => format!(
                "{}, {} each in the mean, and {} more for the line",
                words::counted(n, "operation", "operations"),
                ms(self.there_us),
                ms(self.line_us)
            ),
        };
        let lost = self.lost.as_ref().map(|why| format!("; lost: {why}")).unwrap_or_default();
        format!("clients {clients}; {did}{lost}")
    }
}

/// A server that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerExit {
    /// `n1`.
    pub node: String,
    /// When it was seen, nanoseconds since the start of the run's clock.
    pub at: u64,
    /// `exit status: 2`, `signal: 6 (SIGABRT)`.
    pub status: String,
    /// The line of its log that says why, where there is one that is known to: see
    /// [`super::last_words()`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// The program under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// Where it lies.
    pub path: String,
    /// As obtained, or as it says.
    pub version: String,
    /// Of the file, in hexadecimal.
    pub sha256: String,
    /// `path`, `cache`, `distribution`, …
    pub source: String,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
    /// `6.1.0-18-amd64`.
    pub kernel: String,
    /// Logical processors.
    pub cores: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// `root` or `user namespace` or `none`.
    pub privilege: String,
}

/// A part of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `setup`, `main`, `heal`, `final`, `teardown`, `check`.
    pub name: String,
    /// Nanoseconds since the start of the run's clock.
    pub start: u64,
    /// Nanoseconds; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
}

/// An error of the run itself, in the three parts that a user needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailure {
    /// `the cluster did not become healthy`.
    pub what: String,
    /// `n3 exited with status 1: …`.
    pub why: String,
    /// `look at nodes/n3/etcd.log`.
    pub fix: String,
}
