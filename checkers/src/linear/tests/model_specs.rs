//! Every model once more, as a dozen lines of JSON: what may happen, said as plainly as possible
//! and with every outcome that is not known. The models have to agree with it.

use super::super::{Flags, Linearizable};
use super::oracle::{self, Naive, Spec};
use super::random::Dice;
use super::small::{Bare, bare};
use crate::model::{
    Bag, Counter, FencedLock, FetchAdd, KeyValue, Log, Model, Mutex, PriorityQueue, Queue, ReentrantMutex,
    Register, Semaphore, Set, Stack, Text, VersionedRegister,
};
use crate::{Checker, Keys, Process};
use serde_json::{Value, json};

/// A model, and how histories of it are made and judged without it.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) checker: fn(Flags) -> Box<dyn Checker>,
    pub(super) bare: fn() -> Box<dyn Bare>,
    /// Does it matter who calls?
    pub(super) owners: bool,
    pub(super) initial: Value,
    pub(super) spec: Spec,
    /// What to ask: `n` is a value for this call alone, or one of a few.
    pub(super) ask: fn(dice: &mut Dice, n: u64) -> (&'static str, Value),
    /// What would be answered in a state.
    pub(super) answer: fn(dice: &mut Dice, call: &Naive, state: &Value) -> Value,
    /// What certainly cannot happen, after `lost` calls in doubt: question and answer of some calls.
    pub(super) poison: fn(lost: usize) -> Vec<(&'static str, Value, Value)>,
    /// What that is called.
    pub(super) anomaly: &'static str,
}

fn checker<M: Model + Default + 'static>(flags: Flags) -> Box<dyn Checker> {
    with(M::default(), flags)
}

fn with<M: Model + 'static>(model: M, flags: Flags) -> Box<dyn Checker> {
    Box::new(Linearizable { flags, ..Linearizable::new(model, Keys::Single) })
}

/// All of them.
pub(super) fn subjects() -> Vec<Subject> {
    let data = [a_register(), versioned(), map(), text(), set(), counter(), fetch_add(), log()];
    let containers = [queue(), bag(), stack(), priority_queue()];
    let locks = [mutex(), owner_mutex(), reentrant(), fenced(), semaphore()];
    data.into_iter().chain(containers).chain(locks).collect()
}

fn when(allowed: bool, state: Value) -> Vec<Value> {
    if allowed { vec![state] } else { Vec::new() }
}

/// Is this the answer, if there was one?
fn answers(call: &Naive, right: &Value) -> bool {
    call.answered.as_ref().is_none_or(|answer| answer == right)
}

fn list(state: &Value) -> Vec<Value> {
    state.as_array().expect("a list").clone()
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

fn process(process: Process) -> Value {
    serde_json::to_value(process).expect("a process")
}

fn a_register() -> Subject {
    Subject {
        name: "register",
        checker: checker::<Register>,
        bare: || bare(Register::default()),
        owners: false,
        initial: Value::Null,
        spec: oracle::register,
        ask: |dice, n| match dice.below(3) {
            0 => ("read", Value::Null),
            // Back to what was there at first.
            1 if dice.below(4) == 0 => ("write", Value::Null),
            1 => ("write", json!(n)),
            _ => ("cas", json!([dice.below(n) + 1, n])),
        },
        answer: |_, call, state| if call.f == "read" { state.clone() } else { call.asked.clone() },
        poison: |_| vec![("read", Value::Null, json!("nowhere"))],
        anomaly: "phantom value",
    }
}

/// Versions that a write of unknown version may get in small histories.
const FAR: i64 = 40;

fn versioned() -> Subject {
    Subject {
        name: "versioned-register",
        checker: checker::<VersionedRegister>,
        bare: || bare(VersionedRegister::default()),
        owners: false,
        initial: json!([0, null]),
        spec: |call, state| {
            let version = number(&state[0]);
            let value = if call.f == "cas" { &call.asked[1] } else { &call.asked };
            match (call.f.as_str(), &call.answered) {
                ("read", _) => when(answers(call, state), state.clone()),
                ("cas", _) if call.asked[0] != state[0] => Vec::new(),
                (_, Some(got)) if got.is_array() => when(number(&got[0]) > version, got.clone()),
                _ => (version + 1..=FAR.max(version + 2)).map(|version| json!([version, value])).collect(),
            }
        },
        ask: |dice, n| match dice.below(4) {
            0 | 1 => ("read", Value::Null),
            2 => ("write", json!(n)),
            _ => ("cas", json!([dice.below(5), n])),
        },
        answer: |dice, call, state| {
            let value = if call.f == "cas" { &call.asked[1] } else { &call.asked };
            match call.f.as_str() {
                "read" => state.clone(),
                _ if dice.below(4) == 0 => Value::Null,
                _ => json!([number(&state[0]) + 1 + dice.below(2) as i64, value]),
            }
        },
        poison: |_| vec![("read", Value::Null, json!([1_000_000, "nowhere"]))],
        anomaly: "phantom value",
    }
}

fn map() -> Subject {
    Subject {
        name: "map",
        checker: checker::<KeyValue>,
        bare: || bare(KeyValue::default()),
        owners: false,
        initial: json!({}),
        spec: |call, state| {
            let mut state = state.clone();
            let answered = call.answered.as_ref();
            for (at, micro) in list(&call.asked).iter().enumerate() {
                let key = micro[1].to_string();
                if micro[0] == "w" {
                    state[&key] = micro[2].clone();
                } else if answered.is_some_and(|all| all[at][2] != state[&key]) {
                    return Vec::new();
                }
            }
            vec![state]
        },
        ask: |dice, n| {
            let micros = 1 + dice.below(3);
            let mut micro = || {
                let key = dice.below(3);
                if dice.below(2) == 0 { json!(["r", key, null]) } else { json!(["w", key, n]) }
            };
            ("txn", (0..micros).map(|_| micro()).collect())
        },
        answer: |_, call, state| {
            let mut state = state.clone();
            let mut micro = |micro: &Value| {
                let key = micro[1].to_string();
                if micro[0] == "w" {
                    state[&key] = micro[2].clone();
                }
                json!([micro[0], micro[1], state[&key]])
            };
            list(&call.asked).iter().map(&mut micro).collect()
        },
        poison: |_| vec![("txn", json!([["r", 1, null]]), json!([["r", 1, "nowhere"]]))],
        anomaly: "phantom value",
    }
}

/// Texts to put and append: some empty, some that overlap.
const TEXTS: [&str; 5] = ["a", "b", "aa", "ba", ""];

fn text() -> Subject {
    Subject {
        name: "text",
        checker: checker::<Text>,
        bare: || bare(Text::default()),
        owners: false,
        initial: json!(""),
        spec: |call, state| {
            let asked = || call.asked.as_str().expect("a text");
            match call.f.as_str() {
                "get" => {
                    let right = |answer: &Value| answer.as_str().unwrap_or_default() == *state;
                    when(call.answered.as_ref().is_none_or(right), state.clone())
                }
                "put" => vec![json!(asked())],
                _ => vec![json!(format!("{}{}", state.as_str().expect("a text"), asked()))],
            }
        },
        ask: |dice, n| {
            let text = || TEXTS[usize::try_from(n - 1).expect("small") % TEXTS.len()];
            match dice.below(5) {
                0 | 1 => ("get", Value::Null),
                2 => ("put", json!(text())),
                _ => ("append", json!(text())),
            }
        },
        answer: |dice, call, state| match call.f.as_str() {
            // A key that was never written has no text.
            "get" if *state == "" && dice.below(2) == 0 => Value::Null,
            "get" => state.clone(),
            _ => call.asked.clone(),
        },
        poison: |_| vec![("get", Value::Null, json!("nowhere"))],
        anomaly: "not linearizable",
    }
}

fn sorted(mut list: Vec<Value>) -> Value {
    list.sort_by_key(number);
    list.into()
}

fn without(state: &Value, value: &Value) -> Option<Value> {
    let mut list = list(state);
    let at = list.iter().position(|other| other == value)?;
    list.remove(at);
    Some(list.into())
}

fn set() -> Subject {
    Subject {
        name: "set",
        checker: checker::<Set>,
        bare: || bare(Set::default()),
        owners: false,
        initial: json!([]),
        spec: |call, state| match call.f.as_str() {
            "add" if list(state).contains(&call.asked) => vec![state.clone()],
            "add" => vec![sorted([list(state), vec![call.asked.clone()]].concat())],
            "remove" => vec![without(state, &call.asked).unwrap_or(state.clone())],
            "contains" => {
                let there = list(state).contains(&call.asked[0]);
                when(answers(call, &json!([call.asked[0], there])), state.clone())
            }
            _ => {
                let all =
                    |answer: &Value| list(answer).iter().all(Value::is_i64) && sorted(list(answer)) == *state;
                when(call.answered.as_ref().is_none_or(all), state.clone())
            }
        },
        ask: |dice, n| match dice.below(6) {
            0 | 1 => ("add", json!(n)),
            2 => ("remove", json!(dice.below(n) + 1)),
            3 => ("contains", json!([dice.below(n) + 1, null])),
            _ => ("read", Value::Null),
        },
        answer: |dice, call, state| match call.f.as_str() {
            "add" | "remove" => call.asked.clone(),
            "contains" => json!([call.asked[0], list(state).contains(&call.asked[0])]),
            _ => {
                // In any order, and now and then with an element twice.
                let mut all = list(state);
                all.reverse();
                if !all.is_empty() && dice.below(40) == 0 {
                    all.push(all[0].clone());
                }
                all.into()
            }
        },
        poison: |_| vec![("contains", json!([-1, null]), json!([-1, true]))],
        anomaly: "phantom value",
    }
}

fn counter() -> Subject {
    Subject {
        name: "counter",
        checker: checker::<Counter>,
        bare: || bare(Counter::default()),
        owners: false,
        initial: json!(0),
        spec: |call, state| match call.f.as_str() {
            "add" => vec![json!(number(state) + number(&call.asked))],
            _ => when(answers(call, state), state.clone()),
        },
        ask: |dice, n| match dice.below(4) {
            0 | 1 => ("add", json!(n)),
            2 => ("add", json!(-(dice.below(2) as i64))),
            _ => ("read", Value::Null),
        },
        answer: |_, call, state| if call.f == "read" { state.clone() } else { call.asked.clone() },
        poison: |_| vec![("read", Value::Null, json!(1_000_000_000))],
        anomaly: "impossible count",
    }
}

fn fetch_add() -> Subject {
    Subject {
        name: "fetch-add",
        checker: checker::<FetchAdd>,
        bare: || bare(FetchAdd::default()),
        owners: false,
        initial: json!(0),
        spec: |call, state| match call.f.as_str() {
            "fetch-add" => {
                let right = answers(call, &json!([call.asked[0], state]));
                when(right, json!(number(state) + number(&call.asked[0])))
            }
            _ => when(answers(call, state), state.clone()),
        },
        ask: |dice, n| match dice.below(3) {
            0 => ("read", Value::Null),
            _ => ("fetch-add", json!([n, null])),
        },
        answer: |_, call, state| match call.f.as_str() {
            "read" => state.clone(),
            _ => json!([call.asked[0], state]),
        },
        poison: |_| [0; 2].map(|_| ("fetch-add", json!([1, null]), json!([1, 1_000_000_000]))).into(),
        anomaly: "impossible count",
    }
}

fn log() -> Subject {
    Subject {
        name: "log",
        checker: checker::<Log>,
        bare: || bare(Log::default()),
        owners: false,
        initial: json!([]),
        spec: |call, state| {
            let entries = list(state);
            match call.f.as_str() {
                "append" => {
                    let unknown = call.answered.as_ref().is_none_or(|answer| !answer.is_array());
                    let right = unknown || answers(call, &json!([entries.len(), call.asked]));
                    when(right, [entries, vec![call.asked.clone()]].concat().into())
                }
                _ if call.asked.is_null() => when(answers(call, state), state.clone()),
                _ => {
                    let index = usize::try_from(number(&call.asked[0])).expect("an index");
                    let right = json!([index, entries.get(index)]);
                    when(answers(call, &right), state.clone())
                }
            }
        },
        ask: |dice, n| match dice.below(4) {
            0 | 1 => ("append", json!(n)),
            2 => ("read", json!([dice.below(4), null])),
            _ => ("read", Value::Null),
        },
        answer: |dice, call, state| match call.f.as_str() {
            "append" if dice.below(4) == 0 => call.asked.clone(),
            "append" => json!([list(state).len(), call.asked]),
            _ if call.asked.is_null() => state.clone(),
            _ => {
                let index = usize::try_from(number(&call.asked[0])).expect("an index");
                json!([index, list(state).get(index)])
            }
        },
        poison: |_| vec![("read", json!([0, null]), json!([0, "nowhere"]))],
        anomaly: "phantom value",
    }
}

fn put_or_take(dice: &mut Dice, n: u64, put: &'static str, take: &'static str) -> (&'static str, Value) {
    if dice.below(2) == 0 { (put, json!(n)) } else { (take, Value::Null) }
}

fn poisoned(take: &'static str) -> Vec<(&'static str, Value, Value)> {
    vec![(take, Value::Null, json!(-7))]
}

/// One element, by position, is taken, or nothing from an empty one.
fn take(call: &Naive, state: &Value, at: Option<usize>) -> Vec<Value> {
    let mut entries = list(state);
    match at {
        None => when(answers(call, &Value::Null), state.clone()),
        Some(at) => {
            let element = entries.remove(at);
            when(answers(call, &element), entries.into())
        }
    }
}

fn queue() -> Subject {
    Subject {
        name: "queue",
        checker: checker::<Queue>,
        bare: || bare(Queue::default()),
        owners: false,
        initial: json!([]),
        spec: |call, state| match call.f.as_str() {
            "enqueue" => vec![[list(state), vec![call.asked.clone()]].concat().into()],
            _ => take(call, state, (!list(state).is_empty()).then_some(0)),
        },
        ask: |dice, n| put_or_take(dice, n, "enqueue", "dequeue"),
        answer: |_, call, state| match call.f.as_str() {
            "enqueue" => call.asked.clone(),
            _ => list(state).first().cloned().unwrap_or_default(),
        },
        poison: |_| poisoned("dequeue"),
        anomaly: "phantom value",
    }
}

fn bag() -> Subject {
    Subject {
        name: "bag",
        checker: checker::<Bag>,
        bare: || bare(Bag::default()),
        owners: false,
        initial: json!([]),
        spec: |call, state| match call.f.as_str() {
            "enqueue" => vec![sorted([list(state), vec![call.asked.clone()]].concat())],
            _ if list(state).is_empty() => take(call, state, None),
            _ => (0..list(state).len()).flat_map(|at| take(call, state, Some(at))).collect(),
        },
        ask: |dice, n| put_or_take(dice, n, "enqueue", "dequeue"),
        answer: |dice, call, state| match (call.f.as_str(), list(state)) {
            ("enqueue", _) => call.asked.clone(),
            (_, elements) if elements.is_empty() => Value::Null,
            (_, elements) => {
                elements[usize::try_from(dice.below(elements.len() as u64)).expect("small")].clone()
            }
        },
        poison: |_| poisoned("dequeue"),
        anomaly: "phantom value",
    }
}

fn stack() -> Subject {
    Subject {
        name: "stack",
        checker: checker::<Stack>,
        bare: || bare(Stack::default()),
        owners: false,
        initial: json!([]),
        spec: |call, state| match call.f.as_str() {
            "push" => vec![[list(state), vec![call.asked.clone()]].concat().into()],
            _ => take(call, state, list(state).len().checked_sub(1)),
        },
        ask: |dice, n| put_or_take(dice, n, "push", "pop"),
        answer: |_, call, state| match call.f.as_str() {
            "push" => call.asked.clone(),
            _ => list(state).last().cloned().unwrap_or_default(),
        },
        poison: |_| poisoned("pop"),
        anomaly: "phantom value",
    }
}

fn priority_queue() -> Subject {
    Subject {
        name: "priority-queue",
        checker: checker::<PriorityQueue>,
        bare: || bare(PriorityQueue::default()),
        owners: false,
        initial: json!([]),
        spec: |call, state| match call.f.as_str() {
            "insert" => vec![sorted([list(state), vec![call.asked.clone()]].concat())],
            _ => take(call, state, (!list(state).is_empty()).then_some(0)),
        },
        ask: |dice, n| put_or_take(dice, n, "insert", "delete-min"),
        answer: |_, call, state| match call.f.as_str() {
            "insert" => call.asked.clone(),
            _ => list(state).first().cloned().unwrap_or_default(),
        },
        poison: |_| poisoned("delete-min"),
        anomaly: "phantom value",
    }
}

fn acquire_or_release(dice: &mut Dice) -> (&'static str, Value) {
    (if dice.below(2) == 0 { "acquire" } else { "release" }, Value::Null)
}

fn acquires(lost: usize) -> Vec<(&'static str, Value, Value)> {
    vec![("acquire", Value::Null, Value::Null); lost + 2]
}

fn mutex() -> Subject {
    Subject {
        name: "mutex",
        checker: checker::<Mutex>,
        bare: || bare(Mutex),
        owners: false,
        initial: json!(false),
        spec: |call, held| {
            let acquires = call.f == "acquire";
            when(*held != json!(acquires), json!(acquires))
        },
        ask: |dice, _| acquire_or_release(dice),
        answer: |_, _, _| Value::Null,
        poison: acquires,
        anomaly: "split lock",
    }
}

/// A lock with owners; `limit` is how often one may hold it.
fn owned(call: &Naive, state: &Value, limit: i64) -> Vec<Value> {
    let (me, times) = (process(call.process), number(&state[1]));
    match call.f.as_str() {
        "acquire" => when(times == 0 || state[0] == me && times < limit, json!([me, times + 1])),
        _ if times == 1 => when(state[0] == me, json!([null, 0])),
        _ => when(times > 1 && state[0] == me, json!([me, times - 1])),
    }
}

fn owner_mutex() -> Subject {
    Subject {
        name: "reentrant-mutex of limit 1",
        checker: |flags| with(ReentrantMutex { limit: 1 }, flags),
        bare: || bare(ReentrantMutex { limit: 1 }),
        initial: json!([null, 0]),
        spec: |call, state| owned(call, state, 1),
        ..reentrant()
    }
}

fn reentrant() -> Subject {
    Subject {
        name: "reentrant-mutex",
        checker: checker::<ReentrantMutex>,
        bare: || bare(ReentrantMutex::default()),
        owners: true,
        initial: json!([null, 0]),
        spec: |call, state| owned(call, state, i64::MAX),
        ask: |dice, _| acquire_or_release(dice),
        answer: |_, _, _| Value::Null,
        poison: acquires,
        anomaly: "split lock",
    }
}

fn fenced() -> Subject {
    Subject {
        name: "fenced-lock",
        checker: checker::<FencedLock>,
        bare: || bare(FencedLock),
        owners: true,
        initial: json!([null, -100]),
        spec: |call, state| {
            let used = number(&state[1]);
            let me = process(call.process);
            match (call.f.as_str(), &call.answered) {
                ("release", _) => when(state[0] == me, json!([null, used])),
                _ if !state[0].is_null() => Vec::new(),
                (_, Some(Value::Number(token))) => when(token.as_i64() > Some(used), json!([me, token])),
                // It got some token, and the smallest leaves most room for those after it.
                _ => vec![json!([me, used + 1])],
            }
        },
        ask: |dice, _| acquire_or_release(dice),
        answer: |dice, call, state| match call.f.as_str() {
            "acquire" if dice.below(5) > 0 => json!(number(&state[1]).max(0) + 1 + dice.below(2) as i64),
            _ => Value::Null,
        },
        poison: acquires,
        anomaly: "split lock",
    }
}

fn semaphore() -> Subject {
    Subject {
        name: "semaphore",
        checker: |flags| with(Semaphore { permits: 3 }, flags),
        bare: || bare(Semaphore { permits: 3 }),
        owners: false,
        initial: json!(0),
        spec: |call, out| {
            let n = call.asked.as_i64().unwrap_or(1);
            let now = if call.f == "acquire" { number(out) + n } else { number(out) - n };
            when((0..=3).contains(&now), json!(now))
        },
        ask: |dice, _| (acquire_or_release(dice).0, json!(dice.below(3))),
        answer: |_, call, _| call.asked.clone(),
        poison: |lost| acquires(2 * lost + 2),
        anomaly: "split lock",
    }
}
