//! Does a client program keep to the protocol? Asked of a real one, against a real cluster.
//!
//! `basics` are questions to one program while all is well, `broken` what it says when no server answers,
//! `history` whether what several of them said at the same time can be. The rules are
//! [`duress_targets::exec::Rule`]; nothing here knows what a system is.

mod basics;
mod broken;
mod history;

use crate::env::Environment;
use crate::failure::Failure;
use duress_checkers::Op;
use duress_targets::exec::{Broken, NotStarted, Rule, Spec, Talk};
use duress_targets::{ClientError, Context, Node, Numbers, Surroundings, Target};
use duress_workloads::{Generators, Invocation, Next, Rng, WorkloadEntry, WorkloadOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a cluster may take to be healthy.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile.
const HEALTH_POLL: Duration = Duration::from_millis(20);
/// How long one answer to that may take.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// Operations among which there is a change, by all chance.
const SOME: usize = 64;

/// What is examined, and where.
pub struct Suite {
    /// How the programs are started.
    pub spec: Spec,
    /// What they are told.
    pub context: Context,
    /// What they are asked for.
    pub workload: &'static WorkloadEntry,
    /// The system that they talk to.
    pub target: Arc<dyn Target>,
    /// Where its nodes are.
    pub env: Arc<dyn Environment>,
    /// They are not started yet.
    pub nodes: Arc<[Node]>,
    /// How long an answer may take.
    pub patience: Duration,
    /// Where the history and what the programs say go.
    pub dir: PathBuf,
    /// Same seed: same questions.
    pub seed: u64,
}

/// What came out for one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was kept wherever it was looked at.
    Kept,
    /// It was not.
    Broken(Broken),
    /// Nobody could look, because of this.
    NotTried(String),
}

/// What came out for all rules.
#[derive(Clone, Debug, Default)]
pub struct Report {
    found: BTreeMap<Rule, Found>,
    /// What the user should know, too.
    pub notes: Vec<String>,
}

impl Report {
    /// For one rule.
    pub fn of(&self, rule: Rule) -> Found {
        let untold = || Found::NotTried("a rule before it is broken".to_owned());
        self.found.get(&rule).cloned().unwrap_or_else(untold)
    }

    /// Is any of them broken?
    pub fn is_broken(&self) -> bool {
        self.found.values().any(|found| matches!(found, Found::Broken(_)))
    }

    /// Has each rule been looked at?
    pub fn is_whole(&self) -> bool {
        Rule::ALL.into_iter().all(|rule| !matches!(self.of(rule), Found::NotTried(_)))
    }

    /// It was looked at, and kept this time. What was broken before stays so.
    fn kept(&mut self, rules: &[Rule]) {
        for rule in rules {
            self.found.entry(*rule).or_insert(Found::Kept);
        }
    }

    /// The first that is found of a rule is told.
    fn broken(&mut self, broken: Broken) {
        let found = self.found.entry(broken.rule).or_insert(Found::Kept);
        if !matches!(found, Found::Broken(_)) {
            *found = Found::Broken(broken);
        }
    }

    fn not_tried(&mut self, rule: Rule, why: impl Into<String>) {
        self.found.entry(rule).or_insert_with(|| Found::NotTried(why.into()));
    }
}

impl Suite {
    /// Starts the cluster and asks everything. The calling thread has entered the environment.
    ///
    /// # Errors
    /// When the cluster does not become healthy, or the history cannot be written: then nothing is said about
    /// the program.
    pub async fn examine(&self) -> Result<Report, Failure> {
        for node in 0..self.nodes.len() {
            self.env.start(node)?;
        }
        self.await_healthy().await?;
        let (nodes, logs) = (self.nodes.to_vec(), self.dir.join("clients"));
        self.context.enter(&Surroundings { nodes, logs, numbers: Numbers::default() });
        let mut report = Report::default();
        basics::ask(self, &mut report).await;
        // One that cannot do one thing after the other cannot do several at the same time.
        if !report.is_broken() {
            history::judge(self, &mut report).await?;
            broken::ask(self, &mut report).await?;
        }
        Ok(report)
    }

    async fn await_healthy(&self) -> Result<(), Failure> {
        let end = Instant::now() + HEALTHY_WITHIN;
        for node in self.nodes.iter() {
            loop {
                let asked = tokio::time::timeout(HEALTH_TIMEOUT, self.target.healthy(node)).await;
                let why = match asked {
                    Ok(Ok(())) => break,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => format!("no answer within {HEALTH_TIMEOUT:?}"),
                };
                if Instant::now() >= end {
                    return Err(Failure::Run(duress_reports::artifact::RunFailure {
                        what: format!("{} is not healthy", node.name),
                        why,
                        fix: format!("look at the logs in {}", self.dir.join("nodes").display()),
                    }));
                }
                tokio::time::sleep(HEALTH_POLL).await;
            }
        }
        Ok(())
    }

    /// A program for the first node; or what it did instead of becoming ready.
    async fn start(&self) -> Result<Talk, Broken> {
        Talk::start(&self.spec, &self.nodes[0], &self.context).await.map_err(|error| match error {
            NotStarted::Broken(broken) => broken,
            NotStarted::Refused(error) => Broken::new(
                Rule::Start,
                format!("it refused `init` although the cluster is healthy: {}", told(&error)),
            ),
        })
    }

    /// The first so many operations of the workload, on one object.
    fn operations(&self, n: usize, label: &str) -> Vec<Invocation> {
        let options = WorkloadOptions { concurrency: 1, rate: 0, ops_per_key: n as u64 + 1, keys: 1 };
        let Generators { mut main, .. } =
            (self.workload.make)().generators(&options, &Rng::new(self.seed).split(label));
        let cx = duress_workloads::Context { time: 0, thread: 0, n_threads: 1, n_busy: 0 };
        let mut operations = Vec::new();
        while let (true, Next::Op(mut operation)) = (operations.len() < n, main.next(&cx)) {
            // Every object of a run has its number from 0 on; those here are others.
            operation.value[0] = key(label).into();
            operations.push(operation);
        }
        operations
    }

    /// One that changes something.
    fn change(&self, label: &str) -> Option<Invocation> {
        // What comes second fails, and what looks changes nothing.
        let is_change = |operation: &Invocation| match operation.f.as_str() {
            "read" | "dequeue" | "cas" => false,
            "txn" => operation.value.to_string().contains("\"w\""),
            _ => true,
        };
        self.operations(SOME, label).into_iter().find(is_change)
    }
}

/// The objects that are asked about here, each part on its own; a run's begin with 0.
fn key(label: &str) -> u64 {
    const FIRST: u64 = 1_000_000;
    FIRST + label.bytes().fold(0, |sum, byte| (sum * 31 + u64::from(byte)) % FIRST)
}

fn told(error: &ClientError) -> String {
    match error.message.as_str() {
        "" => error.class.to_owned(),
        _ => error.to_string(),
    }
}
