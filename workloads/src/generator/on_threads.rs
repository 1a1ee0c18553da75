//! For some of the threads only.

use super::{Context, Generator, Next};
use duress_checkers::{Kind, Op};
use std::collections::BTreeSet;

/// Some of the threads, seen as if there were no others: numbered from 0, with their own
/// count of busy ones. So a barrier inside waits for these threads only.
#[derive(Clone, Debug)]
pub(super) struct Group<P> {
    contains: P,
    busy: BTreeSet<usize>,
}

impl<P: Fn(usize) -> bool> Group<P> {
    pub(super) fn new(contains: P) -> Self {
        Self { contains, busy: BTreeSet::new() }
    }

    /// What a member's question looks like from within; `None` for others.
    pub(super) fn narrow(&self, cx: &Context) -> Option<Context> {
        let count = |below| (0..below).filter(|thread| (self.contains)(*thread)).count();
        (self.contains)(cx.thread).then(|| Context {
            time: cx.time,
            thread: count(cx.thread),
            n_threads: count(cx.n_threads),
            n_busy: self.busy.len(),
        })
    }

    /// Like [`Group::narrow`], for an update.
    pub(super) fn observe(&mut self, cx: &Context, op: &Op) -> Option<Context> {
        if !(self.contains)(cx.thread) {
            return None;
        }
        if op.kind == Kind::Invoke {
            self.busy.insert(cx.thread);
        } else {
            self.busy.remove(&cx.thread);
        }
        self.narrow(cx)
    }
}

/// See [`super::GeneratorExt::on_threads`].
#[derive(Clone, Debug)]
pub struct OnThreads<G, P> {
    inner: G,
    group: Group<P>,
}

impl<G, P: Fn(usize) -> bool> OnThreads<G, P> {
    pub(super) fn new(inner: G, contains: P) -> Self {
        Self { inner, group: Group::new(contains) }
    }
}

impl<G: Generator, P: Fn(usize) -> bool + Send> Generator for OnThreads<G, P> {
    fn next(&mut self, cx: &Context) -> Next {
        self.group.narrow(cx).map_or(Next::Done, |cx| self.inner.next(&cx))
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        if let Some(cx) = self.group.observe(cx, op) {
            self.inner.update(&cx, op);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, Invocation, any, list, phases, repeat};
    use super::*;

    #[test]
    fn others_get_nothing() {
        let mut odd = list(["a", "b", "c"].map(op)).on_threads(|thread| thread % 2 == 1);
        assert_eq!(Simulation::perfect(4).run(&mut odd).to_string(), "1@0 a, 3@0 b, 1@10 c");
    }

    #[test]
    fn members_are_numbered_from_zero_and_have_their_own_barrier() {
        let numbers = |cx: &Context| Invocation::new("n", cx.thread * 10 + cx.n_threads);
        let two = phases(vec![numbers.limit(2).boxed(), list(["b", "b"].map(op)).boxed()]);
        let mut both = any(vec![
            two.on_threads(|thread| thread >= 2).boxed(),
            repeat(op("x")).on_threads(|thread| thread < 2).time_limit(20).boxed(),
        ]);
        let trace = Simulation::perfect(4).run(&mut both);
        assert_eq!(trace.to_string(), "0@0 x, 1@0 x, 2@0 n 2, 3@0 n 12, 0@10 x, 1@10 x, 3@10 b, 2@10 b");
    }
}
