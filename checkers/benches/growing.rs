//! Objects that only grow, which are decided without a search: `cargo bench -p duress-checkers --bench
//! growing`. For each the time for a valid history, for one with 1 % of the calls in doubt, and for
//! one whose last answer is impossible.
//!
//! `DURESS_BENCH_CALLS` asks for another number of calls than 100,000.
//!
//! Not here: assertions about time.

#[path = "common/dice.rs"]
mod dice;
#[path = "common/push.rs"]
mod push;

use dice::Dice;
use duress_checkers::model::{Counter, FetchAdd, Log, Set};
use duress_checkers::{Budget, Checker, History, Keys, Kind, Linearizable, Op};
use push::push;
use serde_json::{Value, json};
use std::time::Instant;

const CALLS: usize = 100_000;
const CLIENTS: usize = 10;

/// Reads of everything in one history: each holds as much as there is.
const WHOLE_READS: usize = 20;

/// An object that really is atomic.
trait Object {
    fn ask(&mut self, n: usize, calls: usize) -> (&'static str, Value);
    fn answer(&mut self, f: &str, asked: &Value) -> Value;
    /// What cannot be the answer to anything asked at the end.
    fn poison(&self) -> (&'static str, Value, Value);
}

fn main() {
    let calls = std::env::var("DURESS_BENCH_CALLS")
        .map_or(CALLS, |n| n.parse().expect("DURESS_BENCH_CALLS is a number"));
    let checker = |name: &str| -> Box<dyn Checker> {
        match name {
            "set" => Box::new(Linearizable::new(Set::default(), Keys::Single)),
            "counter" => Box::new(Linearizable::new(Counter::default(), Keys::Single)),
            "fetch-add" => Box::new(Linearizable::new(FetchAdd::default(), Keys::Single)),
            _ => Box::new(Linearizable::new(Log::default(), Keys::Single)),
        }
    };
    for name in ["set", "counter", "fetch-add", "log"] {
        for (what, doubt, poisoned) in
            [("valid", 0, false), ("1 % in doubt", 10, false), ("poisoned", 10, true)]
        {
            let mut object: Box<dyn Object> = match name {
                "set" => Box::new(Elements(Vec::new())),
                "counter" => Box::new(Sum(0, false)),
                "fetch-add" => Box::new(Sum(0, true)),
                _ => Box::new(Entries(Vec::new())),
            };
            let history = History::new(simulate(&mut *object, calls, doubt, poisoned)).expect("a history");
            let began = Instant::now();
            let verdict = checker(name).check(&history, &Budget::new(4 << 30, 1));
            let core = verdict.findings.first().and_then(|f| f.counterexample.as_ref()).map(|p| p.core.len());
            println!(
                "{name}, {calls} calls, {what}: {:.1} ms, {:?}, {} configurations, core {core:?}, proved twice {}",
                began.elapsed().as_secs_f64() * 1e3,
                verdict.valid,
                verdict.stats["configurations"],
                verdict.stats["violations_proved_twice"],
            );
        }
    }
}

struct Elements(Vec<Value>);

impl Object for Elements {
    fn ask(&mut self, n: usize, calls: usize) -> (&'static str, Value) {
        if n.is_multiple_of(calls / WHOLE_READS) { ("read", Value::Null) } else { ("add", json!(n)) }
    }

    fn answer(&mut self, f: &str, asked: &Value) -> Value {
        if f == "read" {
            return self.0.clone().into();
        }
        self.0.push(asked.clone());
        asked.clone()
    }

    fn poison(&self) -> (&'static str, Value, Value) {
        ("read", Value::Null, self.0[1..].into())
    }
}

/// The sum, and whether additions answer with it.
struct Sum(i64, bool);

impl Object for Sum {
    fn ask(&mut self, n: usize, _: usize) -> (&'static str, Value) {
        match (n % 3, self.1) {
            (0, _) => ("read", Value::Null),
            (_, true) => ("fetch-add", json!([n, null])),
            (_, false) => ("add", json!(1)),
        }
    }

    fn answer(&mut self, f: &str, asked: &Value) -> Value {
        let before = self.0;
        match f {
            "read" => json!(before),
            "add" => {
                self.0 += asked.as_i64().expect("a number");
                asked.clone()
            }
            _ => {
                self.0 += asked[0].as_i64().expect("a number");
                json!([asked[0], before])
            }
        }
    }

    fn poison(&self) -> (&'static str, Value, Value) {
        ("read", Value::Null, json!(self.0 * 2 + 1))
    }
}

struct Entries(Vec<Value>);

impl Object for Entries {
    fn ask(&mut self, n: usize, calls: usize) -> (&'static str, Value) {
        match n % 3 {
            _ if n.is_multiple_of(calls / WHOLE_READS) => ("read", Value::Null),
            0 => ("read", json!([self.0.len().saturating_sub(n % 7), null])),
            _ => ("append", json!(n)),
        }
    }

    fn answer(&mut self, f: &str, asked: &Value) -> Value {
        if f == "append" {
            self.0.push(asked.clone());
            return json!([self.0.len() - 1, asked]);
        }
        if asked.is_null() {
            return self.0.clone().into();
        }
        let index = usize::try_from(asked[0].as_u64().expect("an index")).expect("an index");
        json!([index, self.0.get(index)])
    }

    fn poison(&self) -> (&'static str, Value, Value) {
        ("read", json!([self.0.len() / 2, null]), json!([self.0.len() / 2, null]))
    }
}

/// Process, function, argument, and the answer once there is one.
type Open = (u64, &'static str, Value, Option<Value>);

/// `doubt` of a thousand calls are never answered; half of these took effect.
fn simulate(object: &mut dyn Object, calls: usize, doubt: u64, poisoned: bool) -> Vec<Op> {
    let mut dice = Dice(7);
    let mut ops: Vec<Op> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut begun = 0;
    while begun < calls || !open.is_empty() {
        if begun < calls && open.len() < CLIENTS && dice.below(2) == 0 {
            begun += 1;
            let (f, asked) = object.ask(begun, calls);
            push(&mut ops, begun as u64, Kind::Invoke, f, asked.clone());
            open.push((begun as u64, f, asked, None));
        } else if !open.is_empty() {
            let at = usize::try_from(dice.below(open.len() as u64)).expect("small");
            if let Some(answer) = open[at].3.take() {
                let (process, f, ..) = open.swap_remove(at);
                push(&mut ops, process, Kind::Ok, f, answer);
            } else if dice.below(1000) < doubt {
                let (process, f, asked, _) = open.swap_remove(at);
                if dice.below(2) == 0 {
                    object.answer(f, &asked);
                }
                push(&mut ops, process, Kind::Info, f, asked);
            } else {
                let answer = object.answer(open[at].1, &open[at].2);
                open[at].3 = Some(answer);
            }
        }
    }
    if poisoned {
        let (f, asked, answer) = object.poison();
        push(&mut ops, u64::MAX >> 1, Kind::Invoke, f, asked);
        push(&mut ops, u64::MAX >> 1, Kind::Ok, f, answer);
    }
    ops
}
