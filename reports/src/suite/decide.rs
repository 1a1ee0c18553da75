//! The one answer of a suite, and the words for it.

use super::{Facts, SuiteFinding, severity};
use crate::conclusion::Outcome;
use crate::words::{counted, list};

/// Numbers of trials that are named; the rest is counted.
const NAMED: usize = 10;

pub(super) struct Decided {
    pub(super) outcome: Outcome,
    pub(super) headline: String,
    pub(super) accounting: String,
    pub(super) reasons: Vec<String>,
}

/// The worst of all that there is. What is not there cannot be valid: trials that did not run and a
/// canary that nobody sent make it inconclusive; a canary that was missed means that nothing else can be
/// believed.
pub(super) fn decide(facts: &Facts, findings: &[SuiteFinding], ran: u64) -> Decided {
    let mut said: Vec<(Outcome, String)> = Vec::new();
    let bad = [
        Outcome::Violation,
        Outcome::Crash,
        Outcome::Infrastructure,
        Outcome::Unknown,
        Outcome::Inconclusive,
    ];
    for outcome in bad {
        let of: Vec<u64> =
            facts.trials.iter().filter(|t| t.outcome == Some(outcome)).map(|t| t.number).collect();
        if !of.is_empty() {
            let trials = counted(of.len() as u64, "trial", "trials");
            said.push((outcome, format!("{trials} {}: {}", word(outcome), numbers(&of))));
        }
    }
    let missed: Vec<&str> =
        facts.canaries.iter().filter(|canary| !canary.caught).map(|c| c.name.as_str()).collect();
    if !missed.is_empty() {
        let missed = missed.into_iter().map(str::to_owned).collect::<Vec<_>>();
        said.push((
            Outcome::Infrastructure,
            format!("CANARY MISSED: {}; nothing here can be believed", list(&missed)),
        ));
    }
    if facts.canaries.is_empty() {
        said.push((Outcome::Inconclusive, "no canary was run".to_owned()));
    }
    if ran < facts.expected || ran == 0 {
        said.push((Outcome::Inconclusive, missing(facts, ran)));
    }
    let known = facts.trials.iter().any(|trial| trial.outcome == Some(Outcome::Known));
    let passed = if known { Outcome::Known } else { Outcome::Valid };
    // Stable: of two that weigh the same, the trials come first.
    said.sort_by_key(|(outcome, _)| std::cmp::Reverse(severity(*outcome)));
    let outcome = said.first().map_or(passed, |(outcome, _)| *outcome);
    let mut reasons: Vec<String> = said.into_iter().map(|(_, why)| why).collect();
    reasons.extend(facts.stopped.iter().map(|why| format!("stopped early: {why}")));
    let accounting = format!("expected {}, ran {ran}", counted(facts.expected, "trial", "trials"));
    let headline = headline(outcome, facts, findings, &reasons, &accounting);
    Decided { outcome, headline, accounting, reasons }
}

fn headline(
    outcome: Outcome,
    facts: &Facts,
    findings: &[SuiteFinding],
    reasons: &[String],
    accounting: &str,
) -> String {
    let open = findings.iter().filter(|finding| finding.known.is_none()).count() as u64;
    let missed = facts.canaries.iter().any(|canary| !canary.caught);
    let mut text = match outcome {
        Outcome::Violation if open > 0 => {
            format!("Violation: {}", counted(open, "distinct finding", "distinct findings"))
        }
        Outcome::Violation => "Violation".to_owned(),
        Outcome::Crash => "Crash: a server ended by itself".to_owned(),
        Outcome::Known => "Known: nothing but violations that are known".to_owned(),
        Outcome::Valid => "Valid: no violation found".to_owned(),
        Outcome::Infrastructure if missed => "Canary missed".to_owned(),
        Outcome::Unknown | Outcome::Inconclusive | Outcome::Infrastructure => {
            let word = outcome.word();
            let first = reasons.first().map_or("", String::as_str);
            format!("{}{}: {first}", word[..1].to_uppercase(), &word[1..])
        }
    };
    if missed && outcome.is_finding() {
        text.push_str("; CANARY MISSED");
    }
    format!("{text}; {accounting}")
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Violation => "with a violation",
        Outcome::Crash => "with a crash",
        other => other.word(),
    }
}

fn missing(facts: &Facts, ran: u64) -> String {
    let of = counted(facts.expected, "trial", "trials");
    let which = numbers(&facts.missing);
    let which = if which.is_empty() { which } else { format!(", missing: {which}") };
    format!("{ran} of {of} ran{which}")
}

/// `1, 2, 5` and how many more.
fn numbers(of: &[u64]) -> String {
    let named: Vec<String> = of.iter().take(NAMED).map(u64::to_string).collect();
    let more = of.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::super::{Canary, Facts, Suite, Trial};
    use crate::conclusion::Outcome::{self, *};

    fn suite(outcomes: &[Option<Outcome>]) -> Facts {
        let trial = |(number, outcome): (u64, &Option<Outcome>)| Trial {
            number,
            test: "sim register".to_owned(),
            faults: "kill".to_owned(),
            seed: number,
            command: String::new(),
            attempts: 1,
            outcome: *outcome,
            headline: String::new(),
            run: None,
            ms: 1,
            findings: Vec::new(),
        };
        Facts {
            expected: outcomes.len() as u64,
            trials: (1..).zip(outcomes).map(trial).collect(),
            combinations: 1,
            covered: 1,
            canaries: vec![Canary {
                name: "stale-read, 1".to_owned(),
                caught: true,
                attempts: 1,
                told: String::new(),
            }],
            ..Facts::default()
        }
    }

    #[test]
    fn the_worst_decides_and_nothing_masks_a_violation() {
        for (outcomes, outcome, code) in [
            (&[Valid, Valid][..], Valid, 0),
            (&[Valid, Known], Known, 0),
            (&[Known, Inconclusive, Valid], Inconclusive, 3),
            (&[Inconclusive, Unknown, Valid], Unknown, 2),
            (&[Unknown, Infrastructure, Inconclusive], Infrastructure, 3),
            (&[Unknown, Infrastructure, Crash], Crash, 1),
            (&[Infrastructure, Crash, Unknown, Violation, Inconclusive, Known, Valid], Violation, 1),
        ] {
            let some: Vec<Option<Outcome>> = outcomes.iter().copied().map(Some).collect();
            let suite = Suite::new(suite(&some));
            assert_eq!((suite.outcome, suite.exit_code), (outcome, code), "{outcomes:?}");
        }
    }

    #[test]
    fn what_did_not_run_is_no_pass() {
        let short = Suite::new(suite(&[Some(Valid), None]));
        assert_eq!((short.outcome, short.ran), (Inconclusive, 1));
        assert_eq!(short.accounting, "expected 2 trials, ran 1");
        assert_eq!(Suite::new(suite(&[])).outcome, Inconclusive);
        let unwatched = Facts { canaries: Vec::new(), ..suite(&[Some(Valid)]) };
        assert_eq!(Suite::new(unwatched).outcome, Inconclusive);
    }

    #[test]
    fn a_canary_that_was_missed_fails_it_and_masks_nothing() {
        let missed = |outcome| {
            let mut facts = suite(&[Some(outcome)]);
            facts.canaries[0].caught = false;
            Suite::new(facts)
        };
        assert_eq!((missed(Valid).outcome, missed(Valid).exit_code), (Infrastructure, 3));
        assert!(missed(Valid).headline.starts_with("Canary missed"), "{}", missed(Valid).headline);
        assert_eq!(missed(Violation).outcome, Violation);
        assert!(missed(Violation).headline.contains("CANARY MISSED"));
    }
}
