//! One generator after the other, all threads together.

use super::{Context, Generator, Next};
use duress_checkers::Op;
use std::collections::BTreeSet;

/// See [`phases`].
pub struct Phases {
    members: Vec<Box<dyn Generator>>,
    now: usize,
    /// Threads for which the present phase is done.
    arrived: BTreeSet<usize>,
}

/// A phase begins when the one before is done for every thread and nothing is in flight:
/// operations of different phases are never concurrent.
pub fn phases(members: Vec<Box<dyn Generator>>) -> Phases {
    Phases { members, now: 0, arrived: BTreeSet::new() }
}

impl Generator for Phases {
    fn next(&mut self, cx: &Context) -> Next {
        let mut began = false;
        loop {
            let answer = if self.arrived.contains(&cx.thread) {
                Next::Done
            } else {
                self.members.get_mut(self.now).map_or(Next::Done, |phase| phase.next(cx))
            };
            if answer == Next::Done && self.now + 1 < self.members.len() {
                self.arrived.insert(cx.thread);
                if self.arrived.len() == cx.n_threads && cx.n_busy == 0 {
                    self.now += 1;
                    self.arrived.clear();
                    began = true;
                    continue;
                }
                return if began { Next::Wait(cx.time) } else { Next::Pending };
            }
            return match answer {
                Next::Op(op) => Next::Op(op),
                // Threads that asked before were told to wait for a completion, and none may
                // come: have them asked again.
                _ if began => Next::Wait(cx.time),
                answer => answer,
            };
        }
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        if let Some(phase) = self.members.get_mut(self.now) {
            phase.update(cx, op);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, any, each_thread, list};
    use super::*;

    #[test]
    fn a_phase_waits_until_nothing_is_in_flight() {
        let mut two = phases(vec![list(["a", "a", "a"].map(op)).boxed(), list(["b", "b"].map(op)).boxed()]);
        assert_eq!(Simulation::perfect(2).run(&mut two).to_string(), "0@0 a, 1@0 a, 0@10 a, 0@20 b, 1@20 b");
    }

    #[test]
    fn empty_phases_and_phases_for_some_threads_do_not_get_stuck() {
        let mut odd = phases(vec![
            list([]).boxed(),
            list(["a", "a"].map(op)).on_threads(|thread| thread == 2).boxed(),
            list([]).boxed(),
            list([op("b")]).on_threads(|thread| thread == 0).boxed(),
            each_thread(|_| list([op("c")])).boxed(),
        ]);
        let trace = Simulation::perfect(3).run(&mut odd);
        assert_eq!(trace.to_string(), "2@0 a, 2@10 a, 0@20 b, 0@30 c, 1@30 c, 2@30 c");
    }

    #[test]
    fn the_barrier_counts_operations_that_are_not_its_own() {
        let two = phases(vec![list([op("a")]).boxed(), list([op("b")]).boxed()]);
        let mut both = any(vec![two.boxed(), list(["x", "x", "x"].map(op)).boxed()]);
        let trace = Simulation::slow(2, 7).run(&mut both);
        let b = trace.invocations().find(|event| event.op.f == "b").expect("b comes");
        assert!(trace.busy_at(b.op.index).is_empty(), "{trace}");
    }
}
