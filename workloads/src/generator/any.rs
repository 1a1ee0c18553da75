//! Whichever of several generators has something first.

use super::{Context, Generator, Next};
use duress_checkers::Op;

/// See [`any`].
pub struct Any {
    members: Vec<Box<dyn Generator>>,
    /// The member that is asked first.
    first: usize,
}

/// Hands out whatever is ready soonest. Members that are ready at the same time take turns,
/// so that an endless one cannot starve the rest. Done when all are.
pub fn any(members: Vec<Box<dyn Generator>>) -> Any {
    Any { members, first: 0 }
}

impl Generator for Any {
    fn next(&mut self, cx: &Context) -> Next {
        let n = self.members.len();
        let mut answer = Next::Done;
        for at in (0..n).map(|k| (self.first + k) % n) {
            answer = answer.or_sooner(self.members[at].next(cx));
            if matches!(answer, Next::Op(_)) {
                self.first = (at + 1) % n;
                break;
            }
        }
        answer
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        for member in &mut self.members {
            member.update(cx, op);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, list, repeat};
    use super::*;

    #[test]
    fn takes_turns_between_the_ready() {
        let mut three =
            any(vec![repeat(op("a")).boxed(), list([]).boxed(), repeat(op("b")).boxed()]).limit(4);
        assert_eq!(Simulation::perfect(1).run(&mut three).to_string(), "0@0 a, 0@10 b, 0@20 a, 0@30 b");
    }

    #[test]
    fn takes_the_soonest() {
        let mut two = any(vec![
            list(["a", "a", "a"].map(op)).delay(100).boxed(),
            list(["b", "b", "b"].map(op)).delay(30).boxed(),
        ]);
        let trace = Simulation::perfect(1).run(&mut two);
        assert_eq!(trace.to_string(), "0@0 a, 0@10 b, 0@40 b, 0@70 b, 0@100 a, 0@200 a");
    }

    #[test]
    fn done_when_all_are() {
        assert_eq!(Simulation::perfect(1).run(&mut any(vec![])).to_string(), "");
        let mut two = any(vec![list([op("a")]).boxed(), list([op("b")]).boxed()]);
        assert_eq!(Simulation::perfect(1).run(&mut two).to_string(), "0@0 a, 0@10 b");
    }
}
