//! Time and memory end in `unknown`, and never take an answer away that is there.

use super::super::{Flags, Keys, Linearizable};
use super::build::Build;
use super::random::{Dice, Run, atomic};
use crate::model::{KeyValue, Log, Model, Refusal, Set, Text};
use crate::{Budget, Checker, Process, Valid, check_safely};
use serde_json::{Value, json};

/// Many writes, all of them different, and as many compare-and-sets, all open from the beginning
/// to the end; and two of these take a value that is written once. So it is impossible, which only
/// all of the orders show: at no cut are so few operations open that a window helps.
fn open_for_ever(writes: u64) -> Build {
    let cas = |n| json!([n, (n * 7 + 3) % writes]);
    let block: Vec<_> = (0..writes)
        .flat_map(|n| [("write", json!(n)), ("cas", cas(n))])
        .chain([("write", json!("b")), ("cas", json!(["b", "c"])), ("cas", json!(["b", "d"]))])
        .collect();
    let mut build = Build::default();
    for (process, (f, value)) in (0..).zip(&block) {
        build.invoke(process, f, value.clone());
    }
    for (process, (f, value)) in (0..).zip(&block) {
        build.ok(process, f, value.clone());
    }
    build
}

fn join(parts: &[(u64, &Build)]) -> Build {
    let mut all = Build::default();
    for (key, part) in parts {
        for mut op in part.keyed(&json!(key)).ops {
            let crate::Process::Client(n) = op.process else { unreachable!("only clients here") };
            op.process = crate::Process::Client(n + key * 1_000_000);
            op.index = all.ops.len() as u64;
            all.ops.push(op);
        }
    }
    all
}

fn good() -> Build {
    atomic(&mut Dice(5), Run { calls: 200, clients: 4, values: 4, doubt: 5 })
}

fn bad() -> Build {
    let mut build = good();
    build.did(900_000, "read", json!("phantom"));
    build
}

#[test]
fn a_raised_flag_ends_in_unknown() {
    let budget = Budget::default();
    budget.cancel();
    let verdict = Linearizable::register(Keys::Auto).check(&good().history(), &budget);
    assert_eq!(verdict.valid, Valid::Unknown);
    assert!(verdict.reason.expect("a reason").contains("time ran out"));
}

#[test]
fn a_flag_raised_in_the_middle_ends_a_search() {
    let budget = Budget::new(8 << 30, 2);
    let history = open_for_ever(20).history();
    let verdict = std::thread::scope(|scope| {
        let check = scope.spawn(|| Linearizable::register(Keys::Auto).check(&history, &budget));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!check.is_finished(), "this history was meant to take long");
        budget.cancel();
        check.join().expect("a verdict")
    });
    assert_eq!(verdict.valid, Valid::Unknown);
}

#[test]
fn memory_ends_in_unknown_with_key_and_reason_and_spares_the_others() {
    let (good, bad, heavy) = (good(), bad(), open_for_ever(16));
    let checker = Linearizable::register(Keys::Auto);
    let history = join(&[(1, &good), (2, &heavy), (3, &good)]).history();
    let verdicts = [1, 2].map(|threads| checker.check(&history, &Budget::new(1 << 20, threads)));
    assert_eq!(verdicts[0], verdicts[1]);
    assert_eq!(verdicts[0].valid, Valid::Unknown);
    let reason = verdicts[0].reason.as_deref().expect("a reason");
    assert!(reason.starts_with("1 of 3 keys not decided: key 2: memory limit 1 MiB after "), "{reason}");
    assert!(reason.ends_with("open operations"), "{reason}");
    // A violation elsewhere outranks it.
    let history = join(&[(1, &good), (2, &heavy), (3, &bad)]).history();
    let verdict = checker.check(&history, &Budget::new(1 << 20, 2));
    assert_eq!((verdict.valid, verdict.findings.len()), (Valid::Violation, 1));
    assert_eq!(verdict.findings[0].key, Some(json!(3)));
    assert_eq!(verdict.stats["undecided_keys"], 1);
}

#[test]
fn the_same_history_gives_the_same_bytes() {
    let unique = atomic(&mut Dice(8), Run { calls: 300, clients: 5, values: 0, doubt: 50 });
    let mut stale = unique.clone();
    stale.did(900_000, "write", json!("x")).did(900_000, "read", json!(null));
    let crashed = atomic(&mut Dice(9), Run { calls: 150, clients: 4, values: 3, doubt: 150 });
    let parts = [bad(), good(), bad(), open_for_ever(2), unique, stale, crashed];
    let parts: Vec<_> = (1..).zip(&parts).collect();
    let history = join(&parts).history();
    let checker = Linearizable::register(Keys::Auto);
    let text = |threads| {
        let verdict = checker.check(&history, &Budget::new(1 << 30, threads));
        serde_json::to_string(&verdict).expect("a verdict is JSON")
    };
    let first = text(1);
    for round in 0..100 {
        for threads in [1, 2, 3, 8] {
            assert!(text(threads) == first, "round {round}, {threads} threads");
        }
    }
}

#[test]
fn a_model_that_panics_is_unknown_and_keeps_its_words() {
    struct Broken;
    impl Model for Broken {
        type State = ();
        type Op = ();
        fn name(&self) -> String {
            "broken".to_owned()
        }
        fn initial(&self) {}
        fn op(&self, _: Process, _: &str, _: &Value, _: Option<&Value>) -> Result<Option<()>, String> {
            Ok(Some(()))
        }
        fn step(&self, (): &(), (): &()) -> Result<(), Refusal> {
            panic!("the model fell over")
        }
        fn is_observer(&self, (): &()) -> bool {
            false
        }
        fn label(&self, (): &()) -> String {
            String::new()
        }
        fn show(&self, (): &()) -> String {
            String::new()
        }
    }
    let history = join(&[(1, &good()), (2, &good())]).history();
    for threads in [1, 2] {
        let checker = Linearizable::new(Broken, Keys::Keyed);
        let verdict = check_safely(&checker, &history, &Budget::new(1 << 30, threads));
        assert_eq!(verdict.valid, Valid::Unknown);
        assert!(verdict.reason.expect("a reason").contains("the model fell over"));
    }
}

/// All orders of `n` operations that are open together lead to different states, and none to what
/// is read then. No window begins anywhere else than this.
fn refused_after_all(f: &str, n: u64, value: impl Fn(u64) -> Value, read: (&str, Value, Value)) -> Build {
    let mut build = Build::default();
    for process in 0..n {
        build.invoke(process, f, value(process));
    }
    for process in 0..n {
        build.ok(process, f, value(process));
    }
    build.invoke(n, read.0, read.1).ok(n, read.0, read.2);
    build
}

#[test]
fn states_that_own_memory_count_towards_the_limit() {
    fn ends<M: Model>(model: M, build: &Build) {
        let name = model.name();
        // Whatever decides it early would spare the memory.
        let flags = Flags { growing: false, ahead: false, ..Flags::ALL };
        let checker = Linearizable { flags, ..Linearizable::new(model, Keys::Single) };
        let verdict = checker.check(&build.history(), &Budget::new(1 << 20, 1));
        assert_eq!(verdict.valid, Valid::Unknown, "{name}");
        assert!(
            verdict.reason.as_ref().is_some_and(|why| why.contains("memory limit 1 MiB")),
            "{name}: {:?}",
            verdict.reason
        );
    }
    let long = "x".repeat(20_000);
    let text = |n: u64| json!(format!("{n}{long}"));
    ends(Text::default(), &refused_after_all("append", 6, text, ("get", Value::Null, json!("?"))));
    let all = |n: u64| json!(n);
    ends(Log::default(), &refused_after_all("append", 9, all, ("read", Value::Null, json!([1, 1]))));
    let none = ("read", Value::Null, json!([77]));
    ends(Set::default(), &refused_after_all("add", 14, all, none));
    let write = |n: u64| json!([["w", n, n], ["w", "all", n]]);
    let none = ("txn", json!([["r", "all", null]]), json!([["r", "all", 77]]));
    ends(KeyValue::default(), &refused_after_all("txn", 12, write, none));
}

#[test]
fn large_answers_count_before_the_search_begins() {
    let elements: Vec<u64> = (0..2_000).collect();
    let mut build = Build::default();
    for n in 0..20 {
        build.did(0, "read", json!(elements[n..]));
    }
    for checker in [
        Box::new(Linearizable::new(Set::default(), Keys::Single)) as Box<dyn Checker>,
        Box::new(Linearizable::new(Log::default(), Keys::Single)),
    ] {
        let verdict = checker.check(&build.history(), &Budget::new(1 << 20, 1));
        let reason = verdict.reason.as_deref();
        assert_eq!(reason, Some("memory limit 1 MiB before the search began"), "{:?}", verdict.valid);
    }
}
