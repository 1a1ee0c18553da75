//! One line of `index.jsonl`: what a list of runs has to know of a run.

use crate::artifact::{RunInfo, RunStatus};
use crate::conclusion::{Conclusion, FaultState, Outcome, Placed, Reached};
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// Version of the lines; others are left out.
pub(super) const FORMAT: u32 = 1;
/// Longest line that is written or read, in bytes: one write has to be enough.
pub const MAX_LINE: usize = 64 << 10;
/// Findings of different fingerprints that a line carries; the rest is counted.
const MAX_FINDINGS: usize = 50;
/// Longest text of a line, in characters.
const MAX_TEXT: usize = 300;
/// Longest command that repeats a run, in characters.
const MAX_COMMAND: usize = 1_000;
/// The label that says which runs belong together, such as those of one night.
const SESSION: &str = "session";
/// The label that says which attempts are at one canary.
const CANARY: &str = "canary";
/// Components of a path below the directory of runs.
const MAX_DEPTH: usize = 3;

/// A run, as a list of runs shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunLine {
    /// Of the line.
    pub format: u32,
    /// The run directory, relative to the one that holds the runs: `etcd-register-kill/20261121-…`.
    pub path: String,
    /// `20261121-031415-1f2e`.
    pub id: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// `etcd register`.
    pub test: String,
    /// Kinds of faults that were asked for, in order; empty: none.
    pub faults: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// The command that repeats it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repeat: String,
    /// How many nodes.
    pub nodes: usize,
    /// What was tested; absent for what lives inside Duress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The rate asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_rate: Option<String>,
    /// The target's settings: runs with others are not compared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// `branch` → `main`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// It had to fail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// The answer; absent when there is none: it is still running, or was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// One line.
    #[serde(default)]
    pub headline: String,
    /// It came to its own end.
    pub finished: bool,
    /// By fingerprint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingLine>,
    /// Violations without a fingerprint, or too many to list.
    #[serde(default)]
    pub more_findings: u64,
    /// Calls of the clients.
    #[serde(default)]
    pub calls: u64,
    /// Acknowledged calls per second while nothing was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Milliseconds, of the function whose 99th percentile is the largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// Nanoseconds: the longest gap without any answer under a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_answer_ns: Option<u64>,
    /// Nanoseconds: the longest way back to the usual rate after a fault; absent when it is not known of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_ns: Option<u64>,
    /// Milliseconds that the checkers took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_ms: Option<u64>,
    /// Its directory is there no more: whoever reads the lines looks, nobody writes it down.
    #[serde(skip)]
    pub gone: bool,
}

/// The findings of a run with the same fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingLine {
    /// See [`Placed::fingerprint`].
    pub fingerprint: String,
    /// The same in words.
    pub signature: String,
    /// See [`Placed::bug`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bug: String,
    /// What kind it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub anomaly: String,
    /// See [`Placed::moment`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub moment: String,
    /// The first one's number in the report.
    pub number: u64,
    /// How many.
    pub count: u64,
    /// It was known, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
}

impl RunLine {
    /// `path` is relative to the directory that holds the runs; `conclusion` is absent for a run that
    /// has come to none.
    pub fn new(path: &str, info: &RunInfo, conclusion: Option<&Conclusion>) -> Self {
        let setting =
            |(name, value): (&String, &String)| name.strip_prefix("set ").map(|name| (cut(name), cut(value)));
        let version = info.binary.as_ref().map(|b| b.version.as_str());
        let version = version.or_else(|| info.nodes.iter().find_map(|n| n.version.as_deref()));
        let labels = info.labels.iter().map(|(name, value)| (cut(name), cut(value)));
        let line = Self {
            format: FORMAT,
            path: path.to_owned(),
            id: cut(&info.id),
            started: cut(&info.started),
            test: cut(&format!("{} {}", info.target, info.workload)),
            faults: info.gates.kinds.iter().map(|kind| cut(kind)).collect(),
            seed: info.seed,
            repeat: words::short(&info.repeat, MAX_COMMAND),
            nodes: info.nodes.len(),
            version: version.map(cut),
            asked_rate: info.options.get("rate").map(|rate| cut(rate)),
            settings: info.options.iter().filter_map(setting).collect(),
            labels: labels.collect(),
            canary: info.canary,
            finished: info.status == RunStatus::Finished,
            check_ms: info.check_ms,
            outcome: None,
            headline: String::new(),
            findings: Vec::new(),
            more_findings: 0,
            calls: 0,
            rate: None,
            p99_ms: None,
            no_answer_ns: None,
            recovery_ns: None,
            gone: false,
        };
        match conclusion {
            Some(conclusion) => line.concluded(conclusion),
            None => line,
        }
    }

    fn concluded(self, conclusion: &Conclusion) -> Self {
        let mut findings = by_fingerprint(&conclusion.findings);
        let omitted: u64 = conclusion.verdicts.iter().map(|v| v.findings_omitted).sum();
        let without = conclusion.findings.iter().filter(|f| f.fingerprint.is_empty()).count() as u64;
        let beyond: u64 = findings.iter().skip(MAX_FINDINGS).map(|f| f.count).sum();
        findings.truncate(MAX_FINDINGS);
        let bit = || conclusion.faults.iter().filter(|fault| fault.state == FaultState::Bit);
        let gap = |reached: &Reached| match reached {
            Reached::After(ns) => *ns,
            Reached::Not { within, .. } => *within,
        };
        Self {
            outcome: Some(conclusion.outcome),
            headline: cut(&conclusion.headline),
            findings,
            more_findings: omitted + without + beyond,
            calls: conclusion.evidence.total.calls(),
            rate: conclusion.quiet_rate,
            p99_ms: conclusion.latency.iter().filter_map(|row| Some(row.ms?.p99)).reduce(f64::max),
            no_answer_ns: bit().filter_map(|fault| fault.no_answer.as_ref().map(gap)).max(),
            recovery_ns: bit().filter_map(|fault| fault.recovered.as_ref().map(gap)).max(),
            ..self
        }
    }

    /// Reads a line; what is none of ours is an error in words.
    ///
    /// # Errors
    /// When it is not whole, of another format, or leads out of the directory.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        if line.len() > MAX_LINE {
            return Err(format!("it has {} bytes", line.len()));
        }
        let line: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if line.format != FORMAT {
            return Err(format!("its format is {}, and this version reads {FORMAT}", line.format));
        }
        if !stays_inside(&line.path) {
            return Err(format!("its path {} is none of a run here", words::visible(&line.path, 100)));
        }
        Ok(line)
    }

    /// The test with its faults, as in `etcd register, kill + partition`.
    pub fn name(&self) -> String {
        format!("{}, {}", self.test, self.fault_set())
    }

    /// `kill + partition`, or `none`.
    pub fn fault_set(&self) -> String {
        if self.faults.is_empty() { "none".to_owned() } else { self.faults.join(" + ") }
    }

    /// What it belongs to: the label `session`, or the day (UTC) on which it began.
    pub fn session(&self) -> &str {
        let day = self.started.get(..10).unwrap_or(&self.started);
        self.labels.get(SESSION).map_or(day, String::as_str)
    }

    /// Which canary it was an attempt at, in its session: the label `canary`, or the run itself.
    pub fn canary_name(&self) -> &str {
        self.labels.get(CANARY).map_or(&self.path, String::as_str)
    }

    /// Did it come to an answer about the target, so that what it does not show was not there?
    pub(crate) fn counts(&self) -> bool {
        self.outcome
            .is_some_and(|outcome| outcome.is_finding() || matches!(outcome, Outcome::Valid | Outcome::Known))
    }
}

impl FindingLine {
    /// What findings of many runs are told by. Lines of older versions have fingerprints only.
    pub fn bug(&self) -> &str {
        if self.bug.is_empty() { &self.fingerprint } else { &self.bug }
    }
}

/// Below the directory, and nothing hidden.
fn stays_inside(path: &str) -> bool {
    let normal = |part: Component<'_>| match part {
        Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
        _ => false,
    };
    let parts = Path::new(path).components();
    !path.is_empty() && parts.clone().all(normal) && parts.count() <= MAX_DEPTH
}

fn cut(text: &str) -> String {
    words::short(text, MAX_TEXT)
}

/// In the order in which they are first found.
fn by_fingerprint(placed: &[Placed]) -> Vec<FindingLine> {
    let mut lines: Vec<FindingLine> = Vec::new();
    for finding in placed.iter().filter(|finding| !finding.fingerprint.is_empty()) {
        if let Some(line) = lines.iter_mut().find(|line| line.fingerprint == finding.fingerprint) {
            line.count += 1;
            continue;
        }
        let known = finding.known.as_ref().filter(|known| !known.expired);
        lines.push(FindingLine {
            fingerprint: finding.fingerprint.clone(),
            signature: cut(&finding.signature),
            bug: finding.bug.clone(),
            anomaly: cut(&finding.anomaly),
            moment: cut(&finding.moment),
            number: finding.number,
            count: 1,
            known: known.map(|known| cut(&known.words())),
        });
    }
    lines
}
