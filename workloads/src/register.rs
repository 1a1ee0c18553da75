//! Reads, writes and compare-and-sets on many independent registers.
//!
//! Keys come and go, because the time to check a register grows quickly with its history.
//! The values written to a key are all different, so that a read says which write it saw.

use crate::generator::{Arrivals, GeneratorExt as _};
use crate::{
    Context, Generator, Generators, Invocation, Next, Rng, Workload, WorkloadEntry, WorkloadOptions,
};
use duress_checkers::{Checker, Keys, Kind, Linearizable, Op};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// `read [k, null]` → `[k, v or null]`, `write [k, v]`, `cas [k, [old, new]]`.
struct Register;

/// The workload in the registry.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "register",
    doc: "reads, writes and compare-and-sets on many keys; must be linearizable",
    fs: &["read", "write", "cas"],
    make: || Box::new(Register),
};

/// Shares of read, write and cas.
const SHARES: [u64; 3] = [50, 30, 20];
/// A cas expects one of this many values last handed out for its key. A cas on an old value
/// can only fail and tests nothing; one on the newest alone would be concurrent with the very
/// write that it waits for.
const RECENT: usize = 3;
/// How often the final read of a key is tried.
const FINAL_READS: u32 = 5;
/// 100 ms in nanoseconds: how long a thread rests whose final read did not end in `ok`, so
/// that a dead node, which refuses quickly, does not use up everybody's tries.
const FINAL_READ_REST: u64 = 100_000_000;

impl Workload for Register {
    fn generators(&self, options: &WorkloadOptions, rng: &Rng) -> Generators {
        let n_keys = Arc::new(AtomicU64::new(0));
        let main = LiveKeys::new(options, rng.split("values"), Arc::clone(&n_keys));
        let main = match 1_000_000_000_u64.checked_div(options.rate) {
            Some(mean) => main.stagger(mean, Arrivals::Exponential(rng.split("arrivals"))).boxed(),
            None => main.boxed(),
        };
        Generators { main, last: FinalReads::new(n_keys).boxed() }
    }

    fn checker(&self, keys: Keys) -> Box<dyn Checker> {
        Box::new(Linearizable::register(keys))
    }
}

/// Operations on the keys in use. The `i`th operation handed out depends on the seed and the
/// options alone, not on time, threads or results.
struct LiveKeys {
    rng: Rng,
    ops_per_key: u64,
    live: Vec<Key>,
    /// Keys begun so far; they are numbered from 0. Shared with the final reads.
    n_keys: Arc<AtomicU64>,
}

/// A key in use.
#[derive(Clone, Default)]
struct Key {
    /// `None` before its first operation.
    number: Option<u64>,
    n_ops: u64,
    /// The last value handed out; values count from 1.
    value: u64,
}

impl LiveKeys {
    fn new(options: &WorkloadOptions, rng: Rng, n_keys: Arc<AtomicU64>) -> Self {
        let live = vec![Key::default(); options.keys.max(1)];
        Self { rng, ops_per_key: options.ops_per_key.max(1), live, n_keys }
    }
}

impl Generator for LiveKeys {
    fn next(&mut self, _: &Context) -> Next {
        let at = self.rng.index(self.live.len());
        let share = self.rng.weighted(&SHARES);
        let back = self.rng.below(RECENT as u64);
        let key = &mut self.live[at];
        let number = *key.number.get_or_insert_with(|| self.n_keys.fetch_add(1, Ordering::Relaxed));
        let invocation = match share {
            0 => Invocation::new("read", json!([number, null])),
            // Before anything has been written there is nothing to compare with.
            2 if key.value > 0 => {
                let old = key.value.saturating_sub(back).max(1);
                key.value += 1;
                Invocation::new("cas", json!([number, [old, key.value]]))
            }
            _ => {
                key.value += 1;
                Invocation::new("write", json!([number, key.value]))
            }
        };
        key.n_ops += 1;
        if key.n_ops == self.ops_per_key {
            *key = Key::default();
        }
        Next::Op(invocation)
    }
}

/// Reads every key that was ever in use, by whichever thread is free: a value that was
/// acknowledged and then lost is often seen only here, after the cluster has healed.
struct FinalReads {
    n_keys: Arc<AtomicU64>,
    /// Reads to do; `None` before the first question.
    todo: Option<VecDeque<FinalRead>>,
    /// By thread.
    in_flight: BTreeMap<usize, FinalRead>,
    /// When a thread that rests may go on.
    rests_until: BTreeMap<usize, u64>,
}

#[derive(Clone, Copy)]
struct FinalRead {
    key: u64,
    tries_left: u32,
}

impl FinalReads {
    fn new(n_keys: Arc<AtomicU64>) -> Self {
        Self { n_keys, todo: None, in_flight: BTreeMap::new(), rests_until: BTreeMap::new() }
    }
}

impl Generator for FinalReads {
    fn next(&mut self, cx: &Context) -> Next {
        let n_keys = self.n_keys.load(Ordering::Relaxed);
        let todo = self.todo.get_or_insert_with(|| {
            (0..n_keys).map(|key| FinalRead { key, tries_left: FINAL_READS }).collect()
        });
        if todo.is_empty() {
            // A read in flight may fail and have to be done again.
            return if self.in_flight.is_empty() { Next::Done } else { Next::Pending };
        }
        if let Some(until) = self.rests_until.get(&cx.thread).filter(|until| cx.time < **until) {
            return Next::Wait(*until);
        }
        let Some(read) = todo.pop_front() else { return Next::Done };
        self.in_flight.insert(cx.thread, read);
        Next::Op(Invocation::new("read", json!([read.key, null])))
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        if op.kind == Kind::Invoke {
            return;
        }
        let Some(read) = self.in_flight.remove(&cx.thread) else { return };
        if op.kind == Kind::Ok {
            return;
        }
        self.rests_until.insert(cx.thread, op.time + FINAL_READ_REST);
        let tries_left = read.tries_left - 1;
        if tries_left > 0
            && let Some(todo) = &mut self.todo
        {
            todo.push_back(FinalRead { tries_left, ..read });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::simulate::{Simulation, Trace};
    use std::collections::BTreeSet;

    fn options() -> WorkloadOptions {
        WorkloadOptions { keys: 3, ops_per_key: 20, ..WorkloadOptions::default() }
    }

    fn operations(n: u64, seed: u64, clients: Simulation) -> Vec<Invocation> {
        let generators = Register.generators(&options(), &Rng::new(seed));
        clients.run(&mut generators.main.limit(n)).operations()
    }

    fn key(op: &Invocation) -> u64 {
        op.value[0].as_u64().expect("a key")
    }

    #[test]
    fn the_seed_decides_the_operations_and_the_clients_do_not() {
        let perfect = operations(2_000, 5, Simulation::perfect(4));
        assert_eq!(perfect, operations(2_000, 5, Simulation::slow(9, 1)));
        assert_eq!(perfect, operations(2_000, 5, Simulation::crashing(2).asking_more(2)));
        assert_ne!(perfect, operations(2_000, 6, Simulation::perfect(4)));
    }

    #[test]
    fn a_rate_changes_when_but_not_what() {
        let paced = WorkloadOptions { rate: 1_000, ..options() };
        let main = Register.generators(&paced, &Rng::new(5)).main;
        let trace = Simulation::perfect(4).run(&mut main.limit(2_000));
        assert_eq!(trace.operations(), operations(2_000, 5, Simulation::perfect(4)));
        // Four standard deviations around 2 s.
        assert!((1_820_000_000..2_180_000_000).contains(&trace.end()), "{}", trace.end());
    }

    #[test]
    fn values_are_unique_per_key_and_old_ones_recent() {
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        let mut shares: BTreeMap<String, u64> = BTreeMap::new();
        for op in operations(20_000, 1, Simulation::perfect(1)) {
            let last = last.entry(key(&op)).or_default();
            *shares.entry(op.f.clone()).or_default() += 1;
            match op.f.as_str() {
                "read" => assert!(op.value[1].is_null()),
                "write" => {
                    *last += 1;
                    assert_eq!(op.value[1], *last);
                }
                _ => {
                    let old = op.value[1][0].as_u64().expect("a number");
                    assert!((1..=*last).contains(&old) && last.abs_diff(old) < RECENT as u64, "{op:?}");
                    *last += 1;
                    assert_eq!(op.value[1][1], *last);
                }
            }
        }
        // A little more writes and fewer cas than the shares say: the first is always a write.
        assert!((9_700..10_300).contains(&shares["read"]), "{shares:?}");
        assert!((5_900..6_700).contains(&shares["write"]), "{shares:?}");
        assert!((3_300..4_100).contains(&shares["cas"]), "{shares:?}");
    }

    #[test]
    fn keys_are_retired_and_so_many_live_at_a_time() {
        let ops = operations(5_000, 2, Simulation::perfect(1));
        // First and last use of each key, and how often it was used.
        let mut uses: BTreeMap<u64, (usize, usize, u64)> = BTreeMap::new();
        for (n, op) in ops.iter().enumerate() {
            let (_, last, count) = uses.entry(key(op)).or_insert((n, n, 0));
            (*last, *count) = (n, *count + 1);
        }
        let n_keys = uses.len() as u64;
        assert!(uses.keys().copied().eq(0..n_keys) && n_keys >= 250, "{n_keys} keys");
        assert!(uses.values().is_sorted_by_key(|(first, ..)| first));
        assert!(uses.range(..n_keys - 3).all(|(_, (.., count))| *count == 20));
        let live = |n| uses.values().filter(|(first, last, _)| (first..=last).contains(&&n)).count();
        assert!((0..ops.len()).all(|n| live(n) <= 3));
    }

    fn final_reads(clients: Simulation) -> (u64, Trace) {
        let Generators { main, mut last } = Register.generators(&options(), &Rng::new(3));
        let main = Simulation::perfect(2).run(&mut main.limit(333)).operations();
        let n_keys = main.iter().map(key).max().expect("some") + 1;
        (n_keys, clients.run(&mut last))
    }

    #[test]
    fn every_key_is_read_once_in_the_end() {
        let (n_keys, trace) = final_reads(Simulation::slow(4, 8));
        let ops = trace.operations();
        assert!(ops.iter().all(|op| op.f == "read") && ops.len() as u64 == n_keys);
        assert_eq!(ops.iter().map(key).collect::<BTreeSet<_>>(), (0..n_keys).collect());
        let threads: BTreeSet<_> = trace.invocations().map(|event| event.thread).collect();
        assert_eq!(threads.len(), 4);
    }

    #[test]
    fn a_final_read_that_fails_is_tried_again_but_not_for_ever() {
        let (n_keys, trace) = final_reads(Simulation::perfect(4).failing_first(7));
        assert_eq!(trace.operations().len() as u64, n_keys + 7);
        let (n_keys, trace) = final_reads(Simulation::crashing(4));
        assert_eq!(trace.operations().len() as u64, n_keys * u64::from(FINAL_READS));
    }

    #[test]
    fn another_thread_takes_over_a_final_read() {
        let mut last = FinalReads::new(Arc::new(AtomicU64::new(1)));
        let trace = Simulation::perfect(2).failing_first(1).run(&mut last);
        assert_eq!(trace.to_string(), "0@0 read [0,null], 1@10 read [0,null]");
    }

    #[test]
    fn nothing_was_done_nothing_is_read() {
        let mut last = Register.generators(&options(), &Rng::new(3)).last;
        assert_eq!(Simulation::perfect(4).run(&mut last).to_string(), "");
    }
}
