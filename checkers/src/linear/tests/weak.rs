//! Objects that are broken in ways that real ones are: a replica that is behind, an answer without an
//! effect, two halves that do not know of each other. Each must be found, and often enough be named.

use super::build::Build;
use super::model_specs::{Subject, subjects};
use super::oracle::Naive;
use super::random::Dice;
use crate::model::NOT_LINEARIZABLE;
use crate::{Keys, Process, Valid};
use serde_json::Value;
use std::collections::BTreeMap;

/// Calls in a run, by so many clients.
const CALLS: u64 = 60;
const CLIENTS: u64 = 4;

/// The calls between which the object is broken.
const BROKEN: std::ops::Range<u64> = 15..45;

/// Runs of each object with each weakness.
const RUNS: u64 = 24;

#[derive(Clone, Copy, Debug)]
enum Weakness {
    /// Now and then an answer comes from a few calls ago.
    Behind,
    /// Now and then what was acknowledged has no effect.
    LostEffect,
    /// Clients with odd numbers talk to another half, and what that did is gone in the end.
    Split,
}

/// What an object with this weakness did, one call after the other.
fn run(dice: &mut Dice, subject: &Subject, weakness: Weakness) -> Build {
    let mut build = Build::default();
    let (mut past, mut other) = (vec![subject.initial.clone()], subject.initial.clone());
    for n in 1..=CALLS {
        let broken = BROKEN.contains(&n) && dice.below(3) == 0;
        let process = dice.below(CLIENTS);
        let (f, asked) = (subject.ask)(dice, n);
        let now = past.last().expect("a state").clone();
        let in_half = matches!(weakness, Weakness::Split) && BROKEN.contains(&n) && process % 2 == 1;
        if !in_half && !BROKEN.contains(&n) {
            other = now.clone();
        }
        let seen: &Value = match weakness {
            Weakness::Behind if broken => &past[past.len().saturating_sub(1 + dice.below(6) as usize)],
            _ if in_half => &other,
            _ => &now,
        };
        let by = Process::Client(process);
        let answer = (subject.answer)(dice, &Naive::new(by, f, &asked, None), seen);
        let call = Naive::new(by, f, &asked, Some(&answer));
        let possible = !(subject.spec)(&call, seen).is_empty();
        build.invoke(process, f, asked.clone());
        if !possible {
            build.event(process, crate::Kind::Fail, f, asked);
            continue;
        }
        build.ok(process, f, answer);
        let from = if in_half { &other } else { &now };
        let Some(next) = (subject.spec)(&call, from).into_iter().next() else { continue };
        if in_half {
            other = next;
        } else if !(matches!(weakness, Weakness::LostEffect) && broken) {
            past.push(next);
        }
    }
    build
}

#[test]
fn broken_objects_are_found_and_named() {
    let mut dice = Dice(4_711);
    let mut few: Vec<String> = Vec::new();
    for subject in &subjects() {
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        for weakness in [Weakness::Behind, Weakness::LostEffect, Weakness::Split] {
            let mut found = 0;
            for _ in 0..RUNS {
                let build = run(&mut dice, subject, weakness);
                let verdict = (subject.bare)().check(&build.history(), Keys::Single);
                assert_ne!(verdict.valid, Valid::Unknown, "{} {:?}", subject.name, verdict.reason);
                assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
                if let Some(finding) = verdict.findings.into_iter().next() {
                    *names.entry(finding.anomaly).or_default() += 1;
                    found += 1;
                }
            }
            // Not every run shows it: who holds a lock when the object breaks may keep it.
            if found == 0 {
                few.push(format!("{} {weakness:?}: nothing found", subject.name));
            }
        }
        let unnamed = names.get(NOT_LINEARIZABLE).copied().unwrap_or(0);
        let all: u64 = names.values().sum();
        // Texts have one name only for what is wrong with them.
        if all < RUNS / 2 || subject.name != "text" && unnamed > all * 3 / 4 {
            few.push(format!("{}: {names:?}", subject.name));
        }
    }
    assert!(few.is_empty(), "{few:#?}");
}
