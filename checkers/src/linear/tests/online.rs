//! Checking while it happens: after every event the same answer as the engine gives for what
//! happened up to there.

use super::super::online::Online;
use super::super::{Flags, Keys, Linearizable};
use super::build::Build;
use super::model_random::{Run, simulate};
use super::model_specs::{Subject, subjects};
use super::random::{self, Dice};
use crate::history::{History, Kind, Op, Process};
use crate::model::{
    Bag, Counter, FencedLock, FetchAdd, KeyValue, Log, Model, Mutex, PriorityQueue, Queue, ReentrantMutex,
    Register, Semaphore, Set, Stack, Text, VersionedRegister,
};
use crate::{Alarm, Budget, Checker, Deferral, HistoryError, OnlineError, Tally, Valid, Watch};
use serde_json::{Value, json};

/// Histories of each model; `DURESS_ORACLE_HISTORIES` asks for more.
const HISTORIES: u64 = 1_500;

fn histories(usual: u64) -> u64 {
    std::env::var("DURESS_ORACLE_HISTORIES").map_or(usual, |n| n.parse().expect("a number"))
}

fn watch(subject: &Subject) -> Box<dyn Watch> {
    fn on<M: Model + 'static>(model: M) -> Box<dyn Watch> {
        Box::new(Online::single(model))
    }
    match subject.name {
        "register" => on(Register::default()),
        "versioned-register" => on(VersionedRegister::default()),
        "map" => on(KeyValue::default()),
        "text" => on(Text::default()),
        "set" => on(Set::default()),
        "counter" => on(Counter::default()),
        "fetch-add" => on(FetchAdd::default()),
        "log" => on(Log::default()),
        "queue" => on(Queue::default()),
        "bag" => on(Bag::default()),
        "stack" => on(Stack::default()),
        "priority-queue" => on(PriorityQueue::default()),
        "mutex" => on(Mutex),
        "reentrant-mutex of limit 1" => on(ReentrantMutex { limit: 1 }),
        "reentrant-mutex" => on(ReentrantMutex::default()),
        "fenced-lock" => on(FencedLock),
        "semaphore" => on(Semaphore { permits: 3 }),
        other => panic!("which model is {other}?"),
    }
}

/// A small history of anything.
fn small(dice: &mut Dice, subject: &Subject) -> Build {
    let run = Run {
        calls: 2 + dice.below(6),
        clients: 1 + usize::try_from(dice.below(4)).expect("small"),
        values: dice.below(4),
        doubt: dice.below(3) * 150,
        stale: [0, 400, 800][usize::try_from(dice.below(3)).expect("small")],
    };
    simulate(dice, subject, run)
}

/// Takes in everything, and looks at the end.
fn all(watch: &mut dyn Watch, ops: &[Op]) -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = ops.iter().filter_map(|op| watch.push(op).expect("a history")).collect();
    alarms.extend(watch.look());
    alarms
}

/// Compares the answers for every beginning of a history. Answers with how many were impossible.
fn agrees(subject: &Subject, build: &Build) -> u64 {
    let mut impossible = 0;
    let mut pushing = watch(subject);
    let mut alarmed = None;
    for (at, op) in build.ops.iter().enumerate() {
        let ops = &build.ops[..=at];
        let history = History::new(ops.to_vec()).expect("a history");
        let verdict = (subject.checker)(Flags::ALL).check(&history, &Budget::new(1 << 28, 1));
        let context = || format!("{} {verdict:?}\n{ops:#?}", subject.name);
        let mut online = watch(subject);
        let alarms = all(&mut *online, ops);
        assert!(online.tally().deferred.is_empty(), "{}", context());
        assert_eq!(!alarms.is_empty(), verdict.valid == Valid::Violation, "{alarms:?} {}", context());
        if let [alarm] = &alarms[..] {
            impossible += 1;
            assert_eq!(alarm.time, verdict.findings[0].time, "{alarm:?} {}", context());
            assert_eq!(alarm.time, ops[usize::try_from(alarm.index).expect("small")].time);
        }
        // Without a look it may take longer, and is the same.
        let found = pushing.push(op).expect("a history");
        assert!(found.is_none() || found.as_ref() == alarms.first(), "{found:?} {}", context());
        alarmed = alarmed.or(found);
        assert!(alarmed.is_none() || !alarms.is_empty(), "{}", context());
    }
    impossible
}

#[test]
fn every_beginning_of_a_history_has_the_answer_of_the_engine() {
    let subjects = subjects();
    let (next, n) = (std::sync::atomic::AtomicUsize::new(0), histories(HISTORIES));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(subject) =
                    subjects.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    let mut dice = Dice(71);
                    let impossible = (0..n).map(|_| agrees(subject, &small(&mut dice, subject))).sum::<u64>();
                    assert!(impossible > n / 20, "{}: {impossible} of {n}", subject.name);
                }
            });
        }
    });
}

#[test]
fn registers_of_all_kinds_have_the_answer_of_the_engine() {
    let register = &subjects()[0];
    let mut dice = Dice(72);
    let n = histories(10 * HISTORIES);
    let impossible = (0..n).map(|_| agrees(register, &random::small(&mut dice))).sum::<u64>();
    assert!(impossible > n / 10, "{impossible} of {n}");
}

#[test]
fn longer_histories_have_the_answer_of_the_engine() {
    let mut dice = Dice(73);
    let (mut possible, mut impossible, mut deferred) = (0, 0, 0);
    for subject in &subjects() {
        for n in 0..histories(HISTORIES) / 15 {
            let run = Run {
                calls: 12 + dice.below(20),
                clients: 2 + usize::try_from(dice.below(4)).expect("small"),
                values: [0, 3][usize::from(n.is_multiple_of(2))],
                doubt: [0, 40][usize::from(n % 4 < 2)],
                stale: [0, 20][usize::from(n % 8 < 4)],
            };
            let build = simulate(&mut dice, subject, run);
            let verdict = (subject.checker)(Flags::ALL).check(&build.history(), &Budget::new(1 << 28, 1));
            let mut online = watch(subject);
            let alarms = all(&mut *online, &build.ops);
            if !online.tally().deferred.is_empty() {
                deferred += 1;
                continue;
            }
            let context = || format!("{} {verdict:?}\n{:#?}", subject.name, build.ops);
            match verdict.valid {
                Valid::Valid => possible += 1,
                Valid::Violation => impossible += 1,
                Valid::Unknown => continue,
            }
            assert_eq!(!alarms.is_empty(), verdict.valid == Valid::Violation, "{alarms:?} {}", context());
        }
    }
    assert!(possible > 100 && impossible > 100, "{possible} possible, {impossible} impossible");
    assert!(deferred * 10 < possible, "{deferred} deferred");
}

#[test]
fn one_bad_answer_among_many_is_found_where_it_came() {
    let mut dice = Dice(74);
    for (clients, values, doubt) in [(5, 0, 0), (10, 0, 5), (5, 4, 5), (10, 4, 0)] {
        let run = random::Run { calls: 3_000, clients, values, doubt };
        let mut build = random::atomic(&mut dice, run);
        let mut online = Online::single(Register::default());
        assert_eq!(all(&mut online, &build.ops), []);
        assert!(online.tally().deferred.is_empty(), "{run:?} {:?}", online.tally());
        let late = build.ops.len() * 2 / 3;
        let is_read = |op: &Op| op.kind == Kind::Ok && op.f == "read";
        let read = (late..build.ops.len()).find(|&at| is_read(&build.ops[at])).expect("a read");
        build.ops[read].value = json!("nowhere");
        let mut online = Online::single(Register::default());
        let alarms = all(&mut online, &build.ops);
        let (index, time) = (build.ops[read].index, build.ops[read].time);
        assert_eq!(alarms, [Alarm { key: None, index, time }]);
    }
}

/// Two clients write and read in turns, on one key after the other, and a third does now and then
/// what nobody hears of.
fn endless(n: u64) -> impl Iterator<Item = Op> {
    let event = |process, kind, f: &str, value: Value| (process, kind, f.to_owned(), value);
    let rounds = (0..n).flat_map(move |n| {
        let key = n % 4;
        let (value, read) = (json!([key, n]), |answer: Value| json!([key, answer]));
        [
            event(1, Kind::Invoke, "write", value.clone()),
            event(2, Kind::Invoke, "read", read(Value::Null)),
            event(1, Kind::Ok, "write", value.clone()),
            event(2, Kind::Ok, "read", value.clone()),
            event(2, Kind::Invoke, "cas", json!([key, [n, -1]])),
            event(2, Kind::Fail, "cas", json!([key, [n, -1]])),
            event(3 + n, Kind::Invoke, "read", read(Value::Null)),
            event(3 + n, Kind::Info, "read", read(Value::Null)),
        ]
    });
    (0..).zip(rounds).map(|(index, (process, kind, f, value))| Op {
        index,
        time: index,
        process: Process::Client(process),
        kind,
        f: f.into(),
        value,
        error: None,
        node: None,
    })
}

#[test]
fn what_is_held_does_not_grow_with_what_has_happened() {
    let held = |rounds| {
        let mut online = Online::keyed(Register::default());
        let mut most = 0;
        for op in endless(rounds) {
            assert_eq!(online.push(&op).expect("a history"), None);
            most = most.max(online.held());
        }
        (most, online.held())
    };
    assert_eq!(held(2_000).0, held(20_000).0);
    // Of keys that nobody uses their state is left, and their name.
    let mut online = Online::keyed(Register::default());
    for op in endless(100) {
        online.push(&op).expect("a history");
    }
    for index in 1_000_000..1_000_100 {
        let (process, kind) = (Process::Client(9), [Kind::Invoke, Kind::Fail][index as usize % 2]);
        let op = Op { index, process, kind, value: json!([99, 1]), ..endless(1).next().expect("one") };
        online.push(&op).expect("a history");
    }
    assert!(online.held() < 5 * 2 + 8, "{}", online.held());
}

/// What may have happened to a key that was left is remembered with it, and nothing else.
#[test]
fn a_key_that_was_left_in_doubt_is_judged_by_all_that_it_can_hold() {
    const KEYS: u64 = 20;
    let mut online = Online::keyed(Register::default());
    let mut index = 0;
    let mut call = |online: &mut Online<Register>, by: u64, kind, f: &str, asked: Value, answer: Value| {
        index += 2;
        let event = |index, kind, value| Op {
            index,
            kind,
            f: f.into(),
            value,
            process: Process::Client(by),
            ..endless(1).next().expect("one")
        };
        assert_eq!(online.push(&event(index, Kind::Invoke, asked)).expect("a history"), None);
        online.push(&event(index + 1, kind, answer)).expect("a history").is_some()
    };
    for key in 0..KEYS {
        for (by, kind, value) in [(0, Kind::Ok, 1), (1 + key, Kind::Info, 2)] {
            let written = json!([key, value]);
            assert!(!call(&mut online, by, kind, "write", written.clone(), written));
        }
    }
    let mut read = |online: &mut Online<Register>, key: u64, seen: u64| {
        call(online, 0, Kind::Ok, "read", json!([key, null]), json!([key, seen]))
    };
    for _ in 0..4 * KEYS {
        assert!(!read(&mut online, KEYS - 1, 1));
    }
    // A name, a state and a doubt each.
    let most = usize::try_from(KEYS).expect("few") * 4 + 16;
    assert!(online.held() < most, "{} of {most}", online.held());
    for key in 0..KEYS - 1 {
        // It has not happened yet, it has; and then it cannot be undone.
        assert!(
            !read(&mut online, key, 1) && !read(&mut online, key, 2) && read(&mut online, key, 1),
            "{key}"
        );
    }
}

#[test]
fn a_key_that_was_left_is_judged_by_what_it_holds_when_somebody_comes_back() {
    let mut online = Online::keyed(Register::default());
    let event = |index: u64, kind, f: &str, value: Value| Op {
        index,
        kind,
        f: f.into(),
        value,
        process: Process::Client(9),
        ..endless(1).next().expect("one")
    };
    let mut index = 0;
    let mut call = |online: &mut Online<Register>, f: &str, asked: Value, answer: Value| {
        index += 2;
        assert_eq!(online.push(&event(index, Kind::Invoke, f, asked)).expect("a history"), None);
        online.push(&event(index + 1, Kind::Ok, f, answer)).expect("a history")
    };
    for key in 0..50 {
        assert_eq!(call(&mut online, "write", json!([key, key]), json!([key, key])), None);
    }
    // Long enough for all of them to be at rest.
    for _ in 0..200 {
        assert_eq!(call(&mut online, "read", json!([0, null]), json!([0, 0])), None);
    }
    assert!(online.held() < 50 * 2 + 8, "{}", online.held());
    for key in 1..49 {
        assert_eq!(call(&mut online, "read", json!([key, null]), json!([key, key])), None);
    }
    let alarm = call(&mut online, "read", json!([49, null]), json!([49, 7])).expect("an alarm");
    assert_eq!(alarm.key, Some(json!(49)));
}

#[test]
fn what_takes_too_much_is_given_up_and_counted() {
    let mut online = Online::keyed(Register::default());
    let mut build = Build::default();
    for process in 0..100 {
        build.invoke(process, "write", json!(["many", process]));
    }
    for process in 0..100 {
        build.ok(process, "write", json!(["many", process]));
    }
    for process in 1_000..3_000 {
        build.lost(process, "cas", json!(["doubt", [process, process + 1]]));
    }
    build.lost(5_000, "write", json!(["fine", 1])).did(5_000, "write", json!(["fine", 2]));
    assert_eq!(all(&mut online, &build.ops), []);
    let deferred: Vec<(Deferral, u64)> = online.tally().deferred.clone().into_iter().collect();
    assert_eq!(deferred, [(Deferral::Open, 1), (Deferral::Doubt, 1)]);
    assert_eq!((online.tally().keys, online.tally().violated), (3, 0));

    let mut online = Online::single(Register::default());
    let mut waits = Build::default();
    waits.invoke(0, "read", Value::Null);
    for _ in 0..40_000 {
        waits.did(1, "write", json!(1));
    }
    assert_eq!(all(&mut online, &waits.ops), []);
    assert_eq!(online.tally().deferred.get(&Deferral::Waiting), Some(&1));

    // Who came first is known when somebody leaves; nobody does.
    let mut online = Online::single(Queue::default());
    let mut line = Build::default();
    for n in 0..100 {
        let (one, two) = (2 * n, 2 * n + 1);
        line.invoke(0, "enqueue", json!(one)).invoke(1, "enqueue", json!(two));
        line.ok(0, "enqueue", json!(one)).ok(1, "enqueue", json!(two));
    }
    assert_eq!(all(&mut online, &line.ops), []);
    assert_eq!(online.tally().deferred.get(&Deferral::Width), Some(&1));
}

#[test]
fn how_things_stand_is_told() {
    let mut online = Online::keyed(Register::default());
    let mut build = Build::default();
    // Either write may have been the last one; on two other keys somebody waits.
    build.invoke(1, "write", json!([1, 1])).invoke(2, "write", json!([1, 2]));
    build.ok(1, "write", json!([1, 1])).ok(2, "write", json!([1, 2]));
    build.invoke(3, "write", json!([2, 1])).invoke(4, "write", json!([3, 1]));
    build.invoke(5, "read", json!([3, null])).ok(5, "read", json!([3, 1]));
    build.ops.iter().for_each(|op| assert_eq!(online.push(op).expect("a history"), None));
    assert_eq!(online.load(), (2, 4));
    let (tally, deferred) = (online.tally(), std::collections::BTreeMap::new());
    assert_eq!(*tally, Tally { events: 8, keys: 3, violated: 0, deferred });
    let alarm = Alarm { key: Some(json!(7)), index: 1_234, time: 12_340_000_000 };
    assert_eq!(alarm.to_string(), "violation at op 1234, key 7, 12.3 s");
    assert_eq!(Alarm { key: None, ..alarm }.to_string(), "violation at op 1234, 12.3 s");
    let why =
        [Deferral::Open, Deferral::Doubt, Deferral::Width, Deferral::Waiting].map(|why| why.to_string());
    let starts =
        ["more than 64 operations", "more than 1024 different", "too many", "more than 65536 events"];
    assert!(why.iter().zip(starts).all(|(why, start)| why.starts_with(start)), "{why:?}");
}

#[test]
fn what_is_no_history_is_refused() {
    let refused = |build: &Build, keyed: bool| {
        let model = Register::default();
        let mut online = if keyed { Online::keyed(model) } else { Online::single(model) };
        build.ops.iter().find_map(|op| online.push(op).err())
    };
    let refused = |build: &Build, keyed| refused(build, keyed).expect("refused");
    let history = |error| match error {
        OnlineError::History(error) => error,
        OnlineError::Shape(why) => panic!("{why}"),
    };
    let mut late = Build::default();
    late.lost(1, "write", json!(1)).ok(1, "write", json!(1));
    assert!(matches!(history(refused(&late, false)), HistoryError::Orphan { index: 2, .. }));
    let mut twice = Build::default();
    twice.invoke(1, "read", Value::Null).invoke(1, "read", Value::Null);
    assert!(matches!(history(refused(&twice, false)), HistoryError::Overlap { index: 1, open: 0, .. }));
    let mut other = Build::default();
    other.invoke(1, "read", Value::Null).ok(1, "write", json!(1));
    assert!(matches!(history(refused(&other, false)), HistoryError::Mismatch { index: 1, .. }));
    let mut order = Build::default();
    order.did(1, "write", json!(1));
    order.ops[1].index = 0;
    assert!(matches!(history(refused(&order, false)), HistoryError::Order { index: 0, previous: 0 }));
    // In the same words as the checker of whole histories.
    for (f, value, keyed) in
        [("write", json!(1), true), ("pop", json!([1, 2]), true), ("cas", json!(1), false)]
    {
        let mut bad = Build::default();
        bad.did(1, f, value);
        let keys = if keyed { Keys::Keyed } else { Keys::Single };
        let checker = Linearizable::new(Register::default(), keys);
        let verdict = checker.check(&bad.history(), &Budget::default());
        assert_eq!(Some(refused(&bad, keyed).to_string()), verdict.reason);
    }
}
