//! First in, first out: enqueues and dequeues on many independent queues; must be linearizable.
//!
//! Elements are all different. A dequeue may find the queue empty, which it must then be; one that
//! finds that another took its element fails with the class `precondition`. In the end every queue
//! is emptied, so that what was acknowledged and never came out is missed.
//!
//! Where reads are stale by design, a queue is found empty that is not; what comes out still comes
//! out once and in order, because it is compared before it is deleted.

use crate::object::{self, Object};
use crate::{Invocation, Rng, WorkloadEntry};
use duress_checkers::model::Queue as Model;
use serde_json::Value;

/// `enqueue [k, v]`, `dequeue [k, null]` → `[k, v or null]`.
#[derive(Default)]
struct Queue {
    /// The last element handed out; they count from 1.
    element: u64,
}

/// The workload in the registry.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "queue",
    doc: "enqueues and dequeues on many queues, emptied in the end; must be linearizable",
    fs: &["enqueue", "dequeue"],
    op_timeout: WorkloadEntry::USUAL_TIMEOUT,
    make: object::workload::<Queue>,
};

/// Shares of enqueue and dequeue. Of the dequeues, a fifth to a half lose their element to another,
/// the more the faster the store: with these shares queues grow slowly, so that there mostly is an order
/// to be kept, and yet some are found empty.
const SHARES: [u64; 2] = [45, 55];

impl Object for Queue {
    type Model = Model;

    fn model() -> Model {
        Model::default()
    }

    fn next(&mut self, rng: &mut Rng) -> Invocation {
        if rng.weighted(&SHARES) == 1 {
            return Self::look();
        }
        self.element += 1;
        Invocation::new("enqueue", self.element)
    }

    fn look() -> Invocation {
        Invocation::new("dequeue", Value::Null)
    }

    fn shows_all(answered: &Value) -> bool {
        answered.is_null()
    }
}
