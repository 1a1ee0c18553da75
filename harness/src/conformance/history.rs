//! Several programs at the same time, without faults: can what they said be? A system that is
//! linearizable, asked by programs that say what happened, is linearizable.

use super::{Arc, Broken, Duration, Failure, Op, Path, Report, Rule, Suite};
use crate::checking;
use crate::engine::{Clock, Drive, Engine, Recorder, Stop, open};
use crate::event::{Event, Listener};
use crate::watching::Watching;
use async_trait::async_trait;
use duress_checkers::history::{ReadOptions, read};
use duress_checkers::{History, Keys, Kind, Valid, Verdict};
use duress_targets::exec::Spec;
use duress_targets::{Client, ClientError, Context, Node, NodeStatus, Server, Target};
use duress_workloads::generator::GeneratorExt as _;
use duress_workloads::{Generators, Rng, WorkloadOptions};

/// Programs at the same time.
const CONCURRENCY: usize = 4;
/// Objects at the same time: few, so that programs meet.
const OBJECTS: usize = 2;
/// Operations in all.
const OPERATIONS: u64 = 400;
/// On one object.
const PER_OBJECT: u64 = 100;
/// However slow they are.
const TIME: Duration = Duration::from_secs(5);
/// How long the checker may take. Small histories without faults take milliseconds.
const CHECK_TIME: Duration = Duration::from_secs(20);
/// Its memory, in bytes.
const CHECK_MEMORY: usize = 512 << 20;
/// Fewer that were `ok` say nothing.
const ENOUGH: usize = 40;

/// Drives them, and judges what they said.
pub(super) async fn judge(suite: &Suite, report: &mut Report) -> Result<(), Failure> {
    let ops = drive(suite).await?;
    for note in suite.context.notes(true) {
        let rule = Rule::ALL.into_iter().find(|rule| note.starts_with(&format!("{} ", rule.number())));
        if let Some(rule) = rule {
            let why = note.strip_prefix(rule.title()).unwrap_or(&note).trim_start_matches(": ");
            report.broken(Broken::new(rule, why));
        }
    }
    let n_ok = ops.iter().filter(|op| op.kind == Kind::Ok).count();
    if n_ok < ENOUGH {
        let asked = ops.iter().filter(|op| op.kind == Kind::Invoke).count();
        let mut why = format!("only {n_ok} of {asked} operations at the same time were `ok`");
        if suite.nodes.len() > 1 {
            why += "; where only one of the nodes does what it is asked, as a primary does and its replicas do not, \
                    --nodes 1 tries it";
        }
        report.not_tried(Rule::Ok, why.clone());
        report.not_tried(Rule::Fail, why);
        return Ok(());
    }
    let verdict = check(suite, ops.clone());
    match verdict.valid {
        Valid::Valid => report.kept(&[Rule::Ok, Rule::Fail]),
        Valid::Unknown => {
            let why = verdict.reason.unwrap_or_else(|| "the checker gave up".to_owned());
            report.not_tried(Rule::Ok, why.clone());
            report.not_tried(Rule::Fail, why);
        }
        Valid::Violation => {
            let sentence = verdict.findings.first().map_or("not linearizable", |f| f.sentence.as_str());
            // If it can be as soon as nothing that failed has to have failed, it was `fail` that was wrong.
            let doubted = ops.into_iter().map(|op| match op.kind {
                Kind::Fail => Op { kind: Kind::Info, ..op },
                _ => op,
            });
            let rule = match check(suite, apart(doubted.collect())).valid {
                Valid::Valid => Rule::Fail,
                Valid::Violation | Valid::Unknown => Rule::Ok,
            };
            let why = format!("without any fault, this cannot be: {sentence}");
            report.broken(Broken::new(rule, why));
        }
    }
    Ok(())
}

/// After an `info` a process does nothing more: each operation gets one of its own.
fn apart(ops: Vec<Op>) -> Vec<Op> {
    let mut next = 0;
    let mut open = std::collections::BTreeMap::new();
    ops.into_iter()
        .map(|op| {
            let now = match op.kind {
                Kind::Invoke => {
                    next += 1;
                    open.insert(op.process, next);
                    next
                }
                Kind::Ok | Kind::Fail | Kind::Info => open.remove(&op.process).unwrap_or_default(),
            };
            Op { process: duress_checkers::Process::Client(now), ..op }
        })
        .collect()
}

fn check(suite: &Suite, ops: Vec<Op>) -> Verdict {
    let checker = (suite.workload.make)().checker(Keys::Keyed);
    let budget = checking::budget(CHECK_MEMORY);
    match History::new(ops) {
        Ok(history) => checking::check(&*checker, &history, &budget, CHECK_TIME),
        Err(error) => unreachable!("our own history: {error}"),
    }
}

async fn drive(suite: &Suite) -> Result<Vec<Op>, Failure> {
    let path = suite.dir.join("history.jsonl");
    let target: Arc<dyn Target> = Arc::new(Programs {
        target: Arc::clone(&suite.target),
        spec: suite.spec.clone(),
        context: suite.context.clone(),
    });
    let opened = open(&target, &suite.nodes, CONCURRENCY).await;
    let clock = Clock::start();
    let workload = (suite.workload.make)();
    let watching = Watching::start(workload.watch(), Arc::new(Nobody)).map_err(crate::run::no_thread)?;
    let recorder = Recorder::create(&path, clock, watching.feed())?;
    let limits = (CONCURRENCY, suite.patience);
    let engine = Engine::new(target, &suite.nodes, &recorder, clock, limits, &Nobody);
    let mut engine = engine.with(opened);
    let options =
        WorkloadOptions { concurrency: CONCURRENCY, rate: 0, ops_per_key: PER_OBJECT, keys: OBJECTS };
    let rng = Rng::new(suite.seed).split("together");
    let Generators { main, mut last } = workload.generators(&options, &rng);
    let mut main = main.limit(OPERATIONS);
    let until = u64::try_from(TIME.as_nanos()).unwrap_or(u64::MAX);
    let (_stopper, mut stop) = Stop::channel();
    engine.drive(Drive { generator: &mut main, until }, &mut stop).await?;
    engine.drive(Drive { generator: &mut *last, until: 2 * until }, &mut stop).await?;
    drop(engine);
    recorder.close()?;
    watching.finish();
    load(&path)
}

fn load(path: &Path) -> Result<Vec<Op>, Failure> {
    let file = std::fs::File::open(path).map_err(|source| Failure::File {
        path: path.to_owned(),
        what: "read",
        source,
    })?;
    let loaded = read(file, &ReadOptions::default())
        .map_err(|source| Failure::History { path: path.to_owned(), source })?;
    Ok(loaded.history.ops().to_vec())
}

/// The same system, with these programs as its clients.
struct Programs {
    target: Arc<dyn Target>,
    spec: Spec,
    context: Context,
}

#[async_trait]
impl Target for Programs {
    fn server(&self) -> Server<'_> {
        self.target.server()
    }

    async fn connect(&self, node: &Node) -> Result<Box<dyn Client>, ClientError> {
        self.spec.connect(node, &self.context).await
    }

    fn opens_within(&self) -> Option<Duration> {
        Some(self.spec.opens_within())
    }

    async fn healthy(&self, node: &Node) -> Result<(), ClientError> {
        self.target.healthy(node).await
    }

    async fn status(&self, node: &Node) -> Result<NodeStatus, ClientError> {
        self.target.status(node).await
    }
}

/// Who listens to what the engine does: what came of it is in the history.
struct Nobody;

impl Listener for Nobody {
    fn event(&self, _: &Event<'_>) {}
}
