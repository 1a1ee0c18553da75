//! What has nothing to do with each other is decided apart, and only that.

use super::super::components::split;
use super::super::limits::{Charge, Limits};
use super::super::partition::partition;
use super::super::{Flags, Keys, Linearizable};
use super::build::Build;
use super::model_agree::{agrees, check};
use super::model_random::{Run, simulate};
use super::model_specs::{Subject, subjects};
use super::oracle;
use super::random::Dice;
use crate::model::{KeyValue, Set};
use crate::{Budget, Checker, Kind, Valid};
use serde_json::{Value, json};
use std::sync::atomic::AtomicUsize;

fn subject(name: &str, ask: fn(&mut Dice, u64) -> (&'static str, Value)) -> Subject {
    let found = subjects().into_iter().find(|subject| subject.name == name);
    Subject { ask, ..found.expect("a model of that name") }
}

/// Transactions on one or two of six keys, and elements of a set one by one.
fn apart() -> [Subject; 2] {
    let map = subject("map", |dice, n| {
        let key = dice.below(6);
        let other = if dice.below(4) == 0 { dice.below(6) } else { key };
        let mut micro = |key: u64| {
            if dice.below(2) == 0 { json!(["r", key, null]) } else { json!(["w", key, n]) }
        };
        ("txn", json!([micro(key), micro(other)]))
    });
    let set = subject("set", |dice, _| {
        let element = dice.below(3);
        match dice.below(4) {
            0 => ("add", json!(element)),
            1 => ("remove", json!(element)),
            _ => ("contains", json!([element, null])),
        }
    });
    [map, set]
}

#[test]
fn components_agree_with_trying_every_order() {
    let mut dice = Dice(51);
    for subject in &apart() {
        let (mut counts, mut split) = ([0, 0], 0);
        for _ in 0..5_000 {
            let run = Run {
                calls: 2 + dice.below(6),
                clients: 1 + usize::try_from(dice.below(4)).expect("small"),
                values: 0,
                doubt: dice.below(3) * 150,
                stale: [0, 700, 900][usize::try_from(dice.below(3)).expect("small")],
            };
            let build = simulate(&mut dice, subject, run);
            let allowed = oracle::allowed(&build.history(), &subject.initial, subject.spec);
            counts[usize::from(allowed)] += 1;
            agrees(subject, &build, Flags::ALL, allowed);
            split += u64::from(check(subject, &build, Flags::ALL).stats.contains_key("components"));
        }
        assert!(counts.iter().all(|&n| n > 100), "{} {counts:?}", subject.name);
        assert!(split > 1_000, "{} {split}", subject.name);
    }
}

/// Every operation in one component, with those that it shares a cell with, and in order.
#[test]
fn a_component_is_all_that_hangs_together() {
    let [map, _] = apart();
    let mut dice = Dice(52);
    let budget = Budget::default();
    for _ in 0..300 {
        let run = Run { calls: 12, clients: 3, values: 0, doubt: 100, stale: 0 };
        let history = simulate(&mut dice, &map, run).history();
        let held = AtomicUsize::new(0);
        let limits = Limits::new(&budget, &held);
        let mut charge = Charge::new(&limits);
        let model = KeyValue::default();
        let parts = partition(&model, Keys::Single, &history, &mut charge);
        let Ok(parts) = parts else { panic!("a history of a map") };
        let mut seen = Vec::new();
        for part in parts.parts {
            assert!(part.entries.windows(2).all(|pair| pair[0].invoke < pair[1].invoke));
            let told: Vec<Vec<String>> = part
                .entries
                .iter()
                .map(|entry| {
                    let asked = part.call(entry.invoke).invoke.value.as_array().expect("a txn").clone();
                    asked.iter().map(|micro| micro[1].to_string()).collect()
                })
                .collect();
            for keys in &told {
                assert!(
                    part.cells.is_empty()
                        || keys.iter().all(|key| part.cells.iter().any(|cell| cell.to_string() == *key))
                );
            }
            seen.extend(part.cells.iter().map(ToString::to_string));
            let cells = part.cells.len();
            // It does not fall apart any further.
            let again = split(part, &mut charge);
            let Ok(again) = again else { panic!("no limit is in the way") };
            assert_eq!(again.len(), 1);
            assert!(cells == 0 || again[0].cells.len() == cells);
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all, "a cell is in two components");
    }
}

#[test]
fn a_violation_names_its_cells_and_spares_the_others() {
    let mut build = Build::default();
    let txn = |build: &mut Build, process, asked: Value, answered: Value| {
        build.invoke(process, "txn", asked).ok(process, "txn", answered);
    };
    txn(&mut build, 0, json!([["w", "x", 1], ["w", "y", 2]]), json!([["w", "x", 1], ["w", "y", 2]]));
    txn(&mut build, 1, json!([["w", "z", 3]]), json!([["w", "z", 3]]));
    txn(&mut build, 1, json!([["r", "y", null]]), json!([["r", "y", null]]));
    txn(&mut build, 2, json!([["r", "z", null]]), json!([["r", "z", 3]]));
    let verdict =
        Linearizable::new(KeyValue::default(), Keys::Single).check(&build.history(), &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!((&verdict.stats["keys"], &verdict.stats["components"]), (&json!(1), &json!(2)));
    assert_eq!(verdict.stats["violating_keys"], 1);
    let finding = &verdict.findings[0];
    assert!(finding.title.ends_with(" on keys x, y of the map"), "{}", finding.title);
    assert_eq!(finding.counterexample.as_ref().map(|proof| proof.n_calls), Some(2));
}

/// P10: what is in doubt may have touched two keys at once.
#[test]
fn an_operation_in_doubt_joins_what_it_touches() {
    let mut build = Build::default();
    build.lost(0, "txn", json!([["w", "x", 1], ["w", "y", 1]]));
    for (process, key, seen) in [(1, "x", json!(1)), (1, "y", Value::Null)] {
        build.invoke(process, "txn", json!([["r", key, null]]));
        build.ok(process, "txn", json!([["r", key, seen]]));
    }
    let checker = Linearizable::new(KeyValue::default(), Keys::Single);
    let verdict = checker.check(&build.history(), &Budget::default());
    // Each key by itself would be fine.
    assert_eq!(verdict.valid, Valid::Violation);
    assert!(!verdict.stats.contains_key("components"));
}

#[test]
fn a_read_of_everything_keeps_everything_together() {
    let mut build = Build::default();
    build.did(0, "add", json!(1)).did(1, "add", json!(2));
    let checker = Linearizable::new(Set::default(), Keys::Single);
    let components =
        |build: &Build| checker.check(&build.history(), &Budget::default()).stats.get("components").cloned();
    assert_eq!(components(&build), Some(json!(2)));
    // One in doubt says nothing.
    build.lost(2, "read", Value::Null);
    assert_eq!(components(&build), Some(json!(2)));
    build.did(0, "read", json!([1, 2]));
    assert_eq!(components(&build), None);
    // Nobody's fault is lost on the way.
    build.invoke(3, "remove", json!(3)).event(3, Kind::Fail, "remove", json!(3));
    assert_eq!(components(&build), None);
}
