//! Work under a lock: fetch-and-adds on many independent counters, each done as read, work, write
//! by whoever holds the counter's lock; must be linearizable.
//!
//! # What is judged
//! Not the lock: the work. A lock that belongs to a lease does not exclude. Its holder cannot know
//! that the lease has run out while he, or the node that he talks to, stood still; the next one is
//! let in by design, and both believe to hold it. To call that a violation would be a false alarm
//! on every such lock, and to call it fine is of no use to those who take a lock to protect
//! something. So something is protected, and looked at: as long as work under the lock excludes
//! other work, read, work and write together are one atomic fetch-and-add, and the counter is
//! linearizable. Where two overlap and it matters, one addition is lost; where it does not matter
//! (one of them has not written, or writes what the other has read) nobody can tell, and no order is
//! refused. Amounts are positive and all different, so no sum occurs twice: two additions that were
//! made to the same sum are a lost update, and no operation in doubt can explain it.
//!
//! # What is promised
//! With **fencing** each write carries the token of its holder, and the store refuses it unless that
//! holder's lock is still there at that moment, checked in the same transaction. Then it was there
//! all the time since it was got (a token is never given twice), nobody else has written since,
//! and so the sum that was read is the sum that is replaced: atomic at the moment of the write,
//! whatever stands still. It would not do to let the store refuse tokens older than the newest that
//! it has seen: a late write with an older token passes if the new holder has read but not yet
//! written, and is then lost.
//!
//! Without fencing nothing is promised once a lease can run out during work. Without faults it
//! cannot: the work is short, the lease is many times as long and begins anew when the lock is got.
//! A pause of the holder's node that outlasts the lease must show: as a lost update, or as a sum that
//! goes back when the late write arrives.
//!
//! An operation whose lock was lost fails with the class `precondition`.

use crate::object::{self, Object};
use crate::{Invocation, Rng, WorkloadEntry};
use duress_checkers::model::FetchAdd as Model;
use serde_json::{Value, json};
use std::time::Duration;

/// `fetch-add [k, [n, null]]` → `[k, [n, sum before]]`, `read [k, null]` → `[k, sum]`.
#[derive(Default)]
struct Lock {
    /// The last amount handed out; they count from 1.
    amount: u64,
}

/// The workload in the registry.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "lock",
    doc: "fetch-and-adds, read and written under a lock; must be linearizable",
    fs: &["fetch-add", "read"],
    // It waits for others to finish or for their leases to run out, and a node may stand still
    // meanwhile. Given up earlier, few holders would live to see their node go on.
    op_timeout: Duration::from_secs(10),
    make: object::workload::<Lock>,
};

/// Shares of fetch-and-add and read.
const SHARES: [u64; 2] = [80, 20];

impl Object for Lock {
    type Model = Model;

    fn model() -> Model {
        Model::default()
    }

    fn next(&mut self, rng: &mut Rng) -> Invocation {
        if rng.weighted(&SHARES) == 1 {
            return Invocation::new("read", Value::Null);
        }
        self.amount += 1;
        Invocation::new("fetch-add", json!([self.amount, null]))
    }
}
