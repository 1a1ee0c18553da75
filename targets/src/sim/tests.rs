//! The cluster under random faults, judged by the real checker, on a clock that only moves
//! when everybody waits: seconds of cluster time take milliseconds.

use super::*;
use crate::Completion;
use duress_checkers::{Budget, History, Keys, Kind, Op, Process, Valid, Verdict};
use duress_workloads::generator::GeneratorExt as _;
use duress_workloads::{
    Context, Generator, Generators, Invocation, Next, Rng, Workload, WorkloadOptions, registry,
};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

const N_NODES: usize = 5;
const N_THREADS: usize = 10;
const OP_TIMEOUT: Duration = Duration::from_secs(1);
const RUN: Duration = Duration::from_secs(6);
/// Of one fault, and of the calm after it.
const FAULT: Duration = Duration::from_millis(700);

/// What the nemesis of a run does.
#[derive(Clone, Copy, PartialEq)]
enum Faults {
    No,
    /// Cuts off one node or two.
    Partition,
    /// Partitions of every kind, one-way ones too, kills and pauses, together.
    All,
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    Settings(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn register() -> Box<dyn Workload> {
    (registry::find("register").expect("in the registry").make)()
}

fn node(n: usize) -> Node {
    Node { name: format!("n{n}"), addr: IpAddr::V4(Ipv4Addr::LOCALHOST) }
}

fn both_ways(side: &BTreeSet<usize>) -> BTreeSet<(usize, usize)> {
    let pairs = (0..N_NODES).flat_map(|a| (0..N_NODES).map(move |b| (a, b)));
    pairs.filter(|(a, b)| side.contains(a) != side.contains(b)).collect()
}

/// What the threads of a run share.
struct Shared {
    generator: Box<dyn Generator>,
    ops: Vec<Op>,
    n_busy: usize,
    began: Instant,
}

impl Shared {
    fn record(&mut self, thread: usize, mut op: Op) {
        op.index = self.ops.len() as u64;
        op.time = u64::try_from(self.began.elapsed().as_nanos()).expect("a short run");
        self.n_busy = if op.kind == Kind::Invoke { self.n_busy + 1 } else { self.n_busy - 1 };
        let cx = Context { time: op.time, thread, n_threads: N_THREADS, n_busy: self.n_busy };
        self.generator.update(&cx, &op);
        self.ops.push(op);
    }
}

/// One client thread until the generator is done.
async fn drive(shared: Arc<Mutex<Shared>>, sim: Arc<Sim>, thread: usize, mut process: u64) {
    let node = node(thread % N_NODES + 1);
    let mut client = None;
    loop {
        let next = {
            let shared = &mut *shared.lock().unwrap();
            let time = u64::try_from(shared.began.elapsed().as_nanos()).unwrap();
            shared.generator.next(&Context { time, thread, n_threads: N_THREADS, n_busy: shared.n_busy })
        };
        let invocation = match next {
            Next::Op(invocation) => invocation,
            Next::Done => return,
            Next::Wait(_) | Next::Pending => {
                sleep(Duration::from_millis(1)).await;
                continue;
            }
        };
        let mut op = Op {
            index: 0,
            time: 0,
            process: Process::Client(process),
            kind: Kind::Invoke,
            f: invocation.f.as_str().into(),
            value: invocation.value.clone(),
            error: None,
            node: Some(node.name.as_str().into()),
        };
        shared.lock().unwrap().record(thread, op.clone());
        if client.is_none() {
            client = sim.connect(&node).await.ok();
        }
        let completion = match &mut client {
            None => Completion::Fail(ClientError::new(ClientError::REFUSED, "")),
            Some(client) => timeout(OP_TIMEOUT, client.invoke(&invocation))
                .await
                .unwrap_or_else(|_| Completion::Info(ClientError::new("timeout", ""))),
        };
        (op.kind, op.error) = match completion {
            Completion::Ok(value) => {
                op.value = value;
                (Kind::Ok, None)
            }
            Completion::Fail(error) => (Kind::Fail, Some(error.to_string())),
            Completion::Info(error) => (Kind::Info, Some(error.to_string())),
        };
        if op.kind == Kind::Info {
            client = None;
            process += 1_000;
        }
        shared.lock().unwrap().record(thread, op);
    }
}

/// Faults and calm in turn, then everything is mended.
async fn harm(cluster: Cluster, faults: Faults, mut rng: Rng, end: Instant) {
    while faults != Faults::No && Instant::now() + FAULT < end {
        let mut order: Vec<usize> = (0..N_NODES).collect();
        rng.shuffle(&mut order);
        let side = order[..rng.index(2) + 1].iter().copied().collect();
        if faults == Faults::Partition {
            cluster.set_cuts(&both_ways(&side));
        } else {
            let mut cuts = both_ways(&side);
            cuts.retain(|_| rng.below(4) > 0);
            match rng.below(4) {
                0 => cluster.set_cuts(&cuts),
                1 => (0..rng.index(3) + 1).for_each(|n| cluster.kill(order[n])),
                2 => (0..rng.index(3) + 1).for_each(|n| cluster.pause(order[n])),
                _ => {
                    cluster.set_cuts(&cuts);
                    cluster.pause(order[3]);
                    cluster.kill(order[4]);
                }
            }
        }
        sleep(FAULT).await;
        mend(&cluster);
        sleep(Duration::from_millis(rng.between(1, 2 * 700))).await;
    }
    sleep_until(end).await;
}

fn mend(cluster: &Cluster) {
    cluster.set_cuts(&BTreeSet::new());
    (0..N_NODES).for_each(|node| cluster.resume(node));
    (0..N_NODES).for_each(|node| cluster.start(node));
}

async fn run(bug: &str, faults: Faults, seed: u64) -> Vec<Op> {
    let sim = Arc::new(Sim::new(&settings(&[("bug", bug), ("seed", &seed.to_string())])).unwrap());
    mend(&sim.cluster);
    sleep(Duration::from_millis(500)).await;
    let rng = Rng::new(seed);
    let Generators { main, last } = register().generators(&WorkloadOptions::default(), &rng);
    let began = Instant::now();
    let limit = u64::try_from(RUN.as_nanos()).unwrap();
    let generator = main.time_limit(limit).boxed();
    let shared = Arc::new(Mutex::new(Shared { generator, ops: Vec::new(), n_busy: 0, began }));
    let threads = start_threads(&shared, &sim, 0);
    harm(sim.cluster.clone(), faults, rng.split("faults"), began + RUN).await;
    mend(&sim.cluster);
    for thread in threads {
        thread.await.unwrap();
    }
    sleep(Duration::from_millis(500)).await;
    shared.lock().unwrap().generator = last;
    for thread in start_threads(&shared, &sim, 500) {
        thread.await.unwrap();
    }
    std::mem::take(&mut shared.lock().unwrap().ops)
}

fn start_threads(shared: &Arc<Mutex<Shared>>, sim: &Arc<Sim>, first_process: u64) -> Vec<JoinHandle<()>> {
    let start = |n| drive(Arc::clone(shared), Arc::clone(sim), n, first_process + n as u64);
    (0..N_THREADS).map(|n| tokio::spawn(start(n))).collect()
}

/// A run on imaginary time.
fn simulate(bug: &str, faults: Faults, seed: u64) -> Vec<Op> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(run(bug, faults, seed))
}

fn judge(ops: Vec<Op>) -> Verdict {
    let history = History::new(ops).unwrap();
    register().checker(Keys::Keyed).check(&history, &Budget::default())
}

fn count(ops: &[Op], kind: Kind) -> usize {
    ops.iter().filter(|op| op.kind == kind).count()
}

#[test]
fn without_a_bug_it_is_linearizable_under_all_faults() {
    let mut n_info = 0;
    for seed in 0..10 {
        let ops = simulate("none", Faults::All, seed);
        assert!(count(&ops, Kind::Ok) > 2_000, "{} ok", count(&ops, Kind::Ok));
        n_info += count(&ops, Kind::Info);
        let verdict = judge(ops);
        assert_eq!(verdict.valid, Valid::Valid, "seed {seed}: {verdict:?}");
    }
    assert!(n_info > 100, "faults that leave only {n_info} operations in doubt test nothing");
}

#[test]
fn without_faults_no_bug_shows() {
    for bug in ["none", "stale-read", "lost-write"] {
        let ops = simulate(bug, Faults::No, 1);
        assert_eq!((count(&ops, Kind::Info), judge(ops).valid), (0, Valid::Valid), "{bug}");
    }
}

#[test]
fn every_planted_bug_is_found_under_partitions() {
    for bug in ["stale-read", "lost-write"] {
        for seed in 0..8 {
            let verdict = judge(simulate(bug, Faults::Partition, seed));
            assert_eq!(verdict.valid, Valid::Violation, "{bug}, seed {seed}: {verdict:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    assert_eq!(simulate("stale-read", Faults::All, 3), simulate("stale-read", Faults::All, 3));
}

#[tokio::test(start_paused = true)]
async fn a_killed_node_refuses_and_its_operations_are_in_doubt() {
    let sim = Sim::new(&settings(&[("bug", "none")])).unwrap();
    assert_eq!(sim.connect(&node(1)).await.err().unwrap().class, ClientError::REFUSED);
    mend(&sim.cluster);
    sleep(Duration::from_millis(500)).await;
    let write = Invocation::new("write", json!([0, 1]));
    let mut client = sim.connect(&node(1)).await.unwrap();
    let cluster = sim.cluster.clone();
    let kill = async {
        tokio::task::yield_now().await;
        cluster.kill(0);
    };
    let (completion, ()) = tokio::join!(client.invoke(&write), kill);
    assert!(matches!(&completion, Completion::Info(error) if error.class == "reset"), "{completion:?}");
    let completion = client.invoke(&write).await;
    assert!(matches!(&completion, Completion::Fail(error) if error.class == "refused"), "{completion:?}");
    sim.cluster.start(0);
    sleep(Duration::from_millis(500)).await;
    assert_eq!(client.invoke(&write).await, Completion::Ok(json!([0, 1])));
}

#[tokio::test(start_paused = true)]
async fn faults_do_what_they_say() {
    let sim = Sim::new(&settings(&[("bug", "none"), ("nodes", "3")])).unwrap();
    let cluster = &sim.cluster;
    (0..3).for_each(|node| cluster.start(node));
    sleep(Duration::from_millis(200)).await;
    sleep(Duration::from_millis(200)).await;
    for n in 1..=3 {
        sim.healthy(&node(n)).await.unwrap();
    }
    cluster.set_cuts(&[(0, 1), (0, 2)].into());
    assert!(!cluster.probe((0, 1)) && cluster.probe((1, 0)));
    sleep(Duration::from_secs(1)).await;
    assert!(cluster.dropped((0, 1)) >= 20 && cluster.dropped((1, 0)) == 0);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(sim.healthy(&node(1)).await.unwrap_err().class, "no-leader");
    sim.healthy(&node(2)).await.unwrap();
    let leaders = [sim.status(&node(2)).await.unwrap(), sim.status(&node(3)).await.unwrap()];
    assert_eq!(leaders.iter().filter(|status| status.leads == Some(true)).count(), 1);

    cluster.set_cuts(&BTreeSet::new());
    cluster.pause(1);
    assert_eq!(cluster.state(1), NodeState::Paused);
    let mut client = sim.connect(&node(2)).await.unwrap();
    let read = Invocation::new("read", json!([0, null]));
    assert!(timeout(Duration::from_secs(9), client.invoke(&read)).await.is_err());
    cluster.resume(1);
    sleep(Duration::from_millis(500)).await;
    assert_eq!(client.invoke(&read).await, Completion::Ok(json!([0, null])));

    cluster.kill(1);
    cluster.resume(1);
    assert_eq!(cluster.state(1), NodeState::Stopped);
    assert_eq!(sim.status(&node(2)).await.unwrap_err().class, ClientError::REFUSED);
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_a_majority_serves_nothing_and_what_it_got_is_in_doubt() {
    let mut took_effect = BTreeSet::new();
    for seed in 0..20_u32 {
        let sim = Sim::new(&settings(&[("bug", "none"), ("seed", &seed.to_string())])).unwrap();
        mend(&sim.cluster);
        sleep(Duration::from_millis(200)).await;
        let mut leader = None;
        for n in 0..N_NODES {
            if sim.status(&node(n + 1)).await.unwrap().leads == Some(true) {
                leader = Some(n);
            }
        }
        let leader = leader.expect("somebody leads");
        let mut client = sim.connect(&node(leader + 1)).await.unwrap();
        sim.healthy(&node(leader + 1)).await.unwrap();
        sim.cluster.set_cuts(&both_ways(&[leader].into()));
        assert_eq!(sim.healthy(&node(leader + 1)).await.unwrap_err().class, "no-leader");
        let completion = client.invoke(&Invocation::new("write", json!([0, 1]))).await;
        assert!(matches!(&completion, Completion::Info(error) if error.class == "no-leader"));
        mend(&sim.cluster);
        sleep(Duration::from_millis(500)).await;
        match client.invoke(&Invocation::new("read", json!([0, null]))).await {
            Completion::Ok(value) => took_effect.insert(value[1].as_u64()),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(took_effect, [None, Some(1)].into());
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let why = |pairs: &[(&str, &str)]| Sim::new(&settings(pairs)).err().map(|error| error.to_string());
    assert_eq!(why(&[]), None);
    assert_eq!(why(&[("nodes", "9"), ("bug", "none")]), None);
    assert_eq!(why(&[("nodes", "10")]).unwrap(), "nodes=10 cannot be: it takes a whole number from 1 to 9");
    assert_eq!(why(&[("bug", "x")]).unwrap(), "bug=x cannot be: it takes stale-read, lost-write or none");
    assert_eq!(why(&[("bgu", "none")]).unwrap(), "sim has no setting `bgu`; did you mean `bug`?");
}
