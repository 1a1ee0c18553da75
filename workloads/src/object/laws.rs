//! What holds for every workload on objects, whatever they are.

use super::final_reads::FINAL_READS;
use crate::generator::GeneratorExt as _;
use crate::generator::simulate::{Simulation, Trace};
use crate::registry::WORKLOADS;
use crate::{Generators, Invocation, Rng, WorkloadEntry, WorkloadOptions};
use duress_checkers::{Budget, History, Keys, Kind, Op, Process, Valid};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn options() -> WorkloadOptions {
    WorkloadOptions { keys: 3, ops_per_key: 20, ..WorkloadOptions::default() }
}

fn operations(entry: &WorkloadEntry, n: u64, seed: u64, clients: Simulation) -> Vec<Invocation> {
    let Generators { main, .. } = (entry.make)().generators(&options(), &Rng::new(seed));
    clients.run(&mut main.limit(n)).operations()
}

fn key(op: &Invocation) -> u64 {
    op.value[0].as_u64().expect("a key")
}

#[test]
fn the_seed_decides_the_operations_and_the_clients_do_not() {
    for entry in WORKLOADS {
        let perfect = operations(entry, 2_000, 5, Simulation::perfect(4));
        assert_eq!(perfect, operations(entry, 2_000, 5, Simulation::slow(9, 1)), "{}", entry.name);
        let crashing = Simulation::crashing(2).asking_more(2);
        assert_eq!(perfect, operations(entry, 2_000, 5, crashing), "{}", entry.name);
        assert_ne!(perfect, operations(entry, 2_000, 6, Simulation::perfect(4)), "{}", entry.name);
    }
}

#[test]
fn a_rate_changes_when_but_not_what() {
    for entry in WORKLOADS {
        let paced = WorkloadOptions { rate: 1_000, ..options() };
        let main = (entry.make)().generators(&paced, &Rng::new(5)).main;
        let trace = Simulation::perfect(4).run(&mut main.limit(2_000));
        assert_eq!(trace.operations(), operations(entry, 2_000, 5, Simulation::perfect(4)), "{}", entry.name);
        // Four standard deviations around 2 s.
        assert!((1_820_000_000..2_180_000_000).contains(&trace.end()), "{}: {}", entry.name, trace.end());
    }
}

#[test]
fn keys_are_retired_and_so_many_live_at_a_time() {
    for entry in WORKLOADS {
        let ops = operations(entry, 5_000, 2, Simulation::perfect(1));
        // First and last use of each key, and how often it was used.
        let mut uses: BTreeMap<u64, (usize, usize, u64)> = BTreeMap::new();
        for (n, op) in ops.iter().enumerate() {
            let (_, last, count) = uses.entry(key(op)).or_insert((n, n, 0));
            (*last, *count) = (n, *count + 1);
        }
        let n_keys = uses.len() as u64;
        assert!(uses.keys().copied().eq(0..n_keys) && n_keys >= 250, "{}: {n_keys} keys", entry.name);
        assert!(uses.values().is_sorted_by_key(|(first, ..)| first));
        assert!(uses.values().filter(|(.., count)| *count != 20).count() <= 3, "{}", entry.name);
        let live = |n| uses.values().filter(|(first, last, _)| (first..=last).contains(&&n)).count();
        assert!((0..ops.len()).all(|n| live(n) <= 3), "{}", entry.name);
    }
}

/// A new object begins anew: a key's operations do not depend on how many keys came before.
#[test]
fn every_key_begins_like_the_first() {
    for entry in WORKLOADS {
        let once = WorkloadOptions { keys: 1, ops_per_key: 1, ..options() };
        let Generators { main, .. } = (entry.make)().generators(&once, &Rng::new(1));
        let ops = Simulation::perfect(1).run(&mut main.limit(3_000)).operations();
        let distinct: BTreeSet<String> = ops.iter().map(|op| format!("{} {}", op.f, op.value[1])).collect();
        assert!(distinct.len() <= 100, "{}: {distinct:?}", entry.name);
    }
}

/// What an operation puts into its object.
fn values(op: &Invocation) -> Vec<Value> {
    let asked = &op.value[1];
    match op.f.as_str() {
        "write" | "add" | "enqueue" | "append" => vec![asked.clone()],
        "cas" => vec![asked[1].clone()],
        "fetch-add" => vec![asked[0].clone()],
        "txn" => {
            let micros = asked.as_array().expect("micro-operations");
            micros.iter().filter(|micro| micro[0] == "w").map(|micro| micro[2].clone()).collect()
        }
        _ => vec![],
    }
}

#[test]
fn what_is_put_into_an_object_is_numbered_from_one() {
    for entry in WORKLOADS {
        let ops = operations(entry, 5_000, 1, Simulation::perfect(1));
        let mut last: BTreeMap<u64, i64> = BTreeMap::new();
        let mut shares: BTreeMap<&str, u64> = BTreeMap::new();
        for op in &ops {
            *shares.entry(&op.f).or_default() += 1;
            for value in values(op) {
                let last = last.entry(key(op)).or_default();
                *last += 1;
                assert_eq!(value.as_i64().map(i64::abs), Some(*last), "{} {op:?}", entry.name);
            }
        }
        // No function is an afterthought, and many operations put something in.
        assert!(shares.values().all(|n| *n >= 500), "{}: {shares:?}", entry.name);
        let n_puts = ops.iter().filter(|op| !values(op).is_empty()).count();
        assert!((1_500..4_200).contains(&n_puts), "{}: {n_puts}", entry.name);
    }
}

/// Every operation is one that the model knows: none of them answered, so anything may be.
#[test]
fn the_checker_knows_what_the_generator_says() {
    for entry in WORKLOADS {
        let workload = (entry.make)();
        let Generators { main, mut last } = workload.generators(&options(), &Rng::new(7));
        for generator in [&mut main.limit(300) as &mut dyn crate::Generator, &mut *last] {
            let trace = Simulation::crashing(4).run(generator);
            let history =
                History::new(trace.0.into_iter().map(|event| event.op).collect()).expect("a history");
            let verdict = workload.checker(Keys::Keyed).check(&history, &Budget::default());
            assert_eq!(verdict.valid, Valid::Valid, "{}: {verdict:?}", entry.name);
        }
    }
}

/// A look at a new object that shows what nobody has put there.
#[test]
fn the_checker_refuses_what_cannot_be() {
    for entry in WORKLOADS {
        let workload = (entry.make)();
        let look = |answer: Value| {
            let Generators { main, last } = workload.generators(&options(), &Rng::new(7));
            Simulation::perfect(1).run(&mut main.limit(1));
            let trace = Simulation::perfect(1).run(&mut last.limit(1));
            let mut ops: Vec<Op> = trace.0.into_iter().map(|event| event.op).collect();
            ops[1].value[1] = answer;
            assert_eq!((ops.len(), ops[1].kind, ops[1].process), (2, Kind::Ok, Process::Client(0)));
            let history = History::new(ops).expect("a history");
            workload.checker(Keys::Keyed).check(&history, &Budget::default()).valid
        };
        let (right, wrong) = match entry.name {
            "register" | "queue" => (json!(null), json!(7)),
            "set" | "log" => (json!([]), json!([7])),
            "counter" | "lock" => (json!(0), json!(7)),
            "multi-register" => (
                json!([["r", 0, null], ["r", 1, null], ["r", 2, null]]),
                json!([["r", 0, null], ["r", 1, 7], ["r", 2, null]]),
            ),
            other => unreachable!("{other} has no answer here"),
        };
        assert_eq!((look(right), look(wrong)), (Valid::Valid, Valid::Violation), "{}", entry.name);
    }
}

fn final_reads(entry: &WorkloadEntry, clients: Simulation) -> (u64, Trace) {
    let Generators { main, mut last } = (entry.make)().generators(&options(), &Rng::new(3));
    let main = Simulation::perfect(2).run(&mut main.limit(333)).operations();
    let n_keys = main.iter().map(key).max().expect("some") + 1;
    (n_keys, clients.run(&mut last))
}

/// The imaginary clients answer `null` where `null` is asked, so that a queue is found empty.
#[test]
fn every_key_is_looked_at_once_in_the_end() {
    for entry in WORKLOADS {
        let (n_keys, trace) = final_reads(entry, Simulation::slow(4, 8));
        let ops = trace.operations();
        let fs: BTreeSet<&str> = ops.iter().map(|op| op.f.as_str()).collect();
        assert!(fs.len() == 1 && fs.iter().all(|f| entry.fs.contains(f)), "{}: {fs:?}", entry.name);
        assert_eq!(ops.len() as u64, n_keys, "{}", entry.name);
        assert_eq!(ops.iter().map(key).collect::<BTreeSet<_>>(), (0..n_keys).collect(), "{}", entry.name);
        let threads: BTreeSet<_> = trace.invocations().map(|event| event.thread).collect();
        assert_eq!(threads.len(), 4);
    }
}

#[test]
fn a_final_read_that_fails_is_tried_again_but_not_for_ever() {
    for entry in WORKLOADS {
        let (n_keys, trace) = final_reads(entry, Simulation::perfect(4).failing_first(7));
        assert_eq!(trace.operations().len() as u64, n_keys + 7, "{}", entry.name);
        let (n_keys, trace) = final_reads(entry, Simulation::crashing(4));
        assert_eq!(trace.operations().len() as u64, n_keys * u64::from(FINAL_READS), "{}", entry.name);
    }
}

#[test]
fn nothing_was_done_nothing_is_read() {
    for entry in WORKLOADS {
        let mut last = (entry.make)().generators(&options(), &Rng::new(3)).last;
        assert_eq!(Simulation::perfect(4).run(&mut last).to_string(), "", "{}", entry.name);
    }
}
