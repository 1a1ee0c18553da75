//! Violations that somebody knows of and has an issue for, until a day.
//!
//! They stay visible, and do not decide; nothing else is excused with them. A list that excuses too
//! much is a false pass, so in every doubt a violation counts: one that was only counted and has no
//! fingerprint, one whose day has come, one of a run that does not say when it began.

use super::Placed;
use super::fingerprint::DIGITS;
use super::is_of_the_run;
use crate::words::counted;
use duress_checkers::{Valid, Verdict};
use serde::{Deserialize, Serialize};

/// A violation that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// [`Placed::fingerprint`], whole.
    pub fingerprint: String,
    /// Where it is dealt with.
    pub issue: String,
    /// The day from which on it counts again, in UTC: `2026-12-24`. Compared with the day on which
    /// the run began, so that a run's verdict does not change with the days.
    pub expires: String,
    /// Whatever else is to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a finding is marked with that is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAs {
    /// Where it is dealt with.
    pub issue: String,
    /// The day from which on it counts again.
    pub expires: String,
    /// That day had come when the run began: it counts.
    pub expired: bool,
    /// Whatever else is to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Known {
    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if self.fingerprint.len() != DIGITS || !self.fingerprint.bytes().all(hex) {
            return Err(format!(
                "`{}` is no fingerprint: it has {DIGITS} digits, 0 to 9 and a to f, as the report shows it",
                self.fingerprint
            ));
        }
        if self.issue.trim().is_empty() {
            return Err(format!("{} has no issue: say where it is dealt with", self.fingerprint));
        }
        if day(&self.expires).is_none_or(|day| day != self.expires) {
            return Err(format!("`{}` is no day: write it as 2026-12-24", self.expires));
        }
        Ok(())
    }

    fn mark(&self, started: &str) -> KnownAs {
        let holds = self.check().is_ok() && day(started).is_some_and(|day| day < self.expires.as_str());
        KnownAs {
            issue: self.issue.clone(),
            expires: self.expires.clone(),
            expired: !holds,
            note: self.note.clone(),
        }
    }
}

impl KnownAs {
    /// `known until 2026-12-24: issue 17`.
    pub(crate) fn words(&self) -> String {
        let issue = self.issue.trim();
        let note = self.note.as_ref().map_or(String::new(), |note| format!(" ({note})"));
        let known = if self.expired { "was known until" } else { "known until" };
        format!("{known} {}: {issue}{note}", self.expires)
    }
}

/// How `known` marks a finding, if it lists it.
pub(super) fn mark(known: &[Known], fingerprint: &str, started: &str) -> Option<KnownAs> {
    let listed = || known.iter().filter(|known| known.fingerprint == fingerprint);
    // Of two entries that contradict each other the one that excuses less.
    listed().map(|known| known.mark(started)).max_by_key(|mark| mark.expired)
}

/// The day that a time begins with, if it is one: days as text are in order.
fn day(time: &str) -> Option<&str> {
    let day = time.get(..10)?;
    let shape = |(at, b): (usize, u8)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() };
    let number = |from: usize, to: usize| day[from..to].parse::<u8>().ok();
    let whole = day.bytes().enumerate().all(shape)
        && number(5, 7).is_some_and(|month| (1..=12).contains(&month))
        && number(8, 10).is_some_and(|day| (1..=31).contains(&day));
    whole.then_some(day)
}

impl Placed {
    /// Listed as known, for longer than the run.
    pub fn is_known(&self) -> bool {
        self.known.as_ref().is_some_and(|known| !known.expired)
    }
}

/// A violation, all of which is known: each one was explained, and each one is listed.
pub(crate) fn excused(verdict: &Verdict, findings: &[Placed]) -> bool {
    verdict.valid == Valid::Violation
        && verdict.findings_omitted == 0
        && !verdict.findings.is_empty()
        && verdict.findings.len() == findings.len()
        && findings.iter().all(Placed::is_known)
}

/// Each verdict with its findings, which are numbered in the order of the verdicts.
pub(crate) fn with_findings<'a>(
    verdicts: &'a [Verdict],
    mut findings: &'a [Placed],
) -> impl Iterator<Item = (&'a Verdict, &'a [Placed])> {
    verdicts.iter().map(move |verdict| {
        let (own, rest) = findings.split_at(verdict.findings.len().min(findings.len()));
        findings = rest;
        (verdict, own)
    })
}

/// What a checker that found nothing but known violations did not look at.
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// Some of it, in words.
    Undecided(String),
    /// Everything else: it is as if nothing had been checked.
    All(String),
}

/// A key on which a violation was found is not judged any further.
pub(super) fn left(verdict: &Verdict) -> Left {
    if is_of_the_run(verdict) {
        return Left::Nothing;
    }
    let number = |name: &str| verdict.stats.get(name).and_then(serde_json::Value::as_u64);
    let beside = format!("beside its known violations, the checker `{}`", verdict.checker);
    match (number("keys"), number("undecided_keys"), &verdict.reason) {
        (_, _, Some(reason)) => Left::Undecided(format!("{beside} gave up: {reason}")),
        (_, Some(open @ 1..), None) => {
            Left::Undecided(format!("{beside} left {} undecided", counted(open, "key", "keys")))
        }
        (Some(keys), Some(0), None) if keys > verdict.findings.len() as u64 => Left::Nothing,
        (Some(_), Some(0), None) => Left::All(format!("{beside} judged nothing: they are on every key")),
        _ => Left::Undecided(format!("{beside} does not say how much it looked at")),
    }
}
