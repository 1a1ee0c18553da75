//! The slow, obvious way: try every order. Shares nothing with the engine but the history.

use crate::history::{History, Kind};
use serde_json::Value;

struct Naive {
    f: String,
    asked: Value,
    answered: Value,
    invoke: u64,
    /// Absent when the outcome is in doubt.
    ret: Option<u64>,
}

/// Is a history of one register, initially `null`, linearizable?
pub(super) fn linearizable(history: &History) -> bool {
    let calls: Vec<Naive> = history
        .calls()
        .filter(|call| call.kind() != Kind::Fail)
        .map(|call| Naive {
            f: call.invoke.f.clone(),
            asked: call.invoke.value.clone(),
            answered: call.completion.map(|op| op.value.clone()).unwrap_or_default(),
            invoke: call.invoke.index,
            ret: call.completion.filter(|op| op.kind == Kind::Ok).map(|op| op.index),
        })
        .collect();
    assert!(calls.len() <= 20, "for small histories only");
    any_order(&calls, 0, &Value::Null)
}

fn any_order(calls: &[Naive], done: u32, state: &Value) -> bool {
    let is_done = |n: usize| done >> n & 1 == 1;
    if calls.iter().enumerate().all(|(n, call)| call.ret.is_none() || is_done(n)) {
        return true;
    }
    (0..calls.len()).filter(|&n| !is_done(n)).any(|n| {
        let overdue = calls
            .iter()
            .enumerate()
            .any(|(m, other)| !is_done(m) && other.ret.is_some_and(|ret| ret < calls[n].invoke));
        !overdue && after(&calls[n], state).is_some_and(|next| any_order(calls, done | 1 << n, &next))
    })
}

fn after(call: &Naive, state: &Value) -> Option<Value> {
    match call.f.as_str() {
        "read" if call.ret.is_none() || call.answered == *state => Some(state.clone()),
        "write" => Some(call.asked.clone()),
        "cas" if call.asked[0] == *state => Some(call.asked[1].clone()),
        _ => None,
    }
}
