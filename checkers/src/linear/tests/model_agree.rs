//! Every model on long histories whose verdict is known. Small ones: [`super::small`].

use super::super::Flags;
use super::build::Build;
use super::model_random::{Run, simulate};
use super::model_specs::{Subject, subjects};
use super::random::Dice;
use crate::history::Kind;
use crate::model::NOT_LINEARIZABLE;
use crate::{Budget, Valid, Verdict};

/// Long histories of each model.
const LONG: u64 = 12;

pub(super) fn check(subject: &Subject, build: &Build, flags: Flags) -> Verdict {
    (subject.checker)(flags).check(&build.history(), &Budget::new(1 << 30, 1))
}

pub(super) fn agrees(subject: &Subject, build: &Build, flags: Flags, allowed: bool) {
    let verdict = check(subject, build, flags);
    let expected = if allowed { Valid::Valid } else { Valid::Violation };
    let context = || format!("{} {flags:?} {:?}\n{:#?}", subject.name, verdict.reason, build.ops);
    assert_eq!(verdict.valid, expected, "{}", context());
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?} {}", verdict.stats, context());
}

/// The state of a queue tells who entered before whom when nobody has left yet: the search then
/// looks back far, so its histories are shorter.
fn long(dice: &mut Dice, subject: &Subject, n: u64) -> Build {
    let calls = if subject.name == "queue" { 24 } else { 100 };
    let (values, doubt) = ([0, 4][usize::from(n.is_multiple_of(2))], [0, 10][usize::from(n % 4 < 2)]);
    simulate(dice, subject, Run { calls, clients: 3, values, doubt, stale: 0 })
}

#[test]
fn what_an_atomic_object_did_is_valid() {
    let mut dice = Dice(31);
    for subject in &subjects() {
        for n in 0..LONG {
            let build = long(&mut dice, subject, n);
            agrees(subject, &build, Flags::ALL, true);
        }
    }
}

#[test]
fn one_impossible_answer_makes_a_long_history_a_violation_of_known_kind() {
    let mut dice = Dice(32);
    for subject in &subjects() {
        for n in 0..LONG {
            let mut build = long(&mut dice, subject, n);
            let lost = build.ops.iter().filter(|op| op.kind == Kind::Invoke).count()
                - build.ops.iter().filter(|op| matches!(op.kind, Kind::Ok | Kind::Fail)).count();
            for (process, (f, asked, answered)) in (1_000_000..).zip((subject.poison)(lost)) {
                build.invoke(process, f, asked).ok(process, f, answered);
            }
            let verdict = check(subject, &build, Flags::ALL);
            assert_eq!(
                verdict.valid,
                Valid::Violation,
                "{} {:?}\n{:#?}",
                subject.name,
                verdict.reason,
                build.ops
            );
            let anomaly = verdict.findings[0].anomaly.as_str();
            // What somebody in doubt may have acquired or released takes a proof away.
            let unproven = lost > 0 && anomaly == NOT_LINEARIZABLE;
            assert!(unproven || anomaly == subject.anomaly, "{}: {anomaly}", subject.name);
        }
    }
}
