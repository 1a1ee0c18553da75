//! What is seen through a few cells: the operations on them, and of the others nothing.

use super::super::found::{Evidence, Others};
use super::super::limits::{Charge, Limits};
use super::super::narrow::narrow;
use super::super::partition::partition;
use super::super::{Keys, Linearizable};
use super::build::Build;
use crate::model::{Element, Model, Set};
use crate::{Budget, Checker, Valid};
use serde_json::{Value, json};
use std::sync::atomic::AtomicUsize;

#[test]
fn only_the_evidence_has_to_have_happened() {
    let mut build = Build::default();
    // Entries 0 to 6. What is invoked after the end, or has to do with other elements, is gone.
    build.did(0, "add", json!(1)).did(0, "add", json!(2)).did(1, "read", json!([1, 2]));
    build.invoke(2, "read", Value::Null).did(0, "remove", json!(1)).ok(2, "read", json!([2]));
    build.did(1, "read", json!([1, 2])).did(0, "add", json!(1));
    let history = build.history();
    let (budget, held) = (Budget::default(), AtomicUsize::new(0));
    let limits = Limits::new(&budget, &held);
    let mut charge = Charge::new(&limits);
    let set = Set::default();
    let Ok(parts) = partition(&set, Keys::Single, &history, &mut charge) else { panic!("a set") };
    let seen = |ops: &[u32], until: u32, cell: u64| {
        let evidence = Evidence { ops: ops.to_vec(), others: Others::Optional };
        let part = narrow(&parts.parts[0], until, &evidence, &[Element::from(&json!(cell))]);
        assert!(part.classes.iter().enumerate().all(|(n, op)| part.classes[..n].iter().all(|o| o != op)));
        let told = part
            .entries
            .iter()
            .map(|entry| (entry.invoke, set.label(&part.classes[entry.class as usize]), entry.ret.is_some()));
        told.collect::<Vec<_>>()
    };
    let told = |all: &[(u32, &str, bool)]| {
        all.iter().map(|&(invoke, label, returned)| (invoke, label.to_owned(), returned)).collect::<Vec<_>>()
    };
    let all = [
        (0, "add 1", true),
        (4, "read → {1}", true),
        (6, "read → {}", true),
        (7, "remove 1", true),
        (10, "read → {1}", true),
    ];
    assert_eq!(seen(&[0, 2, 3, 4, 5], 11, 1), told(&all));
    // A read that is no evidence says nothing; what changes something may have happened.
    let some = [(0, "add 1", true), (7, "remove 1", false), (10, "read → {1}", true)];
    assert_eq!(seen(&[0, 5], 11, 1), told(&some));
    assert_eq!(seen(&[0, 5, 6], 13, 1)[3..], told(&[(12, "add 1", true)]));
    // So it is with what returns later.
    let early = [(0, "add 1", true), (4, "read → {1}", true), (7, "remove 1", false)];
    assert_eq!(seen(&[0, 2, 3, 4, 5], 7, 1), told(&early));
    assert_eq!(seen(&[1, 2], 11, 2), told(&[(2, "add 2", true), (4, "read → {2}", true)]));
}

#[test]
fn calls_that_failed_go_where_they_would_have_been() {
    let mut build = Build::default();
    for (process, element) in [(0, "a"), (1, "b"), (2, "c")] {
        build.did(process, "add", json!(element));
    }
    for (process, element) in [(0, "b"), (1, "b"), (2, "d"), (0, "c")] {
        build.invoke(process, "add", json!(element)).event(process, crate::Kind::Fail, "add", json!(element));
    }
    let history = build.history();
    let (budget, held) = (Budget::default(), AtomicUsize::new(0));
    let limits = Limits::new(&budget, &held);
    let set = Set::default();
    let Ok(parts) = partition(&set, Keys::Single, &history, &mut Charge::new(&limits)) else {
        panic!("a set")
    };
    let failed: Vec<_> = parts.parts.iter().map(|part| part.failed.clone()).collect();
    assert_eq!(failed, [vec![], vec![6, 8], vec![12]]);
    let verdict = Linearizable::new(Set::default(), Keys::Single).check(&history, &budget);
    assert_eq!(
        (verdict.valid, &verdict.stats["ok"], &verdict.stats["fail"]),
        (Valid::Valid, &json!(3), &json!(4))
    );
}
