//! Many runs of a soak as one suite: the one answer, and the facts that its printers show.
//!
//! `soak.json` is this, word for word. It follows from the trials alone, so that shards that ran elsewhere are
//! joined by joining their trials. Not here: which trials there are, and how they are run.

mod decide;
mod junit;
mod markdown;
mod table;
mod text;

pub use junit::junit;
pub use markdown::markdown;
pub use text::text;

use crate::conclusion::Outcome;
use crate::index::FindingLine;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Version of `soak.json`.
pub const FORMAT: u32 = 1;

/// What is known of a soak; [`Suite::new`] judges it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Version of Duress.
    pub duress: String,
    /// What all shards of the same soak have in common, in hexadecimal.
    pub hash: String,
    /// The seed that all seeds are derived from.
    pub seed: u64,
    /// Which shards are in it: `2 of 16`; empty: it was not divided.
    pub shards: String,
    /// Trials that had to be run.
    pub expected: u64,
    /// Those that came to an end, and those that were begun and did not; by number.
    pub trials: Vec<Trial>,
    /// Numbers of trials that were to be run and have no end; of many the first ones.
    pub missing: Vec<u64>,
    /// Combinations of the matrix that were to be run.
    pub combinations: u64,
    /// How many of them were, at least once.
    pub covered: u64,
    /// What had to be found.
    pub canaries: Vec<Canary>,
    /// Why it stopped before its end: a reason, in words.
    pub stopped: Option<String>,
    /// Milliseconds that it took, all sessions together, all shards added up.
    pub elapsed_ms: u64,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// From 1.
    pub number: u64,
    /// Everything but faults, as in `etcd register reads=serializable`.
    pub test: String,
    /// `kill,pause`.
    pub faults: String,
    /// Its seed.
    pub seed: u64,
    /// The command that repeats it.
    pub command: String,
    /// How often it was begun.
    pub attempts: u32,
    /// What came of it; absent when it has no end.
    pub outcome: Option<Outcome>,
    /// The same in a line.
    pub headline: String,
    /// The run directory of the attempt that decided, relative to that of the soak.
    pub run: Option<String>,
    /// Milliseconds that the attempt took.
    pub ms: u64,
    /// What was found, by fingerprint.
    pub findings: Vec<FindingLine>,
}

/// Something that had to be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// `stale-read, 1`.
    pub name: String,
    /// It was found.
    pub caught: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// In a line, what was found, or what was there instead.
    pub told: String,
}

/// What is probably one bug, in however many trials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteFinding {
    /// See [`crate::conclusion::Placed::bug`].
    pub bug: String,
    /// That of the first trial with it; see [`crate::conclusion::Placed::fingerprint`].
    pub fingerprint: String,
    /// The same in words.
    pub signature: String,
    /// All of them, sorted.
    pub fingerprints: BTreeSet<String>,
    /// All of it is on the list of those that are known, in words.
    pub known: Option<String>,
    /// Trials with it, by number.
    pub trials: Vec<u64>,
}

/// `soak.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// [`FORMAT`].
    pub format: u32,
    /// The answer.
    pub outcome: Outcome,
    /// Of the process.
    pub exit_code: u8,
    /// One line.
    pub headline: String,
    /// `expected 48 trials, ran 48`.
    pub accounting: String,
    /// What keeps it from being a pass, the first one deciding.
    pub reasons: Vec<String>,
    /// Trials that came to an end.
    pub ran: u64,
    /// Trials by what came of them.
    pub tally: BTreeMap<String, u64>,
    /// The findings of all trials, those that are known last, then the most frequent first.
    pub findings: Vec<SuiteFinding>,
    /// What it follows from.
    #[serde(flatten)]
    pub facts: Facts,
}

impl Suite {
    /// Judges. Pure.
    pub fn new(facts: Facts) -> Self {
        let findings = findings(&facts.trials);
        let mut tally: BTreeMap<String, u64> = BTreeMap::new();
        for outcome in facts.trials.iter().filter_map(|trial| trial.outcome) {
            *tally.entry(outcome.word().to_owned()).or_default() += 1;
        }
        let ran = tally.values().sum();
        let decided = decide::decide(&facts, &findings, ran);
        Self {
            format: FORMAT,
            outcome: decided.outcome,
            exit_code: decided.outcome.exit_code(),
            headline: decided.headline,
            accounting: decided.accounting,
            reasons: decided.reasons,
            ran,
            tally,
            findings,
            facts,
        }
    }
}

/// How bad an outcome is for a suite: the worst of its trials decides, and a violation is never masked.
pub fn severity(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Valid => 0,
        Outcome::Known => 1,
        Outcome::Inconclusive => 2,
        Outcome::Unknown => 3,
        Outcome::Infrastructure => 4,
        Outcome::Crash => 5,
        Outcome::Violation => 6,
    }
}

fn findings(trials: &[Trial]) -> Vec<SuiteFinding> {
    let mut by_bug: BTreeMap<&str, SuiteFinding> = BTreeMap::new();
    for trial in trials {
        for line in &trial.findings {
            let finding = by_bug.entry(line.bug()).or_insert_with(|| SuiteFinding {
                bug: line.bug().to_owned(),
                fingerprint: line.fingerprint.clone(),
                signature: line.signature.clone(),
                fingerprints: BTreeSet::new(),
                known: line.known.clone(),
                trials: Vec::new(),
            });
            finding.fingerprints.insert(line.fingerprint.clone());
            if finding.trials.last() != Some(&trial.number) {
                finding.trials.push(trial.number);
            }
            // Excused in one trial and not in another: it is not excused.
            finding.known = finding.known.take().filter(|_| line.known.is_some());
        }
    }
    let mut findings: Vec<SuiteFinding> = by_bug.into_values().collect();
    findings.sort_by_key(|finding| (finding.known.is_some(), std::cmp::Reverse(finding.trials.len())));
    findings
}

impl SuiteFinding {
    /// `etcd register: stale read during kill; … (and 3 more fingerprints)`, cut to that many characters before the
    /// brackets.
    fn told(&self, longest: usize) -> String {
        let more = self.fingerprints.len().saturating_sub(1) as u64;
        let signature = crate::words::short(&self.signature, longest);
        match more {
            0 => signature,
            _ => format!(
                "{signature} (and {})",
                crate::words::counted(more, "more fingerprint", "more fingerprints")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bug: &str, fingerprint: &str, known: bool) -> FindingLine {
        FindingLine {
            fingerprint: fingerprint.to_owned(),
            signature: format!("{bug} {fingerprint}"),
            bug: bug.to_owned(),
            anomaly: String::new(),
            moment: String::new(),
            number: 1,
            count: 1,
            known: known.then(|| "known".to_owned()),
        }
    }

    fn trial(number: u64, findings: Vec<FindingLine>) -> Trial {
        Trial {
            number,
            test: "etcd register".to_owned(),
            faults: "kill".to_owned(),
            seed: 1,
            command: String::new(),
            attempts: 1,
            outcome: Some(Outcome::Violation),
            headline: String::new(),
            run: None,
            ms: 1,
            findings,
        }
    }

    #[test]
    fn one_bug_is_one_finding_and_known_only_as_a_whole() {
        let trials = vec![
            trial(1, vec![line("b", "2", true), line("b", "1", true), line("a", "3", true)]),
            trial(2, vec![line("b", "1", false)]),
        ];
        let suite = Suite::new(Facts { expected: 2, trials, ..Facts::default() });
        let told: Vec<_> =
            suite.findings.iter().map(|f| (f.told(9), &f.trials[..], f.known.is_some())).collect();
        let more = "b 2 (and 1 more fingerprint)".to_owned();
        assert_eq!(told, [(more, &[1, 2][..], false), ("a 3".to_owned(), &[1][..], true)]);
        assert!(suite.headline.contains("1 distinct finding"), "{}", suite.headline);
        assert!(
            text(&suite, "soak".as_ref()).contains("2 b 2 (and 1 more fingerprint): 2 trials, first 1"),
            "{}",
            text(&suite, "soak".as_ref())
        );
    }
}
