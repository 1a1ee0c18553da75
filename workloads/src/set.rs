//! Additions to many independent sets, and reads of whole sets; must be linearizable.
//!
//! Nothing is ever taken out, and elements are all different: each read must show everything that
//! was added before it, whatever else it shows. An element that was acknowledged and then lost is
//! missing in every later read, the final one too.
//!
//! Where reads are stale by design, a read misses elements that were there before it began.

use crate::object::{self, Object};
use crate::{Invocation, Rng, WorkloadEntry};
use duress_checkers::model::Set as Model;
use serde_json::Value;

/// `add [k, v]`, `read [k, null]` → `[k, [v, …]]` in any order.
#[derive(Default)]
struct Set {
    /// The last element handed out; they count from 1.
    element: u64,
}

/// The workload in the registry.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "set",
    doc: "additions to many sets, and reads of whole sets; must be linearizable",
    fs: &["add", "read"],
    op_timeout: WorkloadEntry::USUAL_TIMEOUT,
    make: object::workload::<Set>,
};

/// Shares of add and read.
const SHARES: [u64; 2] = [60, 40];

impl Object for Set {
    type Model = Model;

    const IS_LIST: bool = true;

    fn model() -> Model {
        Model::default()
    }

    fn next(&mut self, rng: &mut Rng) -> Invocation {
        if rng.weighted(&SHARES) == 1 {
            return Invocation::new("read", Value::Null);
        }
        self.element += 1;
        Invocation::new("add", self.element)
    }
}
