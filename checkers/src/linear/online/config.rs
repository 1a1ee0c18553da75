//! Ways in which everything that returned so far can have happened, and which of two is the better.
//!
//! Not here: how one leads to another; see [`super::frontier`].

/// How many optional operations of each class were taken, by class; those above zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Used(Box<[(u32, u32)]>);

impl Used {
    pub(super) fn count(&self, class: u32) -> u32 {
        self.0.binary_search_by_key(&class, |&(c, _)| c).map_or(0, |at| self.0[at].1)
    }

    /// One more of `class`.
    pub(super) fn plus(&self, class: u32) -> Self {
        let mut counts = self.0.to_vec();
        match counts.binary_search_by_key(&class, |&(c, _)| c) {
            Ok(at) => counts[at].1 += 1,
            Err(at) => counts.insert(at, (class, 1)),
        }
        Self(counts.into_boxed_slice())
    }

    /// Is no class taken more often than there?
    fn at_most(&self, other: &Self) -> bool {
        self.0.len() <= other.0.len() && {
            let mut rest = other.0.iter();
            self.0.iter().all(|&(class, n)| rest.any(|&(c, m)| c == class && n <= m))
        }
    }
}

/// A configuration, or a family of them that differ in operations that were overwritten at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) state: u32,
    /// Open operations that took effect: a bit for each slot.
    pub(super) done: u64,
    /// Open operations of which any may have taken effect and any may not, so far: they overwrite
    /// whatever is there, and would have been overwritten since. None of them is in `done`.
    pub(super) free: u64,
    pub(super) used: Used,
}

impl Config {
    /// Can everything follow here that can follow there? `observers` are slots.
    ///
    /// An observer that is done is never worse than one that has still to find its state. An
    /// operation that changes something has to be as far in both: not done it is a change that can
    /// still be made, done it is one that need not be made.
    fn is_as_good_as(&self, other: &Self, observers: u64) -> bool {
        self.state == other.state
            && other.free & !self.free == 0
            && (self.done ^ other.done) & !self.free & !observers == 0
            && other.done & observers & !self.done == 0
            && self.used.at_most(&other.used)
    }
}

/// Configurations of which none is as good as another.
#[derive(Clone, Debug, Default)]
pub(super) struct Antichain(pub(super) Vec<Config>);

impl Antichain {
    /// Takes in a configuration unless there is one as good, and drops those that it makes
    /// unnecessary. True: it is in.
    pub(super) fn admit(&mut self, config: &Config, observers: u64) -> bool {
        if self.0.iter().any(|known| known.is_as_good_as(config, observers)) {
            return false;
        }
        self.0.retain(|known| !config.is_as_good_as(known, observers));
        self.0.push(config.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(done: u64, free: u64, used: &[(u32, u32)]) -> Config {
        Config { state: 0, done, free, used: Used(used.into()) }
    }

    #[test]
    fn what_must_still_happen_is_no_worse_than_what_has_happened_unless_it_only_looks() {
        let observers = 0b1000;
        let as_good = |one: &Config, other: &Config| one.is_as_good_as(other, observers);
        let (open, done, free) = (config(0, 0, &[]), config(1, 0, &[]), config(0, 1, &[]));
        assert!(!as_good(&open, &done) && !as_good(&done, &open));
        assert!(as_good(&free, &open) && as_good(&free, &done));
        assert!(!as_good(&open, &free) && !as_good(&done, &free));
        let looked = config(0b1000, 0, &[]);
        assert!(as_good(&looked, &open) && !as_good(&open, &looked));
    }

    #[test]
    fn fewer_optional_operations_are_as_good() {
        let nothing = Used::default();
        let two = nothing.plus(7).plus(7);
        let mixed = nothing.plus(7).plus(3);
        assert_eq!((two.count(7), two.count(3), mixed.count(3)), (2, 0, 1));
        assert!(nothing.at_most(&two) && nothing.plus(7).at_most(&mixed));
        assert!(!two.at_most(&mixed) && !mixed.at_most(&two) && !two.at_most(&nothing));
        assert_eq!(nothing.plus(3).plus(7), mixed);
    }

    #[test]
    fn an_antichain_keeps_the_best() {
        let mut chain = Antichain::default();
        assert!(chain.admit(&config(0b01, 0, &[(0, 1)]), 0));
        assert!(!chain.admit(&config(0b01, 0, &[(0, 2)]), 0));
        assert!(chain.admit(&config(0b10, 0, &[(0, 1)]), 0));
        assert!(chain.admit(&config(0b00, 0b11, &[]), 0));
        assert_eq!(chain.0, [config(0, 0b11, &[])]);
    }
}
