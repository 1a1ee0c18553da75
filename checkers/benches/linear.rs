//! Medians for the linearizability checker: `cargo bench -p duress-checkers`.
//!
//! Not here: assertions about time. Whoever changes the engine reads these before and after.

use duress_checkers::history::{ReadOptions, read};
use duress_checkers::{Budget, Checker, History, Keys, Kind, Linearizable, Op, Process, Register, Verdict};
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs of each measurement.
const RUNS: usize = 5;

fn main() {
    let checker = Linearizable::register(Keys::Single);
    match std::env::var_os("DURESS_CORPUS") {
        Some(root) => published(&checker, &Path::new(&root).join("porcupine/jepsen")),
        None => println!("published histories: skipped, DURESS_CORPUS is not set"),
    }
    // The simulated register starts at 0.
    let checker = Linearizable::new(Register { initial: json!(0) }, Keys::Single);
    for (name, calls, values) in [
        ("valid, 10 clients, 5 values", 10_000, 5),
        ("valid, 10 clients, 5 values", 100_000, 5),
        ("valid, 10 clients, unique values", 10_000, 0),
        ("valid, 10 clients, unique values", 100_000, 0),
    ] {
        let history = History::new(simulate(calls, 10, values, 0)).expect("a history");
        measure(&format!("{name}, {calls} calls"), &checker, &[history]);
    }
    for crashed in [5, 11, 15, 100, 1_000] {
        measure(
            &format!("refuted, 5 clients, {crashed} crashed mutations"),
            &checker,
            &[refutable(crashed, 5)],
        );
    }
    // Half of the compare-and-sets fail at this concurrency; a million and more do not.
    let history = History::new(simulate(1_150_000, 10, 0, 10_000)).expect("a history");
    measure("valid, 10 clients, unique values, 10000 crashed", &checker, &[history]);
    for crashed in [15, 100] {
        measure(
            &format!("refuted, unique values, {crashed} crashed mutations"),
            &checker,
            &[refutable(crashed, 0)],
        );
    }
}

fn published(checker: &Linearizable, folder: &Path) {
    let logs = load(folder, "log");
    measure(&format!("{} etcd logs, with explanations", logs.len()), checker, &logs);
    let histories = load(&folder.join("../../knossos/cas-register/good"), "edn");
    measure(&format!("{} good registers of Knossos", histories.len()), checker, &histories);
}

/// The histories in a folder, by name.
fn load(folder: &Path, extension: &str) -> Vec<History> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    let options = ReadOptions { repair: true, ..ReadOptions::default() };
    let load = |path| read(std::fs::File::open(path).expect("a file"), &options).expect("a history").history;
    paths.iter().map(load).collect()
}

fn measure(name: &str, checker: &Linearizable, histories: &[History]) {
    let budget = Budget::new(2 << 30, 1);
    let mut times: Vec<Duration> = Vec::new();
    let mut verdicts: Vec<Verdict> = Vec::new();
    let before = resident("VmRSS");
    // Forgets the highest so far.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    for _ in 0..RUNS {
        let from = Instant::now();
        verdicts = histories.iter().map(|history| black_box(checker.check(history, &budget))).collect();
        times.push(from.elapsed());
    }
    times.sort();
    let held = resident("VmHWM").saturating_sub(before);
    let stat = |name: &str| verdicts.iter().filter_map(|v| v.stats[name].as_u64()).sum::<u64>();
    let calls = stat("ok") + stat("info");
    println!(
        "{name}: median {:?}, {} configurations, {calls} calls ok or in doubt, at most {} KiB and {} bytes per call, {:?}",
        times[RUNS / 2],
        stat("configurations"),
        held / 1024,
        held / calls.max(1),
        verdicts[0].valid
    );
}

/// What the kernel says about this process' memory, in bytes; 0 where it says nothing.
fn resident(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// A history of 800 calls with doubtful writes and compare-and-sets, in which one late read answers
/// with the first value, which was overwritten long before and which nothing writes again.
fn refutable(crashed: usize, values: u64) -> History {
    let first = json!("first");
    let mut ops = Vec::new();
    push(&mut ops, 1_000_000, Kind::Invoke, "write", first.clone());
    push(&mut ops, 1_000_000, Kind::Ok, "write", first.clone());
    push(&mut ops, 1_000_001, Kind::Invoke, "write", json!(0));
    push(&mut ops, 1_000_001, Kind::Ok, "write", json!(0));
    for op in simulate(800 + 2 * crashed, 5, values, crashed) {
        let Process::Client(process) = op.process else { unreachable!("clients only") };
        push(&mut ops, process, op.kind, &op.f, op.value);
    }
    let at = ops.len() * 9 / 10;
    let read = ops.iter_mut().skip(at).find(|op| op.kind == Kind::Ok && op.f == "read");
    read.expect("half of the calls are reads").value = first;
    History::new(ops).expect("a history")
}

/// Process, function, argument, and the outcome once it took effect.
type Open = (u64, &'static str, Value, Option<(Kind, Value)>);

/// An atomic register under `clients` clients; `crashed` of the changes are never answered.
fn simulate(calls: usize, clients: usize, values: u64, crashed: usize) -> Vec<Op> {
    let mut dice = Dice(7);
    let mut ops: Vec<Op> = Vec::new();
    let mut state = json!(0);
    let mut open: Vec<Open> = Vec::new();
    let (mut begun, mut unique, mut lost) = (0, 0_u64, 0);
    while begun < calls || !open.is_empty() {
        if begun < calls && open.len() < clients && dice.below(2) == 0 {
            let mut value = || {
                unique += 1;
                if values == 0 { json!(unique) } else { json!(dice.below(values)) }
            };
            let (new, guess) = (value(), value());
            let (f, asked) = match dice.below(4) {
                0 | 1 => ("read", Value::Null),
                2 => ("write", new),
                _ => ("cas", json!([if values == 0 { state.clone() } else { guess }, new])),
            };
            push(&mut ops, begun as u64, Kind::Invoke, f, asked.clone());
            open.push((begun as u64, f, asked, None));
            begun += 1;
        } else if !open.is_empty() {
            let at = usize::try_from(dice.below(open.len() as u64)).expect("small");
            let due = begun * crashed / (calls * 4 / 5) > lost && lost < crashed;
            if open[at].3.is_none() && due && open[at].1 != "read" {
                let (process, f, asked, _) = open.swap_remove(at);
                lost += 1;
                // It took effect or not.
                if dice.below(2) == 0 {
                    apply(&mut state, f, &asked);
                }
                push(&mut ops, process, Kind::Info, f, asked);
            } else if let Some((kind, value)) = open[at].3.take() {
                let (process, f, ..) = open.swap_remove(at);
                push(&mut ops, process, kind, f, value);
            } else {
                let outcome = apply(&mut state, open[at].1, &open[at].2);
                open[at].3 = Some(outcome);
            }
        }
    }
    ops
}

fn apply(state: &mut Value, f: &str, asked: &Value) -> (Kind, Value) {
    match f {
        "read" => return (Kind::Ok, state.clone()),
        "write" => *state = asked.clone(),
        _ if asked[0] == *state => *state = asked[1].clone(),
        _ => return (Kind::Fail, asked.clone()),
    }
    (Kind::Ok, asked.clone())
}

fn push(ops: &mut Vec<Op>, process: u64, kind: Kind, f: &str, value: Value) {
    let index = ops.len() as u64;
    let process = Process::Client(process);
    ops.push(Op { index, time: index, process, kind, f: f.to_owned(), value, error: None, node: None });
}

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }
}
