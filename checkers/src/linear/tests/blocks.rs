//! Deciding without a search: what is decided so, and every way to be impossible.

use super::super::access::{Accesses, INITIAL, NONE};
use super::super::{Flags, Keys, Linearizable};
use super::agree::check;
use super::build::Build;
use super::random::{Dice, Run, atomic};
use crate::model::{Datum, Held, Model, RegisterOp};
use crate::{Budget, Checker, Kind, Register, Valid, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Without windows a violation is proven from the operations that rule an order out.
const NO_WINDOWS: Flags = Flags { windows: false, ..Flags::ALL };
const SEARCH: Flags = Flags { blocks: false, ..Flags::ALL };

fn is_impossible(build: &Build, anomaly: &str, core: usize) {
    for flags in [Flags::ALL, NO_WINDOWS, SEARCH] {
        let verdict = check(build, flags, 1);
        assert_eq!(verdict.valid, Valid::Violation, "{flags:?}");
        assert!(!verdict.stats.contains_key("internal_errors"), "{flags:?} {:?}", verdict.stats);
        assert_eq!(verdict.stats["violations_proved_twice"], 1, "{flags:?}");
        assert_eq!(verdict.findings[0].anomaly, anomaly, "{flags:?}");
        let proof = verdict.findings[0].counterexample.as_ref().expect("a counterexample");
        assert!(proof.core.len() <= core, "{flags:?} {proof:#?}");
    }
}

fn configurations(verdict: &Verdict) -> u64 {
    verdict.stats["configurations"].as_u64().expect("a number")
}

#[test]
fn unique_values_need_no_search() {
    let build = atomic(&mut Dice(3), Run { calls: 20_000, clients: 20, values: 0, doubt: 10 });
    let verdict = check(&build, Flags::ALL, 1);
    assert_eq!((verdict.valid, configurations(&verdict)), (Valid::Valid, 0));
    let verdict = check(&build, SEARCH, 1);
    assert!(verdict.valid == Valid::Valid && configurations(&verdict) > 0);
}

#[test]
fn a_value_that_comes_back_is_searched_for() {
    let mut build = Build::default();
    build.did(0, "write", json!(1)).did(0, "write", json!(2)).did(0, "write", json!(1));
    // Nobody saw it: no matter.
    assert_eq!(configurations(&check(&build, Flags::ALL, 1)), 0);
    build.did(0, "read", json!(1));
    let verdict = check(&build, Flags::ALL, 1);
    assert!(verdict.valid == Valid::Valid && configurations(&verdict) > 0);
    // The value held at first may come back, too.
    let mut initial = Build::default();
    initial.did(0, "write", json!(1)).did(0, "write", json!(null)).did(0, "read", json!(null));
    let verdict = check(&initial, Flags::ALL, 1);
    assert!(verdict.valid == Valid::Valid && configurations(&verdict) > 0);
}

#[test]
fn doubtful_operations_happened_if_their_value_was_seen() {
    let mut build = Build::default();
    build.lost(0, "write", json!(1)).lost(1, "cas", json!([1, 2])).lost(2, "cas", json!([2, 3]));
    build.lost(3, "cas", json!([2, 4])).lost(4, "write", json!(5));
    build.did(5, "read", json!(3));
    assert_eq!(check(&build, Flags::ALL, 1).valid, Valid::Valid);
    // Both replaced 2, which was written once.
    build.did(5, "read", json!(4));
    is_impossible(&build, "not linearizable", 2);
}

#[test]
fn a_value_from_nowhere_is_impossible() {
    let mut build = Build::default();
    build.did(0, "write", json!(1)).did(1, "read", json!(7)).did(2, "write", json!(8));
    is_impossible(&build, "phantom value", 1);
}

#[test]
fn two_that_replace_one_value_are_impossible() {
    let mut build = Build::default();
    build.did(0, "write", json!(1)).did(1, "cas", json!([1, 2])).did(2, "cas", json!([1, 3]));
    is_impossible(&build, "lost update", 2);
}

#[test]
fn values_that_come_from_each_other_are_impossible() {
    let mut build = Build::default();
    for (process, value) in [(0, [1, 2]), (1, [2, 3]), (2, [3, 1])] {
        build.invoke(process, "cas", json!(value));
    }
    for (process, value) in [(0, [1, 2]), (1, [2, 3]), (2, [3, 1])] {
        build.ok(process, "cas", json!(value));
    }
    is_impossible(&build, "not linearizable", 3);
}

/// Whatever is in order beside a circle is not taken for a part of it.
#[test]
fn values_that_come_from_each_other_are_found_among_others() {
    let mut build = Build::default();
    build.did(0, "read", json!(null)).did(0, "write", json!(7)).did(0, "cas", json!([7, 8]));
    build.did(0, "read", json!(8)).did(1, "write", json!(9));
    for (process, value) in [(0, [1, 2]), (1, [2, 1])] {
        build.invoke(process, "cas", json!(value));
    }
    build.did(2, "read", json!(9));
    for (process, value) in [(0, [1, 2]), (1, [2, 1])] {
        build.ok(process, "cas", json!(value));
    }
    build.did(2, "read", json!(2));
    is_impossible(&build, "not linearizable", 2);
}

/// What was read for long says nothing about when the value was written.
#[test]
fn a_block_comes_as_late_as_whatever_in_it_was_invoked_last() {
    let mut build = Build::default();
    build.invoke(0, "read", Value::Null).did(1, "write", json!(1)).did(2, "write", json!(2));
    build.ok(0, "read", json!(2));
    let verdict = check(&build, Flags::ALL, 1);
    assert_eq!((verdict.valid, configurations(&verdict)), (Valid::Valid, 0));
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
}

#[test]
fn a_chain_seen_backwards_is_impossible() {
    let mut build = Build::default();
    build.invoke(0, "write", json!(1)).invoke(1, "cas", json!([1, 2])).did(2, "read", json!(2));
    build.did(3, "read", json!(1)).ok(0, "write", json!(1)).ok(1, "cas", json!([1, 2]));
    is_impossible(&build, "stale read", 2);
}

#[test]
fn a_read_before_its_doubtful_write_is_impossible() {
    let mut build = Build::default();
    build.did(2, "read", json!(1)).lost(0, "write", json!(1));
    is_impossible(&build, "not linearizable", 1);
}

#[test]
fn blocks_that_have_to_come_before_each_other_are_impossible_however_far_apart() {
    let mut build = Build::default();
    build.did(0, "write", json!("first")).did(1, "write", json!("second"));
    // Overlaps everything that follows, so no window in time shows what is wrong.
    for n in 0..600_u64 {
        build.did(n % 3, "write", json!(n));
    }
    build.did(1, "read", json!("first"));
    let verdict = check(&build, Flags::ALL, 1);
    assert_eq!(verdict.findings[0].anomaly, "stale read");
    is_impossible(&build, "stale read", 3);
}

#[test]
fn what_was_there_at_first_comes_first() {
    let mut build = Build::default();
    build.did(0, "write", json!(1)).did(1, "read", json!(null));
    is_impossible(&build, "stale read", 2);
    let mut chain = Build::default();
    chain.did(0, "cas", json!([null, 1])).did(1, "read", json!(1)).did(1, "read", json!(null));
    is_impossible(&chain, "stale read", 2);
}

#[test]
fn an_access_says_what_a_step_does() {
    let values = [json!(null), json!(1), json!(2), json!("1"), json!([1])].map(Datum::from);
    let mut ops: Vec<RegisterOp> = Vec::new();
    for a in &values {
        ops.extend([RegisterOp::Read(a.clone()), RegisterOp::Write(a.clone())]);
        ops.extend(values.iter().map(|b| RegisterOp::Cas(a.clone(), b.clone())));
    }
    let register = Register::default();
    let states = || values.iter().cloned().map(Held::Value).chain([Held::Other]);
    for (op, state) in ops.iter().flat_map(|op| states().map(move |state| (op, state))) {
        let access = register.access(op).expect("a register is nothing but accesses");
        let expected = access.expects.as_ref().is_none_or(|expects| *expects == state);
        let after = expected.then(|| access.leaves.unwrap_or_else(|| state.clone()));
        assert_eq!(register.step(&state, op).ok(), after, "{op:?} in {state:?}");
        assert_eq!(
            register.is_observer(op),
            states().all(|s| register.step(&s, op).is_ok_and(|t| t == s) || register.step(&s, op).is_err()),
            "{op:?}"
        );
    }
    let accesses = Accesses::new(&register, &ops).expect("a register is nothing but accesses");
    let read_null = accesses.of(0);
    assert_eq!((read_null.expects, read_null.leaves), (INITIAL, NONE));
    assert_eq!(accesses.values(), values.len());
}

#[test]
fn a_failed_proof_is_said_and_searched_again() {
    // A model that describes its operations wrongly: it says that a compare-and-set expects nothing.
    struct Wrong(Register);
    impl Model for Wrong {
        type State = Held;
        type Op = RegisterOp;
        fn name(&self) -> String {
            self.0.name()
        }
        fn initial(&self) -> Held {
            self.0.initial()
        }
        fn op(
            &self,
            process: crate::Process,
            f: &str,
            asked: &Value,
            answered: Option<&Value>,
        ) -> Result<Option<RegisterOp>, String> {
            self.0.op(process, f, asked, answered)
        }
        fn step(&self, state: &Held, op: &RegisterOp) -> Result<Held, crate::model::Refusal> {
            self.0.step(state, op)
        }
        fn is_observer(&self, op: &RegisterOp) -> bool {
            self.0.is_observer(op)
        }
        fn label(&self, op: &RegisterOp) -> String {
            self.0.label(op)
        }
        fn show(&self, state: &Held) -> String {
            self.0.show(state)
        }
        fn access(&self, op: &RegisterOp) -> Option<crate::model::Access<Held>> {
            let mut access = self.0.access(op)?;
            if let RegisterOp::Cas(..) = op {
                access.expects = None;
            }
            Some(access)
        }
    }
    let mut build = Build::default();
    build.did(0, "write", json!(1)).invoke(1, "cas", json!([2, 3])).invoke(0, "write", json!(2));
    build.ok(0, "write", json!(2)).ok(1, "cas", json!([2, 3]));
    let checker = Linearizable::new(Wrong(Register::default()), Keys::Auto);
    let verdict = checker.check(&build.history(), &Budget::default());
    assert_eq!(verdict.valid, Valid::Valid);
    let said = verdict.stats["internal_errors"].to_string();
    assert!(said.contains("an order failed its replay"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Long histories of unique values, with some answers exchanged: both ways agree.
    #[test]
    fn blocks_agree_with_the_search(
        seed in any::<u64>(),
        calls in 2..150_usize,
        clients in 1..8_usize,
        doubt in prop_oneof![Just(0_u64), Just(50), Just(200)],
        exchanged in 0..3_usize,
    ) {
        let mut dice = Dice(seed);
        let mut build = atomic(&mut dice, Run { calls, clients, values: 0, doubt });
        let reads: Vec<usize> = (0..build.ops.len())
            .filter(|&n| build.ops[n].kind == Kind::Ok && build.ops[n].f == "read")
            .collect();
        for _ in 0..exchanged.min(reads.len()) {
            let mut pick = || reads[usize::try_from(dice.below(reads.len() as u64)).expect("small")];
            let (one, other) = (pick(), pick());
            let value = build.ops[one].value.clone();
            build.ops[one].value = std::mem::replace(&mut build.ops[other].value, value);
        }
        let verdicts = [Flags::ALL, NO_WINDOWS, SEARCH].map(|flags| check(&build, flags, 1));
        for verdict in &verdicts {
            prop_assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
            prop_assert_eq!(verdict.valid, verdicts[0].valid);
            // They find the same shortest impossible prefix.
            prop_assert_eq!(
                verdict.findings.iter().map(|f| f.time).collect::<Vec<_>>(),
                verdicts[0].findings.iter().map(|f| f.time).collect::<Vec<_>>()
            );
        }
    }
}
