//! Changes to histories of every model whose effect on the verdict is known.

use super::build::Build;
use super::model_random::{Run, simulate};
use super::model_specs::{Subject, subjects};
use super::random::Dice;
use crate::{Keys, Kind, Op, Process, Valid};
use serde_json::{Value, json};

/// Histories of each model that are valid, and as many that are probably not.
const HISTORIES: u64 = 40;

fn valid_with(subject: &Subject, build: &Build, keys: Keys) -> bool {
    let verdict = (subject.bare)().check(&build.history(), keys);
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
    assert_ne!(verdict.valid, Valid::Unknown, "{} {:?}", subject.name, verdict.reason);
    verdict.valid == Valid::Valid
}

fn valid(subject: &Subject, build: &Build) -> bool {
    valid_with(subject, build, Keys::Single)
}

/// Does something to many histories of every model. `stale` are wrong answers per thousand.
fn each(stale: u64, mut what: impl FnMut(&mut Dice, &Subject, Build)) {
    let mut dice = Dice(2_718);
    for subject in &subjects() {
        for n in 0..HISTORIES {
            let calls = if subject.name == "queue" { 14 } else { 30 };
            let (values, doubt) = ([0, 3][usize::from(n % 2 == 0)], [0, 60][usize::from(n % 4 < 2)]);
            let build = simulate(&mut dice, subject, Run { calls, clients: 4, values, doubt, stale });
            what(&mut dice, subject, build);
        }
    }
}

/// Puts the events in order again.
fn numbered(mut ops: Vec<Op>) -> Build {
    for (at, op) in (0..).zip(&mut ops) {
        op.index = at;
    }
    Build { ops }
}

/// Swaps neighbours of different processes, `first` followed by `second`, here and there.
fn swapped(dice: &mut Dice, build: &Build, first: fn(Kind) -> bool, second: fn(Kind) -> bool) -> Build {
    let mut ops = build.ops.clone();
    for _ in 0..ops.len() {
        let at = usize::try_from(dice.below(ops.len() as u64 - 1)).expect("small");
        let (a, b) = (&ops[at], &ops[at + 1]);
        if a.process != b.process && first(a.kind) && second(b.kind) {
            ops.swap(at, at + 1);
        }
    }
    numbered(ops)
}

fn begins(kind: Kind) -> bool {
    kind == Kind::Invoke
}

fn ends(kind: Kind) -> bool {
    kind != Kind::Invoke
}

#[test]
fn stretched_calls_stay_valid() {
    let mut changed = 0;
    each(0, |dice, subject, build| {
        let other = swapped(dice, &build, ends, begins);
        changed += u64::from(other.ops != build.ops);
        assert!(valid(subject, &build) && valid(subject, &other), "{} {:#?}", subject.name, other.ops);
    });
    assert!(changed > HISTORIES, "{changed}");
}

#[test]
fn shrunk_calls_stay_violations() {
    let mut violations = 0;
    each(200, |dice, subject, build| {
        if !valid(subject, &build) {
            let other = swapped(dice, &build, begins, ends);
            violations += 1;
            assert!(!valid(subject, &other), "{} {:#?}\n{:#?}", subject.name, build.ops, other.ops);
        }
    });
    assert!(violations > 3 * HISTORIES, "{violations}");
}

#[test]
fn two_beginnings_or_two_ends_have_no_order() {
    each(100, |dice, subject, build| {
        let expected = valid(subject, &build);
        for which in [begins, ends] {
            let other = swapped(dice, &build, which, which);
            assert_eq!(valid(subject, &other), expected, "{} {:#?}", subject.name, other.ops);
        }
    });
}

#[test]
fn beginnings_of_what_is_valid_are_valid_and_what_goes_on_after_a_violation_is_one() {
    each(100, |dice, subject, build| {
        let mut beginning = build.clone();
        beginning.ops.truncate(usize::try_from(dice.below(build.ops.len() as u64)).expect("small"));
        if valid(subject, &build) {
            assert!(valid(subject, &beginning), "{} {:#?}", subject.name, beginning.ops);
        } else {
            let mut longer = build.clone();
            let (f, asked) = (subject.ask)(dice, 1);
            longer.lost(1_000_000, f, asked);
            assert!(!valid(subject, &longer), "{} {:#?}", subject.name, longer.ops);
        }
    });
}

#[test]
fn forgetting_answers_and_dropping_reads_keeps_it_valid() {
    each(0, |dice, subject, build| {
        let mut doubtful = build.clone();
        for op in &mut doubtful.ops {
            if op.kind == Kind::Ok && dice.below(10) == 0 {
                op.kind = Kind::Info;
            }
        }
        assert!(valid(subject, &doubtful), "{} {:#?}", subject.name, doubtful.ops);
        let reads = ["read", "get", "contains"];
        let mut ops: Vec<Op> = Vec::new();
        let mut dropped: Vec<Process> = Vec::new();
        for op in build.ops {
            if reads.contains(&op.f.as_str()) && begins(op.kind) && dice.below(2) == 0 {
                dropped.push(op.process);
            } else if ends(op.kind) && dropped.contains(&op.process) {
                dropped.retain(|process| *process != op.process);
            } else {
                ops.push(op);
            }
        }
        assert!(valid(subject, &numbered(ops)), "{}", subject.name);
    });
}

#[test]
fn processes_have_no_names() {
    each(150, |_, subject, build| {
        let mut other = build.clone();
        for op in &mut other.ops {
            let Process::Client(n) = op.process else { unreachable!("only clients here") };
            op.process = Process::Client(1_000 - n * 7);
        }
        assert_eq!(valid(subject, &other), valid(subject, &build), "{} {:#?}", subject.name, build.ops);
    });
}

/// All numbers and letters changed, each to one of its own.
fn renamed(value: &Value, number: fn(i64) -> i64) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|value| renamed(value, number)).collect(),
        Value::Number(n) => json!(number(n.as_i64().expect("whole numbers only"))),
        // The words of a transaction stay what they are.
        Value::String(text) if text == "r" || text == "w" => value.clone(),
        Value::String(text) => json!(text.replace('b', "xy").replace('a', "z")),
        _ => value.clone(),
    }
}

/// A pair's second part changed only: the first is an index or a version.
fn second(value: &Value) -> Value {
    match value.as_array().map(Vec::as_slice) {
        Some([first, second]) => json!([first, renamed(second, |n| n * 2 + 5)]),
        _ => renamed(value, |n| n * 2 + 5),
    }
}

/// A value of this model under another name; numbers keep their order.
fn other_name(subject: &Subject, asked: &Value, f: &str, value: &Value) -> Value {
    match subject.name {
        "counter" | "fetch-add" => renamed(value, |n| n * 3),
        "semaphore" => value.clone(),
        "versioned-register" => second(value),
        // A whole read answers with a list of values; everything else with an index and a value.
        "log" if f == "read" && asked.is_null() => renamed(value, |n| n * 2 + 5),
        "log" => second(value),
        _ => renamed(value, |n| n * 2 + 5),
    }
}

#[test]
fn values_have_no_names() {
    each(150, |_, subject, build| {
        let mut other = build.clone();
        let mut asked: std::collections::BTreeMap<Process, Value> = std::collections::BTreeMap::new();
        for op in &mut other.ops {
            if begins(op.kind) {
                asked.insert(op.process, op.value.clone());
            }
            op.value = other_name(subject, &asked[&op.process], &op.f, &op.value);
        }
        assert_eq!(valid(subject, &other), valid(subject, &build), "{} {:#?}", subject.name, build.ops);
    });
}

#[test]
fn keys_are_judged_each_by_itself() {
    let mut last: Option<(&'static str, Build)> = None;
    let mut compared = 0;
    each(60, |dice, subject, build| {
        if let Some((name, other)) = last.take().filter(|(name, _)| *name == subject.name) {
            let expected = valid(subject, &build) && valid(subject, &other);
            // One of the two keys goes on at a time, by processes of its own.
            let mut lists = [build.keyed(&json!("a")).ops, other.keyed(&json!("b")).ops];
            for op in &mut lists[1] {
                let Process::Client(n) = op.process else { unreachable!("only clients here") };
                op.process = Process::Client(n + 1_000);
            }
            let mut lists = lists.map(std::collections::VecDeque::from);
            let mut ops = Vec::new();
            while lists.iter().any(|list| !list.is_empty()) {
                ops.extend(lists[usize::try_from(dice.below(2)).expect("two")].pop_front());
            }
            assert_eq!(valid_with(subject, &numbered(ops), Keys::Keyed), expected, "{name}");
            compared += 1;
        }
        last = Some((subject.name, build));
    });
    assert!(compared > HISTORIES, "{compared}");
}
