//! What is recorded, and in which order: before an operation is sent, and after it was answered.
//!
//! The numbers are those of the pitfalls that the checkers' tests name, too.

use super::{Clock, Drive, Engine, OpBody, Recorder, Stop};
use crate::event::{Event, Listener};
use crate::watching::{Feed, Watching};
use async_trait::async_trait;
use duress_checkers::{History, Kind, Online, Op, Process, Register};
use duress_targets::{Client, ClientError, Completion, Node, NodeStatus, Server, Target};
use duress_workloads::{Context, Generator, Invocation, Next};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Operations of a test.
const OPS: usize = 20;

/// Longer than any test waits.
const LONG: u64 = 3_600_000_000_000;

/// What happened, and when.
type Log = Arc<Mutex<Vec<(&'static str, u64)>>>;

/// A system that answers as it is told, and notes when it was asked.
struct Scripted {
    log: Log,
    clock: Clock,
    /// `None`: never.
    answer: Option<Completion>,
}

#[async_trait]
impl Target for Scripted {
    fn server(&self) -> Server<'_> {
        unreachable!("nothing is started")
    }

    async fn connect(&self, _: &Node) -> Result<Box<dyn Client>, ClientError> {
        let Self { log, clock, answer } = self;
        Ok(Box::new(Self { log: Arc::clone(log), clock: *clock, answer: answer.clone() }))
    }

    async fn healthy(&self, _: &Node) -> Result<(), ClientError> {
        Ok(())
    }

    async fn status(&self, _: &Node) -> Result<NodeStatus, ClientError> {
        unreachable!("nobody asks")
    }
}

#[async_trait]
impl Client for Scripted {
    async fn invoke(&mut self, _: &Invocation) -> Completion {
        note(&self.log, "sent", self.clock.now());
        tokio::task::yield_now().await;
        let Some(answer) = self.answer.clone() else { return std::future::pending().await };
        note(&self.log, "answered", self.clock.now());
        answer
    }
}

fn note(log: &Log, what: &'static str, time: u64) {
    log.lock().expect("one thread").push((what, time));
}

/// Hands out so many operations, and notes what was recorded.
struct Script {
    left: usize,
    log: Log,
}

impl Generator for Script {
    fn next(&mut self, _: &Context) -> Next {
        if self.left == 0 {
            return Next::Done;
        }
        self.left -= 1;
        Next::Op(Invocation::new("write", json!(self.left)))
    }

    fn update(&mut self, _: &Context, op: &Op) {
        note(&self.log, if op.kind == Kind::Invoke { "invoke" } else { "completion" }, op.time);
    }
}

struct Silent;

impl Listener for Silent {
    fn event(&self, _: &Event<'_>) {}
}

/// As every run is.
fn watched() -> Feed {
    let watch = Online::single(Register::default());
    Watching::start(Box::new(watch), Arc::new(Silent)).expect("a thread").feed()
}

/// Lets `clients` of them work until all operations are done, or for `patience`; the history and the log.
fn run(
    clients: usize,
    answer: Option<Completion>,
    limits: [Duration; 2],
) -> (History, Vec<(&'static str, u64)>) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("history.jsonl");
    let [op_timeout, patience] = limits;
    let clock = Clock::start();
    let log = Log::default();
    let recorder = Recorder::create(&path, clock, watched()).expect("a recorder");
    let nodes = [Node { name: "n1".to_owned(), addr: IpAddr::V4(Ipv4Addr::LOCALHOST) }];
    let target = Arc::new(Scripted { log: Arc::clone(&log), clock, answer });
    let mut generator = Script { left: OPS, log: Arc::clone(&log) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let mut engine = Engine::new(target, &nodes, &recorder, clock, (clients, op_timeout), &Silent);
        let (_stopper, mut stop) = Stop::channel();
        let drive = Drive { generator: &mut generator, until: LONG };
        // Whoever runs out of patience ends it in the middle, as a second Ctrl-C does.
        if let Ok(driven) = tokio::time::timeout(patience, engine.drive(drive, &mut stop)).await {
            driven.expect("the disk takes it");
        }
    });
    recorder.close().expect("the disk takes it");
    let log = std::mem::take(&mut *log.lock().expect("one thread"));
    (read(&path), log)
}

fn read(path: &Path) -> History {
    let text = std::fs::read_to_string(path).expect("a history");
    let ops = text.lines().map(|line| serde_json::from_str(line).expect("an operation")).collect();
    History::new(ops).expect("a history")
}

const PATIENT: [Duration; 2] = [Duration::from_secs(3_600); 2];

#[test]
fn p02_an_invocation_is_recorded_before_it_is_sent_and_an_answer_after_it_came() {
    let (history, log) = run(1, Some(Completion::Ok(Value::Null)), PATIENT);
    assert_eq!(history.calls().count(), OPS);
    let order = ["invoke", "sent", "answered", "completion"];
    let expected: Vec<&str> = order.into_iter().cycle().take(4 * OPS).collect();
    assert_eq!(log.iter().map(|&(what, _)| what).collect::<Vec<_>>(), expected);
    assert!(log.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{log:?}");
    // With several at once each has still its own beginning before the sending and so on.
    let (_, log) = run(5, Some(Completion::Ok(Value::Null)), PATIENT);
    let mut counts = [0_usize; 4];
    for (what, _) in log {
        counts[order.iter().position(|known| *known == what).expect("one of these")] += 1;
        assert!(counts.windows(2).all(|pair| pair[0] >= pair[1]), "{counts:?}");
    }
    assert_eq!(counts, [OPS; 4]);
}

#[test]
fn p03_what_happens_after_something_is_recorded_after_it_on_any_thread() {
    const ROUNDS: usize = 500;
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("history.jsonl");
    let recorder = Recorder::create(&path, Clock::start(), watched()).expect("a recorder");
    let record = |process: u64, kind| {
        let body = OpBody { f: "write".to_owned(), value: Value::Null, error: None, node: None };
        recorder.record(Process::Client(process), kind, body)
    };
    // Each waits for the other, over and over; both see the other's operation before their own.
    let ((ping, pinged), (pong, ponged)) =
        (std::sync::mpsc::channel::<Op>(), std::sync::mpsc::channel::<Op>());
    let follows = |last: &Op, next: &Op| assert!(next.index > last.index && next.time >= last.time);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for last in pinged {
                let invoke = record(2, Kind::Invoke);
                follows(&last, &invoke);
                if pong.send(record(2, Kind::Ok)).is_err() {
                    break;
                }
            }
        });
        for _ in 0..ROUNDS {
            let invoke = record(1, Kind::Invoke);
            let ok = record(1, Kind::Ok);
            follows(&invoke, &ok);
            ping.send(ok).expect("the other one listens");
            follows(&invoke, &ponged.recv().expect("the other one answers"));
        }
        drop(ping);
    });
    recorder.close().expect("the disk takes it");
    let history = read(&path);
    assert_eq!(history.len(), 4 * ROUNDS);
    assert!(history.ops().windows(2).all(|pair| pair[0].time <= pair[1].time));
}

#[test]
fn p16_what_is_in_doubt_is_not_tried_again() {
    let doubt = Completion::Info(ClientError::new("reset", "the connection broke off"));
    let (history, log) = run(3, Some(doubt), PATIENT);
    assert_eq!(log.iter().filter(|(what, _)| *what == "sent").count(), OPS);
    let calls: Vec<_> = history.calls().collect();
    assert_eq!(calls.len(), OPS);
    // And whoever was in doubt never acts again.
    let mut processes: Vec<Process> = calls.iter().map(|call| call.invoke.process).collect();
    processes.sort_unstable();
    processes.dedup();
    assert_eq!(processes.len(), OPS);
    assert!(calls.iter().all(|call| call.kind() == Kind::Info));
}

#[test]
fn p19_what_is_open_at_the_end_is_in_doubt_and_never_failed() {
    // Without an answer in time.
    let short = Duration::from_millis(1);
    let (history, _) = run(4, None, [short, PATIENT[1]]);
    assert_eq!(history.calls().filter(|call| call.completion.is_some()).count(), OPS);
    assert!(history.calls().all(|call| call.kind() == Kind::Info));
    // And without an end at all.
    let (history, _) = run(4, None, [PATIENT[0], Duration::from_millis(20)]);
    assert_eq!(history.calls().filter(|call| call.completion.is_none()).count(), 4);
    assert!(history.calls().all(|call| call.kind() == Kind::Info));
}
