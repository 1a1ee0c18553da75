//! The second opinion by itself. A search that is right never shows whether it would be heard.

use super::super::certify::certify;
use super::super::partition::Entry;
use super::random::Dice;
use crate::Register;
use crate::model::{Held, Model, RegisterOp};
use serde_json::json;

/// Histories whose orders are all replayed.
const HISTORIES: u64 = 3_000;

/// The orders of up to `n` of `n` things.
fn orders(n: u32) -> Vec<Vec<u32>> {
    let mut all = vec![Vec::new()];
    let mut from = 0;
    while from < all.len() {
        for at in 0..n {
            if !all[from].contains(&at) {
                let longer: Vec<u32> = all[from].iter().copied().chain([at]).collect();
                all.push(longer);
            }
        }
        from += 1;
    }
    all
}

/// A linearization by its definition, pair by pair.
fn is_order(classes: &[RegisterOp], entries: &[Entry], order: &[u32]) -> bool {
    let entry = |at: &u32| entries[*at as usize];
    let in_time = order.iter().enumerate().all(|(n, at)| {
        order[n + 1..].iter().all(|later| entry(later).ret.is_none_or(|ret| ret >= entry(at).invoke))
    });
    let complete = (0..).zip(entries).all(|(at, entry)| entry.ret.is_none() || order.contains(&at));
    let register = Register::default();
    let steps = order.iter().try_fold(register.initial(), |state: Held, at| {
        register.step(&state, &classes[entry(at).class as usize])
    });
    in_time && complete && steps.is_ok()
}

#[test]
fn an_order_is_certified_exactly_if_it_is_one() {
    let classes = [
        RegisterOp::Write(json!(1).into()),
        RegisterOp::Write(json!(2).into()),
        RegisterOp::Read(json!(1).into()),
        RegisterOp::Read(json!(2).into()),
    ];
    let (mut dice, orders) = (Dice(4), orders(3));
    let mut counts = [0_u64; 2];
    for _ in 0..HISTORIES {
        // Few moments: some operations touch, and those that do are concurrent.
        let mut moment = |from: u32| from + u32::try_from(dice.below(4)).expect("small");
        let mut entries: Vec<Entry> = (0..3)
            .map(|_| {
                let invoke = moment(0);
                Entry { class: moment(0), invoke, ret: Some(moment(invoke)).filter(|_| moment(0) > 0) }
            })
            .collect();
        entries.sort_by_key(|entry| entry.invoke);
        for order in &orders {
            let certified = certify(&Register::default(), &classes, &entries, order);
            let expected = is_order(&classes, &entries, order);
            assert_eq!(certified.is_ok(), expected, "{certified:?} {order:?} {entries:#?}");
            counts[usize::from(expected)] += 1;
        }
    }
    assert!(counts.iter().all(|&n| n > HISTORIES), "{counts:?}");
}

#[test]
fn what_is_wrong_with_an_order_is_said() {
    let classes = [RegisterOp::Write(json!(1).into()), RegisterOp::Read(json!(2).into())];
    let entry = |class, invoke, ret| Entry { class, invoke, ret };
    let entries = [entry(0, 0, Some(1)), entry(0, 2, Some(3)), entry(1, 4, None)];
    let said = |order: &[u32]| certify(&Register::default(), &classes, &entries, order);
    assert_eq!(said(&[0, 1]), Ok(()));
    for (order, word) in [
        (&[0_u32, 1, 0][..], "invoked at 0 is placed twice"),
        (&[1, 0][..], "invoked at 0 returned before one placed earlier was invoked"),
        (&[0, 1, 2][..], "invoked at 4 returned 2"),
        (&[0][..], "invoked at 2 is missing"),
    ] {
        let why = said(order).expect_err("no order");
        assert!(why.contains(word), "{why}");
    }
}
