//! Operations for so long, counted from the first question.

use super::{Context, Generator, Next};
use duress_checkers::Op;

/// See [`super::GeneratorExt::time_limit`].
#[derive(Clone, Debug)]
pub struct TimeLimit<G> {
    inner: G,
    duration: u64,
    end: Option<u64>,
}

impl<G> TimeLimit<G> {
    pub(super) fn new(inner: G, duration: u64) -> Self {
        Self { inner, duration, end: None }
    }
}

impl<G: Generator> Generator for TimeLimit<G> {
    fn next(&mut self, cx: &Context) -> Next {
        let end = *self.end.get_or_insert(cx.time.saturating_add(self.duration));
        if cx.time >= end {
            return Next::Done;
        }
        match self.inner.next(cx) {
            Next::Wait(time) => Next::Wait(time.min(end)),
            // The end comes even if nothing completes.
            Next::Pending => Next::Wait(end),
            answer => answer,
        }
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        self.inner.update(cx, op);
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, list, repeat};

    #[test]
    fn nothing_from_the_end_on() {
        let run = |limit| Simulation::perfect(1).run(&mut repeat(op("a")).time_limit(limit)).to_string();
        assert_eq!(run(0), "");
        assert_eq!(run(20), "0@0 a, 0@10 a");
        assert_eq!(run(21), "0@0 a, 0@10 a, 0@20 a");
    }

    #[test]
    fn counts_from_its_own_first_question() {
        let mut late = list([op("b")]).then(repeat(op("a")).time_limit(15));
        assert_eq!(Simulation::perfect(1).run(&mut late).to_string(), "0@0 b, 0@10 a, 0@20 a");
    }

    #[test]
    fn ends_in_time_although_the_inner_one_waits_longer() {
        let mut waiting = repeat(op("a")).delay(1_000).time_limit(100).then(list([op("b")]));
        assert_eq!(Simulation::perfect(1).run(&mut waiting).to_string(), "0@0 a, 0@100 b");
    }
}
