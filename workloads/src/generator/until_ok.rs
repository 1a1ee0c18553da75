//! Operations until one of them succeeds.

use super::in_flight::InFlight;
use super::{Context, Generator, Next};
use duress_checkers::{Kind, Op};

/// See [`super::GeneratorExt::until_ok`].
#[derive(Clone, Debug)]
pub struct UntilOk<G> {
    inner: G,
    in_flight: InFlight,
    succeeded: bool,
}

impl<G> UntilOk<G> {
    pub(super) fn new(inner: G) -> Self {
        Self { inner, in_flight: InFlight::default(), succeeded: false }
    }
}

impl<G: Generator> Generator for UntilOk<G> {
    fn next(&mut self, cx: &Context) -> Next {
        if self.succeeded {
            return Next::Done;
        }
        let answer = self.inner.next(cx);
        self.in_flight.answered(cx, &answer);
        answer
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        self.succeeded |= self.in_flight.completes(cx, op) && op.kind == Kind::Ok;
        self.inner.update(cx, op);
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, any, list, repeat};

    #[test]
    fn one_success_ends_it() {
        assert_eq!(Simulation::perfect(1).run(&mut repeat(op("a")).until_ok()).to_string(), "0@0 a");
        // Both threads are asked before anything has completed.
        assert_eq!(Simulation::perfect(2).run(&mut repeat(op("a")).until_ok()).to_string(), "0@0 a, 1@0 a");
    }

    #[test]
    fn failures_do_not() {
        let mut tries = repeat(op("a")).until_ok().limit(3);
        assert_eq!(Simulation::crashing(1).run(&mut tries).to_string(), "0@0 a, 0@10 a, 0@20 a");
        let mut tries = repeat(op("a")).until_ok();
        let trace = Simulation::perfect(1).failing_first(2).run(&mut tries);
        assert_eq!(trace.to_string(), "0@0 a, 0@10 a, 0@20 a");
    }

    #[test]
    fn what_a_filter_throws_away_is_not_its_own() {
        let tries = list(["no", "a"].map(op)).delay(50).until_ok().filter(|op| op.f != "no");
        let mut both = any(vec![tries.boxed(), list(["x", "x"].map(op)).boxed()]);
        assert_eq!(Simulation::perfect(1).run(&mut both).to_string(), "0@0 x, 0@10 x, 0@50 a");
    }

    #[test]
    fn another_generators_success_does_not() {
        let mut both =
            any(vec![repeat(op("a")).until_ok().boxed(), list(["x", "x"].map(op)).boxed()]).limit(4);
        let trace = Simulation::perfect(1).failing("a").run(&mut both);
        assert_eq!(trace.to_string(), "0@0 a, 0@10 x, 0@20 a, 0@30 x");
    }
}
