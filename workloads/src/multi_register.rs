//! Transactions over the registers of many independent groups; must be linearizable, which for
//! transactions is called strictly serializable.
//!
//! A transaction reads some registers of its group and writes others, all at one moment. The
//! values written in a group are all different, so that a read says which transaction it saw.
//!
//! Where reads are stale by design, a transaction that only reads shows an old state of all its
//! registers; one that writes is in its place and so is what it reads.

use crate::object::{self, Object};
use crate::{Invocation, Rng, WorkloadEntry};
use duress_checkers::model::KeyValue as Model;
use serde_json::{Value, json};

/// `txn [group, [["r", register, null], ["w", register, v], …]]` → the same, with what was read.
#[derive(Default)]
struct MultiRegister {
    /// The last value handed out; they count from 1.
    value: u64,
}

/// The workload in the registry.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "multi-register",
    doc: "transactions over several registers of a group; must be linearizable",
    fs: &["txn"],
    op_timeout: WorkloadEntry::USUAL_TIMEOUT,
    make: object::workload::<MultiRegister>,
};

/// Registers in a group, numbered from 0: few, so that transactions meet on them.
const REGISTERS: u64 = 3;

impl Object for MultiRegister {
    type Model = Model;

    fn model() -> Model {
        Model::default()
    }

    /// So many registers, each read or written with equal chances.
    fn next(&mut self, rng: &mut Rng) -> Invocation {
        let mut registers: Vec<u64> = (0..REGISTERS).collect();
        rng.shuffle(&mut registers);
        let size = rng.index(registers.len());
        let micro = |register: u64| {
            if rng.below(2) == 0 {
                return json!(["r", register, null]);
            }
            self.value += 1;
            json!(["w", register, self.value])
        };
        Invocation::new("txn", registers.into_iter().take(size + 1).map(micro).collect::<Value>())
    }

    fn look() -> Invocation {
        Invocation::new("txn", (0..REGISTERS).map(|register| json!(["r", register, null])).collect::<Value>())
    }
}
