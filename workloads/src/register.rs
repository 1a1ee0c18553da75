//! Reads, writes and compare-and-sets on many independent registers; must be linearizable.
//!
//! The values written to a key are all different, so that a read says which write it saw.

use crate::object::{self, Object};
use crate::{Invocation, Rng, WorkloadEntry};
use duress_checkers::Register as Model;
use serde_json::{Value, json};

/// `read [k, null]` → `[k, v or null]`, `write [k, v]`, `cas [k, [old, new]]`.
#[derive(Default)]
struct Register {
    /// The last value handed out; values count from 1.
    value: u64,
}

/// The workload in the registry.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "register",
    doc: "reads, writes and compare-and-sets on many keys; must be linearizable",
    fs: &["read", "write", "cas"],
    op_timeout: WorkloadEntry::USUAL_TIMEOUT,
    make: object::workload::<Register>,
};

/// Shares of read, write and cas.
const SHARES: [u64; 3] = [50, 30, 20];
/// A cas expects one of this many values last handed out for its key. A cas on an old value
/// can only fail and tests nothing; one on the newest alone would be concurrent with the very
/// write that it waits for.
const RECENT: u64 = 3;

impl Object for Register {
    type Model = Model;

    fn model() -> Model {
        Model::default()
    }

    fn next(&mut self, rng: &mut Rng) -> Invocation {
        let share = rng.weighted(&SHARES);
        let back = rng.below(RECENT);
        match share {
            0 => Invocation::new("read", Value::Null),
            // Before anything has been written there is nothing to compare with.
            2 if self.value > 0 => {
                let old = self.value.saturating_sub(back).max(1);
                self.value += 1;
                Invocation::new("cas", json!([old, self.value]))
            }
            _ => {
                self.value += 1;
                Invocation::new("write", self.value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::GeneratorExt as _;
    use crate::generator::simulate::Simulation;
    use crate::{Generators, WorkloadOptions};
    use std::collections::BTreeMap;

    fn operations(n: u64, seed: u64) -> Vec<Invocation> {
        let options = WorkloadOptions { keys: 3, ops_per_key: 20, ..WorkloadOptions::default() };
        let Generators { main, .. } = (ENTRY.make)().generators(&options, &Rng::new(seed));
        Simulation::perfect(1).run(&mut main.limit(n)).operations()
    }

    #[test]
    fn values_are_unique_per_key_and_old_ones_recent() {
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        let mut shares: BTreeMap<String, u64> = BTreeMap::new();
        for op in operations(20_000, 1) {
            let last = last.entry(op.value[0].as_u64().expect("a key")).or_default();
            *shares.entry(op.f.clone()).or_default() += 1;
            match op.f.as_str() {
                "read" => assert!(op.value[1].is_null()),
                "write" => {
                    *last += 1;
                    assert_eq!(op.value[1], *last);
                }
                _ => {
                    let old = op.value[1][0].as_u64().expect("a number");
                    assert!((1..=*last).contains(&old) && last.abs_diff(old) < RECENT, "{op:?}");
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
}
