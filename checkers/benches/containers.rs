//! Medians for containers: `cargo bench -p duress-checkers --bench containers`.
//!
//! `T7` are the figures that are published: a million calls, order and replay included.
//!
//! Not here: assertions about time. Whoever changes the engine reads these before and after.

#[path = "common/dice.rs"]
mod dice;
#[path = "common/push.rs"]
mod push;
#[path = "common/worked.rs"]
mod worked;

use dice::Dice;
use duress_checkers::model::{Bag, Model, PriorityQueue, Queue, Stack};
use duress_checkers::{Budget, Checker, History, Keys, Kind, Linearizable, Op};
use push::push;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};
use worked::worked;

/// Runs of each measurement.
const RUNS: usize = 3;

const CALLS: u64 = 1_000_000;

fn main() {
    for (name, crashed) in [("T7", 0), ("  ", 10_000)] {
        measure(name, "queue", &Queue::default(), crashed);
        measure(name, "bag", &Bag::default(), crashed);
        measure(name, "stack", &Stack::default(), crashed);
        measure(name, "priority queue", &PriorityQueue::default(), crashed);
    }
}

fn measure<M: Model + Clone>(name: &str, kind: &str, model: &M, crashed: u64) {
    let valid = simulate(kind, crashed);
    let mut swapped = valid.clone();
    let is_take = |op: &Op| op.kind == Kind::Ok && op.f.starts_with('d') | op.f.starts_with("pop");
    let takes: Vec<usize> = (0..swapped.len()).filter(|&at| is_take(&swapped[at])).collect();
    let (one, other) = (takes[takes.len() / 2], takes[takes.len() / 2 + 2_000]);
    let value = swapped[one].value.clone();
    swapped[one].value = std::mem::replace(&mut swapped[other].value, value);
    for (what, ops) in [("", valid), (", two answers exchanged", swapped)] {
        let history = History::new(ops).expect("a history");
        let checker = Linearizable::new(model.clone(), Keys::Single);
        let mut times: Vec<(Duration, Duration)> = Vec::new();
        let mut verdict = None;
        for _ in 0..RUNS {
            let (from, worked) = (Instant::now(), worked());
            verdict = Some(black_box(checker.check(&history, &Budget::new(4 << 30, 1))));
            times.push((worked::worked().saturating_sub(worked), from.elapsed()));
        }
        times.sort();
        let verdict = verdict.expect("it ran");
        let (worked, median) = times[RUNS / 2];
        println!(
            "{name} {kind}, {CALLS} calls, {crashed} doubtful puts{what}: {:.0} ms of work, {:.0} ms, {} configurations, {:?}",
            worked.as_secs_f64() * 1e3,
            median.as_secs_f64() * 1e3,
            verdict.stats["configurations"],
            verdict.valid
        );
    }
}

/// Ten clients at a container that really is one; `crashed` of the puts are never answered.
fn simulate(kind: &str, crashed: u64) -> Vec<Op> {
    let (put, take) = match kind {
        "stack" => ("push", "pop"),
        "priority queue" => ("insert", "delete-min"),
        _ => ("enqueue", "dequeue"),
    };
    let mut dice = Dice(11);
    let mut ops: Vec<Op> = Vec::new();
    let mut inside: BTreeMap<u64, u64> = BTreeMap::new();
    // Process, element to put in, and what came of it.
    let mut busy: Vec<(u64, Option<u64>, Option<Value>)> = Vec::new();
    let (mut begun, mut lost, mut effects) = (0, 0, 0);
    while begun < CALLS || !busy.is_empty() {
        if begun < CALLS && busy.len() < 10 && dice.below(2) == 0 {
            let element = (dice.below(2) == 0).then(|| (dice.below(1000) << 32) | begun);
            let (f, asked) = element.map_or((take, Value::Null), |element| (put, json!(element)));
            push(&mut ops, begun, Kind::Invoke, f, asked);
            busy.push((begun, element, None));
            begun += 1;
        } else if !busy.is_empty() {
            let at = usize::try_from(dice.below(busy.len() as u64)).expect("small");
            let (process, element, answer) = busy[at].clone();
            if let Some(answer) = answer {
                busy.swap_remove(at);
                let is_lost = element.is_some() && lost < crashed && dice.below(40) == 0;
                lost += u64::from(is_lost);
                let kind = if is_lost { Kind::Info } else { Kind::Ok };
                push(&mut ops, process, kind, if element.is_some() { put } else { take }, answer);
                continue;
            }
            effects += 1;
            let answer = match (element, kind) {
                (Some(element), "priority queue" | "bag") => inside.insert(element, element),
                (Some(element), _) => inside.insert(effects, element),
                (None, "stack") => inside.pop_last().map(|(_, element)| element),
                (None, _) => inside.pop_first().map(|(_, element)| element),
            };
            busy[at].2 = Some(element.map_or_else(|| json!(answer), |element| json!(element)));
        }
    }
    ops
}
