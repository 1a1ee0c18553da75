//! Which trial is which: a pure function of the combinations and the seed.
//!
//! Trials come in rounds. In the first part of a round each combination comes once, in the second those of
//! weight 2 and more, and so on; the order within each part is drawn. So nothing comes twice before everything
//! came once, wherever the soak ends.

use super::matrix::Combination;
use duress_workloads::Rng;

/// A trial, before it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// From 1.
    pub number: u64,
    /// Its combination, by position.
    pub combination: usize,
    /// Its seed.
    pub seed: u64,
}

/// All trials, one by one.
pub struct Rotation<'a> {
    combinations: &'a [Combination],
    rng: Rng,
    per_round: u64,
    /// The last round that was asked for, and its order.
    round: Option<(u64, Vec<usize>)>,
}

impl<'a> Rotation<'a> {
    /// Of these combinations; there is at least one.
    pub fn new(combinations: &'a [Combination], seed: u64) -> Self {
        let per_round = combinations.iter().map(|combination| combination.weight).sum();
        Self { combinations, rng: Rng::new(seed).split("soak"), per_round, round: None }
    }

    /// The trial of this number, from 1.
    pub fn slot(&mut self, number: u64) -> Slot {
        let (round, at) = ((number - 1) / self.per_round, (number - 1) % self.per_round);
        if self.round.as_ref().is_none_or(|(known, _)| *known != round) {
            self.round = Some((round, self.order(round)));
        }
        let order = self.round.as_ref().map_or(&[][..], |(_, order)| order);
        let combination = usize::try_from(at).ok().and_then(|at| order.get(at)).copied().unwrap_or(0);
        let seed = self.rng.split(&format!("trial {number}")).bits();
        Slot { number, combination, seed }
    }

    fn order(&self, round: u64) -> Vec<usize> {
        let mut rng = self.rng.split(&format!("round {round}"));
        let most = self.combinations.iter().map(|c| c.weight).max().unwrap_or(0);
        let mut order = Vec::new();
        for part in 1..=most {
            let mut of: Vec<usize> =
                (0..self.combinations.len()).filter(|at| self.combinations[*at].weight >= part).collect();
            rng.shuffle(&mut of);
            order.extend(of);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn combinations(weights: &[u64]) -> Vec<Combination> {
        let of = |(at, weight): (usize, &u64)| Combination {
            test: format!("{at}"),
            faults: String::new(),
            weight: *weight,
            args: Vec::new(),
        };
        weights.iter().enumerate().map(of).collect()
    }

    #[test]
    fn nothing_comes_twice_before_everything_came_once() {
        let combinations = combinations(&[1, 3, 1, 2, 1]);
        let mut rotation = Rotation::new(&combinations, 7);
        let slots: Vec<Slot> = (1..=24).map(|number| rotation.slot(number)).collect();
        let of = |from: usize, to: usize| -> Vec<usize> {
            slots[from..to].iter().map(|s| s.combination).collect()
        };
        for round in [0, 8, 16] {
            assert_eq!(of(round, round + 5).into_iter().collect::<BTreeSet<_>>().len(), 5);
            let second: BTreeSet<usize> = of(round + 5, round + 7).into_iter().collect();
            assert_eq!(second, BTreeSet::from([1, 3]));
            assert_eq!(slots[round + 7].combination, 1);
        }
        let orders: BTreeSet<Vec<usize>> = [0, 8, 16].into_iter().map(|at| of(at, at + 5)).collect();
        assert!(orders.len() > 1, "every round is in the same order");
        assert_eq!(slots.iter().map(|slot| slot.seed).collect::<BTreeSet<_>>().len(), 24);
    }

    #[test]
    fn a_trial_is_the_same_whoever_asks_for_it_and_when() {
        let combinations = combinations(&[1, 2, 1]);
        let mut forwards = Rotation::new(&combinations, 7);
        let all: Vec<Slot> = (1..=30).map(|number| forwards.slot(number)).collect();
        let mut backwards = Rotation::new(&combinations, 7);
        assert!((1..=30).rev().all(|number| backwards.slot(number) == all[number as usize - 1]));
        let mut other = Rotation::new(&combinations, 8);
        assert!((1..=30).any(|number| other.slot(number) != all[number as usize - 1]));
        // Seeds must mean the same in the next version.
        assert_eq!(all[0].seed, Rng::new(7).split("soak").split("trial 1").bits());
    }
}
