//! What is charged, given back and refused; and that what things say they hold is what they hold,
//! give or take what a vector keeps in reserve.

use super::super::access::Accesses;
use super::super::ahead::Ahead;
use super::super::limits::{Charge, Limits, Spent};
use super::super::partition::{Part, partition};
use super::super::problem::{Flags, Problem, Supply};
use super::super::subject::Subject;
use super::super::window::Window;
use super::super::{Keys, Linearizable};
use super::build::Build;
use crate::model::{Element, Model, Register, Set, Text};
use crate::{Budget, Checker, Valid};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Writes one after the other, all different, and as many reads of the last one.
fn writes(n: u64) -> Build {
    let mut build = Build::default();
    (0..n).for_each(|value| _ = build.did(0, "write", json!(value)));
    (0..n).for_each(|_| _ = build.did(0, "read", json!(n - 1)));
    build
}

fn about(bytes: usize, least: usize) {
    assert!((least..=2 * least + 1_024).contains(&bytes), "{bytes} bytes for {least}");
}

#[test]
fn a_charge_is_the_most_recent_one_and_is_given_back() {
    let (budget, held) = (Budget::new(1_000, 1), AtomicUsize::new(0));
    let limits = Limits::new(&budget, &held);
    let (mut one, mut other) = (Charge::new(&limits), Charge::new(&limits));
    for (bytes, sum) in [(600, 600), (200, 200), (200, 200), (700, 700), (0, 0), (400, 400)] {
        assert_eq!(one.can_hold(bytes), Ok(()));
        assert_eq!(held.load(Ordering::Relaxed), sum);
    }
    // All of it is allowed, and not one byte more.
    assert_eq!((other.can_hold(600), limits.refused_memory()), (Ok(()), false));
    assert_eq!(other.can_hold(601), Err(Spent::Memory));
    assert_eq!((one.can_hold(401), limits.refused_memory()), (Err(Spent::Memory), true));
    assert_eq!(held.load(Ordering::Relaxed), 1_000);
    drop(one);
    assert_eq!(held.load(Ordering::Relaxed), 600);
    assert_eq!(other.can_hold(601), Ok(()));
    drop(other);
    assert_eq!(held.load(Ordering::Relaxed), 0);
    // That somebody was refused is said for this key only.
    assert!(!Limits::new(&budget, &held).refused_memory());
}

#[test]
fn a_part_weighs_what_is_in_it() {
    let history = writes(1_000).history();
    let (budget, held) = (Budget::default(), AtomicUsize::new(0));
    let limits = Limits::new(&budget, &held);
    let mut charge = Charge::new(&limits);
    let register = Register::default();
    let Ok(parts) = partition(&register, Keys::Single, &history, &mut charge) else {
        panic!("a history of a register")
    };
    let part = &parts.parts[0];
    let entry = size_of::<super::super::partition::Entry>();
    let op = size_of::<<Register as Model>::Op>();
    about(part.bytes(), part.heap + 2_000 * entry + 1_001 * op);
    assert_eq!(held.load(Ordering::Relaxed), part.bytes());
    let mut empty = Part::new(&register, None, &history);
    assert_eq!(empty.bytes(), 0);
    empty.heap = 5;
    assert_eq!(empty.bytes(), 5);
    empty.failed = vec![1; 1_000];
    assert_eq!(empty.bytes(), 5 + empty.failed.capacity() * 4);
    empty.cells = vec![Element::from(&Value::Null); 1_000];
    let cells = empty.cells.capacity() * size_of::<Element>();
    assert_eq!(empty.bytes(), 5 + empty.failed.capacity() * 4 + cells);
    let subject = Subject::new(part, &limits);
    about(subject.bytes(), 1_001 * (2 + 8));
    about(Accesses::new(&register, &part.classes).expect("accesses").bytes(), 1_001 * 8);
}

#[test]
fn who_looks_ahead_weighs_what_is_seen_and_written() {
    let mut build = Build::default();
    for n in 0..1_000 {
        build.did(0, "put", json!(n.to_string()));
        (0..3).for_each(|_| _ = build.did(0, "get", json!(n.to_string())));
    }
    (0..60).for_each(|n| _ = build.lost(n, "put", json!(format!("lost {n}"))));
    build.did(0, "get", json!("lost 3"));
    let history = build.history();
    let (budget, held) = (Budget::default(), AtomicUsize::new(0));
    let limits = Limits::new(&budget, &held);
    let mut charge = Charge::new(&limits);
    let text = Text::default();
    let Ok(parts) = partition(&text, Keys::Single, &history, &mut charge) else {
        panic!("a history of a text")
    };
    let subject = Subject::new(&parts.parts[0], &limits);
    let items = Window::new(&subject, None, u32::MAX).items;
    let problem = Problem::new(items, None, Flags::ALL, Supply::Counted, &mut charge);
    let problem = problem.unwrap_or_else(|_| panic!("no limit is in the way"));
    let ahead = Ahead::new(&problem).expect("a text looks ahead");
    about(ahead.bytes(), 3_001 * 8 + 1_000 * 8 + 60 * 8 + 4_001 * 4);
}

/// Whoever fits says so, and whoever does not: at each size, and from some size on for good.
#[test]
fn every_size_is_enough_or_too_little() {
    let mut elements = Build::default();
    for n in 0..300_u64 {
        let all: Vec<u64> = (0..=n).collect();
        elements.did(0, "add", json!(n)).did(0, "read", json!(all));
    }
    let mut registers = writes(400);
    (0..40).for_each(|n| _ = registers.lost(n, "write", json!(format!("lost {n}"))));
    let check = |build: &Build, model: &str, bytes: usize| {
        let budget = Budget::new(bytes, 1);
        let history = build.history();
        match model {
            "set" => Linearizable::new(Set::default(), Keys::Single).check(&history, &budget).valid,
            _ => Linearizable::new(Register::default(), Keys::Single).check(&history, &budget).valid,
        }
    };
    for (build, model, least) in [(&elements, "set", 45_000 * 24), (&registers, "register", 1_240 * 12)] {
        let enough: Vec<bool> = (8..26).map(|log| check(build, model, 1 << log) == Valid::Valid).collect();
        let first = enough.iter().position(|&enough| enough).expect("some size is enough");
        assert!(enough[first..].iter().all(|&enough| enough), "{model} {enough:?}");
        // Within a few times what the operations alone hold.
        let bytes = 1_usize << (8 + first);
        assert!((least..16 * least).contains(&bytes), "{model}: {bytes} bytes for {least}");
    }
}
