//! Draws what a fault is made of: victims, and how bad it is.
//!
//! Not here: which kinds there are; see [`super::kinds`].

use super::{ASKED_FOR_ONLY, FAULTS, FaultEntry};
use crate::engine::ClientFault;
use crate::env::clock::{Clocks, Skew};
use crate::env::data::OtherData;
use crate::env::disk::{Damage, Keep, Layer, Misdeed};
use crate::env::packet::Behavior;
use crate::nemesis::fault::{Fault, Shape, Victims};
use crate::nemesis::lifecycle::Act;
use duress_workloads::Rng;

/// Draws victims.
pub(in crate::nemesis) struct Draw<'a> {
    pub(in crate::nemesis) rng: Rng,
    pub(in crate::nemesis) names: &'a [String],
    pub(in crate::nemesis) ports: &'a [u16],
    pub(in crate::nemesis) disks: Layer,
}

impl Draw<'_> {
    pub(super) fn one(&mut self) -> Victims {
        let at = self.rng.index(self.names.len());
        Victims::one(&self.names[at])
    }

    pub(super) fn one_or_leader(&mut self) -> Victims {
        if self.rng.below(2) == 0 { Victims::Leader } else { self.one() }
    }

    /// The leader, or up to a minority of nodes; the budget may take some of them out again.
    pub(super) fn victims(&mut self) -> Victims {
        if self.rng.below(3) == 0 {
            return Victims::Leader;
        }
        let most = (self.names.len().saturating_sub(1) / 2).max(1);
        let n = 1 + self.rng.index(most);
        Victims::Named(self.shuffled().into_iter().take(n).collect())
    }

    /// One of the kinds whose names begin like this.
    pub(super) fn any_of(&mut self, group: &str) -> Fault {
        self.any(|entry| entry.name.starts_with(group))
    }

    /// One of these kinds.
    pub(super) fn any(&mut self, belongs: impl Fn(&FaultEntry) -> bool) -> Fault {
        let fits = |entry: &&FaultEntry| {
            belongs(entry)
                && !ASKED_FOR_ONLY.contains(&entry.name)
                && !entry.takes_majority
                && (self.disks == Layer::Own || !entry.needs_own_disk)
                && entry.min_nodes <= self.names.len()
        };
        let fit: Vec<&FaultEntry> = FAULTS.iter().filter(fits).collect();
        let at = self.rng.index(fit.len());
        (fit[at].make)(self)
    }

    pub(super) fn packet(&mut self, behavior: Behavior) -> Fault {
        Fault::Packet { nodes: self.victims(), behavior }
    }

    pub(super) fn clients(&mut self, what: ClientFault) -> Fault {
        Fault::Client { nodes: self.victims(), what }
    }

    pub(super) fn clock(&mut self, clocks: Clocks, skew: Skew) -> Fault {
        Fault::Clock { nodes: self.victims(), clocks, skew }
    }

    pub(super) fn monotonic(&mut self, skew: Skew) -> Fault {
        let clocks = if self.rng.below(2) == 0 { Clocks::Monotonic } else { Clocks::Both };
        self.clock(clocks, skew)
    }

    pub(super) fn drift(&mut self) -> i32 {
        i32::try_from(self.signed(&[500, 50_000, 500_000])).expect("half of a million")
    }

    /// One of these, there or back.
    pub(super) fn signed(&mut self, from: &[u32]) -> i64 {
        let size = i64::from(self.pick(from));
        if self.rng.below(2) == 0 { size } else { -size }
    }

    pub(super) fn disk(&mut self, misdeed: Misdeed) -> Fault {
        Fault::Disk { nodes: self.victims(), misdeed }
    }

    pub(super) fn power_failure(&mut self, nodes: Victims) -> Fault {
        let keep = match self.disks {
            Layer::Own => {
                [Keep::None, Keep::Random { percent: 50 }, Keep::Torn { percent: 50 }][self.rng.index(3)]
            }
            Layer::Ext4 => Keep::None,
        };
        Fault::DiskPowerFailure { nodes, keep, seed: self.seed() }
    }

    pub(super) fn corruption(&mut self) -> Fault {
        let files = "*".to_owned();
        let damage = match self.rng.below(4) {
            0 => Damage::BitFlips { files, count: self.pick(&[1, 20]) },
            1 => Damage::Truncate { files, percent: self.pick(&[50, 90]) },
            2 => Damage::Zero { files, kib: self.pick(&[4, 64]) },
            _ => Damage::Rollback,
        };
        Fault::DiskCorrupt { nodes: self.one(), damage, seed: self.seed() }
    }

    pub(super) fn other_data(&mut self, data: OtherData) -> Fault {
        let victims = if data == OtherData::Swapped { 2 } else { 1 };
        Fault::StartWith { nodes: Victims::Named(self.shuffled().into_iter().take(victims).collect()), data }
    }

    pub(super) fn one_or_leader_to(&mut self, act: Act) -> Fault {
        Fault::Lifecycle { nodes: self.one_or_leader(), act }
    }

    /// Short enough to be typed.
    pub(super) fn seed(&mut self) -> u64 {
        self.rng.bits() >> 32
    }

    pub(super) fn pick(&mut self, from: &[u32]) -> u32 {
        from[self.rng.index(from.len())]
    }

    pub(super) fn shuffled(&mut self) -> Vec<String> {
        let mut names = self.names.to_vec();
        self.rng.shuffle(&mut names);
        names
    }

    pub(super) fn split(&mut self, first: usize) -> Shape {
        let mut names = self.shuffled();
        let mut rest = names.split_off(first.min(names.len()));
        names.sort();
        rest.sort();
        Shape::Groups(vec![names, rest])
    }
}
