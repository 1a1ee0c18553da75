//! Decisions without a search by themselves, on small histories in which anything was answered: what is
//! rare where an object answers for itself, as two operations at one place, is common here.

use super::build::Build;
use super::found::{Kinds, compare, containers, filled, growing_ones};
use super::random::Dice;
use crate::Kind;
use serde_json::{Value, json};

/// Histories of each object.
const HISTORIES: u64 = 6_000;

/// A call and its answer.
type Guess = (&'static str, Value, Value);

/// A history of a few calls with such answers, some of which nobody hears of.
fn guessed(dice: &mut Dice, name: &str) -> Build {
    let mut build = Build::default();
    let (calls, clients) = (2 + dice.below(4), 1 + dice.below(4));
    // Most objects only grow, some only fall, and a few do both.
    let signs = [[1, 1], [1, 1], [-1, -1], [1, -1]][pick(dice, 4)];
    let mut open: Vec<(u64, Guess)> = Vec::new();
    let mut begun = 0;
    while begun < calls || !open.is_empty() {
        if begun < calls && (open.len() as u64) < clients && (open.is_empty() || dice.below(2) == 0) {
            begun += 1;
            // Now and then what another one put in as well.
            let n = if dice.below(12) == 0 { element(dice) } else { begun };
            let sign = signs[pick(dice, 2)];
            let guess = guess(dice, name, n, sign);
            build.invoke(begun, guess.0, guess.1.clone());
            open.push((begun, guess));
            continue;
        }
        let at = pick(dice, open.len());
        let (process, (f, asked, answer)) = open.swap_remove(at);
        match dice.below(8) {
            0 => {}
            1 => _ = build.event(process, Kind::Info, f, asked),
            _ => _ = build.ok(process, f, answer),
        }
    }
    build
}

fn pick(dice: &mut Dice, n: usize) -> usize {
    usize::try_from(dice.below(n as u64)).expect("small")
}

fn element(dice: &mut Dice) -> u64 {
    1 + dice.below(4)
}

fn guess(dice: &mut Dice, name: &str, n: u64, sign: i64) -> Guess {
    let mut number = |least: i64| sign * (least + i64::try_from(dice.below(4)).expect("small"));
    let (by, at) = (number(0), number(0));
    let (put, take) = match name {
        "stack" => ("push", "pop"),
        "priority-queue" => ("insert", "delete-min"),
        _ => ("enqueue", "dequeue"),
    };
    match (name, dice.below(2)) {
        ("set", 0) => ("add", json!(n), json!(n)),
        ("set", _) => {
            let seen: Vec<u64> = (1..=4).filter(|_| dice.below(2) == 0).collect();
            ("read", Value::Null, json!(seen))
        }
        ("counter", 0) => ("add", json!(by), json!(by)),
        ("fetch-add", 0) => ("fetch-add", json!([by, null]), json!([by, at])),
        ("counter" | "fetch-add", _) => ("read", Value::Null, json!(at)),
        ("log", 0) => {
            let answer = if dice.below(2) == 0 { json!(n) } else { json!([dice.below(3), n]) };
            ("append", json!(n), answer)
        }
        ("log", _) if dice.below(2) == 0 => {
            let index = dice.below(3);
            let value = if dice.below(3) == 0 { Value::Null } else { json!(element(dice)) };
            ("read", json!([index, null]), json!([index, value]))
        }
        ("log", _) => {
            let all: Vec<u64> = (0..dice.below(3)).map(|_| element(dice)).collect();
            ("read", Value::Null, json!(all))
        }
        (_, 0) => (put, json!(n), json!(n)),
        // What was in at first, too.
        (_, _) if dice.below(6) == 0 => (take, Value::Null, json!(100 * (1 + dice.below(2)))),
        _ => {
            let answer = if dice.below(4) == 0 { Value::Null } else { json!(element(dice)) };
            (take, Value::Null, answer)
        }
    }
}

/// `open`: answers that are open at most; `shown`: operations shown at most. By object.
fn decides(all: Vec<Kinds>, bounds: [(u64, usize); 4]) {
    for ((seed, kinds), (open, shown)) in (81..).zip(all).zip(bounds) {
        let name = kinds.subject.name;
        let found = compare(&kinds, seed, HISTORIES, |dice| guessed(dice, name));
        assert!(found.0 <= open && found.1 <= shown, "{name}: {found:?}");
    }
}

#[test]
fn whatever_a_growing_object_answered_is_decided_right() {
    decides(growing_ones(), [(291, 3), (2_035, 3), (941, 3), (924, 4)]);
}

#[test]
fn whatever_a_container_answered_is_decided_right() {
    decides(containers(), [(27, 5), (22, 5), (21, 4), (37, 5)]);
}

#[test]
fn whatever_was_taken_from_a_container_with_something_in_it_is_decided_right() {
    decides(filled(), [(29, 5), (25, 5), (57, 5), (65, 5)]);
}
