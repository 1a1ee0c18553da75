//! What a violation says about itself.

use super::super::Flags;
use super::agree::check;
use super::build::Build;
use super::random::{Dice, small};
use crate::model::{Model, Register};
use crate::{Counterexample, Finding, Kind, Valid, Verdict};
use serde_json::json;

fn only_finding(build: &Build) -> Finding {
    let verdict = check(build, Flags::ALL, 1);
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings.len(), 1);
    verdict.findings.into_iter().next().expect("one finding")
}

fn proof(finding: &Finding) -> &Counterexample {
    finding.counterexample.as_ref().expect("a counterexample")
}

/// The example of the report: an old value after a newer write was acknowledged and read.
fn stale() -> Build {
    let mut build = Build::default();
    build.did(2, "write", json!(4));
    build.did(9, "read", json!(4));
    build.did(11, "write", json!(5));
    build.did(2, "read", json!(5));
    build.lost(12, "cas", json!([5, 6]));
    build.invoke(5, "write", json!(8)).invoke(8, "read", json!(null)).ok(8, "read", json!(4));
    build.ok(5, "write", json!(8));
    build
}

#[test]
fn a_stale_read_is_named_with_who_and_when_and_why() {
    let finding = only_finding(&stale().keyed(&json!(17)));
    assert_eq!((finding.anomaly.as_str(), finding.title.as_str()), ("stale read", "stale read on key 17"));
    assert_eq!(
        finding.sentence,
        "Process 8 read 4 from key 17 through n4 at 0.012 s, in an operation that began 6.00 ms after write 5 by \
         process 11 through n2 had been acknowledged: 4 was gone by then, and nothing wrote it again."
    );
    let proof = proof(&finding);
    assert_eq!(proof.ops[proof.culprit].label, "read → 4");
    let mut core: Vec<&str> = proof.core.iter().map(|&at| proof.ops[at].label.as_str()).collect();
    core.sort_unstable();
    // What the sentence names, though the read of 5 would do as well.
    assert_eq!(core, ["read → 4", "write 4", "write 5"]);
    assert_eq!(proof.initial, "nil");
    let finals: Vec<(&str, &str, &str)> =
        proof.finals.iter().map(|f| (&*f.state, &*f.assumption, &*f.refusal)).collect();
    assert_eq!(
        finals,
        [
            ("5", "nothing else happened", "returned 4, not 5"),
            ("6", "the unanswered cas 5 → 6 took effect", "returned 4, not 6"),
            ("8", "write 8, still in flight, came first", "returned 4, not 8"),
        ]
    );
    assert_eq!((proof.n_calls, proof.n_prefix), (7, 7));
}

#[test]
fn a_value_that_nobody_wrote_is_a_phantom() {
    let mut build = Build::default();
    build.did(0, "write", json!(1)).did(1, "read", json!(7)).did(2, "write", json!(8));
    let finding = only_finding(&build);
    assert_eq!(finding.anomaly, "phantom value");
    assert!(finding.sentence.ends_with("but nobody ever wrote 7 to it."), "{}", finding.sentence);
    assert_eq!(proof(&finding).core.len(), 1);
}

#[test]
fn a_value_of_a_failed_write_is_not_called_a_phantom() {
    let mut build = Build::default();
    build.invoke(0, "write", json!(7)).event(0, Kind::Fail, "write", json!(7)).did(1, "read", json!(7));
    let finding = only_finding(&build);
    assert_eq!(finding.anomaly, "not linearizable");
    assert!(finding.sentence.contains("had been reported as failed"), "{}", finding.sentence);
}

#[test]
fn a_write_that_every_later_read_misses_is_lost() {
    let mut build = Build::default();
    build.did(0, "write", json!(1)).did(1, "write", json!(2));
    // Others may be behind; not even the node that had acknowledged it knows of it.
    build.did(2, "read", json!(1)).did(6, "read", json!(1));
    assert_eq!(only_finding(&build).anomaly, "lost write");
    let mut behind = Build::default();
    behind.did(0, "write", json!(1)).did(1, "write", json!(2));
    behind.did(2, "read", json!(1)).did(3, "read", json!(1)).did(7, "read", json!(1));
    assert_eq!(only_finding(&behind).anomaly, "stale read");
    // One read may come from a replica that is behind.
    let mut once = Build::default();
    once.did(0, "write", json!(1)).did(1, "write", json!(2)).did(2, "read", json!(1)).did(
        3,
        "read",
        json!(2),
    );
    assert_eq!(only_finding(&once).anomaly, "stale read");
}

#[test]
fn two_updates_of_one_value_lose_one() {
    let mut build = Build::default();
    build.did(0, "write", json!(1)).invoke(1, "cas", json!([1, 2])).invoke(2, "cas", json!([1, 3]));
    build.ok(1, "cas", json!([1, 2])).ok(2, "cas", json!([1, 3]));
    let finding = only_finding(&build);
    assert_eq!(finding.anomaly, "lost update");
    // With a write in doubt that could have brought 1 back there is an order.
    let mut doubt = Build::default();
    doubt.lost(9, "write", json!(1));
    let mut ops = doubt.ops;
    ops.extend(build.ops);
    for (at, op) in (0..).zip(&mut ops) {
        op.index = at;
    }
    assert_eq!(check(&Build { ops }, Flags::ALL, 1).valid, Valid::Valid);
}

#[test]
fn a_write_in_doubt_takes_the_name_away() {
    let mut build = stale();
    // Another write of 4 in doubt explains the read.
    build.ops.truncate(8);
    build.lost(13, "write", json!(4)).did(8, "read", json!(4));
    assert_eq!(check(&build, Flags::ALL, 1).valid, Valid::Valid);
}

/// Every counterexample has to hold what its type promises, whatever the history.
#[test]
fn counterexamples_replay_by_themselves() {
    let mut dice = Dice(2024);
    let mut seen = 0;
    while seen < 5_000 {
        let build = small(&mut dice);
        let verdict = check(&build, Flags::ALL, 1);
        for finding in &verdict.findings {
            seen += 1;
            holds(&build, finding, &verdict);
        }
    }
}

fn holds(build: &Build, finding: &Finding, verdict: &Verdict) {
    let proof = proof(finding);
    let context = || format!("{verdict:#?}\n{:#?}", build.ops);
    assert!(proof.core.contains(&proof.culprit), "{}", context());
    assert!(!proof.finals.is_empty(), "{}", context());
    assert!(proof.finals.iter().all(|f| f.refusal.contains(", not ")), "{}", context());
    assert!(proof.ops.windows(2).all(|pair| pair[0].index < pair[1].index), "{}", context());
    // The order, replayed from labels alone, gives the states it claims.
    let mut state = proof.initial.clone();
    for step in &proof.order {
        let words: Vec<&str> = proof.ops[step.op].label.split_whitespace().collect();
        match words.as_slice() {
            ["write", value] => state = (*value).to_owned(),
            ["cas", old, "→", new] if *old == state => state = (*new).to_owned(),
            ["read", "→", value] if *value == state => {}
            _ => panic!("{words:?} at {state}: {}", context()),
        }
        assert_eq!(step.state, state, "{}", context());
    }
    // The core alone is impossible from the true start.
    let register = Register::default();
    let core = Build {
        ops: build
            .ops
            .iter()
            .filter(|op| {
                proof.core.iter().any(|&at| {
                    proof.ops[at].index == op.index || proof.ops[at].completion_index == Some(op.index)
                })
            })
            .cloned()
            .collect(),
    };
    assert!(!super::oracle::linearizable(&core.history()), "{} {}", register.name(), context());
}
