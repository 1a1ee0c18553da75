//! From what was to be run and what was, to the suite.

use super::canary;
use super::ledger::{Record, Unit};
use super::manifest::Manifest;
use super::matrix::Combination;
use crate::plan::quote;
use duress_reports::conclusion::Outcome;
use duress_reports::suite::{Canary, Facts, Suite, Trial};
use std::collections::BTreeSet;

/// Missing trials that are listed.
const MAX_MISSING: usize = 1_000;

/// A soak, as far as it got.
pub(super) struct Account<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) record: &'a Record,
    /// Why it ended before its end.
    pub(super) stopped: Option<String>,
    pub(super) elapsed_ms: u64,
}

impl Account<'_> {
    pub(super) fn suite(&self) -> Suite {
        let due: BTreeSet<u64> = self.manifest.due().into_iter().collect();
        let mut rotation = self.manifest.rotation();
        let (mut trials, mut canaries) = (Vec::new(), Vec::new());
        let (mut begun, mut ended) = (BTreeSet::new(), BTreeSet::new());
        let mut covered = BTreeSet::new();
        for (unit, progress) in &self.record.units {
            match *unit {
                Unit::Trial(number) => {
                    begun.insert(number);
                    let slot = rotation.slot(number);
                    if progress.end.is_some() {
                        ended.insert(number);
                        covered.insert(slot.combination);
                    }
                    let end = progress.end.as_ref();
                    let combination = &self.manifest.matrix.combinations[slot.combination];
                    trials.push(Trial {
                        number,
                        test: combination.test.clone(),
                        faults: combination.faults.clone(),
                        seed: slot.seed,
                        command: command(combination, slot.seed),
                        attempts: progress.attempts,
                        outcome: end.map(|end| end.outcome),
                        headline: end.map(|end| end.headline.clone()).unwrap_or_default(),
                        run: end.and_then(|end| end.run.clone()),
                        ms: end.map_or(0, |end| end.ms),
                        findings: end.map(|end| end.findings.clone()).unwrap_or_default(),
                    });
                }
                Unit::Canary(shard, nth, which) => {
                    // One that was begun and has no end was neither caught nor missed: its trials are.
                    let Some(end) = &progress.end else { continue };
                    canaries.push(Canary {
                        name: if self.manifest.of == 1 {
                            format!("{}, {}", canary::name(which), nth + 1)
                        } else {
                            format!("{}, {} of shard {shard}", canary::name(which), nth + 1)
                        },
                        caught: end.outcome == Outcome::Violation,
                        attempts: progress.attempts,
                        told: end.headline.clone(),
                    });
                }
            }
        }
        let asked: BTreeSet<u64> = due.union(&begun).copied().collect();
        let of: BTreeSet<usize> = asked.iter().map(|number| rotation.slot(*number).combination).collect();
        Suite::new(Facts {
            duress: self.manifest.duress.clone(),
            hash: self.manifest.hash(),
            seed: self.manifest.seed,
            shards: self.manifest.told(),
            expected: asked.len() as u64,
            missing: asked.difference(&ended).copied().take(MAX_MISSING).collect(),
            trials,
            combinations: of.len() as u64,
            covered: covered.len() as u64,
            canaries,
            stopped: self.stopped.clone(),
            elapsed_ms: self.elapsed_ms,
        })
    }
}

fn command(combination: &Combination, seed: u64) -> String {
    let words: Vec<String> = combination.args.iter().map(|word| quote(word)).collect();
    format!("duress run {} --seed {seed}", words.join(" "))
}
