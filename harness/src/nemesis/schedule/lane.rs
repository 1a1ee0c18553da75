//! A lane: faults of some kinds one after the other, with quiet between them. Lanes know nothing of each
//! other; that they overlap is what they are for.

use super::Request;
use super::span::Span;
use crate::failure::Failure;
use crate::nemesis::catalogue::{Draw, FaultEntry, find};
use crate::nemesis::fault::PlannedFault;
use duress_workloads::Rng;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The shortest fault that is worth planning, in milliseconds.
pub(super) const MIN_FAULT_MS: u64 = 500;
/// The first fault of a lane comes after a fifth of its quiet at the earliest, so that a short run sees
/// every lane.
const EARLY: u64 = 5;

/// What is asked of a lane.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// Names of [`crate::nemesis::catalogue::FAULTS`], one drawn each time.
    pub faults: Kinds,
    /// How long a fault lasts.
    #[serde(rename = "for")]
    pub lasts: Span,
    /// How long there is none, then.
    pub quiet: Span,
}

/// Which kinds: `"kill"`, `["kill", "pause"]`, or with weights `{ kill = 3, pause = 1 }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "faults are a kind, a list of kinds, or kinds with weights: `{ kill = 3, pause = 1 }`"
)]
pub enum Kinds {
    /// Always the same.
    One(String),
    /// Each as likely.
    Any(Vec<String>),
    /// Each as likely as its share.
    Weighted(BTreeMap<String, u64>),
}

impl Lane {
    /// One kind, with faults and quiet of this length in the mean: a fault lasts half of it at least and
    /// no longer, quiet half of it at least and one and a half at most.
    pub fn of(kind: &str, interval_ms: u64) -> Self {
        let half = interval_ms / 2;
        Self {
            faults: Kinds::One(kind.to_owned()),
            lasts: Span::Between(half, interval_ms),
            quiet: Span::Between(half, interval_ms + half),
        }
    }

    /// Its kinds: they tell it from the others, and decide what it draws.
    pub(super) fn name(&self) -> String {
        match &self.faults {
            Kinds::One(kind) => kind.clone(),
            Kinds::Any(kinds) => kinds.join("+"),
            Kinds::Weighted(kinds) => kinds.keys().cloned().collect::<Vec<_>>().join("+"),
        }
    }

    /// The same, in half the time.
    pub(super) fn halved(&self) -> Self {
        Self { lasts: self.lasts.halved(), quiet: self.quiet.halved(), faults: self.faults.clone() }
    }

    /// Its kinds, with their weights.
    ///
    /// # Errors
    /// Kinds that do not exist, and none at all.
    pub(super) fn entries(&self) -> Result<Vec<(&'static FaultEntry, u64)>, Failure> {
        let kinds: Vec<(&String, u64)> = match &self.faults {
            Kinds::One(kind) => vec![(kind, 1)],
            Kinds::Any(kinds) => kinds.iter().map(|kind| (kind, 1)).collect(),
            Kinds::Weighted(kinds) => kinds.iter().map(|(kind, &weight)| (kind, weight)).collect(),
        };
        if kinds.iter().all(|(_, weight)| *weight == 0) {
            return Err(Failure::usage(
                "a lane of a schedule".to_owned(),
                "it has no kinds of faults, or none with a weight",
                "name some: `faults = [\"kill\", \"pause\"]`; `duress list faults` has them all",
            ));
        }
        kinds.into_iter().map(|(kind, weight)| Ok((find(kind)?, weight))).collect()
    }
}

/// A lane while a schedule is made.
pub(super) struct Turn<'a> {
    lane: &'a Lane,
    entries: Vec<(&'static FaultEntry, u64)>,
    times: Rng,
    kinds: Rng,
    /// Which entry the last fault is of.
    drawn: usize,
    victims: Draw<'a>,
    /// When the next one is due, in milliseconds.
    pub(super) next_ms: u64,
    /// There is one in the plan.
    pub(super) placed: bool,
}

impl<'a> Turn<'a> {
    /// # Errors
    /// As [`Lane::entries`].
    pub(super) fn new(lane: &'a Lane, request: &Request<'a>, rng: &Rng) -> Result<Self, Failure> {
        let mut times = rng.split("times");
        let mean = lane.quiet.mean().max(2);
        let next_ms = times.between(mean / EARLY, mean);
        let victims = Draw {
            rng: rng.split("victims"),
            names: request.nodes,
            ports: request.ports,
            disks: request.disks,
        };
        let kinds = rng.split("kinds");
        Ok(Self { entries: lane.entries()?, lane, times, kinds, drawn: 0, victims, next_ms, placed: false })
    }

    /// The next fault, in the pieces that it consists of.
    pub(super) fn draw(&mut self, time_ms: u64) -> Vec<PlannedFault> {
        let weights: Vec<u64> = self.entries.iter().map(|(_, weight)| *weight).collect();
        let at = if weights.len() == 1 { 0 } else { self.kinds.weighted(&weights) };
        self.drawn = at;
        let (entry, _) = self.entries[at];
        let for_ms = self.lane.lasts.draw(&mut self.times).max(MIN_FAULT_MS);
        let at_ms = self.next_ms;
        entry.pieces(entry.draw(at_ms, for_ms.min(time_ms - at_ms), &mut self.victims))
    }

    /// The last fault is over then.
    pub(super) fn rest(&mut self, end_ms: u64) {
        self.next_ms = end_ms + self.lane.quiet.draw(&mut self.times).max(1);
        self.placed = true;
        if self.entries[self.drawn].0.is_unique() {
            self.entries.remove(self.drawn);
        }
        if self.entries.is_empty() {
            self.end();
        }
    }

    /// There is no place for any more.
    pub(super) fn end(&mut self) {
        self.next_ms = u64::MAX - MIN_FAULT_MS;
    }

    /// Quiet after a fault that is in this one's way.
    pub(super) fn quiet_ms(&self) -> u64 {
        self.lane.quiet.mean() / 4
    }
}
