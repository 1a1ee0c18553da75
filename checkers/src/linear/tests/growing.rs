//! Deciding without a search where an object only grows: against the oracle, against the search,
//! and every way to be impossible.

use super::super::Flags;
use super::build::Build;
use super::model_agree::{agrees, check};
use super::model_random::{Run, simulate};
use super::model_specs::{Subject, subjects};
use super::oracle;
use super::random::Dice;
use crate::{Valid, Verdict};
use serde_json::{Value, json};

/// Small histories of each object.
const SMALL: u64 = 6_000;

/// Longer ones of each.
const LONGER: u64 = 250;

const SEARCH: Flags = Flags { growing: false, ..Flags::ALL };

/// Without windows a violation is proven from the operations that rule an order out.
const NO_WINDOWS: Flags = Flags { windows: false, ..Flags::ALL };

fn subject(name: &str, ask: fn(&mut Dice, u64) -> (&'static str, Value)) -> Subject {
    let found = subjects().into_iter().find(|subject| subject.name == name);
    Subject { ask, ..found.expect("a model of that name") }
}

/// Objects that only grow, and what is asked of them.
fn growing() -> Vec<Subject> {
    vec![
        subject("set", |dice, n| if dice.below(2) == 0 { ("add", json!(n)) } else { ("read", Value::Null) }),
        subject(
            "counter",
            |dice, _| if dice.below(2) == 0 { ("add", json!(3)) } else { ("read", Value::Null) },
        ),
        subject("counter", |dice, _| match dice.below(6) {
            0..3 => ("add", json!(-1)),
            3 => ("add", json!(0)),
            _ => ("read", Value::Null),
        }),
        subject("fetch-add", |dice, n| match dice.below(3) {
            0 => ("read", Value::Null),
            _ => ("fetch-add", json!([n, null])),
        }),
        subject("fetch-add", |dice, _| match dice.below(3) {
            0 => ("read", Value::Null),
            _ => ("fetch-add", json!([2, null])),
        }),
        subject("log", |dice, n| match dice.below(5) {
            0..3 => ("append", json!(n)),
            3 => ("read", json!([dice.below(6), null])),
            _ => ("read", Value::Null),
        }),
        subject("log", |dice, n| match dice.below(2) {
            0 => ("append", json!(n)),
            _ => ("read", json!([dice.below(n + 1), null])),
        }),
    ]
}

fn configurations(verdict: &Verdict) -> u64 {
    verdict.stats["configurations"].as_u64().expect("a number")
}

#[test]
fn small_histories_agree_with_trying_every_order() {
    let mut dice = Dice(41);
    for subject in &growing() {
        let mut counts = [0, 0];
        for _ in 0..SMALL {
            let run = Run {
                calls: 2 + dice.below(6),
                clients: 1 + usize::try_from(dice.below(4)).expect("small"),
                values: 0,
                doubt: dice.below(3) * 150,
                stale: [0, 300, 700][usize::try_from(dice.below(3)).expect("small")],
            };
            let build = simulate(&mut dice, subject, run);
            let allowed = oracle::allowed(&build.history(), &subject.initial, subject.spec);
            counts[usize::from(allowed)] += 1;
            for flags in [Flags::ALL, NO_WINDOWS, SEARCH] {
                agrees(subject, &build, flags, allowed);
            }
        }
        assert!(counts.iter().all(|&n| n > SMALL / 20), "{} {counts:?}", subject.name);
    }
}

#[test]
fn longer_histories_agree_with_the_search() {
    let mut dice = Dice(42);
    for subject in &growing() {
        let (mut counts, mut found) = ([0, 0], 0);
        for n in 0..LONGER {
            let run = Run {
                calls: 10 + dice.below(40),
                clients: 1 + usize::try_from(dice.below(5)).expect("small"),
                values: 0,
                doubt: dice.below(3) * 40,
                stale: [0, 60][usize::from(n.is_multiple_of(2))],
            };
            let build = simulate(&mut dice, subject, run);
            let verdicts = [Flags::ALL, NO_WINDOWS, SEARCH].map(|flags| check(subject, &build, flags));
            for verdict in &verdicts {
                assert!(
                    !verdict.stats.contains_key("internal_errors"),
                    "{:?} {:#?}",
                    verdict.stats,
                    build.ops
                );
                assert_eq!(verdict.valid, verdicts[0].valid, "{:#?}", build.ops);
            }
            counts[usize::from(verdicts[0].valid == Valid::Valid)] += 1;
            found += u64::from(configurations(&verdicts[0]) == 0);
        }
        assert!(counts.iter().all(|&n| n > LONGER / 20), "{} {counts:?}", subject.name);
        // Most that are valid are seen to be without a search.
        assert!(found * 2 > counts[1], "{} {counts:?} {found}", subject.name);
    }
}

#[test]
fn what_an_atomic_object_did_needs_no_search() {
    let mut dice = Dice(43);
    // Sums of different amounts do not say which of those in doubt are in them.
    for (at, subject) in growing().iter().enumerate().filter(|(at, _)| *at != 3) {
        let reads = if ["set", "log"].contains(&subject.name) { 400 } else { 4_000 };
        for doubt in [0, 10] {
            let run = Run { calls: reads, clients: 8, values: 0, doubt, stale: 0 };
            let verdict = check(subject, &simulate(&mut dice, subject, run), Flags::ALL);
            assert_eq!((verdict.valid, configurations(&verdict)), (Valid::Valid, 0), "{} {at}", subject.name);
        }
    }
}

fn is_impossible(name: &str, build: &Build, core: usize) {
    let subject = growing().into_iter().find(|subject| subject.name == name).expect("a model");
    for flags in [Flags::ALL, NO_WINDOWS, SEARCH] {
        let verdict = check(&subject, build, flags);
        assert_eq!(verdict.valid, Valid::Violation, "{flags:?}");
        assert!(!verdict.stats.contains_key("internal_errors"), "{flags:?} {:?}", verdict.stats);
        assert_eq!(verdict.stats["violations_proved_twice"], 1, "{flags:?}");
        let proof = verdict.findings[0].counterexample.as_ref().expect("a counterexample");
        assert!(proof.core.len() <= core, "{flags:?} {proof:#?}");
    }
}

#[test]
fn sets_that_cannot_be() {
    // Lost.
    let mut build = Build::default();
    build.did(0, "add", json!(1)).did(1, "add", json!(2)).did(2, "read", json!([2]));
    is_impossible("set", &build, 2);
    // From nowhere.
    let mut build = Build::default();
    build.did(0, "add", json!(1)).did(1, "read", json!([1, 7]));
    is_impossible("set", &build, 1);
    // Neither read saw all that the other saw.
    let mut build = Build::default();
    build.lost(0, "add", json!(1)).lost(1, "add", json!(2));
    build.invoke(2, "read", Value::Null).invoke(3, "read", Value::Null);
    build.ok(2, "read", json!([1])).ok(3, "read", json!([2]));
    is_impossible("set", &build, 2);
    // The second was added when the first was there, and was seen without it.
    let mut build = Build::default();
    build.invoke(2, "read", Value::Null).did(0, "add", json!(1)).did(1, "add", json!(2));
    build.ok(2, "read", json!([2]));
    is_impossible("set", &build, 3);
    // Seen, and then not.
    let mut build = Build::default();
    build.lost(0, "add", json!(1)).did(1, "read", json!([1])).did(1, "read", json!([]));
    is_impossible("set", &build, 2);
    // Seen before it was added.
    let mut build = Build::default();
    build.did(1, "read", json!([1])).did(0, "add", json!(1));
    is_impossible("set", &build, 1);
}

#[test]
fn counters_that_cannot_be() {
    let add = |build: &mut Build, process| {
        build.did(process, "add", json!(1));
    };
    // Too many seen, whoever in doubt was there.
    let mut build = Build::default();
    add(&mut build, 0);
    build.lost(1, "add", json!(1)).did(0, "read", json!(3));
    is_impossible("counter", &build, 1);
    // Too few.
    let mut build = Build::default();
    (0..3).for_each(|process| add(&mut build, process));
    build.did(0, "read", json!(2));
    is_impossible("counter", &build, 4);
    // Too few of those added since.
    let mut build = Build::default();
    build.lost(9, "add", json!(1));
    (0..3).for_each(|process| add(&mut build, process));
    build.did(0, "read", json!(4));
    (0..2).for_each(|process| add(&mut build, process));
    build.did(0, "read", json!(5));
    is_impossible("counter", &build, 4);
    // Back.
    let mut build = Build::default();
    build.invoke(0, "add", json!(1)).did(1, "read", json!(1)).did(1, "read", json!(0)).ok(0, "add", json!(1));
    is_impossible("counter", &build, 2);
}

#[test]
fn fetch_and_adds_that_cannot_be() {
    let mut build = Build::default();
    let did = |build: &mut Build, process, n: i64, old: i64| {
        build.invoke(process, "fetch-add", json!([n, null])).ok(process, "fetch-add", json!([n, old]));
    };
    did(&mut build, 0, 2, 0);
    did(&mut build, 1, 3, 0);
    is_impossible("fetch-add", &build, 2);
    // A hole that nobody can fill.
    let mut build = Build::default();
    did(&mut build, 0, 2, 0);
    did(&mut build, 1, 3, 4);
    is_impossible("fetch-add", &build, 1);
    // In the wrong order.
    let mut build = Build::default();
    did(&mut build, 0, 2, 2);
    did(&mut build, 1, 2, 0);
    is_impossible("fetch-add", &build, 2);
    // Seen inside of a step.
    let mut build = Build::default();
    did(&mut build, 0, 2, 0);
    build.did(1, "read", json!(1));
    is_impossible("fetch-add", &build, 2);
}

/// Until the append returns, what rules an order out is that nobody else can have left the first
/// entry: also that 1 is seen where it is.
#[test]
fn who_is_seen_elsewhere_belongs_to_the_argument() {
    let mut build = Build::default();
    build.invoke(1, "append", json!(1));
    build.invoke(2, "read", json!([1, null]));
    build.invoke(3, "read", json!([2, null]));
    build.invoke(0, "append", json!(3));
    build.ok(2, "read", json!([1, 3]));
    build.invoke(4, "append", json!(2));
    build.ok(3, "read", json!([2, 1]));
    build.ok(4, "append", json!([0, 2]));
    for flags in [Flags::ALL, NO_WINDOWS] {
        agrees(&subject("log", |_, _| ("read", Value::Null)), &build, flags, false);
    }
}

#[test]
fn logs_that_cannot_be() {
    let append = |build: &mut Build, process, value: u64, index: u64| {
        build.invoke(process, "append", json!(value)).ok(process, "append", json!([index, value]));
    };
    let get = |build: &mut Build, process, index: u64, value: Value| {
        build.invoke(process, "read", json!([index, null])).ok(process, "read", json!([index, value]));
    };
    // Two at one place.
    let mut build = Build::default();
    append(&mut build, 0, 1, 0);
    append(&mut build, 1, 2, 0);
    is_impossible("log", &build, 2);
    // Lost.
    let mut build = Build::default();
    append(&mut build, 0, 1, 0);
    get(&mut build, 1, 0, Value::Null);
    is_impossible("log", &build, 2);
    // Its index is not known, and both places are taken by what is older or seen.
    let mut build = Build::default();
    append(&mut build, 0, 1, 0);
    build.did(1, "append", json!(2));
    append(&mut build, 2, 3, 1);
    is_impossible("log", &build, 3);
    // A place that nobody can have filled.
    let mut build = Build::default();
    append(&mut build, 0, 1, 1);
    is_impossible("log", &build, 1);
    // From nowhere.
    let mut build = Build::default();
    build.lost(0, "append", json!(1));
    get(&mut build, 1, 0, json!(7));
    is_impossible("log", &build, 1);
    // There, and then not.
    let mut build = Build::default();
    build.lost(0, "append", json!(1));
    get(&mut build, 1, 0, json!(1));
    build.invoke(1, "read", Value::Null).ok(1, "read", json!([]));
    is_impossible("log", &build, 2);
}
