//! Appends to many independent logs, reads of whole logs and of single entries; must be
//! linearizable.
//!
//! Entries are all different. An append says at which index its entry is, counted from 0; a read
//! of an index behind the end says so. In a store without logs an append looks for the end first:
//! one that finds its place taken fails with the class `precondition`.
//!
//! Where reads are stale by design, a read misses entries at the end; appends stay exact.

use crate::object::{self, Object};
use crate::{Invocation, Rng, WorkloadEntry};
use duress_checkers::model::Log as Model;
use serde_json::{Value, json};

/// `append [k, v]` → `[k, [index, v]]`, `read [k, null]` → `[k, [v, …]]`,
/// `read [k, [index, null]]` → `[k, [index, v or null]]`.
#[derive(Default)]
struct Log {
    /// The last entry handed out; they count from 1.
    entry: u64,
}

/// The workload in the registry.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "log",
    doc: "appends to many logs, reads of whole logs and of single entries; must be linearizable",
    fs: &["append", "read"],
    op_timeout: WorkloadEntry::USUAL_TIMEOUT,
    make: object::workload::<Log>,
};

/// Shares of append, read of everything, and read of one entry.
const SHARES: [u64; 3] = [50, 25, 25];
/// A single entry is read so far before the place that the next append would get if none failed:
/// some of these places are behind the end.
const RECENT: u64 = 10;

impl Object for Log {
    type Model = Model;

    const IS_LIST: bool = true;

    fn model() -> Model {
        Model::default()
    }

    fn next(&mut self, rng: &mut Rng) -> Invocation {
        let share = rng.weighted(&SHARES);
        let back = rng.below(RECENT);
        match share {
            0 => {
                self.entry += 1;
                Invocation::new("append", self.entry)
            }
            1 => Invocation::new("read", Value::Null),
            _ => Invocation::new("read", json!([self.entry.saturating_sub(back), null])),
        }
    }
}
