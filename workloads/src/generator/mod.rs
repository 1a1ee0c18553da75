//! The question and its answers. One combinator per file.
//!
//! Jepsen's generators are pure values that the scheduler peeks into; ours are small state
//! machines that are asked only when a thread is free, so that nothing is handed out before
//! it can run and `any`, `mix` or `stagger` need no look-ahead.
//!
//! # The contract with whoever asks
//! - Only a free thread asks. Once it is given an operation it is busy, until an update
//!   tells of the completion.
//! - The update that tells of its invocation comes next, before any other question.
//! - After every operation handed out and every completion, all free threads are asked
//!   (again). An answer other than `Op` is therefore never a promise, only advice on how long
//!   it is worth sleeping.
//! - `Done` is for the thread that asked, and final: that thread is given nothing any more,
//!   even if it should ask. A generator that runs dry says it to each thread in turn.
//!
//! In return, a question that hands nothing out draws no random number, unless a filter throws
//! away what was drawn. Asking more or less often can change who is handed something, where
//! a barrier opens or a generator ends at a question, but not what.

mod any;
mod concat;
mod concurrency_limit;
mod cycle;
mod each;
mod ext;
mod filter;
mod flip_flop;
mod in_flight;
mod limit;
mod list;
mod map;
mod mix;
mod on_threads;
mod phases;
mod process_limit;
mod reserve;
mod stagger;
mod time_limit;
mod until_ok;

#[cfg(test)]
mod laws;
#[cfg(test)]
pub(crate) mod simulate;

pub use any::{Any, any};
pub use concat::{Concat, concat};
pub use concurrency_limit::ConcurrencyLimit;
pub use cycle::{Cycle, cycle};
pub use each::{Each, each_process, each_thread};
pub use ext::GeneratorExt;
pub use filter::Filter;
pub use flip_flop::{FlipFlop, flip_flop};
pub use limit::Limit;
pub use list::{List, list, once, repeat};
pub use map::Map;
pub use mix::{Mix, mix};
pub use on_threads::OnThreads;
pub use phases::{Phases, phases};
pub use process_limit::ProcessLimit;
pub use reserve::{Reserve, reserve};
pub use stagger::{Arrivals, Stagger};
pub use time_limit::TimeLimit;
pub use until_ok::UntilOk;

use duress_checkers::Op;
use serde_json::Value;

/// What to do: a function and its argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// `read`, `write`, `cas`, …
    pub f: String,
    /// The argument; `[key, value]` in keyed workloads.
    pub value: Value,
}

impl Invocation {
    /// A function and its argument.
    pub fn new(f: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { f: f.into(), value: value.into() }
    }
}

/// The answer to a free thread.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Do this now.
    Op(Invocation),
    /// Nothing before this time (nanoseconds since the start of the run), unless another
    /// operation is handed out or completes first; ask again then. A time that has come
    /// already means: ask every free thread again, now.
    Wait(u64),
    /// Nothing until some operation is handed out or completes; ask again then.
    Pending,
    /// Nothing ever again, for this thread.
    Done,
}

impl Next {
    /// What two generators together answer when neither has an operation: the sooner, and
    /// `Done` only if both are.
    fn or_sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Wait(a), Self::Wait(b)) => Self::Wait(a.min(b)),
            (Self::Op(op), _) | (_, Self::Op(op)) => Self::Op(op),
            (Self::Wait(time), _) | (_, Self::Wait(time)) => Self::Wait(time),
            (Self::Pending, _) | (_, Self::Pending) => Self::Pending,
            (Self::Done, Self::Done) => Self::Done,
        }
    }
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
/// else: no clock, no global state. A closure `FnMut(&Context) -> Invocation` is a generator
/// without an end.
pub trait Generator: Send {
    /// The thread `cx.thread` is free: what should it do?
    fn next(&mut self, cx: &Context) -> Next;

    /// An operation was invoked or completed, by the thread `cx.thread`. Combinators pass on
    /// what they see, so a generator that cares must know its own operations from others'.
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

impl<F: FnMut(&Context) -> Invocation + Send> Generator for F {
    fn next(&mut self, cx: &Context) -> Next {
        Next::Op(self(cx))
    }
}
