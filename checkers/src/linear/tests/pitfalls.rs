//! Mistakes that other checkers made, each with a history that shows it.

use super::super::{Flags, Keys, Linearizable};
use super::agree::{check, every_combination};
use super::build::Build;
use crate::{Budget, Checker, History, Kind, Valid, Verdict};
use serde_json::json;

fn both_ways(build: &Build, expected: Valid) {
    for flags in every_combination() {
        let verdict = check(build, flags, 1);
        assert_eq!(verdict.valid, expected, "{flags:?}\n{:#?}", build.ops);
        assert!(!verdict.stats.contains_key("internal_errors"), "{flags:?} {:?}", verdict.stats);
    }
}

fn auto(history: &History) -> Verdict {
    Linearizable::register(Keys::Auto).check(history, &Budget::default())
}

#[test]
fn nothing_is_valid() {
    let verdict = auto(&History::default());
    assert_eq!((verdict.valid, &verdict.stats["keys"]), (Valid::Valid, &json!(0)));
    for keys in [Keys::Keyed, Keys::Single] {
        let verdict = Linearizable::register(keys).check(&History::default(), &Budget::default());
        assert_eq!(verdict.valid, Valid::Valid);
    }
    // A key whose only call got no answer.
    let mut build = Build::default();
    build.lost(0, "read", json!([1, null]));
    assert_eq!(auto(&build.history()).valid, Valid::Valid);
}

#[test]
fn nil_is_a_value_and_not_a_wildcard() {
    let mut build = Build::default();
    build.did(0, "read", json!(null)).did(0, "write", json!(1)).did(0, "read", json!(null));
    both_ways(&build, Valid::Violation);
    let mut back = Build::default();
    back.did(0, "write", json!(1)).did(0, "cas", json!([1, null])).did(0, "read", json!(null));
    both_ways(&back, Valid::Valid);
}

#[test]
fn a_failed_cas_says_nothing() {
    // It would contradict the state, but may have been refused for any reason.
    let mut build = Build::default();
    build.did(0, "write", json!(1)).invoke(1, "cas", json!([1, 2]));
    build.event(1, Kind::Fail, "cas", json!([1, 2])).did(0, "read", json!(1));
    both_ways(&build, Valid::Valid);
}

#[test]
fn a_doubtful_write_may_happen_late_or_never_and_a_chain_of_them_counts() {
    let mut late = Build::default();
    late.lost(0, "write", json!(9)).did(1, "write", json!(1)).did(1, "read", json!(1));
    both_ways(&late, Valid::Valid);
    late.did(2, "read", json!(9));
    both_ways(&late, Valid::Valid);
    late.did(2, "read", json!(1));
    both_ways(&late, Valid::Violation);
    // Nobody reads 9, but the doubtful cas does.
    let mut chain = Build::default();
    chain.lost(0, "write", json!(9)).lost(1, "cas", json!([9, 3])).did(2, "read", json!(3));
    both_ways(&chain, Valid::Valid);
}

#[test]
fn equal_doubtful_writes_are_counted() {
    let mut build = Build::default();
    build.lost(10, "write", json!(7)).lost(11, "write", json!(7));
    for n in 0..2 {
        build.did(n, "write", json!(1)).did(n, "read", json!(7));
    }
    both_ways(&build, Valid::Valid);
    build.did(3, "write", json!(1)).did(3, "read", json!(7));
    both_ways(&build, Valid::Violation);
}

#[test]
fn plenty_of_equal_doubtful_writes_are_still_counted() {
    let mut build = Build::default();
    for n in 0..30 {
        build.lost(100 + n, "write", json!(7));
    }
    for n in 0..30 {
        build.did(n, "write", json!(1)).did(n, "read", json!(7));
    }
    assert_eq!(check(&build, Flags::ALL, 1).valid, Valid::Valid);
    build.did(31, "write", json!(1)).did(31, "read", json!(7));
    let verdict = check(&build, Flags::ALL, 1);
    assert_eq!(verdict.valid, Valid::Violation);
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
}

#[test]
fn a_doubtful_operation_that_is_never_possible_never_happened() {
    let mut build = Build::default();
    build.lost(0, "cas", json!([7, 8])).did(1, "write", json!(1)).did(1, "read", json!(1));
    both_ways(&build, Valid::Valid);
}

#[test]
fn a_read_without_an_answer_is_not_a_read_of_nil() {
    let mut build = Build::default();
    build.did(0, "write", json!(1)).lost(1, "read", json!(null));
    build.invoke(2, "read", json!(null)).event(2, Kind::Fail, "read", json!(null));
    build.invoke(3, "read", json!(null));
    both_ways(&build, Valid::Valid);
}

#[test]
fn order_is_decided_by_the_index_and_never_by_clocks() {
    let mut build = Build::default();
    build.invoke(0, "write", json!(1)).did(1, "read", json!(1)).ok(0, "write", json!(1));
    build.did(1, "write", json!(2)).did(1, "read", json!(2));
    for op in &mut build.ops {
        op.time = 0;
    }
    both_ways(&build, Valid::Valid);
    build.did(0, "read", json!(1));
    build.ops.iter_mut().for_each(|op| op.time = 0);
    both_ways(&build, Valid::Violation);
}

#[test]
fn no_index_is_too_large() {
    // An open end that is a large number, plus one, is a small number.
    let mut build = Build::default();
    build.lost(0, "write", json!(5)).did(1, "write", json!(1)).did(1, "read", json!(5));
    build.invoke(2, "write", json!(6));
    let last = build.ops.len() as u64;
    for op in &mut build.ops {
        op.index += u64::MAX - last;
        op.time = u64::MAX - last;
    }
    both_ways(&build, Valid::Valid);
    build.ops[5].value = json!(4);
    both_ways(&build, Valid::Violation);
}

#[test]
fn a_value_deleted_again_and_again_is_not_unique() {
    let mut build = Build::default();
    for n in 0..4 {
        build.did(0, "write", json!(n)).did(1, "read", json!(n));
        build.did(0, "write", json!(null)).did(1, "read", json!(null));
    }
    both_ways(&build, Valid::Valid);
    build.did(0, "write", json!(9)).did(1, "read", json!(null));
    both_ways(&build, Valid::Violation);
}

#[test]
fn a_process_that_goes_on_after_a_doubt_does_not_end_the_doubtful_operation() {
    let mut build = Build::default();
    build.lost(0, "write", json!(5)).did(0, "write", json!(1)).did(0, "read", json!(5));
    both_ways(&build, Valid::Valid);
}

#[test]
fn an_operation_open_at_the_end_is_in_doubt() {
    let mut build = Build::default();
    build.invoke(0, "write", json!(5)).did(1, "read", json!(5)).did(1, "read", json!(5));
    both_ways(&build, Valid::Valid);
}

#[test]
fn a_doubtful_write_may_bring_back_what_an_unseen_write_took_away() {
    // Nobody sees 3, so it goes just before the next write: the doubtful one of nil. That leaves the
    // register as it was before both, and is noticed all the same.
    let mut build = Build::default();
    build.invoke(0, "read", json!(null)).lost(1, "write", json!(null)).invoke(2, "write", json!(3));
    build.invoke(3, "cas", json!([null, 1])).ok(3, "cas", json!([null, 1])).ok(0, "read", json!(1));
    build.ok(2, "write", json!(3)).did(4, "cas", json!([1, 3]));
    both_ways(&build, Valid::Valid);
}

#[test]
fn a_completed_write_is_an_obligation_and_not_a_resource_to_save() {
    // Dominance must not look at it: 1 has to happen before the second read.
    let mut build = Build::default();
    build.invoke(0, "write", json!(1)).did(1, "write", json!(2)).did(2, "read", json!(2));
    build.ok(0, "write", json!(1)).did(2, "read", json!(1));
    both_ways(&build, Valid::Valid);
    build.did(2, "read", json!(2));
    both_ways(&build, Valid::Violation);
}

#[test]
fn more_operations_open_than_any_machine_word_has_bits() {
    for open in [64, 65, 128, 129, 300_u64] {
        let mut build = Build::default();
        for n in 0..open {
            build.invoke(n, "write", json!(n));
        }
        build.invoke(open, "read", json!(null));
        for n in 0..open {
            build.ok(n, "write", json!(n));
        }
        build.ok(open, "read", json!(0)).did(open, "read", json!(open - 1));
        // Every value is unique, but the masks are what this is about.
        let search = Flags { blocks: false, ..Flags::ALL };
        assert_eq!(check(&build, search, 1).valid, Valid::Valid, "{open}");
        build.did(open, "read", json!(1));
        let verdict = check(&build, search, 1);
        assert_eq!(verdict.valid, Valid::Violation, "{open}");
        assert_eq!(verdict.stats["widest_frontier"], open + 1);
    }
}

#[test]
fn a_thousand_doubtful_writes_do_not_keep_it_from_saying_no() {
    let mut build = Build::default();
    build.did(0, "write", json!("first"));
    for n in 0..1_000 {
        build.lost(n, "write", json!(n % 40));
        if n % 10 == 0 {
            build.did(5_000, "write", json!("next")).did(5_001, "read", json!("next"));
        }
    }
    assert_eq!(check(&build, Flags::ALL, 1).valid, Valid::Valid);
    build.did(0, "read", json!("first"));
    let verdict = check(&build, Flags::ALL, 1);
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, "stale read");
}

#[test]
fn long_histories_need_no_stack() {
    let mut build = Build::default();
    for n in 0..100_000_u64 {
        build.did(n % 7, "write", json!(n));
    }
    assert_eq!(check(&build, Flags::NONE, 1).valid, Valid::Valid);
}

#[test]
fn keys_are_recognised_and_never_guessed() {
    let keys = |build: &Build| auto(&build.history());
    let mut single = Build::default();
    single.did(0, "write", json!([1, 2])).did(0, "read", json!([1, 2])).did(0, "cas", json!([[1, 2], 3]));
    assert_eq!((keys(&single).valid, keys(&single).stats["keys"].clone()), (Valid::Valid, json!(1)));
    let mut keyed = Build::default();
    for (f, asked, got) in [
        ("write", json!([7, 1]), json!([7, 1])),
        ("cas", json!([7, [1, 2]]), json!([7, [1, 2]])),
        ("read", json!([7, null]), json!([7, 2])),
        ("read", json!(["x", null]), json!(["x", null])),
    ] {
        keyed.invoke(0, f, asked).ok(0, f, got);
    }
    assert_eq!((keys(&keyed).valid, keys(&keyed).stats["keys"].clone()), (Valid::Valid, json!(2)));
    let mut mixed = keyed.clone();
    mixed.did(1, "read", json!(2));
    let unfit = |build: &Build, words: &str| {
        let verdict = keys(build);
        assert_eq!(verdict.valid, Valid::Unknown);
        let reason = verdict.reason.expect("a reason");
        assert!(reason.contains(words), "{reason}");
    };
    unfit(&mixed, "operation 4 carries a [key, value] pair and operation 8 does not");
    let mut strange = keyed.clone();
    strange.did(1, "append", json!([7, 2]));
    unfit(&strange, "operation 8 does not fit: a register knows read, write and cas, not `append`");
    let mut other = keyed.clone();
    other.invoke(1, "read", json!([7, null])).ok(1, "read", json!([8, 2]));
    unfit(&other, "operation 9 does not fit: it answers for key 8, but key 7 was asked for");
    let mut bare = keyed;
    bare.invoke(1, "read", json!([7, null])).ok(1, "read", json!(2));
    unfit(&bare, "operation 9 does not fit: expected [key, value], found 2");
}
