//! Changes to a history whose effect on the verdict is known.

use super::super::Flags;
use super::agree::check;
use super::build::Build;
use super::random::{Dice, Run, atomic};
use crate::{Kind, Valid};
use proptest::prelude::*;
use serde_json::json;

fn valid(build: &Build) -> bool {
    let verdict = check(build, Flags::ALL, 1);
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
    assert_ne!(verdict.valid, Valid::Unknown, "{:?}", verdict.reason);
    verdict.valid == Valid::Valid
}

fn run() -> impl Strategy<Value = (u64, Run)> {
    (any::<u64>(), 1..300_usize, 1..12_usize, 0..6_u64, prop_oneof![Just(0), Just(20), Just(100)])
        .prop_map(|(seed, calls, clients, values, doubt)| (seed, Run { calls, clients, values, doubt }))
}

fn history() -> impl Strategy<Value = Build> {
    run().prop_map(|(seed, run)| atomic(&mut Dice(seed), run))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_an_atomic_register_did_is_valid(build in history()) {
        prop_assert!(valid(&build));
        let without_windows = Flags { windows: false, ..Flags::ALL };
        prop_assert_eq!(check(&build, without_windows, 1).valid, Valid::Valid);
    }

    #[test]
    fn a_prefix_of_a_valid_history_is_valid(build in history(), part in 0.0..1.0_f64) {
        let mut build = build;
        let keep = (build.ops.len() as f64 * part) as usize;
        build.ops.truncate(keep);
        prop_assert!(valid(&build));
    }

    #[test]
    fn forgetting_answers_keeps_it_valid(build in history(), seed in any::<u64>()) {
        let (mut build, mut dice) = (build, Dice(seed));
        for op in &mut build.ops {
            // Not too many: the rest has to stay decidable in a test's time.
            if op.kind == Kind::Ok && dice.below(15) == 0 {
                op.kind = Kind::Info;
            }
        }
        prop_assert!(valid(&build));
    }

    #[test]
    fn renaming_values_changes_nothing(build in history()) {
        let mut renamed = build.clone();
        for op in &mut renamed.ops {
            let rename = |value: &serde_json::Value| match value.as_u64() {
                Some(n) => json!(format!("v{n}")),
                None => value.clone(),
            };
            op.value = match op.value.as_array() {
                Some(pair) => pair.iter().map(rename).collect(),
                None => rename(&op.value),
            };
        }
        prop_assert_eq!(valid(&renamed), valid(&build));
    }

    #[test]
    fn a_value_from_nowhere_is_a_violation(build in history(), at in any::<prop::sample::Index>()) {
        let mut build = build;
        let reads: Vec<usize> = (0..build.ops.len())
            .filter(|&n| build.ops[n].kind == Kind::Ok && build.ops[n].f == "read")
            .collect();
        prop_assume!(!reads.is_empty());
        build.ops[reads[at.index(reads.len())]].value = json!("nowhere");
        let verdict = check(&build, Flags::ALL, 1);
        prop_assert_eq!(verdict.valid, Valid::Violation);
        prop_assert_eq!(&verdict.findings[0].anomaly, "phantom value");
        let example = verdict.findings[0].counterexample.as_ref();
        prop_assert!(example.is_some_and(|example| !example.finals.is_empty()));
    }

    #[test]
    fn reading_a_value_after_its_overwriter_was_read_is_a_violation(build in history()) {
        let mut build = build;
        build.did(100_000, "write", json!("old")).did(100_001, "write", json!("new"));
        build.did(100_002, "read", json!("new"));
        build.did(100_003, "read", json!("old"));
        let verdict = check(&build, Flags::ALL, 1);
        prop_assert_eq!(verdict.valid, Valid::Violation);
        prop_assert_eq!(&verdict.findings[0].anomaly, "stale read");
    }
}
