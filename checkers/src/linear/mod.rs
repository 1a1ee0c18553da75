//! Linearizability: is there one order of all operations, in keeping with real time, that a
//! single object could have gone through?
//!
//! Reading order: `partition` (a history becomes lists of operations, one per key), `components`
//! (and per group of cells that belong together), `object` (one of them, its model out of sight),
//! `subject` (with its limits), `judge` (all of them, and the verdict), `access` (what can be said of
//! operations without the model), `blocks`, `collection` and `growing` (decided without a search, where
//! values are unique, elements are put in once, or an object only grows; `found` is what such a decision
//! says, `narrow` its proof where an object has many cells), `problem` and `reduce` (laid out for
//! searching), `search` (is there an order?), `ahead` (what rules one out early), `window` (is there
//! provably none?), `engine` (all of these in turns, and the proof of the answer), `certify` (the second
//! opinion), `explain` (the answer as a person wants it).
//! Beside them `online`: the same question while it happens.

mod access;
mod ahead;
mod blocks;
mod certify;
mod collection;
mod components;
mod engine;
mod explain;
mod found;
mod growing;
mod judge;
mod limits;
mod mask;
mod memo;
mod narrow;
mod numbers;
mod object;
mod online;
mod parallel;
mod partition;
mod problem;
mod reduce;
mod search;
mod states;
mod subject;
#[cfg(test)]
mod tests;
mod uses;
mod window;

pub use online::{Alarm, Deferral, Online, OnlineError, Tally, Watch};
pub use partition::Keys;

use crate::history::History;
use crate::model::{Model, Register};
use crate::{Budget, Checker, Verdict};
use judge::Judge;
use limits::{Charge, Limits};
use object::Object;
use partition::Unfit;
use problem::Flags;
use std::sync::atomic::AtomicUsize;

/// Violations that are explained, unless another number is asked for; further ones are counted.
const MAX_FINDINGS: usize = 8;

const NAME: &str = "linearizable";

/// Checks that every key behaves like one copy of a model.
///
/// The answer is exact in both directions: `valid` comes from an order that was replayed, and
/// `violation` from operations that were refuted. Whoever cannot be decided within the budget
/// is `unknown`.
///
/// A failed operation did not happen, and that is all it says. A compare-and-set that failed because
/// its comparison did tells that the value was another one at some instant; but a history does not
/// say why an operation failed in a way that all that write histories mean alike: a refusal before
/// anything was compared, or the second attempt of a client whose first one succeeded, is recorded
/// the same. To take these for observations would be a false alarm. Whoever knows better records
/// what was seen as a read.
#[derive(Clone, Debug)]
pub struct Linearizable<M: Model = Register> {
    model: M,
    keys: Keys,
    flags: Flags,
    explained: usize,
}

impl Linearizable<Register> {
    /// A register per key, initially `null`.
    pub fn register(keys: Keys) -> Self {
        Self::new(Register::default(), keys)
    }
}

impl<M: Model> Linearizable<M> {
    /// One copy of `model` per key.
    pub fn new(model: M, keys: Keys) -> Self {
        Self { model, keys, flags: Flags::ALL, explained: MAX_FINDINGS }
    }

    /// Explains so many violations at most, one for each key; further ones are counted. Without any,
    /// a verdict costs what deciding it costs.
    #[must_use]
    pub fn explaining(self, at_most: usize) -> Self {
        Self { explained: at_most, ..self }
    }
}

impl<M: Model> Checker for Linearizable<M> {
    fn name(&self) -> &str {
        NAME
    }

    fn fits(&self, history: &History) -> Result<(), String> {
        let (budget, held) = (Budget::default(), AtomicUsize::new(0));
        let limits = Limits::new(&budget, &held);
        match partition::partition(&self.model, self.keys, history, &mut Charge::new(&limits)) {
            Err(Unfit::Shape(why)) => Err(why),
            // What needs another option, or more room, is of the right shape.
            Ok(_) | Err(Unfit::Keys(_) | Unfit::Spent(_)) => Ok(()),
        }
    }

    fn check(&self, history: &History, budget: &Budget) -> Verdict {
        if let Some(model) = self.model.learned(history) {
            let learned = Self { model, keys: self.keys, flags: self.flags, explained: self.explained };
            return learned.check_learned(history, budget);
        }
        self.check_learned(history, budget)
    }
}

impl<M: Model> Linearizable<M> {
    fn check_learned(&self, history: &History, budget: &Budget) -> Verdict {
        let held = AtomicUsize::new(0);
        let limits = Limits::new(budget, &held);
        // Held until the end.
        let mut charge = Charge::new(&limits);
        match partition::partition(&self.model, self.keys, history, &mut charge) {
            Ok(parts) => {
                let objects: Vec<&dyn Object> = parts.parts.iter().map(|part| part as &dyn Object).collect();
                let (keys, counts) = (parts.keys, parts.counts);
                Judge { objects, keys, counts, flags: self.flags, budget, held: &held }
                    .verdict(self.explained)
            }
            Err(Unfit::Shape(why) | Unfit::Keys(why)) => Verdict::unknown(NAME, why),
            Err(Unfit::Spent(spent)) => {
                Verdict::unknown(NAME, format!("{} before the search began", judge::ran_out(spent, budget)))
            }
        }
    }
}
