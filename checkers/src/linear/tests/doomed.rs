//! What is seen next, against its definition: who is asked, and who excuses.

use super::super::ahead::Ahead;
use super::super::limits::{Charge, Limits};
use super::super::problem::{Flags, Item, Problem, Supply};
use super::super::states::States;
use super::random::Dice;
use crate::Budget;
use crate::model::{Model, Register, RegisterOp, Text, TextOp, TextState};
use serde_json::json;
use std::sync::atomic::AtomicUsize;

/// Histories of one text.
const HISTORIES: u64 = 4_000;

const WORDS: [&str; 5] = ["", "a", "ab", "b", "ba"];

fn problem(items: Vec<Item>) -> Problem {
    let (budget, held) = (Budget::default(), AtomicUsize::new(0));
    let limits = Limits::new(&budget, &held);
    let made = Problem::new(items, None, Flags::ALL, Supply::Counted, &mut Charge::new(&limits));
    made.unwrap_or_else(|_| panic!("no limit is in the way"))
}

fn item(entry: u32, class: u32, op: &TextOp, (invoke, ret): (u32, Option<u32>)) -> Item {
    let overwrites = Text::default().overwrites(op);
    let observer = Text::default().is_observer(op);
    Item { entry, class, observer, invoke, ret, slot: 0, twin: None, dead: false, overwrites }
}

/// Every operation there is, so that a class says it.
fn every_op() -> Vec<TextOp> {
    let each = |make: fn(std::sync::Arc<str>) -> TextOp| WORDS.map(|word| make(word.into()));
    [each(TextOp::Get), each(TextOp::Put), each(TextOp::Append)].concat()
}

/// Up to eight operations at once, some in doubt; no two of their events at the same moment.
fn items(dice: &mut Dice, ops: &[TextOp]) -> Vec<Item> {
    let mut open: Vec<usize> = Vec::new();
    let mut drawn: Vec<(u32, u32, Option<u32>)> = Vec::new();
    for now in 0..30 {
        let below = |dice: &mut Dice, n: usize| usize::try_from(dice.below(n as u64)).expect("small");
        if open.is_empty() || dice.below(2) == 0 {
            open.push(drawn.len());
            drawn.push((u32::try_from(below(dice, ops.len())).expect("few"), now, None));
        } else {
            let at = below(dice, open.len());
            let at = open.swap_remove(at);
            drawn[at].2 = Some(now).filter(|_| dice.below(6) > 0);
        }
    }
    let numbered = (0..).zip(drawn);
    numbered.map(|(n, (class, invoke, ret))| item(n, class, &ops[class as usize], (invoke, ret))).collect()
}

/// The definition: the first observer still to come that can see neither what is there nor what
/// anybody leaves behind who overwrites and may come before it.
fn first_doomed(problem: &Problem, ops: &[TextOp], pos: u32, state: &TextState, done: u64) -> Option<u32> {
    let text = Text::default();
    let now = problem.return_time(pos);
    let to_come = |item: &&Item| {
        let is_done = item.invoke < now && done >> item.slot & 1 == 1;
        item.ret.is_none_or(|ret| ret >= now) && !(item.ret.is_some() && is_done)
    };
    (pos..problem.len()).find(|&at| {
        let seen = &problem.items[problem.returns[at as usize] as usize];
        let doomed = |state: &TextState| text.is_doomed(state, &ops[seen.class as usize]);
        let due = problem.return_time(at);
        let mut excuses = problem.items.iter().filter(to_come).filter(|item| {
            item.overwrites
                && item.invoke < due
                && !doomed(&text.step(state, &ops[item.class as usize]).expect("it is possible anywhere"))
        });
        seen.observer && to_come(&seen) && doomed(state) && excuses.next().is_none()
    })
}

#[test]
fn a_configuration_is_left_exactly_if_nothing_excuses_it() {
    let (mut dice, ops) = (Dice(6), every_op());
    let mut counts = [0_u64; 2];
    for _ in 0..HISTORIES {
        let problem = problem(items(&mut dice, &ops));
        let ahead = Ahead::new(&problem).expect("a text looks ahead");
        for pos in 0..problem.len() {
            let held = WORDS[usize::try_from(dice.below(5)).expect("small")];
            let state = TextState::Held(held.into());
            let done = dice.below(1 << 20) & dice.below(1 << 20);
            // A number is given to the first state.
            let text = Text { initial: held.to_owned() };
            let mut states = States::new(&text, &ops);
            let id = states.initial();
            let doom = ahead.doom(&problem, &mut states, (pos, id), |slot| done >> slot & 1 == 1);
            assert_eq!(doom, first_doomed(&problem, &ops, pos, &state, done), "{pos} {held:?} {done:b}");
            counts[usize::from(doom.is_some())] += 1;
        }
    }
    assert!(counts.iter().all(|&n| n > HISTORIES / 4), "{counts:?}");
}

#[test]
fn who_looks_ahead_looks_at_a_few() {
    let (text, ops) = (Text { initial: "a".to_owned() }, every_op());
    let of =
        |op: TextOp| u32::try_from(ops.iter().position(|other| *other == op).expect("known")).expect("few");
    let (get, put) = (of(TextOp::Get("ab".into())), of(TextOp::Put("b".into())));
    let one = |n: u32, class: u32, ret| item(n, class, &ops[class as usize], (2 * n, ret));
    // Behind so many observers that are fine the next one is not looked at.
    for (fine, doom) in [(15, Some(15)), (16, None)] {
        let bad = of(TextOp::Get("ba".into()));
        let items = (0..=fine).map(|n| one(n, if n < fine { get } else { bad }, Some(2 * n + 1))).collect();
        let problem = problem(items);
        let ahead = Ahead::new(&problem).expect("a text looks ahead");
        let mut states = States::new(&text, &ops);
        let id = states.initial();
        assert_eq!(ahead.doom(&problem, &mut states, (0, id), |_| false), doom);
    }
    // And with as many in doubt who overwrite it does not look at all.
    for (optional, looks) in [(64, true), (65, false)] {
        let doubtful = |n| Item { class: n, ..one(n, put, None) };
        let problem = problem((0..optional).map(doubtful).collect());
        assert_eq!(Ahead::new(&problem).is_some(), looks, "{optional}");
    }
    // Only a text knows how to.
    assert!(States::new(&text, &ops).looks_ahead());
    assert!(!States::new(&Register::default(), &[]).looks_ahead());
    assert!(Register::default().overwrites(&RegisterOp::Write(json!(1).into())));
}
