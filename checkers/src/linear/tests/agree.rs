//! Registers: the engine against the oracle on whole histories, with every combination of reductions,
//! on several threads and several keys. Many more histories, of every model: [`super::small`].

use super::super::{Flags, Keys, Linearizable};
use super::build::Build;
use super::oracle;
use super::random::{Dice, small};
use crate::{Budget, Checker, Register, Valid, Verdict};

/// Histories of one register.
const HISTORIES: u64 = 10_000;

/// One history in so many goes through all combinations of reductions.
const ALL_FLAGS_EVERY: u64 = 4096;

pub(super) fn check(build: &Build, flags: Flags, threads: usize) -> Verdict {
    let checker = Linearizable { flags, ..Linearizable::new(Register::default(), Keys::Auto) };
    checker.check(&build.history(), &Budget::new(1 << 28, threads))
}

pub(super) fn every_combination() -> impl Iterator<Item = Flags> {
    (0..COMBINATIONS).map(combination)
}

pub(super) const COMBINATIONS: u64 = 16_384;

pub(super) fn combination(bits: u64) -> Flags {
    Flags {
        eager: bits & 1 != 0,
        classes: bits & 2 != 0,
        dominance: bits & 4 != 0,
        noticed: bits & 8 != 0,
        windows: bits & 16 != 0,
        unseen: bits & 32 != 0,
        dead: bits & 64 != 0,
        abundance: bits & 128 != 0,
        blocks: bits & 256 != 0,
        endless: bits & 512 != 0,
        due: bits & 1024 != 0,
        ahead: bits & 2048 != 0,
        collection: bits & 4096 != 0,
        growing: bits & 8192 != 0,
    }
}

fn agrees(build: &Build, flags: Flags, threads: usize, linearizable: bool) {
    let verdict = check(build, flags, threads);
    let expected = if linearizable { Valid::Valid } else { Valid::Violation };
    assert_eq!(verdict.valid, expected, "{flags:?} {threads} threads\n{:#?}", build.ops);
    assert!(
        !verdict.stats.contains_key("internal_errors"),
        "{flags:?} {:?}\n{:#?}",
        verdict.stats,
        build.ops
    );
}

#[test]
fn whole_histories_are_decided_as_by_trying_every_order() {
    let mut dice = Dice(0);
    let mut counts = (0, 0);
    for n in 0..HISTORIES {
        let build = small(&mut dice);
        let linearizable = oracle::linearizable(&build.history());
        *(if linearizable { &mut counts.0 } else { &mut counts.1 }) += 1;
        agrees(&build, Flags::ALL, 1, linearizable);
        agrees(&build, Flags::NONE, 1, linearizable);
        agrees(&build, combination(dice.below(COMBINATIONS)), 1, linearizable);
        if n.is_multiple_of(ALL_FLAGS_EVERY) {
            for flags in every_combination() {
                agrees(&build, flags, 2, linearizable);
            }
        }
    }
    // A comparison that sees one answer only compares nothing.
    assert!(counts.0 > HISTORIES / 10 && counts.1 > HISTORIES / 10, "{counts:?}");
}

#[test]
fn the_engine_agrees_on_several_keys() {
    let mut dice = Dice(99);
    for _ in 0..2_000 {
        let parts: Vec<Build> = (0..3).map(|_| small(&mut dice)).collect();
        let linearizable = parts.iter().filter(|part| oracle::linearizable(&part.history())).count();
        let mut all = Build::default();
        for (key, part) in parts.iter().enumerate() {
            for mut op in part.keyed(&key.into()).ops {
                op.index = all.ops.len() as u64;
                let crate::Process::Client(n) = op.process else { unreachable!("only clients here") };
                op.process = crate::Process::Client(n + 100 * key as u64);
                all.ops.push(op);
            }
        }
        let (one, two) = (check(&all, Flags::ALL, 1), check(&all, Flags::ALL, 2));
        assert_eq!(one, two);
        assert_eq!(one.stats["violating_keys"], 3 - linearizable);
        assert_eq!(one.findings.len(), 3 - linearizable);
    }
}
