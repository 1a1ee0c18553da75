//! How fast a history is judged while it happens, and in how much memory: `cargo bench -p
//! duress-checkers --bench online`.
//!
//! `T8` are the figures that are published. Histories are made as they are judged and kept nowhere, so
//! what the process holds is what the judging holds. `DURESS_CORPUS` names the folder of other
//! projects' histories that one figure needs.
//!
//! Not here: assertions about time.

#[path = "common/dice.rs"]
mod dice;
#[path = "common/worked.rs"]
mod worked;

use dice::Dice;
use duress_checkers::history::{ReadOptions, read};
use duress_checkers::{Kind, Online, Op, Process, Register, Watch};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use worked::worked;

/// Calls before memory is weighed for the first time, and after that until it is for the second.
const WEIGHED: [u64; 2] = [100_000, 10_000_000];

/// Events between two looks at how wide the frontier is.
const LOOK_EVERY: usize = 101;

fn main() {
    // Memory first, so that nothing else has stretched the heap.
    for (name, keys, retired) in
        [("1 key", 1, u64::MAX), ("64 keys", 64, u64::MAX), ("64 keys at a time", 64, 120)]
    {
        weigh(name, Load { clients: 10, values: 0, keys, retired, doubt: 0 });
    }
    for (name, clients, values, keys, doubt) in [
        ("T8 unique values, 10 clients", 10, 0, 1, 0),
        ("T8 5 values, 10 clients", 10, 5, 1, 0),
        ("T8 unique values, 10 clients, 64 keys", 10, 0, 64, 0),
        ("   unique values, 20 clients", 20, 0, 1, 0),
        ("   5 values, 20 clients", 20, 5, 1, 0),
        ("   unique values, 10 clients, 1 in 1,000 in doubt", 10, 0, 1, 1),
        ("   5 values, 10 clients, 1 in 1,000 in doubt", 10, 5, 1, 1),
    ] {
        measure(name, Load { clients, values, keys, retired: u64::MAX, doubt }, 300_000);
    }
    measure(
        "   as a run: 5 keys of 120 calls",
        Load { clients: 10, values: 0, keys: 5, retired: 120, doubt: 2 },
        300_000,
    );
    corpus();
}

/// The etcd logs of 2014.
fn corpus() {
    let Some(root) = std::env::var_os("DURESS_CORPUS") else {
        println!("T8 etcd logs: skipped, DURESS_CORPUS is not set");
        return;
    };
    let folder = std::path::Path::new(&root).join("porcupine/jepsen");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a directory entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == "log"));
    paths.sort();
    let load =
        |path| read(std::fs::File::open(path).expect("a file"), &ReadOptions::default()).expect("a history");
    let histories: Vec<_> = paths.iter().map(load).collect();
    let (mut bad, mut deferred, mut events) = (0, 0, 0);
    let from = worked();
    for loaded in &histories {
        let mut online = Online::single(Register::default());
        for op in loaded.history.ops() {
            online.push(op).expect("a history");
        }
        online.look();
        bad += online.tally().violated;
        deferred += online.tally().deferred.values().sum::<u64>();
        events += online.tally().events;
    }
    let took = worked().saturating_sub(from);
    println!(
        "T8 {} etcd logs: {:.1} ms of work, {events} events, {bad} impossible, {deferred} deferred",
        histories.len(),
        took.as_secs_f64() * 1e3
    );
}

fn weigh(name: &str, load: Load) {
    let mut online = Online::keyed(Register { initial: json!(0) });
    let mut run = Simulated::new(load);
    let mut held = Vec::new();
    for calls in WEIGHED {
        while run.calls < calls {
            let alarm = online.push(&run.event()).expect("a history");
            assert_eq!(alarm, None, "a valid history");
        }
        held.push(resident() / 1024);
    }
    println!(
        "T8 memory, {name}: {} KiB after {} calls, {} KiB after {}; {:?}",
        held[0],
        WEIGHED[0],
        held[1],
        WEIGHED[1],
        online.tally()
    );
}

fn measure(name: &str, load: Load, calls: u64) {
    let mut run = Simulated::new(load);
    let mut ops = Vec::new();
    while run.calls < calls {
        ops.push(run.event());
    }
    let mut online = Online::keyed(Register { initial: json!(0) });
    let from = worked();
    for op in &ops {
        let alarm = online.push(op).expect("a history");
        assert_eq!(alarm, None, "a valid history");
    }
    let took = worked().saturating_sub(from).as_secs_f64();
    println!(
        "{name}: {:.0} calls/s, {:.0} events/s ({took:.2} s of work), at most {} configurations seen, {:?}",
        calls as f64 / took,
        ops.len() as f64 / took,
        widest(&ops),
        online.tally().deferred
    );
}

/// The most configurations of a key, as far as seen.
fn widest(ops: &[Op]) -> usize {
    let mut online = Online::keyed(Register { initial: json!(0) });
    let mut widest = 0;
    for (n, op) in ops.iter().enumerate() {
        online.push(op).expect("a history");
        if n % LOOK_EVERY == 0 {
            widest = widest.max(online.load().0);
        }
    }
    widest
}

/// Bytes of memory that this process has; 0 where nobody says.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// What the clients do.
#[derive(Clone, Copy)]
struct Load {
    /// On all keys together.
    clients: usize,
    /// Values to choose from; 0: all are unique.
    values: u64,
    /// Keys in use at the same time.
    keys: u64,
    /// Calls on a key before another takes its place.
    retired: u64,
    /// Changes of which nobody hears, per thousand.
    doubt: u64,
}

/// Atomic registers, all 0 at first, under clients that read, write and compare-and-set.
struct Simulated {
    load: Load,
    dice: Dice,
    keys: Vec<Key>,
    next_key: u64,
    open: Vec<Open>,
    idle: Vec<u64>,
    next_process: u64,
    index: u64,
    unique: u64,
    /// Calls begun.
    calls: u64,
}

struct Key {
    name: u64,
    calls: u64,
    value: Rc<RefCell<Value>>,
}

struct Open {
    process: u64,
    key: u64,
    value: Rc<RefCell<Value>>,
    f: &'static str,
    asked: Value,
    /// Once it took effect.
    outcome: Option<(Kind, Value)>,
}

impl Simulated {
    fn new(load: Load) -> Self {
        let idle = (0..load.clients as u64).collect();
        let keys = (0..load.keys).map(Key::new).collect();
        Self {
            load,
            dice: Dice(7),
            keys,
            next_key: load.keys,
            open: Vec::new(),
            idle,
            next_process: load.clients as u64,
            index: 0,
            unique: 0,
            calls: 0,
        }
    }

    /// The next thing that is seen.
    fn event(&mut self) -> Op {
        loop {
            if self.open.is_empty() || self.dice.below(2) == 0 {
                if let Some(process) = self.idle.pop() {
                    return self.invoke(process);
                }
                continue;
            }
            let at = usize::try_from(self.dice.below(self.open.len() as u64)).expect("small");
            if let Some((kind, value)) = self.open[at].outcome.take() {
                let Open { process, key, f, .. } = self.open.swap_remove(at);
                self.idle.push(process);
                return self.op(process, kind, f, json!([key, value]));
            }
            let open = &mut self.open[at];
            let lost = open.f != "read" && self.dice.below(1000) < self.load.doubt;
            if !lost {
                open.outcome = Some(apply(&mut open.value.borrow_mut(), open.f, &open.asked));
                continue;
            }
            if self.dice.below(2) == 0 {
                apply(&mut open.value.borrow_mut(), open.f, &open.asked);
            }
            let Open { process, key, f, asked, .. } = self.open.swap_remove(at);
            self.idle.push(self.next_process);
            self.next_process += 1;
            return self.op(process, Kind::Info, f, json!([key, asked]));
        }
    }

    fn invoke(&mut self, process: u64) -> Op {
        self.calls += 1;
        let at = usize::try_from(self.dice.below(self.load.keys)).expect("small");
        let (key, value) = (self.keys[at].name, Rc::clone(&self.keys[at].value));
        let mut new = || {
            self.unique += 1;
            if self.load.values == 0 { json!(self.unique) } else { json!(self.dice.below(self.load.values)) }
        };
        let (new, guess) = (new(), new());
        let (f, asked) = match self.dice.below(4) {
            0 | 1 => ("read", Value::Null),
            2 => ("write", new),
            _ if self.load.values == 0 => ("cas", json!([*value.borrow(), new])),
            _ => ("cas", json!([guess, new])),
        };
        self.keys[at].calls += 1;
        if self.keys[at].calls == self.load.retired {
            self.keys[at] = Key::new(self.next_key);
            self.next_key += 1;
        }
        self.open.push(Open { process, key, value, f, asked: asked.clone(), outcome: None });
        self.op(process, Kind::Invoke, f, json!([key, asked]))
    }

    fn op(&mut self, process: u64, kind: Kind, f: &str, value: Value) -> Op {
        let index = self.index;
        self.index += 1;
        let process = Process::Client(process);
        Op { index, time: index, process, kind, f: f.into(), value, error: None, node: None }
    }
}

impl Key {
    fn new(name: u64) -> Self {
        Self { name, calls: 0, value: Rc::new(RefCell::new(json!(0))) }
    }
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
