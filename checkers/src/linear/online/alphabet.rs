//! The states of one key by number, for as long as something can still lead to them.
//!
//! Not here: which these are. [`super::frontier`] says so when the table has grown.

use crate::linear::numbers::Numbers;
use crate::model::Model;
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::hash::BuildHasher;

/// No state.
pub(super) const NONE: u32 = u32::MAX;

/// Steps remembered at most.
const MAX_STEPS: usize = 4096;

/// States beyond twice those in use before the others are dropped.
const SLACK: usize = 32;

/// An operation as the states know it.
#[derive(Clone, Debug)]
pub(super) struct Known<O> {
    pub(super) op: O,
    /// Never given to another operation on this key.
    serial: u64,
    pub(super) effect: Effect,
    pub(super) observer: bool,
}

/// What an operation does to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It is an access to the value held: the only state that it is possible in, or `NONE`, and the one
    /// that it leaves behind, or `NONE` if that is the one it found.
    Access { expects: u32, leaves: u32 },
    /// Only the model knows.
    Any,
}

impl<O> Known<O> {
    /// Does it overwrite whatever was there?
    pub(super) fn is_blind(&self) -> bool {
        matches!(self.effect, Effect::Access { expects: NONE, leaves } if leaves != NONE)
    }
}

/// The states.
pub(super) struct Alphabet<M: Model> {
    states: Vec<M::State>,
    numbers: Numbers,
    /// What the model said, by state and serial.
    steps: FxHashMap<(u32, u64), u32>,
    serial: u64,
    /// Drop what is not in use when there are more.
    limit: usize,
}

impl<M: Model> Clone for Alphabet<M> {
    fn clone(&self) -> Self {
        let mut alphabet = Self { serial: self.serial, limit: self.limit, ..Self::new() };
        for state in &self.states {
            alphabet.id(state.clone());
        }
        alphabet
    }
}

impl<M: Model> Alphabet<M> {
    pub(super) fn new() -> Self {
        Self {
            states: Vec::new(),
            numbers: Numbers::new(),
            steps: FxHashMap::default(),
            serial: 0,
            limit: SLACK,
        }
    }

    /// The number of a state.
    pub(super) fn id(&mut self, state: M::State) -> u32 {
        let known = &self.states;
        let hash = FxBuildHasher.hash_one(&state);
        let id = self.numbers.number(hash, |number| known[number as usize] == state);
        if id as usize == self.states.len() {
            self.states.push(state);
        }
        id
    }

    /// The state of a number.
    pub(super) fn state(&self, id: u32) -> &M::State {
        &self.states[id as usize]
    }

    /// An operation to step with.
    pub(super) fn know(&mut self, model: &M, op: M::Op) -> Known<M::Op> {
        self.serial += 1;
        let effect = match model.access(&op) {
            None => Effect::Any,
            Some(access) => {
                let mut id = |state: Option<M::State>| state.map_or(NONE, |state| self.id(state));
                let (expects, leaves) = (id(access.expects), id(access.leaves));
                Effect::Access { expects, leaves: if leaves == expects { NONE } else { leaves } }
            }
        };
        Known { observer: model.is_observer(&op), effect, serial: self.serial, op }
    }

    /// The state after an operation, unless it is not possible.
    pub(super) fn step(&mut self, model: &M, state: u32, known: &Known<M::Op>) -> Option<u32> {
        match known.effect {
            Effect::Access { expects, .. } if expects != NONE && expects != state => None,
            Effect::Access { leaves: NONE, .. } => Some(state),
            Effect::Access { leaves, .. } => Some(leaves),
            Effect::Any => {
                let key = (state, known.serial);
                if let Some(&next) = self.steps.get(&key) {
                    return (next != NONE).then_some(next);
                }
                let next = model.after(&self.states[state as usize], &known.op);
                let next = next.map(|next| self.id(next));
                if self.steps.len() >= MAX_STEPS {
                    self.steps.clear();
                }
                self.steps.insert(key, next.unwrap_or(NONE));
                next
            }
        }
    }

    /// Is it time to drop what is not in use?
    pub(super) fn is_full(&self) -> bool {
        self.states.len() > self.limit
    }

    /// Keeps the states that these numbers stand for, and nothing else; numbers change.
    pub(super) fn keep<'a>(&mut self, in_use: impl Iterator<Item = &'a mut u32>) {
        let mut old: Vec<Option<M::State>> = std::mem::take(&mut self.states).into_iter().map(Some).collect();
        let mut moved = vec![NONE; old.len()];
        self.numbers = Numbers::new();
        self.steps = FxHashMap::default();
        for id in in_use.filter(|id| **id != NONE) {
            let at = *id as usize;
            if let Some(state) = old[at].take() {
                moved[at] = self.id(state);
            }
            *id = moved[at];
        }
        self.states.shrink_to_fit();
        self.limit = 2 * self.states.len() + SLACK;
    }

    /// How many states there are at present.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }
}
