//! Names of violations on small random histories: whatever is named is proven by its evidence alone,
//! says the oracle, and what is called stale was there once; or reads that come too late are all that is
//! wrong.

use super::Named;
use super::order::Orders;
use super::palette::Palette;
use super::sketch::{Sketch, Sketched};
use crate::linear::tests::model_specs::{Subject, subjects};
use crate::linear::tests::random::Dice;
use crate::model::NOT_LINEARIZABLE;
use std::collections::BTreeMap;

/// Histories of each model.
const HISTORIES: u64 = 12_000;

/// What each model's violations are called, in small histories.
const NAMES: [(&str, &[&str]); 17] = [
    ("register", &["lost update", "lost write", "phantom value", "stale read"]),
    ("versioned-register", &["lost update", "phantom value", "stale read", "two values of one version"]),
    ("map", &["phantom value", "stale read"]),
    ("text", &["stale read"]),
    ("set", &["duplicate element", "lost element", "phantom value", "stale read"]),
    ("counter", &["impossible count", "lost update", "stale read"]),
    ("fetch-add", &["impossible count", "lost update", "stale read"]),
    ("log", &["forked log", "lost element", "lost write", "phantom value", "stale read"]),
    ("queue", &["double delivery", "lost element", "out of order", "phantom value"]),
    ("bag", &["double delivery", "lost element", "phantom value"]),
    ("stack", &["double delivery", "lost element", "phantom value"]),
    ("priority-queue", &["double delivery", "lost element", "out of order", "phantom value"]),
    ("mutex", &["split lock"]),
    ("reentrant-mutex of limit 1", &["split lock"]),
    ("reentrant-mutex", &["split lock"]),
    ("fenced-lock", &["split lock", "stale token"]),
    ("semaphore", &["split lock"]),
];

/// Whose stale answers were right as a whole some time before. A version, a sum or one key of several
/// can be stale although nothing was ever like the whole answer.
const WERE_SO: [&str; 3] = ["register", "set", "log"];

/// Does the name argue with sums over all calls of this function, and not with a few of them?
fn is_counted(f: &str, named: &Named) -> bool {
    match f {
        "acquire" => named.name == "split lock",
        "add" => ["impossible count", "lost update"].contains(&named.name),
        _ => false,
    }
}

/// How often each name was given, and what it was given for wrongly.
#[derive(Default)]
struct Looked {
    names: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
}

fn look(subject: &Subject, dice: &mut Dice) -> Looked {
    let mut looked = Looked::default();
    let mut palette = Palette::new(subject);
    let (mut sketch, mut orders) = (Sketch::new(), Orders::default());
    for _ in 0..HISTORIES {
        sketch.draw(dice, &mut palette);
        if orders.allowed(&mut palette, &sketch) {
            continue;
        }
        let build = sketch.build(&palette);
        for named in palette.bare.named(&build.history()) {
            *looked.names.entry(named.name).or_default() += 1;
            if let Some(why) = is_wrong(&mut palette, &mut sketch, &mut orders, &named) {
                let ops: Vec<String> =
                    (build.ops.iter()).map(|op| serde_json::to_string(op).expect("an operation")).collect();
                looked.wrong.push(format!(
                    "{} {}: {why}, culprit {}, evidence {:?}\n{}",
                    subject.name,
                    named.name,
                    named.culprit,
                    named.evidence,
                    ops.join("\n")
                ));
            }
        }
    }
    looked
}

/// Why a name is not proven.
fn is_wrong(
    palette: &mut Palette,
    sketch: &mut Sketch,
    orders: &mut Orders,
    named: &Named,
) -> Option<&'static str> {
    if named.name == NOT_LINEARIZABLE {
        return None;
    }
    let is_culprit = |call: &Sketched| call.invoke == named.culprit;
    let at = sketch.calls.iter().position(is_culprit).expect("the culprit is a call");
    let counted: Vec<bool> = (palette.calls.iter())
        .map(|call| is_counted(palette.questions[call.question as usize].f, named))
        .collect();
    let ended = sketch.calls[at].ret().expect("the culprit returned");
    if named.name == "stale read" && named.evidence.is_empty() {
        return (!is_right_earlier(palette, sketch, orders, ended)).then_some("reads alone are not to blame");
    }
    let proves = |call: &Sketched| {
        let has_part = named.evidence.contains(&call.invoke) || counted[call.call as usize];
        is_culprit(call) || has_part && call.ret().is_some_and(|ret| ret < ended)
    };
    if orders.possible(palette, sketch, &proves) {
        return Some("not proven");
    }
    if named.name != "stale read" || !WERE_SO.contains(&palette.subject.name) {
        return None;
    }
    // Stale is what would have been right some time before.
    let invoke = std::mem::replace(&mut sketch.calls[at].invoke, 0);
    let earlier = orders.possible(palette, sketch, &|call| call.end == Some(ended));
    sketch.calls[at].invoke = invoke;
    (!earlier).then_some("never was so")
}

/// Is everything that returned by then allowed, if whatever only looks may have looked before it began?
fn is_right_earlier(palette: &mut Palette, sketch: &mut Sketch, orders: &mut Orders, ended: u32) -> bool {
    let invoked: Vec<u32> = sketch.calls.iter().map(|call| call.invoke).collect();
    for call in &mut sketch.calls {
        if palette.only_looks(call.call) {
            call.invoke = 0;
        }
    }
    let right = orders.possible(palette, sketch, &|call| call.ret().is_some_and(|ret| ret <= ended));
    for (call, invoke) in sketch.calls.iter_mut().zip(invoked) {
        call.invoke = invoke;
    }
    right
}

#[test]
fn a_name_is_proven_by_its_evidence_alone() {
    let mut dice = Dice(77);
    let (mut wrong, mut other) = (Vec::new(), Vec::new());
    for (subject, (name, expected)) in subjects().iter().zip(NAMES) {
        assert_eq!(subject.name, name);
        let looked = look(subject, &mut dice);
        println!("{name}: {:?}", looked.names);
        let names: Vec<&str> = looked.names.into_keys().filter(|name| *name != NOT_LINEARIZABLE).collect();
        if names != expected {
            other.push((name, names));
        }
        // One of each model is enough to look at.
        wrong.extend(looked.wrong.into_iter().take(1));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(other.is_empty(), "{other:?}");
}
