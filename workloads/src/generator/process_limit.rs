//! Ends before too many processes have been in play.

use super::{Context, Generator, Next};
use duress_checkers::{Kind, Op};

/// See [`super::GeneratorExt::process_limit`].
#[derive(Clone, Debug)]
pub struct ProcessLimit<G> {
    inner: G,
    max: usize,
    /// Processes that ended in `info`; the thread of each went on as another.
    n_retired: usize,
}

impl<G> ProcessLimit<G> {
    pub(super) fn new(inner: G, max: usize) -> Self {
        Self { inner, max, n_retired: 0 }
    }
}

impl<G: Generator> Generator for ProcessLimit<G> {
    fn next(&mut self, cx: &Context) -> Next {
        if cx.n_threads + self.n_retired > self.max { Next::Done } else { self.inner.next(cx) }
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        self.n_retired += usize::from(op.kind == Kind::Info);
        self.inner.update(cx, op);
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, repeat};
    use std::collections::BTreeSet;

    #[test]
    fn no_more_processes_than_allowed() {
        for (threads, max, expected) in [(1, 1, 1), (2, 2, 2), (2, 5, 5), (3, 10, 10), (3, 2, 0)] {
            let mut limited = repeat(op("a")).process_limit(max).limit(1_000);
            let trace = Simulation::crashing(threads).run(&mut limited);
            let processes: BTreeSet<_> = trace.invocations().map(|event| event.op.process).collect();
            assert_eq!(processes.len(), expected, "{threads} threads, at most {max}");
        }
    }

    #[test]
    fn successes_retire_nobody() {
        let mut limited = repeat(op("a")).process_limit(2).limit(100);
        assert_eq!(Simulation::perfect(2).run(&mut limited).invocations().count(), 100);
    }
}
