//! Additions to many independent counters, some negative, and reads; must be linearizable.
//!
//! The amounts added to a counter are all different, so that a sum says a good deal about which
//! additions are in it. A store that cannot add reads and compares: an addition that finds that
//! another came between fails with the class `precondition`, and is not tried again.
//!
//! Where reads are stale by design, a read shows a sum that was over before it began; additions
//! stay exact, because what they have read is compared.

use crate::object::{self, Object};
use crate::{Invocation, Rng, WorkloadEntry};
use duress_checkers::model::Counter as Model;
use serde_json::Value;

/// `add [k, n]`, `read [k, null]` → `[k, sum]`.
#[derive(Default)]
struct Counter {
    /// The last amount handed out, without its sign; they count from 1.
    amount: i64,
}

/// The workload in the registry.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "counter",
    doc: "additions to many counters, some negative, and reads; must be linearizable",
    fs: &["add", "read"],
    op_timeout: WorkloadEntry::USUAL_TIMEOUT,
    make: object::workload::<Counter>,
};

/// Shares of an addition, a negative one, and a read.
const SHARES: [u64; 3] = [40, 20, 40];

impl Object for Counter {
    type Model = Model;

    fn model() -> Model {
        Model::default()
    }

    fn next(&mut self, rng: &mut Rng) -> Invocation {
        let share = rng.weighted(&SHARES);
        if share == 2 {
            return Invocation::new("read", Value::Null);
        }
        self.amount += 1;
        Invocation::new("add", if share == 0 { self.amount } else { -self.amount })
    }
}
