//! What a search remembers, against lists that are looked through from end to end: configurations,
//! uses of optional operations, states, numbers.

use super::super::limits::{Charge, Limits, Spent};
use super::super::mask::{Mask, Wide};
use super::super::memo::{Config, Memo};
use super::super::states::States;
use super::super::uses::{NONE, Uses};
use super::random::Dice;
use crate::model::{Model, Refusal};
use crate::{Budget, Process};
use serde_json::Value;
use std::sync::atomic::AtomicUsize;

/// Class and count of what was used, in no order; and its number.
type Used = (Vec<u32>, u32);

const CLASSES: u32 = 4;

fn counted(classes: &[u32], class: u32) -> usize {
    classes.iter().filter(|&&other| other == class).count()
}

fn at_most(a: &[u32], b: &[u32]) -> bool {
    (0..CLASSES).all(|class| counted(a, class) <= counted(b, class))
}

/// Several ways to use up to six of four classes.
fn some_uses(dice: &mut Dice, uses: &mut Uses) -> Vec<Used> {
    let mut all = vec![(Vec::new(), NONE)];
    for _ in 0..60 {
        let (mut classes, mut number) = all[pick(dice, all.len())].clone();
        if classes.len() < 6 {
            let class = u32::try_from(dice.below(CLASSES.into())).expect("few classes");
            classes.push(class);
            number = uses.plus(number, class);
            all.push((classes, number));
        }
    }
    all
}

fn pick(dice: &mut Dice, n: usize) -> usize {
    usize::try_from(dice.below(n as u64)).expect("an index")
}

fn with_charge<T>(bytes: usize, work: impl FnOnce(&mut Charge) -> T) -> T {
    let (budget, held) = (Budget::new(bytes, 1), AtomicUsize::new(0));
    let limits = Limits::new(&budget, &held);
    work(&mut Charge::new(&limits))
}

fn config<K>(mask: K, pos: u32, state: u32, uses: u32) -> Config<K> {
    Config { pos, state, uses, mask }
}

#[test]
fn uses_are_counted_and_compared_class_by_class() {
    let (mut dice, mut uses) = (Dice(1), Uses::new());
    for _ in 0..20 {
        let all = some_uses(&mut dice, &mut uses);
        for (a, a_number) in &all {
            for class in 0..CLASSES {
                assert_eq!(uses.count(*a_number, class) as usize, counted(a, class));
            }
            for (b, b_number) in &all {
                assert_eq!(uses.at_most(*a_number, *b_number), at_most(a, b), "{a:?} {b:?}");
                let same = at_most(a, b) && at_most(b, a);
                assert_eq!(a_number == b_number, same, "equal counts have one number");
            }
        }
    }
}

#[test]
fn a_configuration_is_news_unless_one_that_used_no_more_was_seen() {
    let mut dice = Dice(2);
    for round in 0..200 {
        let (dominance, mut uses) = (round % 2 == 0, Uses::new());
        let all = some_uses(&mut dice, &mut uses);
        let mut memo = Memo::<u64>::new(dominance, true);
        let mut seen: Vec<((u64, u32, u32), &Used)> = Vec::new();
        with_charge(1 << 30, |charge| {
            for _ in 0..150 {
                let place = (dice.below(2), pick(&mut dice, 2) as u32, pick(&mut dice, 2) as u32);
                let used = &all[pick(&mut dice, all.len())];
                let known = seen.iter().any(|(other, before)| {
                    *other == place
                        && if dominance { at_most(&before.0, &used.0) } else { before.1 == used.1 }
                });
                let config = config(place.0, place.1, place.2, used.1);
                let is_news = memo.admit(&config, &uses, charge);
                assert_eq!(is_news, Ok(!known), "{place:?} {used:?} {seen:#?}");
                seen.push((place, used));
            }
        });
    }
}

#[test]
fn without_optional_operations_a_configuration_is_news_once() {
    let (uses, mut memo) = (Uses::new(), Memo::<u64>::new(true, false));
    with_charge(1 << 30, |charge| {
        for is_news in [true, false] {
            for n in 0..100 {
                assert_eq!(memo.admit(&config(n, 0, 7, NONE), &uses, charge), Ok(is_news));
            }
        }
    });
    assert_eq!(memo.walked, 0);
}

/// One way that dominates takes the place of all that it dominates, and of no other.
#[test]
fn what_is_dominated_is_not_looked_at_again() {
    let (mut uses, mut memo) = (Uses::new(), Memo::<u64>::new(true, true));
    let mut admit = |uses: &Uses, number| {
        let before = memo.walked;
        let is_news = with_charge(1 << 30, |charge| memo.admit(&config(0, 0, 0, number), uses, charge));
        (is_news, memo.walked - before)
    };
    let one = [0, 1, 2].map(|class| uses.plus(NONE, class));
    // 0 and 1, 0 and 2, 1 and 2: none does for another.
    let two = [(0, 1), (0, 2), (1, 2)].map(|(a, b)| uses.plus(one[a], b));
    let looks = two.map(|number| admit(&uses, number));
    assert_eq!(looks, [(Ok(true), 0), (Ok(true), 1), (Ok(true), 2)]);
    // 1 alone does for the first and the last, which leaves the one between them.
    assert_eq!(admit(&uses, one[1]), (Ok(true), 3));
    let three = uses.plus(NONE, 3);
    assert_eq!(admit(&uses, three), (Ok(true), 2));
    assert_eq!(admit(&uses, two[1]), (Ok(false), 3));
    assert_eq!(admit(&uses, two[0]), (Ok(false), 2));
    // Nothing used does for all.
    assert_eq!(admit(&uses, NONE), (Ok(true), 3));
    assert_eq!(admit(&uses, two[1]), (Ok(false), 1));
    // A long list takes longer to compare with.
    let long = (4..12).fold(NONE, |uses_so_far, class| uses.plus(uses_so_far, class));
    assert_eq!((uses.work(NONE), uses.work(two[0]), uses.work(long)), (1, 1, 3));
}

#[test]
fn what_is_remembered_weighs_at_least_what_it_is_and_not_many_times_as_much() {
    let about = |bytes: usize, least: usize| {
        assert!((least..4 * least).contains(&bytes), "{bytes} bytes for {least}");
    };
    let entry = size_of::<((u64, u32, u32), u32)>();
    let mut uses = Uses::new();
    let mut memo = Memo::<u64>::new(false, true);
    with_charge(1 << 30, |charge| {
        for n in 0..4_000 {
            memo.admit(&config(n, 0, 0, NONE), &uses, charge).expect("room");
        }
        about(memo.bytes(), 4_000 * (entry + 8));
        // So many ways to be at one place are a list.
        let mut one_place = Memo::<u64>::new(false, true);
        let mut number = NONE;
        for class in 0..1_000 {
            number = uses.plus(number, class % 2);
            one_place.admit(&config(0, 0, 0, number), &uses, charge).expect("room");
        }
        about(one_place.bytes(), 1_000 * 8);
        let mut wide = Memo::<Wide>::new(false, false);
        let words = 100;
        for slot in 0..2_000_u32 {
            let mut mask = Wide::empty(words * 64);
            mask.set(slot);
            wide.admit(&config(mask, 0, 0, NONE), &uses, charge).expect("room");
        }
        about(wide.bytes(), 2_000 * (words * 8 + size_of::<((Wide, u32, u32), u32)>()));
    });
    let mut uses = Uses::new();
    let of_each = (0..500).map(|class| uses.plus(NONE, class)).collect::<Vec<_>>();
    // Counts are kept twice, and so are the boxes they are in; and there is what comes after.
    about(uses.bytes(), 500 * (2 * (8 + 16) + size_of::<((u32, u32), u32)>()));
    let before = uses.bytes();
    of_each.iter().for_each(|&one| assert!(uses.plus(one, 1_000) > one));
    assert!(uses.bytes() - before >= 500 * 16, "{before} {}", uses.bytes());
}

#[test]
fn a_table_that_would_not_fit_is_not_made() {
    let (uses, mut memo) = (Uses::new(), Memo::<u64>::new(false, false));
    let limit = 1 << 20;
    let (full, held) = with_charge(limit, |charge| {
        for n in 0.. {
            let before = memo.bytes();
            if memo.admit(&config(n, 0, 0, NONE), &uses, charge) == Err(Spent::Memory) {
                return (n as usize, before);
            }
        }
        unreachable!("the numbers do not end")
    });
    // While it doubles, three times as much is there as before: it was doubled when that was allowed,
    // and is full now.
    assert!(3 * held > limit && 3 * held / 2 <= limit, "{held} bytes held of {limit}");
    let entry = size_of::<((u64, u32, u32), u32)>() + 1;
    assert!(full * entry * 8 / 7 + 64 > held, "{full} configurations in {held} bytes");
}

/// Adds, up to a hundred.
#[derive(Debug)]
struct Adder;

impl Model for Adder {
    type State = u32;
    type Op = u32;
    fn name(&self) -> String {
        "adder".to_owned()
    }
    fn initial(&self) -> u32 {
        0
    }
    fn op(&self, _: Process, _: &str, _: &Value, _: Option<&Value>) -> Result<Option<u32>, String> {
        Ok(None)
    }
    fn step(&self, state: &u32, op: &u32) -> Result<u32, Refusal> {
        if state + op <= 100 { Ok(state + op) } else { Err(Refusal::Other("too much".to_owned())) }
    }
    fn is_observer(&self, _: &u32) -> bool {
        false
    }
    fn heap_bytes(&self, _: &u32) -> usize {
        1_000
    }
    fn any_state(&self, _: &[&u32], _: &[&u32]) -> Option<Vec<u32>> {
        Some((0..=100).rev().collect())
    }
    fn label(&self, op: &u32) -> String {
        op.to_string()
    }
    fn show(&self, state: &u32) -> String {
        state.to_string()
    }
}

/// Few classes, whose steps are remembered, and more than are.
#[test]
fn a_step_is_the_models_step_however_often_it_is_taken() {
    for classes in [3, 256, 257] {
        let classes: Vec<u32> = (0..classes).collect();
        let mut states = States::new(&Adder, &classes);
        let ids: Vec<u32> = (0..=100).collect();
        for _ in 0..2 {
            assert_eq!(states.any(0, &[]).as_ref(), Some(&ids));
        }
        assert_eq!(states.initial(), 100);
        for _ in 0..2 {
            for (id, &class) in ids.iter().flat_map(|&id| classes.iter().map(move |class| (id, class))) {
                let state = 100 - id;
                let next = states.step(id, class).map(|next| 100 - next);
                assert_eq!(next, Adder.step(&state, &class).ok(), "{class} after {state}");
                assert_eq!(states.show(id), state.to_string());
            }
        }
        let row = if classes.len() <= 256 { classes.len() * 4 } else { 0 };
        let least = 101 * (row + 2_000 + 2 * 4);
        assert!((least..least + least / 2).contains(&states.bytes()), "{} for {least}", states.bytes());
    }
}
