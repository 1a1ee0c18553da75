//! What holds for every workload on objects, whatever they are.

use super::final_reads::FINAL_READS;
use crate::generator::GeneratorExt as _;
use crate::generator::simulate::{Simulation, Trace};
use crate::registry::WORKLOADS;
use crate::{Generators, Invocation, Rng, WorkloadEntry, WorkloadOptions};
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
