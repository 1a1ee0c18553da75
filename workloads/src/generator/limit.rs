//! At most so many operations, over all threads.

use super::{Context, Generator, Next};
use duress_checkers::Op;

/// See [`super::GeneratorExt::limit`].
#[derive(Clone, Debug)]
pub struct Limit<G> {
    inner: G,
    left: u64,
}

impl<G> Limit<G> {
    pub(super) fn new(inner: G, n: u64) -> Self {
        Self { inner, left: n }
    }
}

impl<G: Generator> Generator for Limit<G> {
    fn next(&mut self, cx: &Context) -> Next {
        if self.left == 0 {
            return Next::Done;
        }
        let answer = self.inner.next(cx);
        self.left -= u64::from(matches!(answer, Next::Op(_)));
        answer
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        self.inner.update(cx, op);
    }
}

#[cfg(test)]
mod tests {
    use super::super::GeneratorExt as _;
    use super::super::list::{list, repeat};
    use super::super::simulate::{Simulation, op};

    #[test]
    fn stops_at_the_limit_or_before() {
        let run = |n| Simulation::perfect(2).run(&mut repeat(op("a")).limit(n)).to_string();
        assert_eq!(run(0), "");
        assert_eq!(run(1), "0@0 a");
        assert_eq!(run(3), "0@0 a, 1@0 a, 0@10 a");
        let short = Simulation::perfect(1).run(&mut list([op("a")]).limit(9));
        assert_eq!(short.to_string(), "0@0 a");
    }
}
