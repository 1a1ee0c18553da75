//! Only the operations that a predicate accepts.

use super::{Context, Generator, Invocation, Next};
use duress_checkers::Op;

/// See [`super::GeneratorExt::filter`].
#[derive(Clone, Debug)]
pub struct Filter<G, P> {
    inner: G,
    accepts: P,
}

/// Operations thrown away per question; then the asker is sent off for [`REST`], so that a
/// predicate that accepts nothing cannot hang the run.
const MAX_SKIPPED: usize = 10_000;
/// 1 ms, in nanoseconds.
const REST: u64 = 1_000_000;

impl<G, P> Filter<G, P> {
    pub(super) fn new(inner: G, accepts: P) -> Self {
        Self { inner, accepts }
    }
}

impl<G: Generator, P: FnMut(&Invocation) -> bool + Send> Generator for Filter<G, P> {
    fn next(&mut self, cx: &Context) -> Next {
        for n_skipped in 0..MAX_SKIPPED {
            match self.inner.next(cx) {
                Next::Op(op) if (self.accepts)(&op) => return Next::Op(op),
                Next::Op(_) => {}
                // Within, an operation was handed out, and now others may be given one.
                _ if n_skipped > 0 => return Next::Wait(cx.time),
                answer => return answer,
            }
        }
        Next::Wait(cx.time + REST)
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        self.inner.update(cx, op);
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, list, phases, repeat};

    #[test]
    fn keeps_what_is_accepted() {
        let mut vowels = list(["a", "b", "c", "e"].map(op)).filter(|op| "aeiou".contains(&op.f));
        assert_eq!(Simulation::perfect(1).run(&mut vowels).to_string(), "0@0 a, 0@10 e");
    }

    #[test]
    fn threads_that_wait_for_a_thrown_away_operation_are_asked_again() {
        let two = phases(vec![list([]).boxed(), list([op("no")]).boxed()]);
        let mut filtered = two.filter(|op| op.f != "no");
        assert_eq!(Simulation::perfect(2).run(&mut filtered).to_string(), "");
    }

    #[test]
    fn a_predicate_that_accepts_nothing_does_not_hang() {
        let mut nothing = repeat(op("a")).filter(|_| false).time_limit(5_000_000);
        assert_eq!(Simulation::perfect(2).run(&mut nothing).to_string(), "");
    }
}
