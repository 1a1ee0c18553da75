//! Mistakes that other checkers made, each with a history that shows it.
//!
//! Not here: those that recorders and clients make (`p02`, `p03`, `p16`).

use super::super::{Flags, Keys, Linearizable};
use super::agree::{check, every_combination};
use super::build::Build;
use super::oracle;
use super::random::{Dice, small};
use crate::model::{Held, KeyValue, Model, Mutex, Queue, Refusal, RegisterOp, Set};
use crate::{Budget, Checker, History, HistoryError, Kind, Process, Register, Valid, Verdict};
use serde_json::{Value, json};
use std::hash::{Hash, Hasher};

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
fn p14_nothing_is_valid() {
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
fn p05_nil_is_a_value_and_not_a_wildcard() {
    let mut build = Build::default();
    build.did(0, "read", json!(null)).did(0, "write", json!(1)).did(0, "read", json!(null));
    both_ways(&build, Valid::Violation);
    let mut back = Build::default();
    back.did(0, "write", json!(1)).did(0, "cas", json!([1, null])).did(0, "read", json!(null));
    both_ways(&back, Valid::Valid);
}

#[test]
fn p06_a_failed_cas_says_nothing() {
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
fn p11_a_doubtful_operation_that_is_never_possible_never_happened() {
    let mut build = Build::default();
    build.lost(0, "cas", json!([7, 8])).did(1, "write", json!(1)).did(1, "read", json!(1));
    both_ways(&build, Valid::Valid);
}

#[test]
fn p08_a_read_without_an_answer_is_not_a_read_of_nil() {
    let mut build = Build::default();
    build.did(0, "write", json!(1)).lost(1, "read", json!(null));
    build.invoke(2, "read", json!(null)).event(2, Kind::Fail, "read", json!(null));
    build.invoke(3, "read", json!(null));
    both_ways(&build, Valid::Valid);
}

#[test]
fn p01_order_is_decided_by_the_index_and_never_by_clocks() {
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
fn p04_no_index_is_too_large() {
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
fn p17_a_value_deleted_again_and_again_is_not_unique() {
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
fn p07_a_process_that_goes_on_after_a_doubt_does_not_end_the_doubtful_operation() {
    let mut build = Build::default();
    build.lost(0, "write", json!(5)).did(0, "write", json!(1)).did(0, "read", json!(5));
    both_ways(&build, Valid::Valid);
}

#[test]
fn p19_an_operation_open_at_the_end_is_in_doubt() {
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
fn p13_a_completed_write_is_an_obligation_and_not_a_resource_to_save() {
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

fn judged(model: impl Model, build: &Build) -> Valid {
    Linearizable::new(model, Keys::Single).check(&build.history(), &Budget::default()).valid
}

#[test]
fn p09_a_set_has_no_order() {
    let mut build = Build::default();
    build.did(0, "add", json!(1)).did(0, "add", json!(2)).did(1, "read", json!([2, 1]));
    assert_eq!(judged(Set::default(), &build), Valid::Valid);
    build.did(1, "read", json!([2]));
    assert_eq!(judged(Set::default(), &build), Valid::Violation);
}

#[test]
fn p10_an_operation_on_two_keys_belongs_to_both() {
    // Each key alone has an order; what one transaction wrote to both is seen only half.
    let txn = |micros: &[Value]| Value::from(micros.to_vec());
    let mut build = Build::default();
    build.did(0, "txn", txn(&[json!(["w", "x", 1]), json!(["w", "y", 1])]));
    for (process, key) in [(1, "x"), (2, "y")] {
        build.invoke(process, "txn", txn(&[json!(["w", key, 2])]));
    }
    let both = |x: u64, y: u64| txn(&[json!(["r", "x", x]), json!(["r", "y", y])]);
    let asked = txn(&[json!(["r", "x", null]), json!(["r", "y", null])]);
    build.invoke(3, "txn", asked.clone()).ok(3, "txn", both(2, 1));
    assert_eq!(judged(KeyValue::default(), &build), Valid::Valid);
    build.invoke(4, "txn", asked).ok(4, "txn", both(1, 2));
    assert_eq!(judged(KeyValue::default(), &build), Valid::Violation);
}

#[test]
fn p11_nobody_in_doubt_has_to_find_the_lock_free_or_something_to_take() {
    let mut lock = Build::default();
    lock.did(0, "acquire", json!(null)).lost(1, "acquire", json!(null)).did(0, "release", json!(null));
    lock.did(0, "acquire", json!(null));
    assert_eq!(judged(Mutex, &lock), Valid::Valid);
    let mut queue = Build::default();
    queue.lost(0, "dequeue", json!(null)).did(1, "enqueue", json!(1)).invoke(2, "dequeue", json!(null));
    queue.ok(2, "dequeue", json!(1));
    assert_eq!(judged(Queue::default(), &queue), Valid::Valid);
}

/// Equal only if it is, but every hash is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Colliding<T>(T);

impl<T> Hash for Colliding<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// A register whose states and operations collide.
struct Collisions(Register);

impl Model for Collisions {
    type State = Colliding<Held>;
    type Op = Colliding<RegisterOp>;

    fn name(&self) -> String {
        self.0.name()
    }

    fn initial(&self) -> Self::State {
        Colliding(self.0.initial())
    }

    fn op(
        &self,
        process: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<Self::Op>, String> {
        Ok(self.0.op(process, f, asked, answered)?.map(Colliding))
    }

    fn step(&self, state: &Self::State, op: &Self::Op) -> Result<Self::State, Refusal> {
        self.0.step(&state.0, &op.0).map(Colliding)
    }

    fn is_observer(&self, op: &Self::Op) -> bool {
        self.0.is_observer(&op.0)
    }

    fn label(&self, op: &Self::Op) -> String {
        self.0.label(&op.0)
    }

    fn show(&self, state: &Self::State) -> String {
        self.0.show(&state.0)
    }
}

#[test]
fn p12_equal_hashes_are_not_equal_states() {
    let mut dice = Dice(12);
    let mut counts = [0; 2];
    for _ in 0..2_000 {
        let build = small(&mut dice);
        let expected = oracle::linearizable(&build.history());
        let valid = judged(Collisions(Register::default()), &build);
        assert_eq!(valid == Valid::Valid, expected, "{valid:?} {:#?}", build.ops);
        counts[usize::from(expected)] += 1;
    }
    assert!(counts.iter().all(|&count| count > 200), "{counts:?}");
}

#[test]
fn p15_what_was_there_at_first_is_said_and_not_guessed() {
    let mut build = Build::default();
    build.did(0, "read", json!(7));
    assert_eq!(judged(Register::default(), &build), Valid::Violation);
    assert_eq!(judged(Register { initial: json!(7) }, &build), Valid::Valid);
    build.did(0, "read", json!(null));
    assert_eq!(judged(Register { initial: json!(7) }, &build), Valid::Violation);
}

#[test]
fn p18_a_process_that_begins_anew_with_an_operation_open_is_refused() {
    // To call the first one completed, or in doubt, would be a guess about who crashed.
    let mut build = Build::default();
    build.invoke(0, "write", json!(1)).invoke(0, "read", json!(null)).ok(0, "read", json!(null));
    let refused = History::new(build.ops.clone()).expect_err("no history");
    assert!(
        matches!(refused, HistoryError::Overlap { process: Process::Client(0), index: 1, open: 0 }),
        "{refused}"
    );
}

#[test]
fn p20_undecided_is_no_pass_and_hides_no_violation() {
    let mut build = Build::default();
    build.did(0, "write", json!([1, 1])).did(0, "read", json!([1, 2]));
    let spent = Budget::default();
    spent.cancel();
    let verdict = Linearizable::register(Keys::Auto).check(&build.history(), &spent);
    assert_eq!(verdict.valid, Valid::Unknown);
    assert!(verdict.reason.is_some_and(|reason| reason.contains("time ran out")));
    // The same with memory for one of two keys.
    let mut large = Build::default();
    for n in 0..4_000 {
        large.lost(n + 10, "write", json!([2, n])).did(1, "read", json!([2, n % 3]));
    }
    large.did(0, "read", json!([1, "nowhere"]));
    let mut valid = Vec::new();
    for bytes in [1 << 10, 1 << 30] {
        let verdict = Linearizable::register(Keys::Auto).check(&large.history(), &Budget::new(bytes, 1));
        valid.push(verdict.valid);
    }
    assert_eq!(valid, [Valid::Unknown, Valid::Violation]);
}
