//! Spaces operations out in time, over all threads together.

use super::{Context, Generator, Next};
use crate::Rng;
use duress_checkers::Op;

/// How long after one operation the next is due.
#[derive(Clone, Debug)]
pub enum Arrivals {
    /// Always the mean.
    Fixed,
    /// Anything from nothing to twice the mean, equally likely (Jepsen's `stagger`).
    Uniform(Rng),
    /// As from many independent clients: a Poisson process.
    Exponential(Rng),
}

/// See [`super::GeneratorExt::stagger`] and [`super::GeneratorExt::delay`].
#[derive(Clone, Debug)]
pub struct Stagger<G> {
    inner: G,
    mean: u64,
    arrivals: Arrivals,
    /// When the next operation is due; `None` before the first.
    due: Option<u64>,
}

/// 20 ms in nanoseconds: how far behind its schedule a generator may be and still catch up.
/// Enough to make good what timers and the scheduler lose, so that the mean rate is kept; far
/// too little to fire a burst after threads were stuck in a fault.
const MAX_LAG: u64 = 20_000_000;

impl<G> Stagger<G> {
    pub(super) fn new(inner: G, mean: u64, arrivals: Arrivals) -> Self {
        Self { inner, mean, arrivals, due: None }
    }

    fn interval(&mut self) -> u64 {
        match &mut self.arrivals {
            Arrivals::Fixed => self.mean,
            Arrivals::Uniform(rng) => rng.below(self.mean.saturating_mul(2).saturating_add(1)),
            Arrivals::Exponential(rng) => rng.exponential(self.mean),
        }
    }
}

impl<G: Generator> Generator for Stagger<G> {
    fn next(&mut self, cx: &Context) -> Next {
        let due = self.due.unwrap_or(cx.time);
        if cx.time < due {
            return Next::Wait(due);
        }
        let answer = self.inner.next(cx);
        if matches!(answer, Next::Op(_)) {
            let start = due.max(cx.time.saturating_sub(MAX_LAG));
            self.due = Some(start.saturating_add(self.interval()));
        }
        answer
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        self.inner.update(cx, op);
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, list, repeat};
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_delay_is_exact_and_global() {
        let mut delayed = list(["a", "b", "c"].map(op)).delay(25);
        assert_eq!(Simulation::perfect(2).run(&mut delayed).to_string(), "0@0 a, 1@25 b, 0@50 c");
    }

    #[test]
    fn the_mean_rate_is_kept_whatever_the_arrivals_and_however_late_the_timer() {
        for arrivals in [Arrivals::Fixed, Arrivals::Uniform(Rng::new(3)), Arrivals::Exponential(Rng::new(4))]
        {
            // 1000 per second, while a timer oversleeps by up to a millisecond.
            let mut paced = repeat(op("a")).stagger(MS, arrivals).limit(20_000);
            let trace = Simulation::perfect(20).with_late_timers(MS).run(&mut paced);
            // Four standard deviations of a sum of 20,000 exponential intervals: 2.8 %.
            let mean = trace.end() / 20_000;
            assert!((972_000..1_028_000).contains(&mean), "{mean} ns instead of 1 ms");
        }
    }

    #[test]
    fn no_burst_after_a_stall() {
        let mut paced = repeat(op("a")).delay(MS);
        let ask = |paced: &mut Stagger<_>, time| {
            let cx = Context { time, thread: 0, n_threads: 1, n_busy: 0 };
            (0..).take_while(|_| matches!(paced.next(&cx), Next::Op(_))).count()
        };
        assert_eq!(ask(&mut paced, 0), 1);
        assert_eq!(ask(&mut paced, MS), 1);
        // An hour later: what 20 ms lost, not what an hour did.
        assert_eq!(ask(&mut paced, 3_600_000 * MS), 21);
    }
}
