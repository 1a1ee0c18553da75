//! The slow, obvious way: try every order. Shares nothing with the engine but the history.

use crate::history::{History, Kind, Process};
use serde_json::Value;

/// A call as it stands in the history.
pub(super) struct Naive {
    pub(super) process: Process,
    pub(super) f: String,
    pub(super) asked: Value,
    /// Absent when the outcome is in doubt.
    pub(super) answered: Option<Value>,
    invoke: u64,
    ret: Option<u64>,
}

/// Every state that the object may be in after a call in some state. None: it cannot be.
pub(super) type Spec = fn(&Naive, &Value) -> Vec<Value>;

impl Naive {
    /// A call outside any history.
    pub(super) fn new(process: Process, f: &str, asked: &Value, answered: Option<&Value>) -> Self {
        let (f, asked, answered) = (f.to_owned(), asked.clone(), answered.cloned());
        Self { process, f, asked, answered, invoke: 0, ret: None }
    }
}

/// Is a history of one register, initially `null`, linearizable?
pub(super) fn linearizable(history: &History) -> bool {
    allowed(history, &Value::Null, register)
}

/// Is there an order of the calls, in keeping with real time, that `spec` allows?
pub(super) fn allowed(history: &History, initial: &Value, spec: Spec) -> bool {
    let calls: Vec<Naive> = history
        .calls()
        .filter(|call| call.kind() != Kind::Fail)
        .map(|call| {
            let ok = call.completion.filter(|op| op.kind == Kind::Ok);
            Naive {
                process: call.invoke.process,
                f: call.invoke.f.to_string(),
                asked: call.invoke.value.clone(),
                answered: ok.map(|op| op.value.clone()),
                invoke: call.invoke.index,
                ret: ok.map(|op| op.index),
            }
        })
        .collect();
    assert!(calls.len() <= 20, "for small histories only");
    any_order(&calls, 0, initial, spec)
}

fn any_order(calls: &[Naive], done: u32, state: &Value, spec: Spec) -> bool {
    let is_done = |n: usize| done >> n & 1 == 1;
    if calls.iter().enumerate().all(|(n, call)| call.ret.is_none() || is_done(n)) {
        return true;
    }
    (0..calls.len()).filter(|&n| !is_done(n)).any(|n| {
        let overdue = calls
            .iter()
            .enumerate()
            .any(|(m, other)| !is_done(m) && other.ret.is_some_and(|ret| ret < calls[n].invoke));
        !overdue && spec(&calls[n], state).iter().any(|next| any_order(calls, done | 1 << n, next, spec))
    })
}

/// A register.
pub(super) fn register(call: &Naive, state: &Value) -> Vec<Value> {
    match call.f.as_str() {
        "read" if call.answered.as_ref().is_none_or(|answer| answer == state) => vec![state.clone()],
        "write" => vec![call.asked.clone()],
        "cas" if call.asked[0] == *state => vec![call.asked[1].clone()],
        _ => Vec::new(),
    }
}
