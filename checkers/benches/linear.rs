//! Medians for the linearizability checker: `cargo bench -p duress-checkers`.
//!
//! `T1` to `T6` are the figures that are published; `DURESS_CORPUS` names the folder of other
//! projects' histories that two of them need.
//! Words after `--` choose the figures whose names contain one of them.
//! `DURESS_BENCH_HISTORIES` names a folder that all histories are written to, for other checkers.
//!
//! Not here: assertions about time. Whoever changes the engine reads these before and after.

#[path = "common/dice.rs"]
mod dice;
#[path = "common/push.rs"]
mod push;
#[path = "common/worked.rs"]
mod worked;

use dice::Dice;
use duress_checkers::history::{ReadOptions, read};
use duress_checkers::model::{Model, Text};
use duress_checkers::{Budget, Checker, History, Keys, Kind, Linearizable, Op, Process, Register, Verdict};
use push::push;
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use worked::worked;

/// Runs of each measurement.
const RUNS: usize = 5;

fn main() {
    match std::env::var_os("DURESS_CORPUS") {
        Some(root) => published(Path::new(&root)),
        None => println!("T1, T2, T3: skipped, DURESS_CORPUS is not set"),
    }
    // The simulated register starts at 0.
    let checker = Linearizable::new(Register { initial: json!(0) }, Keys::Single);
    let run = |name: &str, ops: &dyn Fn() -> Vec<Op>| {
        measure(name, &checker, || vec![History::new(ops()).expect("a history")]);
    };
    // Some compare-and-sets fail at this concurrency; a million calls and more do not.
    run("T4 1M calls, 10k of them crashed, unique values", &|| simulate(1_150_000, 10, 0, 10_000));
    for calls in [10_000, 100_000] {
        run(&format!("T5 {calls} calls, 10 clients, 5 values"), &|| simulate(calls * 5 / 4, 10, 5, 0));
        run(&format!("   {calls} calls, 10 clients, unique values"), &|| simulate(calls * 6 / 5, 10, 0, 0));
    }
    for clients in [20, 30, 50, 100, 300, 1_000] {
        let calls = 1_000.max(10 * clients);
        run(&format!("   {calls} calls, {clients} clients, 5 values"), &|| simulate(calls, clients, 5, 0));
    }
    for crashed in [5, 11, 15, 100, 1_000] {
        run(&format!("T6 refuted, 5 clients, {crashed} crashed"), &|| refutable(crashed, 5));
    }
    for crashed in [15, 100, 1_000] {
        run(&format!("   refuted, unique values, {crashed} crashed"), &|| refutable(crashed, 0));
    }
    if is_wanted("limits") {
        limits();
    }
}

/// Was this figure asked for?
fn is_wanted(name: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    words.peek().is_none() || words.any(|word| name.contains(&word))
}

fn published(root: &Path) {
    let logs = || load(&root.join("porcupine/jepsen"), "log");
    let checker = Linearizable::register(Keys::Single);
    measure("T1 etcd logs, verdicts", &checker.clone().explaining(0), logs);
    measure("T1 etcd logs, with explanations", &checker, logs);
    let text = Linearizable::new(Text::default(), Keys::Keyed);
    for name in ["c10-ok", "c10-bad", "c50-ok", "c50-bad"] {
        let file = || vec![read_file(&root.join("porcupine/kv").join(name).with_extension("txt"))];
        measure(&format!("T2 key-value store {name}, verdicts"), &text.clone().explaining(0), file);
    }
    measure("T3 registers of Knossos", &checker, || {
        let folder = root.join("knossos/cas-register");
        ["good", "bad"].iter().flat_map(|kind| load(&folder.join(kind), "edn")).collect()
    });
}

/// The histories in a folder, by name.
fn load(folder: &Path, extension: &str) -> Vec<History> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths.iter().map(|path| read_file(path)).collect()
}

fn read_file(path: &Path) -> History {
    let options = ReadOptions { repair: true, ..ReadOptions::default() };
    read(std::fs::File::open(path).expect("a file"), &options).expect("a history").history
}

fn measure<M: Model>(name: &str, checker: &Linearizable<M>, histories: impl Fn() -> Vec<History>) {
    if !is_wanted(name) {
        return;
    }
    let histories = &histories();
    let budget = Budget::new(2 << 30, 1);
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    let mut verdicts: Vec<Verdict> = Vec::new();
    let before = resident("VmRSS");
    // Forgets the highest so far.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    for _ in 0..RUNS {
        let (from, worked) = (Instant::now(), worked());
        verdicts = histories.iter().map(|history| black_box(checker.check(history, &budget))).collect();
        times.push((from.elapsed(), worked::worked().saturating_sub(worked)));
    }
    times.sort();
    let held = resident("VmHWM").saturating_sub(before);
    let stat = |name: &str| verdicts.iter().filter_map(|v| v.stats[name].as_u64()).sum::<u64>();
    let calls = stat("ok") + stat("info");
    let proof = verdicts.iter().flat_map(|v| &v.findings).filter_map(|f| f.counterexample.as_ref());
    let core = proof.map(|proof| proof.core.len()).max().map(|n| format!(", core of {n}"));
    let (median, worked) = times[RUNS / 2];
    println!(
        "{name}: {} histories, median {:.1} ms ({:.1} ms of work), {} configurations, {calls} calls, {} KiB, {} bytes per call, {:?}{}",
        histories.len(),
        median.as_secs_f64() * 1e3,
        worked.as_secs_f64() * 1e3,
        stat("configurations"),
        held / 1024,
        held / calls.max(1),
        verdicts[0].valid,
        core.unwrap_or_default()
    );
    if let Some(folder) = std::env::var_os("DURESS_BENCH_HISTORIES") {
        write(&Path::new(&folder).join(name.trim().replace(' ', "-")), histories);
    }
}

/// For other checkers to read.
fn write(folder: &Path, histories: &[History]) {
    std::fs::create_dir_all(folder).expect("a folder can be made");
    for (n, history) in histories.iter().enumerate() {
        let lines = history.ops().iter().map(|op| serde_json::to_string(op).expect("an operation is JSON"));
        let text: Vec<String> = lines.collect();
        std::fs::write(folder.join(format!("{n:03}.jsonl")), text.join("\n")).expect("a file can be written");
    }
}

/// What limits do to a history that no search gets through.
fn limits() {
    let history = History::new(endless(20)).expect("a history");
    let checker = Linearizable::register(Keys::Single);
    for mib in [64, 512] {
        let before = resident("VmRSS");
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let verdict = checker.check(&history, &Budget::new(mib << 20, 1));
        let held = resident("VmHWM").saturating_sub(before) >> 20;
        println!("memory limit {mib} MiB: held {held} MiB, {:?}: {}", verdict.valid, reason(&verdict));
    }
    let budget = Budget::new(8 << 30, 1);
    let limit = Duration::from_secs(1);
    let from = Instant::now();
    let verdict = std::thread::scope(|scope| {
        let check = scope.spawn(|| checker.check(&history, &budget));
        std::thread::sleep(limit);
        budget.cancel();
        check.join().expect("a verdict")
    });
    println!(
        "time limit {limit:?}: answered after {:?}, {:?}: {}",
        from.elapsed(),
        verdict.valid,
        reason(&verdict)
    );
}

fn reason(verdict: &Verdict) -> &str {
    verdict.reason.as_deref().unwrap_or_default()
}

/// Writes and compare-and-sets that are all open at once; two of these need the same value, which is
/// written once. Only all of the orders show that.
fn endless(writes: u64) -> Vec<Op> {
    let cas = |n| json!([n, (n * 7 + 3) % writes]);
    let block: Vec<_> = (0..writes)
        .flat_map(|n| [("write", json!(n)), ("cas", cas(n))])
        .chain([("write", json!("b")), ("cas", json!(["b", "c"])), ("cas", json!(["b", "d"]))])
        .collect();
    let mut ops = Vec::new();
    for kind in [Kind::Invoke, Kind::Ok] {
        for (process, (f, value)) in (0..).zip(&block) {
            push(&mut ops, process, kind, f, value.clone());
        }
    }
    ops
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
fn refutable(crashed: usize, values: u64) -> Vec<Op> {
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
    ops
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
