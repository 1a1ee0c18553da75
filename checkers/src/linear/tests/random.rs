//! Random histories: small arbitrary ones, and long ones from a register that really is atomic.

use super::build::Build;
use crate::history::Kind;
use serde_json::{Value, json};

/// `SplitMix64`: tests need repeatable, not good, randomness.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }

    fn value(&mut self, n: u64) -> Value {
        match self.below(n + 1) {
            0 => Value::Null,
            v => json!(v),
        }
    }
}

/// A small history of anything: 1 to 9 calls, 1 to 5 clients, few values or unique ones, with
/// failures, doubts, and calls still open at the end.
pub(super) fn small(dice: &mut Dice) -> Build {
    let mut build = Build::default();
    let calls = 1 + dice.below(8);
    let clients = 1 + dice.below(5);
    let values = 1 + dice.below(4);
    let unique = dice.below(3) == 0;
    let doubt = dice.below(5);
    let mut open: Vec<(u64, &str, Value)> = Vec::new();
    let (mut begun, mut next_process) = (0, 0);
    loop {
        let can_begin = begun < calls && (open.len() as u64) < clients;
        if can_begin && (open.is_empty() || dice.below(2) == 0) {
            let (f, asked) = match dice.below(4) {
                0 | 1 => ("read", Value::Null),
                2 => ("write", if unique { json!(begun + 1) } else { dice.value(values) }),
                _ => {
                    let new = if unique { json!(begun + 1) } else { dice.value(values) };
                    ("cas", json!([dice.value(if unique { begun + 1 } else { values }), new]))
                }
            };
            build.invoke(next_process, f, asked.clone());
            open.push((next_process, f, asked));
            next_process += 1;
            begun += 1;
        } else if open.is_empty() {
            return build;
        } else {
            let at = usize::try_from(dice.below(open.len() as u64)).expect("small");
            let (process, f, asked) = open.swap_remove(at);
            let answer = if f == "read" { dice.value(if unique { calls } else { values }) } else { asked };
            match dice.below(10) {
                n if n < doubt => match dice.below(3) {
                    // Open for ever.
                    0 => continue,
                    1 => build.event(process, Kind::Info, f, answer),
                    _ if f == "read" => build.event(process, Kind::Fail, f, Value::Null),
                    _ => build.event(process, Kind::Info, f, answer),
                },
                9 if f == "cas" => build.event(process, Kind::Fail, f, answer),
                _ => build.ok(process, f, answer),
            };
        }
    }
}

/// How a simulated run goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) calls: usize,
    pub(super) clients: usize,
    /// Values to choose from; 0: every write is unique.
    pub(super) values: u64,
    /// Doubtful outcomes, per thousand.
    pub(super) doubt: u64,
}

struct Busy {
    process: u64,
    f: &'static str,
    asked: Value,
    /// Its outcome, once it took effect.
    outcome: Option<(Kind, Value)>,
}

/// A history of an atomic register: valid by construction.
pub(super) fn atomic(dice: &mut Dice, run: Run) -> Build {
    let mut build = Build::default();
    let mut state = Value::Null;
    let mut busy: Vec<Busy> = Vec::new();
    let (mut begun, mut next_process, mut unique) = (0, 0, 0);
    while begun < run.calls || !busy.is_empty() {
        if begun < run.calls && busy.len() < run.clients && (busy.is_empty() || dice.below(3) == 0) {
            let mut new = || {
                unique += 1;
                if run.values == 0 { json!(unique) } else { json!(dice.below(run.values)) }
            };
            let (new, guess) = (new(), new());
            let (f, asked) = match dice.below(4) {
                0 | 1 => ("read", Value::Null),
                2 => ("write", new),
                _ if run.values == 0 => ("cas", json!([state, new])),
                _ => ("cas", json!([guess, new])),
            };
            build.invoke(next_process, f, asked.clone());
            busy.push(Busy { process: next_process, f, asked, outcome: None });
            next_process += 1;
            begun += 1;
            continue;
        }
        let at = usize::try_from(dice.below(busy.len() as u64)).expect("small");
        if busy[at].outcome.is_none() {
            if dice.below(1000) < run.doubt {
                // Nobody hears of it; it took effect or not.
                let lost = busy.swap_remove(at);
                if dice.below(2) == 0 {
                    apply(&mut state, lost.f, &lost.asked);
                }
                build.event(lost.process, Kind::Info, lost.f, lost.asked);
            } else {
                let (f, asked) = (busy[at].f, busy[at].asked.clone());
                busy[at].outcome = Some(apply(&mut state, f, &asked));
            }
        } else {
            let done = busy.swap_remove(at);
            let (kind, value) = done.outcome.expect("just looked");
            build.event(done.process, kind, done.f, value);
        }
    }
    build
}

fn apply(state: &mut Value, f: &str, asked: &Value) -> (Kind, Value) {
    match f {
        "read" => return (Kind::Ok, state.clone()),
        "write" => *state = asked.clone(),
        _ if asked[0] == *state => *state = asked[1].clone(),
        _ => return (Kind::Fail, asked.clone()),
    }
    (Kind::Ok, asked.clone())
}
