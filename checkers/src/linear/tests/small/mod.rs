//! The engine against the oracle on millions of small random histories of every model.
//!
//! A hundred million of them, with what was compared and how fast:
//!
//! ```text
//! DURESS_ORACLE_HISTORIES=100000000 cargo test --release -p duress-checkers oracle -- --nocapture
//! ```
//!
//! `DURESS_ORACLE_SEED` is a number that makes them others.

mod bare;
mod named;
mod order;
mod palette;
mod sketch;

pub(super) use bare::{Bare, Named, bare};

use super::super::Flags;
use super::agree::{COMBINATIONS, combination};
use super::model_agree::check;
use super::model_specs::{Subject, subjects};
use super::oracle;
use super::random::Dice;
use crate::Valid;
use order::Orders;
use palette::Palette;
use sketch::Sketch;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Histories of all models together; `DURESS_ORACLE_HISTORIES` asks for more.
const HISTORIES: u64 = 1_000_000;

/// Histories that share a palette, and one of which goes through many combinations of reductions.
const CHUNK: u64 = 4_096;

/// So many of them.
const MANY: u64 = 1_024;

/// One history in so many is also written out as a history, read, judged and explained.
const WHOLE_EVERY: u64 = 64;

/// What came of the histories of one model.
#[derive(Clone, Copy, Default)]
struct Tally {
    valid: u64,
    violation: u64,
    took: Duration,
}

impl Tally {
    fn compared(&self) -> u64 {
        self.valid + self.violation
    }
}

/// Compares one chunk.
fn compare(subject: &Subject, seed: u64, histories: u64) -> Tally {
    let start = Instant::now();
    let mut dice = Dice(seed);
    let mut palette = Palette::new(subject);
    let (mut sketch, mut orders, mut called) = (Sketch::new(), Orders::default(), Vec::new());
    let mut tally = Tally::default();
    for n in 0..histories {
        sketch.draw(&mut dice, &mut palette);
        let allowed = orders.allowed(&mut palette, &sketch);
        *(if allowed { &mut tally.valid } else { &mut tally.violation }) += 1;
        sketch.called(&palette, &mut called);
        let agrees = |flags| {
            let (valid, bugs) = palette.bare.decide(&called, flags);
            let expected = if allowed { Valid::Valid } else { Valid::Violation };
            assert!(
                valid == expected && bugs.is_empty(),
                "{} seed {seed} history {n}: {valid:?}, not {expected:?}, {bugs:?} with {flags:?}\n{:#?}",
                subject.name,
                sketch.build(&palette).ops
            );
        };
        agrees(Flags::ALL);
        agrees(Flags::NONE);
        agrees(combination(dice.below(COMBINATIONS)));
        if n == CHUNK / 2 {
            (0..MANY).map(|_| combination(dice.below(COMBINATIONS))).for_each(agrees);
        }
        if n.is_multiple_of(WHOLE_EVERY) {
            let build = sketch.build(&palette);
            let verdict = check(subject, &build, Flags::ALL);
            let also = oracle::allowed(&build.history(), &subject.initial, subject.spec);
            assert_eq!(also, allowed, "two oracles disagree on {} {:#?}", subject.name, build.ops);
            assert_eq!(verdict.valid == Valid::Valid, allowed, "{} {:#?}", subject.name, build.ops);
            assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
        }
    }
    tally.took = start.elapsed();
    tally
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |n| n.parse().expect("the variable holds a number"))
}

#[test]
fn the_engine_agrees_with_the_oracle() {
    let subjects = subjects();
    let of_each = number("DURESS_ORACLE_HISTORIES", HISTORIES).div_ceil(subjects.len() as u64);
    let seed = number("DURESS_ORACLE_SEED", 0);
    let chunks = of_each.div_ceil(CHUNK);
    let next = AtomicU64::new(0);
    let tallies = Mutex::new(vec![Tally::default(); subjects.len()]);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (subject, chunk) = (at % subjects.len() as u64, at / subjects.len() as u64);
            if chunk >= chunks {
                break;
            }
            let subject = usize::try_from(subject).expect("few models");
            let histories = CHUNK.min(of_each - chunk * CHUNK);
            let tally = compare(&subjects[subject], Dice(seed << 40 | at).below(u64::MAX), histories);
            let mut all = tallies.lock().expect("nobody fails while holding it");
            all[subject].valid += tally.valid;
            all[subject].violation += tally.violation;
            all[subject].took += tally.took;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let tallies = tallies.into_inner().expect("nobody failed");
    println!("{:26} {:>12} {:>12} {:>12} {:>10}", "model", "compared", "valid", "violation", "/s/core");
    for (subject, tally) in subjects.iter().zip(&tallies) {
        let rate = tally.compared() as f64 / tally.took.as_secs_f64();
        println!(
            "{:26} {:>12} {:>12} {:>12} {rate:>10.0}",
            subject.name,
            tally.compared(),
            tally.valid,
            tally.violation
        );
        // A comparison that sees one answer only compares nothing.
        let few = tally.compared() / 20;
        assert!(tally.valid > few && tally.violation > few, "{}", subject.name);
    }
    let (all, took) = tallies
        .iter()
        .fold((0, Duration::ZERO), |(all, took), tally| (all + tally.compared(), took + tally.took));
    println!("{:26} {all:>12} {:>36.0}", "together", all as f64 / took.as_secs_f64());
}
