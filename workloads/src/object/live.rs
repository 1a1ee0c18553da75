//! Operations on the objects in use, which come and go.

use super::Object;
use crate::{Context, Generator, Invocation, Next, Rng, WorkloadOptions};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The `i`th operation handed out depends on the seed and the options alone, not on time,
/// threads or results.
pub(super) struct Live<O> {
    rng: Rng,
    ops_per_key: u64,
    slots: Vec<Slot<O>>,
    /// Objects begun so far; they are numbered from 0. Shared with the final reads.
    n_keys: Arc<AtomicU64>,
}

/// A place for one object at a time.
#[derive(Default)]
struct Slot<O> {
    /// `None` before its first operation.
    key: Option<u64>,
    n_ops: u64,
    object: O,
}

impl<O: Object> Live<O> {
    pub(super) fn new(options: &WorkloadOptions, rng: Rng, n_keys: Arc<AtomicU64>) -> Self {
        let slots = (0..options.keys.max(1)).map(|_| Slot::default()).collect();
        Self { rng, ops_per_key: options.ops_per_key.max(1), slots, n_keys }
    }
}

impl<O: Object> Generator for Live<O> {
    fn next(&mut self, _: &Context) -> Next {
        let at = self.rng.index(self.slots.len());
        let slot = &mut self.slots[at];
        let key = *slot.key.get_or_insert_with(|| self.n_keys.fetch_add(1, Ordering::Relaxed));
        let Invocation { f, value } = slot.object.next(&mut self.rng);
        slot.n_ops += 1;
        if slot.n_ops == self.ops_per_key {
            *slot = Slot::default();
        }
        Next::Op(Invocation { f, value: json!([key, value]) })
    }
}
