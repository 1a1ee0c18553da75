//! The names of violations: for each the smallest history that has to be called so, and one much like
//! it that must not be.

use super::build::Build;
use super::model_specs::subjects;
use crate::{Keys, Kind, Valid};
use serde_json::Value;

/// Events, one after the other: `0 write 1` is an invocation by process 0, `0 = 1` its answer, `0 ?`
/// a doubtful end and `0 !` a failure. `0 write 1 = 1` is both at once.
fn history(text: &str) -> Build {
    let mut build = Build::default();
    let mut asked: std::collections::BTreeMap<u64, (&str, Value)> = std::collections::BTreeMap::new();
    for event in text.split("; ") {
        let (process, what) = event.split_once(' ').expect("who and what");
        let process: u64 = process.parse().expect("a process");
        let (question, end) = match what.find(['=', '?', '!']) {
            Some(at) => what.split_at(at),
            None => (what, ""),
        };
        if let Some((f, value)) = question.trim().split_once(' ') {
            let value: Value = serde_json::from_str(value).expect("a value");
            build.invoke(process, f, value.clone());
            asked.insert(process, (f, value));
        }
        let Some((f, value)) = asked.get(&process).cloned() else { panic!("{event}: nothing was asked") };
        match end.split_at(end.len().min(1)) {
            ("=", answer) => build.ok(process, f, serde_json::from_str(answer).expect("an answer")),
            ("?", _) => build.event(process, Kind::Info, f, value),
            ("!", _) => build.event(process, Kind::Fail, f, value),
            _ => &mut build,
        };
    }
    build
}

/// Model, name, a history that has it, and one that has not.
type Row = (&'static str, &'static str, &'static str, &'static str);

fn named(model: &str, text: &str) -> Option<String> {
    let subjects = subjects();
    let subject = subjects.iter().find(|subject| subject.name == model).expect("a model of that name");
    let verdict = (subject.bare)().check(&history(text).history(), Keys::Single);
    assert_ne!(verdict.valid, Valid::Unknown, "{text}: {:?}", verdict.reason);
    verdict.findings.into_iter().next().map(|finding| finding.anomaly)
}

fn all(rows: &[Row]) {
    for (model, name, yes, no) in rows {
        assert_eq!(named(model, yes).as_deref(), Some(*name), "{model}: {yes}");
        assert_ne!(named(model, no).as_deref(), Some(*name), "{model}: {no}");
    }
}

#[test]
fn registers() {
    all(&[
        (
            "register",
            "phantom value",
            "0 write 1 = 1; 1 read null = 2",
            "0 write 1 = 1; 2 write 2 !; 1 read null = 2",
        ),
        (
            "register",
            "stale read",
            "0 write 1 = 1; 1 write 2 = 2; 2 read null = 1; 3 read null = 2",
            "0 write 1 = 1; 1 write 2 = 2; 3 write 1 ?; 2 read null = 1",
        ),
        // The old value is right as long as the read may have come first.
        (
            "register",
            "stale read",
            "0 write 1 = 1; 0 read null = 1; 2 read null = null",
            "2 read null; 0 write 1 = 1; 0 read null = 1; 2 = null",
        ),
        // Who wrote it does not know whether he did, but somebody had seen it; without that he may do it late.
        (
            "register",
            "stale read",
            "0 write 1 ?; 1 read null = 1; 2 write 2 = 2; 3 read null = 1",
            "0 write 1 ?; 2 write 2 = 2; 3 read null = 1",
        ),
        // It is not the read alone: without it, too, there would be no order.
        (
            "register",
            "not linearizable",
            "0 write 1 ?; 1 read null = 1; 2 write 2 = 2; 3 cas [1, 5] = [1, 5]",
            "0 write 1 ?; 1 read null = 1; 2 write 2 = 2; 3 read null = 1",
        ),
        (
            "register",
            "lost write",
            "0 write 1 = 1; 1 write 2 = 2; 2 read null = 1; 6 read null = 1",
            "0 write 1 = 1; 1 write 2 = 2; 2 read null = 1; 6 read null = 2",
        ),
        (
            "register",
            "lost update",
            "0 write 1 = 1; 1 cas [1,2]; 2 cas [1,3]; 1 = [1,2]; 2 = [1,3]",
            "0 write 1 = 1; 1 cas [1,2] = [1,2]; 0 write 1 = 1; 2 cas [1,3] = [1,3]",
        ),
        // A cas that changes nothing takes nothing away.
        (
            "register",
            "lost update",
            "0 cas [null,1] = [null,1]; 1 cas [null,2] = [null,2]",
            "0 cas [null,null] = [null,null]; 1 cas [null,2] = [null,2]",
        ),
    ]);
}

#[test]
fn registers_with_versions_and_maps() {
    all(&[
        (
            "versioned-register",
            "phantom value",
            "0 write 1 = [1,1]; 1 read null = [2,9]",
            "0 write 9 !; 1 read null = [2,9]",
        ),
        (
            "versioned-register",
            "two values of one version",
            "0 write 1 = [1,1]; 0 write 2 = [2,2]; 1 read null = [1,2]",
            "0 write 1 = [1,1]; 1 write 2 = [2,2]; 1 read null = [1,1]",
        ),
        (
            "versioned-register",
            "stale read",
            "0 write 1 = [1,1]; 1 write 2 = [2,2]; 1 read null = [1,1]",
            "1 read null; 0 write 1 = [1,1]; 1 = [0,null]",
        ),
        (
            "versioned-register",
            "lost update",
            "0 write 1 = [1,1]; 1 cas [1,2]; 2 cas [1,3]; 1 = [2,2]; 2 = [3,3]",
            "0 write 1 = [1,1]; 1 cas [1,2]; 2 cas [2,3]; 1 = [2,2]; 2 = [3,3]",
        ),
        (
            "map",
            "phantom value",
            r#"0 txn [["r",1,null]] = [["r",1,9]]"#,
            r#"0 txn [["w",1,9]] !; 1 txn [["r",1,null]] = [["r",1,9]]"#,
        ),
        (
            "map",
            "stale read",
            r#"0 txn [["w",1,5]] = [["w",1,5]]; 0 txn [["w",1,6]] = [["w",1,6]]; 1 txn [["r",1,null]] = [["r",1,5]]"#,
            r#"0 txn [["w",1,5]] ?; 1 txn [["w",1,6]] = [["w",1,6]]; 1 txn [["r",1,null]] = [["r",1,5]]"#,
        ),
    ]);
}

#[test]
fn sets_and_counters() {
    all(&[
        (
            "set",
            "phantom value",
            "0 contains [1,null] = [1,true]",
            "0 add 1 !; 1 contains [1,null] = [1,true]",
        ),
        (
            "set",
            "lost element",
            "0 add 1 = 1; 1 read null = []",
            "0 add 1 = 1; 2 remove 1 ?; 1 read null = []",
        ),
        (
            "set",
            "stale read",
            "0 add 1 = 1; 1 read null = []; 1 read null = [1]",
            "0 add 1 = 1; 1 read null = []; 1 read null = []",
        ),
        (
            "set",
            "stale read",
            "0 add 1 = 1; 0 remove 1 = 1; 1 read null = [1]",
            "0 add 1 = 1; 0 remove 1 = 1; 2 add 1 ?; 1 read null = [1]",
        ),
        ("set", "duplicate element", "0 add 1 = 1; 1 read null = [1,1]", "0 add 1 = 1; 1 read null = [1,2]"),
        (
            "counter",
            "lost update",
            "0 add 2 = 2; 1 read null = 0",
            "0 add 2 = 2; 2 add -2 ?; 1 read null = 0",
        ),
        // What is taken away again may have taken more away than was lost.
        (
            "counter",
            "impossible count",
            "0 add 2 = 2; 0 add -1 = -1; 1 read null = 0",
            "0 add 2 = 2; 1 read null = 0",
        ),
        (
            "counter",
            "impossible count",
            "0 add 2 = 2; 1 read null = 5",
            "0 add 2 = 2; 2 add 3 ?; 1 read null = 5",
        ),
        (
            "fetch-add",
            "lost update",
            "0 fetch-add [1,null]; 1 fetch-add [2,null]; 0 = [1,0]; 1 = [2,0]",
            "0 fetch-add [1,null]; 1 fetch-add [2,null]; 0 = [1,0]; 2 fetch-add [-1,null] ?; 1 = [2,0]",
        ),
        // A late write has taken the sum back.
        (
            "fetch-add",
            "lost update",
            "0 fetch-add [1,null] = [1,0]; 0 fetch-add [2,null] = [2,1]; 1 read null = 1; 1 fetch-add [4,null] = [4,1]",
            "0 fetch-add [1,null] = [1,0]; 0 fetch-add [2,null] = [2,1]; 1 read null = 1; 1 read null = 3",
        ),
        (
            "fetch-add",
            "stale read",
            "0 fetch-add [1,null] = [1,0]; 0 fetch-add [2,null] = [2,1]; 1 read null = 1; 1 read null = 3",
            "0 fetch-add [1,null] = [1,0]; 0 fetch-add [2,null] = [2,1]; 1 read null = 1; 1 read null = 1",
        ),
        (
            "fetch-add",
            "impossible count",
            "0 fetch-add [1,null] = [1,0]; 1 read null = 9",
            "0 fetch-add [1,null] = [1,0]; 2 fetch-add [8,null] ?; 1 read null = 9",
        ),
    ]);
}

#[test]
fn containers() {
    for (model, put, take) in [
        ("queue", "enqueue", "dequeue"),
        ("bag", "enqueue", "dequeue"),
        ("stack", "push", "pop"),
        ("priority-queue", "insert", "delete-min"),
    ] {
        let words = |text: &str| text.replace("put", put).replace("take", take);
        for (name, yes, no) in [
            ("phantom value", "0 take null = 9", "0 put 9 !; 1 take null = 9"),
            (
                "double delivery",
                "0 put 1 = 1; 0 take null = 1; 1 take null = 1",
                "0 put 1 = 1; 2 put 1 ?; 0 take null = 1; 1 take null = 1",
            ),
            (
                "lost element",
                "0 put 1 = 1; 1 take null = null",
                "0 put 1 = 1; 2 take null ?; 1 take null = null",
            ),
            // One who may have taken something cannot have taken both.
            (
                "lost element",
                "0 put 1 = 1; 0 put 2 = 2; 2 take null ?; 1 take null = null",
                "0 put 1 = 1; 0 put 2 = 2; 2 take null ?; 3 take null ?; 1 take null = null",
            ),
        ] {
            assert_eq!(named(model, &words(yes)).as_deref(), Some(name), "{model}: {yes}");
            assert_ne!(named(model, &words(no)).as_deref(), Some(name), "{model}: {no}");
        }
    }
    all(&[
        (
            "queue",
            "out of order",
            "0 enqueue 1 = 1; 0 enqueue 2 = 2; 1 dequeue null = 2",
            "0 enqueue 1; 1 enqueue 2; 0 = 1; 1 = 2; 2 dequeue null = 2",
        ),
        (
            "priority-queue",
            "out of order",
            "0 insert 1 = 1; 0 insert 2 = 2; 1 delete-min null = 2",
            "0 insert 1 = 1; 0 insert 2 = 2; 2 delete-min null ?; 1 delete-min null = 2",
        ),
    ]);
}

#[test]
fn logs() {
    all(&[
        ("log", "phantom value", "0 read [0,null] = [0,9]", "0 append 9 !; 1 read [0,null] = [0,9]"),
        (
            "log",
            "lost write",
            "0 append 1 = [0,1]; 1 append 2 = [0,2]",
            "0 append 1 = [0,1]; 1 append 2 = [2,2]",
        ),
        (
            "log",
            "lost write",
            "0 append 1 = [0,1]; 1 append 2 ?; 2 read [0,null] = [0,2]",
            "0 append 1 = 1; 1 append 2 ?; 2 read [0,null] = [0,2]",
        ),
        (
            "log",
            "forked log",
            "0 append 1 ?; 1 append 2 ?; 2 read [0,null] = [0,1]; 2 read [0,null] = [0,2]",
            "0 append 1 ?; 1 append 2 ?; 2 read [0,null] = [0,1]; 2 read [1,null] = [1,2]",
        ),
        (
            "log",
            "stale read",
            "0 append 1 = [0,1]; 1 read [0,null] = [0,null]",
            "1 read [0,null]; 0 append 1 = [0,1]; 1 = [0,null]",
        ),
        (
            "log",
            "lost element",
            "0 append 1 = 1; 1 append 2 = 2; 2 read null = [2]",
            "0 append 1 = 1; 1 append 2 = 2; 2 read null = [2]; 2 read null = [1,2]",
        ),
    ]);
}

#[test]
fn locks() {
    let twice = "0 acquire null = null; 1 acquire null = null";
    let freed = "0 acquire null = null; 0 release null ?; 1 acquire null = null";
    for model in ["mutex", "reentrant-mutex", "reentrant-mutex of limit 1", "fenced-lock"] {
        all(&[(model, "split lock", twice, freed)]);
    }
    all(&[
        (
            "reentrant-mutex",
            "split lock",
            "0 acquire null = null; 0 acquire null = null; 0 release null = null; 1 acquire null = null",
            "0 acquire null = null; 0 acquire null = null; 1 release null = null",
        ),
        (
            "fenced-lock",
            "stale token",
            "0 acquire null = 5; 0 release null = null; 1 acquire null = 5",
            "0 acquire null = 5; 0 release null = null; 1 acquire null = 6",
        ),
        (
            "semaphore",
            "split lock",
            "0 acquire 2 = 2; 1 acquire 2 = 2",
            "0 acquire 2 = 2; 0 release 1 ?; 1 acquire 2 = 2",
        ),
    ]);
}
