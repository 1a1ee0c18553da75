//! A generator that begins anew when it has ended.

use super::{Context, Generator, Next};
use duress_checkers::Op;
use std::collections::VecDeque;

/// See [`cycle`].
pub struct Cycle<M, G> {
    make: M,
    /// The number of the first round in `rounds`.
    first: u64,
    rounds: VecDeque<Round<G>>,
    /// For each thread its round; `None` when it has none any more.
    at: Vec<Option<u64>>,
}

struct Round<G> {
    generator: G,
    /// Has it handed out anything, to anybody?
    touched: bool,
}

/// Runs the generators that `make` returns for round 0, 1, 2, …, without end. Each thread
/// goes on to the next round when the present one has nothing left for it. A round that has
/// nothing for a thread from its very start never will: that thread is done.
pub fn cycle<M: FnMut(u64) -> G, G>(make: M) -> Cycle<M, G> {
    Cycle { make, first: 0, rounds: VecDeque::new(), at: Vec::new() }
}

impl<M: FnMut(u64) -> G, G> Cycle<M, G> {
    /// The round, made if it is the next one.
    fn round(&mut self, number: u64) -> Option<&mut Round<G>> {
        let position = usize::try_from(number.checked_sub(self.first)?).ok()?;
        if position == self.rounds.len() {
            self.rounds.push_back(Round { generator: (self.make)(number), touched: false });
        }
        self.rounds.get_mut(position)
    }

    /// Forgets the rounds that all threads have behind them.
    fn prune(&mut self) {
        let oldest = self.at.iter().flatten().min().copied();
        while oldest.is_some_and(|oldest| self.first < oldest) && self.rounds.pop_front().is_some() {
            self.first += 1;
        }
    }
}

impl<M: FnMut(u64) -> G + Send, G: Generator> Generator for Cycle<M, G> {
    fn next(&mut self, cx: &Context) -> Next {
        // Nobody has been at a round before the oldest kept one and is still to come there.
        self.at.resize(cx.n_threads.max(self.at.len()), Some(self.first));
        while let Some(number) = self.at[cx.thread] {
            let Some(round) = self.round(number) else { break };
            match round.generator.next(cx) {
                Next::Done => {
                    self.at[cx.thread] = round.touched.then_some(number + 1);
                    self.prune();
                }
                answer => {
                    round.touched |= matches!(answer, Next::Op(_));
                    return answer;
                }
            }
        }
        Next::Done
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        for round in &mut self.rounds {
            round.generator.update(cx, op);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, Invocation, concat, list, reserve};
    use super::*;

    #[test]
    fn begins_anew() {
        let mut rounds = cycle(|n| list([Invocation::new("a", n), Invocation::new("b", n)])).limit(5);
        let trace = Simulation::perfect(1).run(&mut rounds);
        assert_eq!(trace.to_string(), "0@0 a 0, 0@10 b 0, 0@20 a 1, 0@30 b 1, 0@40 a 2");
    }

    #[test]
    fn a_round_without_anything_ends_it() {
        assert_eq!(Simulation::perfect(3).run(&mut cycle(|_| list([]))).to_string(), "");
        let mut one = cycle(|n| list((n == 0).then(|| op("a"))));
        assert_eq!(Simulation::perfect(1).run(&mut one).to_string(), "0@0 a");
    }

    #[test]
    fn threads_that_get_nothing_leave_and_old_rounds_are_forgotten() {
        let own = |_| list([op("a")]).on_threads(|thread| thread == 0);
        let mut rounds = cycle(own);
        for time in 0..100 {
            let cx = |thread| Context { time, thread, n_threads: 2, n_busy: 0 };
            assert_eq!(rounds.next(&cx(1)), Next::Done);
            assert_eq!(rounds.next(&cx(0)), Next::Op(op("a")));
        }
        assert_eq!(rounds.rounds.len(), 1);
    }

    #[test]
    fn threads_cycle_at_their_own_pace() {
        let round = |n| {
            let a = concat(vec![list(vec![Invocation::new("a", n); 2]).boxed()]);
            reserve(vec![(1, a.boxed())], list([Invocation::new("b", n)]).boxed())
        };
        let trace = Simulation::perfect(2).run(&mut cycle(round).limit(6));
        assert_eq!(trace.to_string(), "0@0 a 0, 1@0 b 0, 0@10 a 0, 1@10 b 1, 0@20 a 1, 1@20 b 2");
    }
}
