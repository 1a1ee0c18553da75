//! At most so many operations in flight.

use super::in_flight::InFlight;
use super::{Context, Generator, Next};
use duress_checkers::Op;

/// See [`super::GeneratorExt::concurrency_limit`].
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit<G> {
    inner: G,
    max: usize,
    in_flight: InFlight,
}

impl<G> ConcurrencyLimit<G> {
    pub(super) fn new(inner: G, max: usize) -> Self {
        Self { inner, max, in_flight: InFlight::default() }
    }
}

impl<G: Generator> Generator for ConcurrencyLimit<G> {
    fn next(&mut self, cx: &Context) -> Next {
        if self.in_flight.count() >= self.max {
            return if self.max == 0 { Next::Done } else { Next::Pending };
        }
        let answer = self.inner.next(cx);
        self.in_flight.answered(cx, &answer);
        answer
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        self.in_flight.completes(cx, op);
        self.inner.update(cx, op);
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, any, list, repeat};

    #[test]
    fn never_more_in_flight() {
        for (threads, max) in [(5, 1), (5, 3), (2, 4)] {
            let mut limited = repeat(op("a")).concurrency_limit(max).limit(200);
            let trace = Simulation::slow(threads, 11).run(&mut limited);
            assert_eq!(trace.invocations().count(), 200);
            assert_eq!(trace.max_busy(), max.min(threads));
        }
        assert_eq!(Simulation::perfect(1).run(&mut repeat(op("a")).concurrency_limit(0)).to_string(), "");
    }

    #[test]
    fn what_a_filter_throws_away_is_not_in_flight() {
        let mut limited = list(["no", "a", "no", "b"].map(op)).concurrency_limit(1).filter(|op| op.f != "no");
        assert_eq!(Simulation::perfect(1).run(&mut limited).to_string(), "0@0 a, 0@10 b");
    }

    #[test]
    fn counts_its_own_operations_only() {
        let mut both = any(vec![
            list(["x", "x"].map(op)).boxed(),
            list(["a", "a"].map(op)).concurrency_limit(1).boxed(),
        ]);
        assert_eq!(Simulation::perfect(4).run(&mut both).to_string(), "0@0 x, 1@0 a, 2@0 x, 3@10 a");
    }
}
