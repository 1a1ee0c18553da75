//! The operations of one key as accesses to the value it holds, by number.
//!
//! What can be said about these without knowing the model: [`super::reduce`], [`super::blocks`].

use super::numbers::Numbers;
use crate::model::Model;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

/// The value held at first.
pub(super) const INITIAL: u32 = 0;

/// No value.
pub(super) const NONE: u32 = u32::MAX;

/// What one class of operations does, in numbers of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    /// The only value that it is possible with, or `NONE`.
    pub(super) expects: u32,
    /// The value it leaves behind, or `NONE` if that is the one it found.
    pub(super) leaves: u32,
}

impl Access {
    /// Does it overwrite whatever was there?
    pub(super) fn is_blind(self) -> bool {
        self.expects == NONE && self.leaves != NONE
    }
}

/// All classes of one key.
pub(super) struct Accesses {
    by_class: Vec<Access>,
    values: u32,
}

impl Accesses {
    /// `None` when the model does not describe every class like this.
    pub(super) fn new<M: Model>(model: &M, classes: &[M::Op]) -> Option<Self> {
        let mut numbers = Numbers::new();
        // Where each value but the first can be had from again: twice the class, plus one if it is the
        // value left behind.
        let mut found_in: Vec<u32> = Vec::new();
        let initial = model.initial();
        numbers.number(FxBuildHasher.hash_one(&initial), |_| false);
        let mut by_class: Vec<Access> = Vec::with_capacity(classes.len());
        for (class, op) in (0_u32..).zip(classes) {
            let access = model.access(op)?;
            let mut number = |state: Option<M::State>, left: bool| {
                let Some(state) = state else { return NONE };
                let number = numbers.number(FxBuildHasher.hash_one(&state), |number| {
                    let Some(&at) = found_in.get((number as usize).wrapping_sub(1)) else {
                        return state == initial;
                    };
                    let other = model.access(&classes[at as usize / 2]);
                    let left = at % 2 == 1;
                    other.and_then(|other| if left { other.leaves } else { other.expects }).as_ref()
                        == Some(&state)
                });
                if number as usize == found_in.len() + 1 {
                    found_in.push(2 * class + u32::from(left));
                }
                number
            };
            let expects = number(access.expects, false);
            let leaves = number(access.leaves, true);
            by_class.push(Access { expects, leaves: if leaves == expects { NONE } else { leaves } });
        }
        Some(Self { by_class, values: numbers.len() })
    }

    pub(super) fn of(&self, class: u32) -> Access {
        self.by_class[class as usize]
    }

    /// By class.
    pub(super) fn iter(&self) -> impl Iterator<Item = Access> {
        self.by_class.iter().copied()
    }

    pub(super) fn bytes(&self) -> usize {
        self.by_class.capacity() * size_of::<Access>()
    }

    /// How many values there are; numbers are below it.
    pub(super) fn values(&self) -> usize {
        self.values as usize
    }
}
