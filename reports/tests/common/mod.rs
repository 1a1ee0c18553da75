//! Runs made up in code: a small closed-loop simulation with faults, and the checkers'
//! answers to it. Deterministic.

#![expect(dead_code, unreachable_pub, reason = "every test binary uses its own part of the fixtures")]

pub mod browser;
pub mod golden;
pub mod html;
pub mod verdicts;
pub mod written;

use duress_checkers::{History, Kind, Op, Process};
use duress_reports::Run;
use duress_reports::artifact::{
    Binary, FORMAT, FaultWindow, Flow, Machine, NodeInfo, NodeSeen, NodeState, Phase, RunFailure, RunInfo,
    RunStatus, Taken, Volume,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MS;
const THREADS: u64 = 10;

/// A small generator of numbers, so that no crate's version decides a snapshot.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }
}

/// `run.json` of a run that came to its end.
pub fn info(seconds: u64) -> RunInfo {
    let node = |n: u64| NodeInfo {
        name: format!("n{n}"),
        addr: format!("10.77.0.{n}"),
        log: Some(format!("nodes/n{n}/etcd.log")),
        version: Some("3.4.23".to_owned()),
    };
    let phase = |name: &str, start: u64, end: u64| Phase {
        name: name.to_owned(),
        start: start * MS,
        end: Some(end * MS),
    };
    let options = [
        ("concurrency", "10"),
        ("faults", "kill, pause, partition"),
        ("interval", "5s"),
        ("nodes", "5"),
        ("rate", "0 (as fast as the clients answer)"),
        ("time", "30s"),
    ];
    RunInfo {
        format: FORMAT,
        id: "20261121-031415-1f2e".to_owned(),
        name: "etcd-register-kill+pause+partition".to_owned(),
        status: RunStatus::Finished,
        started: "2026-11-21T03:14:15Z".to_owned(),
        duress: "0.1.0".to_owned(),
        repeat: "duress run etcd --time 30s --faults kill,pause,partition --seed 11259375".to_owned(),
        target: "etcd".to_owned(),
        workload: "register".to_owned(),
        seed: 11_259_375,
        nodes: (1..=5).map(node).collect(),
        options: options.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>(),
        binary: Some(Binary {
            path: "/usr/bin/etcd".to_owned(),
            version: "3.4.23".to_owned(),
            sha256: "5f2b0e4c3d1a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0".to_owned(),
            source: "distribution".to_owned(),
        }),
        machine: Machine {
            os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            kernel: "6.1.0-18-amd64".to_owned(),
            cores: 8,
            memory_bytes: 16_700_000_000,
            privilege: "root".to_owned(),
        },
        gates: duress_reports::Gates {
            kinds: ["kill", "pause", "partition"].map(str::to_owned).into(),
            ..duress_reports::Gates::default()
        },
        setup_ms: 1_900,
        phases: vec![
            phase("setup", 0, 40),
            phase("main", 40, seconds * 1000),
            phase("heal", seconds * 1000, seconds * 1000 + 900),
        ],
        warnings: Vec::new(),
        doubts: Vec::new(),
        unrecovered: None,
        exits: Vec::new(),
        noted: BTreeMap::new(),
        stopped: None,
        failure: None,
        known: Vec::new(),
        canary: false,
        settings: [("reads".to_owned(), "serializable".to_owned())].into(),
        labels: BTreeMap::new(),
        check_ms: None,
        declaration: None,
        clock_epoch: None,
        load: Vec::new(),
        kept: Vec::new(),
    }
}

pub fn failure() -> RunFailure {
    RunFailure {
        what: "the cluster did not become healthy".to_owned(),
        why: "n3 exited with status 1: listen tcp 10.77.0.3:2380: bind: address already in use".to_owned(),
        fix: "look at nodes/n3/etcd.log".to_owned(),
    }
}

/// A fault that bit 40 ms after its start.
pub fn fault(id: u32, kind: &str, what: &str, nodes: &[&str], start_ms: u64, heal_ms: u64) -> FaultWindow {
    FaultWindow {
        id,
        kind: kind.to_owned(),
        description: format!("{kind} {what}"),
        nodes: nodes.iter().map(ToString::to_string).collect(),
        start: start_ms * MS,
        in_effect: Some(start_ms * MS + 40 * MS),
        heal: Some(heal_ms * MS),
        healed: Some(heal_ms * MS + 12 * MS),
        evidence: match kind {
            "partition" => {
                vec!["12 of 12 links drop their probe".to_owned(), "4,120 frames dropped".to_owned()]
            }
            "pause" => vec!["every thread is stopped".to_owned(), "running again".to_owned()],
            _ => vec!["no process is left".to_owned(), "healthy again after 0.4 s".to_owned()],
        },
        skipped: false,
        cut: Vec::new(),
    }
}

/// Six faults in thirty seconds.
pub fn faults() -> Vec<FaultWindow> {
    vec![
        fault(1, "kill", "n2", &["n2"], 3_000, 6_000),
        fault(2, "partition", "n1 n2 | n3 n4 n5", &["n1", "n2"], 8_000, 12_000),
        fault(3, "pause", "n4", &["n4"], 14_000, 17_000),
        fault(4, "partition", "n5 | n1 n2 n3 n4", &["n5"], 18_500, 21_500),
        fault(5, "kill", "n1 n3", &["n1", "n3"], 20_000, 23_000),
        fault(6, "pause", "n2", &["n2"], 25_500, 28_000),
    ]
}

/// The clients and two of the nodes; the partitions took of both.
pub fn flows() -> Vec<Flow> {
    let volume = |frames| Volume { frames, bytes: frames * 180 };
    let flow = |client: &str, server: &str, port, frames, taken: &[(Option<u32>, u64)]| Flow {
        client: client.to_owned(),
        server: server.to_owned(),
        protocol: "tcp".to_owned(),
        port: Some(port),
        connections: 3,
        there: volume(frames),
        back: volume(frames * 2),
        taken: taken.iter().map(|&(fault, frames)| Taken { fault, volume: volume(frames) }).collect(),
    };
    vec![
        flow("clients", "n1", 2379, 800, &[]),
        flow("n1", "n2", 2380, 40_000, &[(Some(2), 1_200), (Some(4), 7), (None, 2)]),
        flow("n2", "n1", 2380, 39_000, &[(Some(2), 300)]),
    ]
}

/// Ten clients in a closed loop against five nodes, for as long as `info` says.
pub fn history(seed: u64, seconds: u64, think_ms: u64, faults: &[FaultWindow]) -> History {
    let mut events: Vec<(u64, u64, Op)> = Vec::new();
    for thread in 0..THREADS {
        let mut client = Client { dice: Dice::new(seed * 100 + thread), faults, thread, process: thread };
        let mut now = 41 * MS + client.dice.below(think_ms * MS);
        while now < seconds * SECOND {
            now = client.step(now, &mut events) + think_ms * MS / 2 + client.dice.below(think_ms * MS);
        }
    }
    events.sort_by_key(|(time, order, _)| (*time, *order));
    let ops = (0..).zip(events).map(|(index, (_, _, op))| Op { index, ..op });
    History::new(ops.collect()).expect("the simulation makes histories")
}

struct Client<'a> {
    dice: Dice,
    faults: &'a [FaultWindow],
    thread: u64,
    process: u64,
}

impl Client<'_> {
    /// One operation; when it was over.
    fn step(&mut self, now: u64, events: &mut Vec<(u64, u64, Op)>) -> u64 {
        let node = format!("n{}", self.thread % 5 + 1);
        let key = now / (3 * SECOND) * 4 + self.dice.below(4);
        let (f, value) = match self.dice.below(10) {
            0..=4 => ("read", json!([key, null])),
            5..=7 => ("write", json!([key, self.dice.below(100)])),
            _ => ("cas", json!([key, [self.dice.below(5), self.dice.below(5)]])),
        };
        let (kind, took, error) = self.outcome(now, &node, f);
        let op = |time, kind, value: Value, error: Option<&str>| Op {
            index: 0,
            time,
            process: Process::Client(self.process),
            kind,
            f: f.into(),
            value,
            error: error.map(str::to_owned),
            node: Some(node.as_str().into()),
        };
        let answer = if f == "read" && kind == Kind::Ok { json!([key, 3]) } else { value.clone() };
        events.push((now, self.process * 2, op(now, Kind::Invoke, value, None)));
        events.push((now + took, self.process * 2 + 1, op(now + took, kind, answer, error)));
        if kind == Kind::Info {
            self.process += THREADS;
        }
        now + took
    }

    fn outcome(&mut self, now: u64, node: &str, f: &str) -> (Kind, u64, Option<&'static str>) {
        let usual = 2 * MS + self.dice.below(3 * MS) + self.dice.below(40).pow(4) * 15;
        let hit = self.faults.iter().find(|w| {
            w.bit()
                && w.nodes.iter().any(|n| n == node)
                && w.start <= now
                && now < w.healed.unwrap_or(u64::MAX)
        });
        match hit.map(|w| w.kind.as_str()) {
            Some("kill") => (
                Kind::Fail,
                300_000 + self.dice.below(MS),
                Some("refused: connection refused (os error 111)"),
            ),
            Some("pause") => (Kind::Info, 1000 * MS, Some("timeout: no answer within 1 s")),
            Some(_) if self.dice.below(3) == 0 => {
                (Kind::Fail, 400 * MS, Some("no-leader: etcdserver: no leader"))
            }
            Some(_) => (Kind::Info, 1000 * MS, Some("timeout: no answer within 1 s")),
            None if f == "cas" && self.dice.below(3) != 0 => {
                (Kind::Fail, usual, Some("precondition: the value was another"))
            }
            // An election: everybody waits.
            None if self.faults.iter().any(|w| w.start <= now && now < w.start + 600 * MS) => {
                (Kind::Ok, usual + 700 * MS, None)
            }
            None => (Kind::Ok, usual, None),
        }
    }
}

/// The standard run: thirty seconds, six faults.
pub fn run(think_ms: u64) -> Run {
    let faults = faults();
    Run {
        info: info(30),
        history: history(7, 30, think_ms, &faults),
        truncated: false,
        faults,
        flows: Vec::new(),
        nodes: Vec::new(),
        captured: false,
    }
}

/// A run that holds these operations and nothing else.
pub fn bare(ops: Vec<Op>) -> Run {
    let history = History::new(ops).expect("a history");
    let info = RunInfo { phases: Vec::new(), ..info(30) };
    let (faults, flows, nodes) = Default::default();
    Run { info, history, truncated: false, faults, flows, nodes, captured: false }
}

/// Nothing happened before it failed.
pub fn failed() -> Run {
    let mut run = bare(Vec::new());
    run.info.status = RunStatus::Failed;
    run.info.failure = Some(failure());
    run.info.phases = info(30).phases[..1].to_vec();
    run
}

/// Killed in the middle of a fault, before its probe.
pub fn killed() -> Run {
    let mut faults = faults()[..3].to_vec();
    let last = &mut faults[2];
    (last.in_effect, last.heal, last.healed) = (None, None, None);
    last.evidence.clear();
    let whole = history(7, 30, 600, &faults[..2]);
    let ops = whole.ops().iter().filter(|op| op.time < 14_100 * MS).cloned().collect();
    let mut info = info(30);
    info.status = RunStatus::Running;
    info.phases.truncate(2);
    info.phases[1].end = None;
    Run {
        info,
        history: History::new(ops).expect("a prefix"),
        truncated: true,
        faults,
        flows: Vec::new(),
        nodes: Vec::new(),
        captured: false,
    }
}

/// A fault that did nothing, and a node that died by itself.
pub fn inconclusive() -> Run {
    let mut run = run(600);
    run.faults[2].in_effect = None;
    run.faults[2].evidence = vec!["n4 still answers".to_owned()];
    run.faults[4].skipped = true;
    run.faults[4].in_effect = None;
    run.faults[4].evidence = vec!["no node is left to kill without losing the majority".to_owned()];
    run.info.doubts.push("n3 exited by itself: signal: 6 (SIGABRT)".to_owned());
    run.info.warnings.push("no real-time priority for the switch".to_owned());
    run
}

/// Stopped by the user, after the second fault.
pub fn interrupted() -> Run {
    let mut run = killed();
    run.info.status = RunStatus::Interrupted;
    run.truncated = false;
    run.faults.truncate(2);
    run
}

/// Clocks that jump, drift, strobe and stand still; and nodes that were looked at.
pub fn skewed() -> Run {
    let clock = |id, kind: &str, what: &str, seen: &str, from| FaultWindow {
        description: format!("{kind} {what}"),
        evidence: vec![seen.to_owned(), "n2: wall clock right, 1 process".to_owned()],
        ..fault(id, kind, what, &["n2"], from, from + 4_000)
    };
    let mut run = run(600);
    run.faults = vec![
        clock(
            1,
            "clock-jump",
            "+3600 s of n1 n2",
            "n1: wall clock +3600 s, 1 process; n2: wall clock +3600 s, 1 process",
            2_000,
        ),
        clock(2, "clock-drift", "-200000 ppm of n2", "n2: wall clock -1.3 ms, 1 process", 8_000),
        clock(3, "clock-strobe", "+250 ms every 100 ms of n2", "n2: wall clock +0.25 s, 1 process", 14_000),
        clock(4, "monotonic-freeze", "n2", "n2: wall clock right, monotonic -2.1 ms, 1 process", 20_000),
    ];
    run.info.gates.kinds = ["clock-jump".to_owned()].into();
    let seen = |at: u64, node: &str, state, leads, term| NodeSeen {
        at: at * MS,
        node: node.to_owned(),
        state,
        leads,
        term,
    };
    run.nodes = vec![
        seen(50, "n1", NodeState::Answers, Some(true), Some(2)),
        seen(60, "n2", NodeState::Answers, Some(false), Some(2)),
        seen(2_100, "n2", NodeState::Silent, None, None),
        seen(9_000, "n2", NodeState::Answers, Some(false), Some(3)),
        seen(20_000, "n1", NodeState::Paused, None, None),
        seen(24_000, "n1", NodeState::Down, None, None),
    ];
    run
}
