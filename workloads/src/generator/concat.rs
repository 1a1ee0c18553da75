//! One generator after the other, each thread at its own pace.

use super::{Context, Generator, Next};
use duress_checkers::Op;

/// See [`concat()`].
pub struct Concat {
    members: Vec<Box<dyn Generator>>,
    /// For each thread the position of the member it is at.
    at: Vec<usize>,
}

/// A thread goes on to the next generator when the one before has nothing left for it. It
/// does not wait for the others: [`super::phases`] does.
pub fn concat(members: Vec<Box<dyn Generator>>) -> Concat {
    Concat { members, at: Vec::new() }
}

impl Generator for Concat {
    fn next(&mut self, cx: &Context) -> Next {
        self.at.resize(cx.n_threads.max(self.at.len()), 0);
        let at = &mut self.at[cx.thread];
        while let Some(member) = self.members.get_mut(*at) {
            match member.next(cx) {
                Next::Done => *at += 1,
                answer => return answer,
            }
        }
        Next::Done
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        // What nobody has come to yet has not begun, and is not to count what happens before.
        let begun = self.at.iter().max().map_or(0, |at| at + 1);
        for member in self.members.iter_mut().take(begun) {
            member.update(cx, op);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, list};
    use super::*;

    #[test]
    fn in_order_without_waiting() {
        let mut all =
            concat(vec![list([op("a")]).boxed(), list([]).boxed(), list(["b", "c"].map(op)).boxed()]);
        assert_eq!(Simulation::perfect(2).run(&mut all).to_string(), "0@0 a, 1@0 b, 0@10 c");
        assert_eq!(Simulation::perfect(2).run(&mut concat(vec![])).to_string(), "");
    }

    #[test]
    fn a_member_does_not_see_what_was_before_it() {
        let crashes = list(["a", "a", "a"].map(op));
        let mut both = crashes.then(list(["b", "b", "b"].map(op)).process_limit(2));
        let trace = Simulation::crashing(1).run(&mut both);
        assert_eq!(trace.to_string(), "0@0 a, 0@10 a, 0@20 a, 0@30 b, 0@40 b");
    }

    #[test]
    fn each_thread_at_its_own_pace() {
        let mut own =
            list(["a", "a"].map(op)).on_threads(|thread| thread == 0).then(list(["b", "b", "b"].map(op)));
        let trace = Simulation::perfect(2).run(&mut own);
        assert_eq!(trace.to_string(), "0@0 a, 1@0 b, 0@10 a, 1@10 b, 0@20 b");
    }
}
