//! The question and its answers. One combinator per file.
//!
//! Jepsen's generators are pure values that the scheduler peeks into; ours are small state
//! machines that are asked only when a thread is free, so that nothing is handed out before
//! it can run and `any`, `mix` or `stagger` need no look-ahead.

use duress_checkers::Op;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What to do: a function and its argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    /// `read`, `write`, `cas`, …
    pub f: String,
    /// The argument; `[key, value]` in keyed workloads.
    pub value: Value,
}

/// The answer to a free thread.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Do this now.
    Op(Invocation),
    /// Nothing before this time (nanoseconds since the start of the run); ask again then.
    Wait(u64),
    /// Nothing until some operation completes; ask again then.
    Pending,
    /// Nothing ever again, for this thread.
    Done,
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Nanoseconds since the start of the run.
    pub time: u64,
    /// The thread that is free, `0..n_threads`.
    pub thread: usize,
    /// How many client threads there are.
    pub n_threads: usize,
    /// How many of them have an operation in flight.
    pub n_busy: usize,
}

/// A seeded, deterministic source of operations.
///
/// The sequence of answers may depend on the sequence of questions and updates, on nothing
/// else: no clock, no global state.
pub trait Generator: Send {
    /// The thread `cx.thread` is free: what should it do?
    fn next(&mut self, cx: &Context) -> Next;

    /// An operation was invoked or completed, by the thread `cx.thread`.
    fn update(&mut self, cx: &Context, op: &Op) {
        let _ = (cx, op);
    }
}

impl Generator for Box<dyn Generator> {
    fn next(&mut self, cx: &Context) -> Next {
        (**self).next(cx)
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        (**self).update(cx, op);
    }
}
