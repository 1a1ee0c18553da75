//! Two generators in strict alternation.

use super::{Context, Generator, Next};
use duress_checkers::Op;

/// See [`flip_flop`].
#[derive(Clone, Debug)]
pub struct FlipFlop<A, B> {
    a: A,
    b: B,
    b_is_next: bool,
    ended: bool,
}

/// One from `a`, one from `b`, one from `a`, … Ends, for all threads, when the one whose turn
/// it is has nothing left for the thread that asks. So what is for some threads only has to be
/// said outside: `flip_flop(a, b).on_threads(…)`.
pub fn flip_flop<A: Generator, B: Generator>(a: A, b: B) -> FlipFlop<A, B> {
    FlipFlop { a, b, b_is_next: false, ended: false }
}

impl<A: Generator, B: Generator> Generator for FlipFlop<A, B> {
    fn next(&mut self, cx: &Context) -> Next {
        if self.ended {
            return Next::Done;
        }
        let answer = if self.b_is_next { self.b.next(cx) } else { self.a.next(cx) };
        self.b_is_next ^= matches!(answer, Next::Op(_));
        // The end is for all: a thread sent off alone might be the one that a barrier inside
        // awaits. And all are to hear of it, the ones that were told to wait as well.
        self.ended = answer == Next::Done;
        if self.ended { Next::Wait(cx.time) } else { answer }
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        self.a.update(cx, op);
        self.b.update(cx, op);
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, each_thread, list, phases, repeat};
    use super::*;

    #[test]
    fn alternates_until_one_ends() {
        let mut two = flip_flop(repeat(op("start")), list(["stop", "stop"].map(op)));
        assert_eq!(
            Simulation::perfect(1).run(&mut two).to_string(),
            "0@0 start, 0@10 stop, 0@20 start, 0@30 stop, 0@40 start"
        );
    }

    #[test]
    fn the_end_is_for_all_threads() {
        let own = each_thread(|_| list([op("b")]));
        let mut two = flip_flop(repeat(op("a")), own);
        assert_eq!(Simulation::perfect(2).run(&mut two).to_string(), "0@0 a, 1@0 b, 0@10 a");
    }

    #[test]
    fn threads_that_wait_hear_of_the_end() {
        // Thread 0 waits for thread 2 at a barrier when thread 1 ends it all.
        let waiting = list([op("a")]).synchronize().on_threads(|thread| thread != 1);
        let two = flip_flop(waiting, list([]));
        let mut then = phases(vec![two.boxed(), list([op("b")]).boxed()]);
        assert_eq!(Simulation::perfect(3).run(&mut then).to_string(), "1@0 b");
    }

    #[test]
    fn a_pause_of_one_does_not_let_the_other_pass() {
        let mut two = flip_flop(repeat(op("a")).delay(50), repeat(op("b"))).limit(4);
        assert_eq!(Simulation::perfect(1).run(&mut two).to_string(), "0@0 a, 0@10 b, 0@50 a, 0@60 b");
    }
}
