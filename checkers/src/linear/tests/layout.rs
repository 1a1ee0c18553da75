//! How a problem is laid out, and what it can do without.

use super::super::access::Accesses;
use super::super::limits::{Charge, Limits};
use super::super::partition::partition;
use super::super::problem::{Flags, Problem, Supply};
use super::super::reduce::merge_dead;
use super::super::subject::Subject;
use super::super::window::Window;
use super::super::{Keys, Linearizable};
use super::agree::check;
use super::build::Build;
use crate::{Budget, Checker, Register, Valid};
use serde_json::{Value, json};
use std::sync::atomic::AtomicUsize;

/// Looks at the operations of a register.
fn with_subject(build: &Build, look: impl FnOnce(&Subject<'_>, &mut Charge)) {
    let (history, register) = (build.history(), Register::default());
    let (budget, held) = (Budget::default(), AtomicUsize::new(0));
    let limits = Limits::new(&budget, &held);
    let mut charge = Charge::new(&limits);
    let Ok(parts) = partition(&register, Keys::Single, &history, &mut charge) else { panic!("a register") };
    look(&Subject::new(&parts.parts[0], &limits), &mut charge);
}

fn with_problem(build: &Build, flags: Flags, supply: Supply, look: impl FnOnce(&Problem)) {
    with_subject(build, |subject, charge| {
        let items = Window::new(subject, None, u32::MAX).items;
        let problem = Problem::new(items, subject.accesses.as_ref(), flags, supply, charge);
        look(&problem.unwrap_or_else(|_| panic!("no limit is in the way")));
    });
}

#[test]
fn an_equal_operation_that_is_due_earlier_stands_in_while_it_is_open() {
    let mut build = Build::default();
    // Three of the same: the first returns before the others begin to, the third after all.
    build.invoke(0, "write", json!(1)).invoke(1, "write", json!(1)).invoke(2, "write", json!(2));
    build.ok(0, "write", json!(1)).ok(2, "write", json!(2)).invoke(3, "write", json!(1));
    build.ok(1, "write", json!(1)).ok(3, "write", json!(1)).did(4, "read", json!(1));
    with_problem(&build, Flags::ALL, Supply::Counted, |problem| {
        let twins = |pos| {
            let twin = |&at: &u32| problem.twin(&problem.items[at as usize], pos).map(|twin| twin.entry);
            let open = problem.open(pos).iter();
            open.map(|at| (problem.items[*at as usize].entry, twin(at))).collect::<Vec<_>>()
        };
        // Ordered by their returns.
        assert_eq!(twins(0), [(0, None), (2, None), (1, Some(0))]);
        assert_eq!(twins(1), [(2, None), (1, None)]);
        assert_eq!(twins(2), [(1, None), (3, Some(1))]);
        assert_eq!(twins(3), [(3, None)]);
        assert_eq!((problem.len(), problem.widest()), (5, 3));
    });
}

#[test]
fn there_are_enough_in_doubt_if_more_were_invoked_than_any_order_uses() {
    // So many doubtful writes before anything completes, and one more later, which says nothing.
    let build = |doubtful: u64| {
        let mut build = Build::default();
        (0..doubtful).for_each(|n| _ = build.lost(n, "write", json!(1)));
        build.invoke(100, "read", Value::Null).did(101, "read", json!(1)).did(101, "write", json!(2));
        build.did(101, "read", json!(1)).ok(100, "read", json!(1));
        build
    };
    for (doubtful, enough) in [(3, false), (4, false), (5, true), (6, true)] {
        let none = Flags { abundance: false, ..Flags::ALL };
        let told = Flags { dominance: false, ..Flags::ALL };
        for (flags, expected) in [(Flags::ALL, enough), (none, false), (told, false)] {
            with_problem(&build(doubtful), flags, Supply::Counted, |problem| {
                assert_eq!(problem.optional.len(), 1);
                assert_eq!(problem.available(0, 0), usize::try_from(doubtful).expect("few"));
                assert_eq!(
                    (problem.optional[0].abundant, problem.stretched),
                    (expected, false),
                    "{doubtful}"
                );
            });
            with_problem(&build(doubtful), flags, Supply::Endless, |problem| {
                assert_eq!((problem.optional[0].abundant, problem.stretched), (true, !expected));
            });
        }
    }
    // The only return may use one, and there has to be another.
    for (doubtful, enough) in [(1, false), (2, true)] {
        let mut one = Build::default();
        (0..doubtful).for_each(|n| _ = one.lost(n, "write", json!(1)));
        one.did(9, "read", json!(1));
        with_problem(&one, Flags::ALL, Supply::Counted, |problem| {
            assert_eq!(problem.optional[0].abundant, enough);
        });
    }
    // One that was invoked only after most returns is not there for all of them.
    let mut late = Build::default();
    late.did(0, "write", json!(2)).did(0, "read", json!(2));
    (0..6).for_each(|n| _ = late.lost(n, "write", json!(1)));
    late.did(9, "read", json!(1));
    with_problem(&late, Flags::ALL, Supply::Counted, |problem| {
        let available: Vec<usize> = (0..problem.len()).map(|pos| problem.available(0, pos)).collect();
        assert_eq!(available, [0, 0, 6]);
        assert!(!problem.optional[0].abundant);
    });
    // What leaves the value that it finds is in no supply at all.
    let mut same = Build::default();
    (0..6).for_each(|n| _ = same.lost(n, "cas", json!([1, 1])));
    same.did(9, "write", json!(1));
    let all = Flags { unseen: false, ..Flags::ALL };
    with_problem(&same, all, Supply::Endless, |problem| {
        assert!(!problem.stretched && problem.optional.iter().all(|optional| !optional.abundant));
    });
}

#[test]
fn values_that_nobody_expects_are_one() {
    let mut build = Build::default();
    for value in [1, 2, 3] {
        build.did(0, "write", json!(value));
    }
    build.did(1, "read", json!(2)).did(1, "cas", json!([2, 4])).did(1, "cas", json!([2, 5]));
    build.did(1, "cas", json!([3, 6])).lost(2, "write", json!(7));
    with_subject(&build, |subject, _| {
        let mut items = Window::new(subject, None, u32::MAX).items;
        let accesses: &Accesses = subject.accesses.as_ref().expect("a register is nothing else");
        merge_dead(&mut items, accesses);
        let dead: Vec<u32> = items.iter().filter(|item| item.dead).map(|item| item.entry).collect();
        // Those that are written, and those that come of a comparison; never one in doubt.
        assert_eq!(dead, [0, 4, 5, 6]);
        let class = |at: usize| items[at].class;
        assert_eq!((class(0), class(4)), (class(7), class(5)));
        assert!(class(4) != class(6) && class(1) != class(0) && class(2) != class(0));
    });
}

/// Where nothing overwrites, and observers are not taken at once.
#[test]
fn what_reads_is_not_dead_though_it_leaves_nothing() {
    let mut build = Build::default();
    build.invoke(0, "read", Value::Null).did(1, "cas", json!([null, 1])).ok(0, "read", Value::Null);
    let lazy = Flags { eager: false, blocks: false, ..Flags::ALL };
    let verdict = check(&build, lazy, 1);
    assert_eq!(verdict.valid, Valid::Valid);
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
}

#[test]
fn a_key_is_a_word_or_a_number() {
    let keys = |one: Value, other: Value| {
        let mut build = Build::default();
        build.did(0, "write", json!([one, 1])).did(0, "write", json!([other, 1]));
        Linearizable::register(Keys::Auto).check(&build.history(), &Budget::default()).stats["keys"].clone()
    };
    assert_eq!(keys(json!("x"), json!(7)), 2);
    for strange in [Value::Null, json!([1]), json!({"a": 1})] {
        assert_eq!(keys(json!("x"), strange), 1);
    }
}
