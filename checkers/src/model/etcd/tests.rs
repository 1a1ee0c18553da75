//! The store against an oracle: a few lines on a plain map, and every order tried.

use super::Etcd;
use crate::history::{Kind, Op, Process};
use crate::{Budget, Checker, History, Keys, Linearizable, Valid};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a store holds: value, revision of the last change, version and lease of each key.
#[derive(Clone, Debug)]
struct Plain {
    revision: i64,
    keys: BTreeMap<String, (Value, i64, i64, i64)>,
    gone: BTreeSet<i64>,
}

impl Plain {
    fn new() -> Self {
        Self { revision: 1, keys: BTreeMap::new(), gone: BTreeSet::new() }
    }

    /// What etcd answers, said as plainly as possible.
    fn answer(&mut self, f: &str, asked: &Value) -> Value {
        let mut answer = Map::new();
        match f {
            "range" => {
                answer.insert("Range".to_owned(), self.range(asked));
            }
            "leaseRevoke" => {
                let lease = asked["LeaseID"].as_i64().expect("a lease");
                let before = self.keys.len();
                self.keys.retain(|_, held| held.3 != lease);
                self.gone.insert(lease);
                self.revision += i64::from(self.keys.len() < before);
                answer.insert("LeaseRevoke".to_owned(), json!({}));
            }
            _ => {
                answer.insert("Txn".to_owned(), self.txn(asked));
            }
        }
        answer.insert("Revision".to_owned(), self.revision.into());
        answer.into()
    }

    fn range(&self, asked: &Value) -> Value {
        let (start, end) = (asked["Start"].as_str().expect("a key"), asked["End"].as_str().unwrap_or(""));
        let all: Vec<Value> = self
            .keys
            .iter()
            .filter(|(key, _)| {
                if end.is_empty() {
                    key.as_str() == start
                } else {
                    start <= key.as_str() && key.as_str() < end
                }
            })
            .map(|(key, held)| json!({"Key": key, "Value": held.0, "ModRevision": held.1, "Version": held.2}))
            .collect();
        let limit = asked["Limit"].as_u64().filter(|limit| *limit > 0).unwrap_or(u64::MAX);
        let shown: Vec<&Value> = all.iter().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
        json!({"KVs": shown, "Count": all.len()})
    }

    fn txn(&mut self, asked: &Value) -> Value {
        let list = |name: &str| asked[name].as_array().cloned().unwrap_or_default();
        let holds = list("Conditions").iter().all(|condition| {
            let held = self.keys.get(condition["Key"].as_str().expect("a key"));
            match condition["ExpectedVersion"].as_i64() {
                Some(version @ 1..) => held.map_or(0, |held| held.2) == version,
                _ => held.map_or(0, |held| held.1) == condition["ExpectedRevision"].as_i64().unwrap_or(0),
            }
        });
        let (mut changed, new) = (false, self.revision + 1);
        let mut results = Vec::new();
        for step in list(if holds { "OperationsOnSuccess" } else { "OperationsOnFailure" }) {
            match step["Type"].as_str() {
                Some("range-operation") => results.push(self.range(&step["Range"])),
                Some("put-operation") => {
                    let (put, lease) = (&step["Put"], step["Put"]["LeaseID"].as_i64().unwrap_or(0));
                    if !self.gone.contains(&lease) {
                        let key = put["Key"].as_str().expect("a key");
                        let version = self.keys.get(key).map_or(0, |held| held.2) + 1;
                        self.keys.insert(key.to_owned(), (put["Value"].clone(), new, version, lease));
                        changed = true;
                    }
                    results.push(json!({}));
                }
                _ => {
                    let gone = self.keys.remove(step["Delete"]["Key"].as_str().expect("a key")).is_some();
                    changed |= gone;
                    results.push(json!({"Deleted": i64::from(gone)}));
                }
            }
        }
        self.revision += i64::from(changed);
        json!({"Failure": !holds, "Results": results})
    }
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c"])
}

fn step() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => (key(), 0..3_u8, 0..3_i64).prop_map(
            |(key, value, lease)| json!({"Type": "put-operation", "Put": {"Key": key, "Value": {"Value": value.to_string()}, "LeaseID": lease}})
        ),
        1 => key().prop_map(|key| json!({"Type": "delete-operation", "Delete": {"Key": key}})),
        1 => range().prop_map(|range| json!({"Type": "range-operation", "Range": range})),
    ]
}

fn range() -> impl Strategy<Value = Value> {
    (key(), any::<bool>(), 0..3_u8).prop_map(|(start, many, limit)| {
        if many { json!({"Start": start, "End": "z", "Limit": limit}) } else { json!({"Start": start}) }
    })
}

fn request() -> impl Strategy<Value = (&'static str, Value)> {
    let condition = (key(), 0..4_i64, 0..3_i64).prop_map(|(key, revision, version)| {
        json!({"Key": key, "ExpectedRevision": revision, "ExpectedVersion": version})
    });
    let steps = || prop::collection::vec(step(), 0..3);
    prop_oneof![
        2 => range().prop_map(|range| ("range", range)),
        3 => step().prop_map(|step| ("txn", json!({"OperationsOnSuccess": [step]}))),
        3 => (prop::collection::vec(condition, 0..3), steps(), steps()).prop_map(|(conditions, yes, no)| {
            ("txn", json!({"Conditions": conditions, "OperationsOnSuccess": yes, "OperationsOnFailure": no}))
        }),
        1 => (1..3_i64).prop_map(|lease| ("leaseRevoke", json!({"LeaseID": lease}))),
    ]
}

/// What a history is made of: who acts, what is asked, and whether the answer is lost.
type Script = Vec<(u64, (&'static str, Value), u8)>;

fn script() -> impl Strategy<Value = Script> {
    prop::collection::vec((0..3_u64, request(), 0..4_u8), 2..14)
}

/// A call that is under way.
struct Open {
    invoked: usize,
    f: &'static str,
    asked: Value,
    lost: bool,
    /// It takes effect when it returns, otherwise at once.
    late: bool,
    answer: Option<Value>,
}

/// Whoever is idle asks, whoever is not is answered. What is lost may have happened.
fn play(script: &Script) -> Vec<Op> {
    let mut store = Plain::new();
    let mut open: BTreeMap<u64, Open> = BTreeMap::new();
    let mut ops: Vec<Op> = Vec::new();
    let event = |process, kind, f: &str, value, at: usize| Op {
        index: at as u64,
        time: at as u64,
        process: Process::Client(process),
        kind,
        f: f.into(),
        value,
        error: None,
        node: None,
    };
    for (process, (f, asked), how) in script {
        let at = ops.len();
        match open.remove(process) {
            None => {
                let (lost, late) = (*how == 0, *how == 1);
                let happens = !late && (!lost || at.is_multiple_of(2));
                let answer = happens.then(|| store.answer(f, asked));
                open.insert(*process, Open { invoked: at, f, asked: asked.clone(), lost, late, answer });
                ops.push(event(*process, Kind::Invoke, f, asked.clone(), at));
            }
            Some(mut call) => {
                if call.late && !call.lost {
                    call.answer = Some(store.answer(call.f, &call.asked));
                }
                let (kind, value) = match call.answer {
                    Some(answer) if !call.lost => (Kind::Ok, answer),
                    _ => (Kind::Info, Value::Null),
                };
                debug_assert!(call.invoked < at);
                ops.push(event(*process, kind, call.f, value, at));
            }
        }
    }
    ops
}

/// Is there an order? Tries all.
fn explained(history: &History) -> bool {
    let calls: Vec<_> = history.calls().collect();
    let mut done = vec![false; calls.len()];
    place(&calls, &mut done, &Plain::new())
}

fn place(calls: &[crate::Call<'_>], done: &mut [bool], store: &Plain) -> bool {
    let answered = |call: &crate::Call<'_>| call.completion.is_some_and(|end| end.kind == Kind::Ok);
    if calls.iter().zip(&*done).all(|(call, done)| *done || !answered(call)) {
        return true;
    }
    let first_end = calls.iter().zip(&*done).filter(|(call, done)| !**done && answered(call));
    let first_end = first_end.filter_map(|(call, _)| call.completion).map(|end| end.index).min();
    for at in 0..calls.len() {
        let call = &calls[at];
        if done[at] || first_end.is_some_and(|end| call.invoke.index > end) {
            continue;
        }
        let mut next = store.clone();
        let answer = next.answer(&call.invoke.f, &call.invoke.value);
        let right = !answered(call) || call.completion.is_some_and(|end| same(&end.value, &answer));
        done[at] = true;
        if right && place(calls, done, &next) {
            return true;
        }
        done[at] = false;
    }
    false
}

/// Equal but for what is left out when it is zero.
fn same(a: &Value, b: &Value) -> bool {
    fn strip(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let kept = fields.iter().map(|(name, value)| (name.clone(), strip(value)));
                let idle = [json!(0), json!(false), json!([])];
                kept.filter(|(_, value)| !idle.contains(value)).collect::<Map<_, _>>().into()
            }
            Value::Array(items) => items.iter().map(strip).collect(),
            other => other.clone(),
        }
    }
    strip(a) == strip(b)
}

fn judged(ops: &[Op]) -> (Valid, History) {
    let history = History::new(ops.to_vec()).expect("a history");
    let verdict = Linearizable::new(Etcd::default(), Keys::Auto).check(&history, &Budget::default());
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
    (verdict.valid, history)
}

/// The answers of two calls swapped, or a revision moved.
fn lie(ops: &mut [Op], at: prop::sample::Index, by: i64) {
    let answered: Vec<usize> = (0..ops.len()).filter(|&at| ops[at].kind == Kind::Ok).collect();
    if answered.is_empty() {
        return;
    }
    let (one, other) = (at.index(answered.len()), (at.index(answered.len()) + 1) % answered.len());
    let (one, other) = (answered[one], answered[other]);
    if ops[one].f == ops[other].f && by == 0 {
        let value = ops[one].value.clone();
        ops[one].value = std::mem::replace(&mut ops[other].value, value);
    } else if let Some(revision) = ops[one].value["Revision"].as_i64() {
        ops[one].value["Revision"] = (revision + by).into();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn what_a_store_does_is_valid(script in script()) {
        prop_assert_eq!(judged(&play(&script)).0, Valid::Valid);
    }

    #[test]
    fn what_no_store_does_is_not(script in script(), at in any::<prop::sample::Index>(), by in -1..2_i64) {
        let mut ops = play(&script);
        lie(&mut ops, at, by);
        let (valid, history) = judged(&ops);
        let fits = history.calls().all(|call| {
            let answer = call.completion.filter(|end| end.kind == Kind::Ok).map(|end| &end.value);
            super::op::read(&call.invoke.f, &call.invoke.value, answer).is_ok()
        });
        let expected = match (fits, explained(&history)) {
            // Another number of results than there were steps: no answer to this question.
            (false, _) => Valid::Unknown,
            (true, true) => Valid::Valid,
            (true, false) => Valid::Violation,
        };
        prop_assert_eq!(valid, expected);
    }
}

#[test]
fn an_older_revision_after_a_newer_one_is_a_stale_read() {
    let put = json!({"OperationsOnSuccess": [{"Type": "put-operation", "Put": {"Key": "k", "Value": {"Value": "5"}}}]});
    let script = vec![
        (0, ("txn", put.clone()), 2),
        (0, ("txn", put), 2),
        (1, ("range", json!({"Start": "k"})), 2),
        (1, ("range", Value::Null), 2),
    ];
    let mut ops = play(&script);
    assert_eq!(judged(&ops).0, Valid::Valid);
    ops[3].value = json!({"Revision": 1, "Range": {}});
    let history = History::new(ops).expect("a history");
    let verdict = Linearizable::new(Etcd::default(), Keys::Auto).check(&history, &Budget::default());
    assert_eq!(verdict.findings[0].anomaly, "stale read");
    let sentence = &verdict.findings[0].sentence;
    assert!(
        sentence.contains("get k → nothing, revision 1") && sentence.contains("at revision 2"),
        "{sentence}"
    );
    assert!(Etcd::seen_empty(&history));
}

#[test]
fn reads_of_older_revisions_are_judged_by_the_revision_alone() {
    let range = json!({"Start": "k", "Revision": 1});
    let event = |kind, value| json!({"process": 0, "type": kind, "f": "range", "value": value});
    let read = |revision: i64, holds: Value| {
        let answer = json!({"Revision": revision, "Range": holds});
        let ops: Vec<Op> = [event("invoke", range.clone()), event("ok", answer)]
            .into_iter()
            .enumerate()
            .map(|(at, event)| Op {
                index: at as u64,
                ..serde_json::from_value(event).expect("an operation")
            })
            .collect();
        judged(&ops)
    };
    // Of the revision at hand, it is judged whole.
    assert_eq!(read(1, json!({})).0, Valid::Valid);
    let held = json!({"KVs": [{"Key": "k", "ModRevision": 1, "Version": 1}], "Count": 1});
    assert_eq!(read(1, held.clone()).0, Valid::Violation);
    let (valid, history) = read(2, held);
    assert_eq!(valid, Valid::Violation);
    assert_eq!(Etcd::not_judged(&history).len(), 1);
}
