//! One small violation for each model, judged by the real checker.

use super::MS;
use duress_checkers::model::models;
use duress_checkers::{Budget, History, Keys, Kind, Op, Process, Verdict};
use duress_reports::Run;
use serde_json::{Value, json};

/// Process, node, from and to in milliseconds (0: nobody saw it return), function, what was asked, what
/// was answered.
type Did = (u64, u64, u64, u64, &'static str, &'static str, &'static str);

/// Model, anomaly, what was done.
type Case = (&'static str, &'static str, &'static [Did]);

pub const CASES: [Case; 21] = [
    (
        "register",
        "stale read",
        &[
            (2, 3, 15_871, 15_884, "write", "4", "4"),
            (9, 5, 15_902, 15_911, "read", "null", "4"),
            (11, 2, 16_203, 16_231, "write", "5", "5"),
            (19, 5, 16_396, 0, "cas", "[5, 6]", ""),
            (2, 3, 16_402, 16_411, "read", "null", "5"),
            (5, 1, 16_590, 16_640, "write", "8", "8"),
            (8, 4, 16_604, 16_606, "read", "null", "4"),
            (9, 5, 16_700, 16_706, "read", "null", "5"),
        ],
    ),
    (
        "register",
        "lost write",
        &[
            (3, 1, 20_300, 20_310, "write", "4", "4"),
            (5, 1, 20_400, 20_410, "read", "null", "4"),
            (7, 3, 21_200, 21_210, "write", "9", "9"),
            (2, 2, 21_995, 22_001, "read", "null", "4"),
            (5, 1, 22_100, 22_104, "read", "null", "4"),
            (2, 2, 22_195, 22_201, "read", "null", "4"),
            (8, 3, 22_300, 22_304, "read", "null", "4"),
        ],
    ),
    (
        "set",
        "lost element",
        &[
            (0, 1, 14_100, 14_104, "add", "6", "6"),
            (1, 4, 14_120, 14_126, "add", "7", "7"),
            (2, 2, 14_140, 14_145, "read", "null", "[6, 7]"),
            (3, 3, 14_150, 14_158, "read", "null", "[6, 7]"),
            (4, 5, 17_210, 17_214, "read", "null", "[6]"),
            (2, 2, 17_300, 17_303, "read", "null", "[6]"),
        ],
    ),
    (
        "set",
        "stale read",
        &[
            (1, 4, 14_120, 14_126, "add", "7", "7"),
            (4, 5, 15_210, 15_214, "read", "null", "[]"),
            (2, 2, 17_300, 17_303, "read", "null", "[7]"),
        ],
    ),
    (
        "queue",
        "double delivery",
        &[
            (0, 1, 8_900, 8_904, "enqueue", "40", "40"),
            (1, 2, 8_920, 8_925, "enqueue", "41", "41"),
            (3, 3, 9_010, 9_018, "dequeue", "null", "40"),
            (4, 1, 9_822, 9_830, "dequeue", "null", "40"),
        ],
    ),
    (
        "queue",
        "lost element",
        &[(0, 1, 8_900, 8_904, "enqueue", "40", "40"), (3, 3, 9_010, 9_018, "dequeue", "null", "null")],
    ),
    (
        "fenced-lock",
        "split lock",
        &[
            (3, 2, 14_002, 14_010, "acquire", "null", "7"),
            (7, 4, 16_180, 16_194, "acquire", "null", "8"),
            (3, 2, 17_006, 17_011, "release", "null", "null"),
            (7, 4, 17_400, 17_404, "release", "null", "null"),
        ],
    ),
    (
        "mutex",
        "split lock",
        &[
            (3, 2, 14_002, 14_010, "acquire", "null", "null"),
            (7, 4, 16_180, 16_194, "acquire", "null", "null"),
        ],
    ),
    (
        "reentrant-mutex",
        "split lock",
        &[
            (3, 2, 14_002, 14_010, "acquire", "null", "null"),
            (7, 4, 16_180, 16_194, "acquire", "null", "null"),
        ],
    ),
    (
        "semaphore",
        "split lock",
        &[
            (3, 2, 14_002, 14_010, "acquire", "null", "null"),
            (7, 4, 16_180, 16_194, "acquire", "null", "null"),
        ],
    ),
    (
        "counter",
        "lost update",
        &[
            (0, 1, 100, 104, "add", "2", "2"),
            (1, 2, 110, 116, "read", "null", "2"),
            (2, 3, 120, 127, "add", "3", "3"),
            (3, 4, 140, 146, "read", "null", "2"),
        ],
    ),
    (
        "fetch-add",
        "lost update",
        &[
            (0, 1, 100, 160, "fetch-add", "[2, null]", "[2, 0]"),
            (1, 2, 110, 170, "fetch-add", "[3, null]", "[3, 0]"),
        ],
    ),
    (
        "log",
        "lost write",
        &[
            (0, 1, 100, 104, "append", "\"a\"", "[0, \"a\"]"),
            (1, 2, 110, 117, "append", "\"b\"", "[0, \"b\"]"),
        ],
    ),
    (
        "log",
        "lost element",
        &[
            (0, 1, 100, 104, "append", "\"a\"", "[0, \"a\"]"),
            (1, 2, 110, 117, "append", "\"b\"", "\"b\""),
            (3, 2, 120, 127, "read", "null", "[\"a\"]"),
        ],
    ),
    (
        "stack",
        "",
        &[
            (0, 1, 100, 104, "push", "1", "1"),
            (0, 1, 110, 114, "push", "2", "2"),
            (1, 2, 120, 124, "pop", "null", "1"),
        ],
    ),
    (
        "bag",
        "lost element",
        &[(0, 1, 100, 104, "enqueue", "1", "1"), (1, 2, 120, 124, "dequeue", "null", "null")],
    ),
    (
        "priority-queue",
        "out of order",
        &[
            (0, 1, 100, 104, "insert", "1", "1"),
            (0, 1, 110, 114, "insert", "2", "2"),
            (1, 2, 120, 124, "delete-min", "null", "2"),
        ],
    ),
    (
        "versioned-register",
        "stale read",
        &[
            (0, 1, 100, 104, "write", "4", "[1, 4]"),
            (0, 1, 110, 114, "write", "5", "[2, 5]"),
            (1, 2, 120, 124, "read", "null", "[1, 4]"),
        ],
    ),
    (
        "map",
        "stale read",
        &[
            (0, 1, 100, 104, "txn", r#"[["w", "x", 1]]"#, r#"[["w", "x", 1]]"#),
            (0, 1, 110, 114, "txn", r#"[["w", "x", 2]]"#, r#"[["w", "x", 2]]"#),
            (1, 2, 120, 124, "txn", r#"[["r", "x", null]]"#, r#"[["r", "x", 1]]"#),
        ],
    ),
    (
        "text",
        "",
        &[
            (0, 1, 100, 104, "put", "\"a\"", "\"a\""),
            (0, 1, 110, 114, "append", "\"b\\\"#\"", "\"b\\\"#\""),
            (1, 2, 120, 124, "get", "null", "\"a\""),
        ],
    ),
    (
        "etcd",
        "",
        &[(
            1,
            2,
            120,
            124,
            "range",
            r#"{"Start": "a"}"#,
            r#"{"Range": {"KVs": [], "Count": 0}, "Revision": 7}"#,
        )],
    ),
];

/// What was done, and what the checker of that model says about it.
pub fn judged(case: &Case) -> (History, Verdict) {
    let (model, anomaly, did) = case;
    // The store of etcd is one object.
    let keyed = *model != "etcd";
    let history = history(did, keyed);
    let entry = models().iter().find(|entry| entry.name == *model).expect("a model");
    let keys = if keyed { Keys::Keyed } else { Keys::Single };
    let initial = (!keyed).then(|| json!([]));
    let checker = (entry.make)(initial, keys).expect("a checker");
    let verdict = checker.check(&history, &Budget::default());
    let found: Vec<&str> = verdict.findings.iter().map(|finding| finding.anomaly.as_str()).collect();
    assert!(found.len() == 1 && (anomaly.is_empty() || found == [*anomaly]), "{model}: {verdict:#?}");
    (history, verdict)
}

/// The usual run, but with this history.
pub fn run(history: History) -> Run {
    Run { history, ..super::run(600) }
}

fn history(did: &[Did], keyed: bool) -> History {
    let mut events: Vec<(u64, Op)> = Vec::new();
    for &(process, node, from, to, f, asked, answered) in did {
        let value = |text: &str| {
            let value: Value = serde_json::from_str(text).expect("JSON");
            if keyed { json!([17, value]) } else { value }
        };
        let op = |kind, time: u64, value| Op {
            index: 0,
            time: time * MS,
            process: Process::Client(process),
            kind,
            f: f.into(),
            value,
            error: (kind == Kind::Info).then(|| "timeout: no answer within 1 s".to_owned()),
            node: Some(format!("n{node}").into()),
        };
        events.push((from, op(Kind::Invoke, from, value(asked))));
        if to > 0 {
            events.push((to, op(Kind::Ok, to, value(answered))));
        } else {
            events.push((from + 1000, op(Kind::Info, from + 1000, value(asked))));
        }
    }
    events.sort_by_key(|(time, _)| *time);
    let ops = (0..).zip(events).map(|(index, (_, op))| Op { index, ..op });
    History::new(ops.collect()).expect("a history")
}
