//! What a directed link does to frames: its policy, and what it has counted.

use crate::env::Link;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is asked of one directed link. Everything is off by default: a perfect link.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Policy {
    /// Nothing crosses.
    pub(super) cut: bool,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    Drop,
}

impl Policy {
    /// Decides over one frame.
    pub(super) fn judge(self) -> Fate {
        if self.cut { Fate::Drop } else { Fate::Pass }
    }
}

/// One value per directed link among `ports` ports.
pub(super) struct PerLink<T> {
    ports: usize,
    values: Vec<T>,
}

impl<T: Default> PerLink<T> {
    pub(super) fn new(ports: usize) -> Self {
        Self { ports, values: (0..ports * ports).map(|_| T::default()).collect() }
    }
}

impl<T> PerLink<T> {
    pub(super) fn get(&self, (from, to): Link) -> &T {
        &self.values[self.position((from, to))]
    }

    fn position(&self, (from, to): Link) -> usize {
        assert!(from < self.ports && to < self.ports, "link {from}->{to} among {} ports", self.ports);
        from * self.ports + to
    }
}

impl PerLink<Policy> {
    /// Perfect links but for these cuts.
    pub(super) fn with_cuts(ports: usize, cuts: &BTreeSet<Link>) -> Self {
        let mut policies = Self::new(ports);
        for &link in cuts {
            let position = policies.position(link);
            policies.values[position].cut = true;
        }
        policies
    }
}

/// Frames of one directed link so far. Written by the switch's thread alone.
#[derive(Debug, Default)]
pub(super) struct Counter {
    passed: AtomicU64,
    dropped: AtomicU64,
    overrun: AtomicU64,
}

impl Counter {
    pub(super) fn add(&self, fate: Fate) {
        match fate {
            Fate::Pass => self.passed.fetch_add(1, Ordering::Relaxed),
            Fate::Drop => self.dropped.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// A frame that should have passed, but the kernel had no room for it.
    pub(super) fn add_overrun(&self) {
        self.overrun.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn overrun(&self) -> u64 {
        self.overrun.load(Ordering::Relaxed)
    }
}

impl PerLink<Counter> {
    /// Frames lost for want of room, over all links.
    pub(super) fn overruns(&self) -> u64 {
        self.values.iter().map(Counter::overrun).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_directed() {
        let policies = PerLink::with_cuts(3, &BTreeSet::from([(0, 2)]));
        for from in 0..3 {
            for to in 0..3 {
                let expected = if (from, to) == (0, 2) { Fate::Drop } else { Fate::Pass };
                assert_eq!(policies.get((from, to)).judge(), expected, "{from}->{to}");
            }
        }
    }
}
