//! One of several generators, drawn anew for every operation.

use super::{Context, Generator, Next};
use crate::Rng;
use duress_checkers::Op;

/// See [`mix`].
pub struct Mix {
    rng: Rng,
    members: Vec<(u64, Box<dyn Generator>)>,
}

/// Draws a member for every operation, each with its weight. When the drawn one has nothing
/// for the asking thread now, another is drawn among the rest: a member that waits or is done
/// does not hold up the others (in Jepsen it does).
pub fn mix(rng: Rng, members: Vec<(u64, Box<dyn Generator>)>) -> Mix {
    Mix { rng, members }
}

impl Generator for Mix {
    fn next(&mut self, cx: &Context) -> Next {
        // Only a draw that hands something out counts, so that idle questions change nothing.
        let mut rng = self.rng.clone();
        let mut weights: Vec<u64> = self.members.iter().map(|(weight, _)| *weight).collect();
        let mut answer = Next::Done;
        while weights.iter().any(|weight| *weight > 0) {
            let at = rng.weighted(&weights);
            weights[at] = 0;
            answer = answer.or_sooner(self.members[at].1.next(cx));
            if matches!(answer, Next::Op(_)) {
                self.rng = rng;
                break;
            }
        }
        answer
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        for (_, member) in &mut self.members {
            member.update(cx, op);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{Generator, GeneratorExt as _, list, repeat};
    use super::*;

    fn members(weights: &[(u64, &str)]) -> Vec<(u64, Box<dyn Generator>)> {
        weights.iter().map(|(weight, f)| (*weight, repeat(op(f)).boxed())).collect()
    }

    #[test]
    fn follows_the_weights() {
        let mut mixed = mix(Rng::new(1), members(&[(1, "a"), (0, "never"), (3, "b")])).limit(10_000);
        let trace = Simulation::perfect(3).run(&mut mixed);
        let share = |f| trace.invocations().filter(|event| event.op.f == f).count();
        // Four standard deviations around 2500.
        assert!((2_327..2_673).contains(&share("a")), "{}", share("a"));
        assert_eq!((share("never"), share("a") + share("b")), (0, 10_000));
    }

    #[test]
    fn a_member_that_waits_or_ends_does_not_hold_up_the_others() {
        let slow = repeat(op("slow")).delay(1_000);
        let mut mixed = mix(
            Rng::new(2),
            vec![(1000, slow.boxed()), (1000, list([op("x")]).boxed()), (1, repeat(op("a")).boxed())],
        )
        .limit(50);
        let trace = Simulation::perfect(1).run(&mut mixed);
        assert_eq!(trace.invocations().filter(|event| event.op.f == "a").count(), 48);
        assert_eq!(trace.end(), 500);
    }

    #[test]
    fn done_when_all_are() {
        assert_eq!(Simulation::perfect(2).run(&mut mix(Rng::new(0), vec![])).to_string(), "");
        let lists = vec![(1, list([op("a")]).boxed()), (9, list([op("a")]).boxed())];
        assert_eq!(Simulation::perfect(2).run(&mut mix(Rng::new(0), lists)).to_string(), "0@0 a, 1@0 a");
    }
}
