//! Looks at every object that was ever in use, once the cluster is healed.

use super::Object;
use crate::{Context, Generator, Invocation, Next};
use duress_checkers::{Kind, Op};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a look at one object may end in something else than `ok`.
pub(super) const FINAL_READS: u32 = 5;
/// 100 ms in nanoseconds: how long a thread rests whose final read did not end in `ok`, so
/// that a dead node, which refuses quickly, does not use up everybody's tries.
const FINAL_READ_REST: u64 = 100_000_000;

/// By whichever thread is free, one look at an object at a time: a value that was acknowledged and
/// then lost is often seen only here.
pub(super) struct FinalReads<O> {
    n_keys: Arc<AtomicU64>,
    /// Looks that an object may take: each of its operations may have put something into it, and
    /// the last look finds nothing. An object without end is not followed further.
    max_looks: u64,
    /// Objects to look at; `None` before the first question.
    todo: Option<VecDeque<FinalRead>>,
    /// By thread.
    in_flight: BTreeMap<usize, FinalRead>,
    /// When a thread that rests may go on.
    rests_until: BTreeMap<usize, u64>,
    object: PhantomData<O>,
}

#[derive(Clone, Copy)]
struct FinalRead {
    key: u64,
    looks_left: u64,
    tries_left: u32,
}

impl<O: Object> FinalReads<O> {
    pub(super) fn new(n_keys: Arc<AtomicU64>, ops_per_key: u64) -> Self {
        Self {
            n_keys,
            max_looks: ops_per_key.saturating_add(1),
            todo: None,
            in_flight: BTreeMap::new(),
            rests_until: BTreeMap::new(),
            object: PhantomData,
        }
    }
}

impl<O: Object> Generator for FinalReads<O> {
    fn next(&mut self, cx: &Context) -> Next {
        let n_keys = self.n_keys.load(Ordering::Relaxed);
        let fresh = |key| FinalRead { key, looks_left: self.max_looks, tries_left: FINAL_READS };
        let todo = self.todo.get_or_insert_with(|| (0..n_keys).map(fresh).collect());
        if todo.is_empty() {
            // A look in flight may fail, or not show all, and have to be followed by another.
            return if self.in_flight.is_empty() { Next::Done } else { Next::Pending };
        }
        if let Some(until) = self.rests_until.get(&cx.thread).filter(|until| cx.time < **until) {
            return Next::Wait(*until);
        }
        let Some(read) = todo.pop_front() else { return Next::Done };
        self.in_flight.insert(cx.thread, read);
        let Invocation { f, value } = O::look();
        Next::Op(Invocation { f, value: json!([read.key, value]) })
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        if op.kind == Kind::Invoke {
            return;
        }
        let Some(mut read) = self.in_flight.remove(&cx.thread) else { return };
        if op.kind == Kind::Ok {
            if O::shows_all(op.value.get(1).unwrap_or(&Value::Null)) {
                return;
            }
            read.looks_left -= 1;
        } else {
            self.rests_until.insert(cx.thread, op.time + FINAL_READ_REST);
            read.tries_left -= 1;
        }
        if read.looks_left > 0
            && read.tries_left > 0
            && let Some(todo) = &mut self.todo
        {
            todo.push_back(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::generator::simulate::Simulation;
    use duress_checkers::Register;

    #[derive(Default)]
    struct OneLook;

    impl Object for OneLook {
        type Model = Register;

        fn model() -> Register {
            Register::default()
        }

        fn next(&mut self, _: &mut Rng) -> Invocation {
            Self::look()
        }
    }

    /// The imaginary clients answer with what was asked.
    #[derive(Default)]
    struct Endless;

    impl Object for Endless {
        type Model = Register;

        fn model() -> Register {
            Register::default()
        }

        fn next(&mut self, _: &mut Rng) -> Invocation {
            Self::look()
        }

        fn look() -> Invocation {
            Invocation::new("dequeue", Value::Null)
        }

        fn shows_all(answered: &Value) -> bool {
            !answered.is_null()
        }
    }

    #[test]
    fn another_thread_takes_over() {
        let mut last = FinalReads::<OneLook>::new(Arc::new(AtomicU64::new(1)), 7);
        let trace = Simulation::perfect(2).failing_first(1).run(&mut last);
        assert_eq!(trace.to_string(), "0@0 read [0,null], 1@10 read [0,null]");
    }

    #[test]
    fn a_look_that_does_not_show_all_is_followed_by_another_but_not_for_ever() {
        let mut last = FinalReads::<Endless>::new(Arc::new(AtomicU64::new(2)), 3);
        let trace = Simulation::perfect(3).run(&mut last);
        let looks = |key| trace.operations().iter().filter(|op| op.value[0] == key).count();
        assert_eq!((looks(0), looks(1)), (4, 4));
        // One at a time on each.
        assert_eq!(trace.max_busy(), 2);
    }
}
