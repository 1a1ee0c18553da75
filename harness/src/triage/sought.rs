//! The finding that is sought in other runs, and what a run says about it.

use crate::failure::Failure;
use crate::trial::Ended;
use duress_checkers::Process;
use duress_reports::Outcome;
use duress_reports::artifact::RunStatus;
use duress_reports::conclusion::{Conclusion, Placed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Other findings of a run that are told.
const MAX_OTHERS: usize = 5;

/// A finding, as it is recognised when faults and cluster are not the same any more: by who found it and
/// what kind it is. Whether the fingerprint is the same, too, is told, and does not decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sought {
    /// Its number in the report of the run.
    pub number: u64,
    /// Who found it.
    pub checker: String,
    /// What kind it is.
    pub anomaly: String,
    /// One line.
    pub title: String,
    /// In words, without what is particular to the run.
    pub signature: String,
    /// See [`Placed::fingerprint`].
    pub fingerprint: String,
}

/// What a run says about what is sought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its directory.
    pub run: PathBuf,
    /// Its verdict; absent when it came to none.
    pub outcome: Option<Outcome>,
    /// Its verdict in a line, or why there is none.
    pub headline: String,
    /// Did it show? Absent when the run says nothing about that.
    pub shown: Option<bool>,
    /// Its number in the report of that run.
    pub number: Option<u64>,
    /// With the same fingerprint.
    pub same_fingerprint: bool,
    /// Other violations, in words.
    pub others: Vec<String>,
    /// When it first showed, in milliseconds.
    pub at_ms: Option<u64>,
    /// Operations that were invoked until then.
    pub ops: Option<u64>,
    /// SHA-256 of the server's binary.
    pub sha256: Option<String>,
    /// The user stopped the run.
    pub interrupted: bool,
}

impl Sought {
    /// The finding of a run with this number or fingerprint; without either the first of the fingerprint that
    /// there is most of, among the kind that the run has most of, known ones left out unless there are no others:
    /// what shows often shows again.
    ///
    /// # Errors
    /// When there is none.
    pub fn choose(run: &Path, conclusion: &Conclusion, which: Option<&str>) -> Result<Self, Failure> {
        let findings = &conclusion.findings;
        let found = match which {
            Some(which) => findings
                .iter()
                .find(|placed| placed.fingerprint == which || placed.number.to_string() == which),
            None => most(findings.iter().filter(|placed| placed.known.is_none())).or(most(findings.iter())),
        };
        let found = found.ok_or_else(|| {
            Failure::usage(
                run.display().to_string(),
                which.map_or("it has no finding".to_owned(), |which| format!("it has no finding {which}")),
                format!("its verdict is: {}", conclusion.headline),
            )
        })?;
        Ok(Self {
            number: found.number,
            checker: found.checker.clone(),
            anomaly: found.anomaly.clone(),
            title: found.title.clone(),
            signature: found.signature.clone(),
            fingerprint: found.fingerprint.clone(),
        })
    }

    /// Is it the same as far as that can be told under other faults?
    pub fn is(&self, placed: &Placed) -> bool {
        self.checker == placed.checker && self.anomaly == placed.anomaly
    }

    /// What came of a run.
    pub(super) fn judge(&self, run: &Path, ended: Result<Ended, Failure>) -> Answer {
        let answer = Answer {
            run: run.to_owned(),
            outcome: None,
            headline: String::new(),
            shown: None,
            number: None,
            same_fingerprint: false,
            others: Vec::new(),
            at_ms: None,
            ops: None,
            sha256: None,
            interrupted: false,
        };
        let ended = match ended {
            Ok(ended) => ended,
            Err(failure) => return Answer { headline: failure.to_string(), ..answer },
        };
        let info = &ended.run.info;
        let answer = Answer {
            sha256: info.binary.as_ref().map(|binary| binary.sha256.clone()),
            interrupted: info.status == RunStatus::Interrupted,
            ..answer
        };
        let Some(conclusion) = &ended.conclusion else {
            return Answer { headline: "the run came to no verdict".to_owned(), ..answer };
        };
        let same = || conclusion.findings.iter().filter(|placed| self.is(placed));
        let others: BTreeSet<&str> =
            conclusion.findings.iter().filter(|placed| !self.is(placed)).map(words).collect();
        let mut others: Vec<String> = others.into_iter().take(MAX_OTHERS).map(str::to_owned).collect();
        let omitted: u64 = conclusion.verdicts.iter().map(|verdict| verdict.findings_omitted).sum();
        let shown = match (same().next().is_some(), conclusion.outcome) {
            (true, _) => Some(true),
            // It may be among those.
            (false, _) if omitted > 0 => {
                others.push(format!("{omitted} more violations that were counted and not explained"));
                None
            }
            (false, Outcome::Unknown | Outcome::Infrastructure) => None,
            (false, _) => Some(false),
        };
        let first = same().map(|placed| placed.time).min();
        let until = |time: u64| {
            let calls = ended.run.history.calls().map(|call| call.invoke);
            calls.filter(|op| op.time <= time && matches!(op.process, Process::Client(_))).count() as u64
        };
        Answer {
            outcome: Some(conclusion.outcome),
            headline: conclusion.headline.clone(),
            shown,
            number: same().next().map(|placed| placed.number),
            // Runs of older versions have none.
            same_fingerprint: !self.fingerprint.is_empty()
                && same().any(|placed| placed.fingerprint == self.fingerprint),
            others,
            at_ms: first.map(|time| time / 1_000_000),
            ops: first.map(until),
            ..answer
        }
    }
}

/// Of the kind that there are most of the first of its most frequent fingerprint.
fn most<'a>(findings: impl Iterator<Item = &'a Placed>) -> Option<&'a Placed> {
    let findings: Vec<&Placed> = findings.collect();
    let kind = |placed: &'a Placed| (&placed.checker, &placed.anomaly);
    let first = most_of(&findings, kind)?;
    let same: Vec<&Placed> = findings.into_iter().filter(|placed| kind(placed) == kind(first)).collect();
    most_of(&same, |placed| &placed.fingerprint)
}

/// The first of those that have the most frequent key.
fn most_of<'a, K: PartialEq>(findings: &[&'a Placed], key: impl Fn(&'a Placed) -> K) -> Option<&'a Placed> {
    let count = |of: &'a Placed| findings.iter().filter(|placed| key(placed) == key(of)).count();
    // Of several with the largest count, `max_by_key` takes the last.
    findings.iter().rev().copied().max_by_key(|placed| count(placed))
}

fn words(placed: &Placed) -> &str {
    if placed.signature.is_empty() { &placed.title } else { &placed.signature }
}

impl Answer {
    /// One line: whether it showed, and whatever else is wrong.
    pub fn told(&self, sought: &Sought) -> String {
        let mut text = match (self.shown, self.outcome) {
            (Some(true), _) => {
                let at =
                    self.at_ms.map_or(String::new(), |ms| format!(" at {}.{:03} s", ms / 1000, ms % 1000));
                let same = if self.same_fingerprint { ", the same fingerprint" } else { "" };
                format!("shown: {}{at}{same}", sought.anomaly)
            }
            (Some(false), _) => format!("not shown: {}", self.headline),
            (None, Some(_)) => format!("no answer: {}", self.headline),
            (None, None) => format!("no answer, the run failed: {}", self.headline),
        };
        for other in &self.others {
            text.push_str(&format!("; ANOTHER VIOLATION: {other}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed((number, (anomaly, fingerprint)): (u64, (&str, &str))) -> Placed {
        let json = serde_json::json!({
            "number": number, "checker": "linearizable", "anomaly": anomaly, "title": anomaly, "time": number,
            "relation": "", "fingerprint": fingerprint,
        });
        serde_json::from_value(json).expect("a finding")
    }

    #[test]
    fn what_there_is_most_of_is_sought() {
        let of =
            |all: &[(&str, &str)]| -> Vec<Placed> { (1..).zip(all.iter().copied()).map(placed).collect() };
        for (all, number) in [
            (&[("stale", "a"), ("lost", "b"), ("stale", "c"), ("stale", "c")][..], 3),
            (&[("lost", "b"), ("lost", "b"), ("stale", "a"), ("stale", "c"), ("stale", "d")], 3),
            (&[("stale", "a"), ("lost", "b")], 1),
        ] {
            assert_eq!(most(of(all).iter()).map(|placed| placed.number), Some(number), "{all:?}");
        }
        assert_eq!(most([].iter()), None);
    }
}
