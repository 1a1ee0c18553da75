//! Deciding containers without a search: against the oracle, against the search, and at length.

use super::super::{Flags, Linearizable};
use super::build::Build;
use super::model_random::{Run, simulate};
use super::model_specs::{Subject, subjects};
use super::oracle;
use super::random::Dice;
use crate::history::Kind;
use crate::model::{Bag, Element, PriorityQueue, Queue, Stack};
use crate::{Budget, Checker, Keys, Valid, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Histories of each container for a test run; `DURESS_ORACLE_HISTORIES` asks for more.
const HISTORIES: u64 = 8_000;

/// Without windows a violation is proven from the operations that clash.
const NO_WINDOWS: Flags = Flags { windows: false, ..Flags::ALL };
const SEARCH: Flags = Flags { collection: false, ..Flags::ALL };

/// Whatever puts an element in.
const PUTS: [&str; 3] = ["enqueue", "push", "insert"];

fn initial() -> Vec<Element> {
    [json!(100), json!(200)].iter().map(Element::from).collect()
}

fn boxed<M: crate::model::Model + 'static>(model: M, flags: Flags) -> Box<dyn Checker> {
    Box::new(Linearizable { flags, ..Linearizable::new(model, Keys::Single) })
}

/// The four of them, and the four again with something in them at first.
fn containers() -> Vec<Subject> {
    let all =
        || subjects().into_iter().filter(|s| ["queue", "bag", "stack", "priority-queue"].contains(&s.name));
    let filled = all().map(|subject| Subject {
        initial: json!([100, 200]),
        checker: match subject.name {
            "queue" => |flags| boxed(Queue { initial: initial(), ..Queue::default() }, flags),
            "bag" => |flags| boxed(Bag { initial: initial(), ..Bag::default() }, flags),
            "stack" => |flags| boxed(Stack { initial: initial(), ..Stack::default() }, flags),
            _ => |flags| boxed(PriorityQueue { initial: initial(), ..PriorityQueue::default() }, flags),
        },
        ..subject
    });
    all().chain(filled).collect()
}

fn check(subject: &Subject, build: &Build, flags: Flags) -> Verdict {
    let verdict = (subject.checker)(flags).check(&build.history(), &Budget::new(1 << 30, 1));
    let name = subject.name;
    assert!(!verdict.stats.contains_key("internal_errors"), "{name} {:?}\n{:#?}", verdict.stats, build.ops);
    verdict
}

fn configurations(verdict: &Verdict) -> u64 {
    verdict.stats["configurations"].as_u64().expect("a number")
}

/// How many histories were allowed, how many not, and how many of the allowed were searched for.
fn compare(subject: &Subject, seed: u64, histories: u64) -> [u64; 3] {
    let mut dice = Dice(seed);
    let mut counts = [0; 3];
    for _ in 0..histories {
        let run = Run {
            calls: 2 + dice.below(7),
            clients: 1 + usize::try_from(dice.below(5)).expect("small"),
            values: [0, 0, 0, 5][usize::try_from(dice.below(4)).expect("small")],
            doubt: [0, 0, 150, 300][usize::try_from(dice.below(4)).expect("small")],
            stale: [0, 300, 800][usize::try_from(dice.below(3)).expect("small")],
        };
        let build = simulate(&mut dice, subject, run);
        let allowed = oracle::allowed(&build.history(), &subject.initial, subject.spec);
        for flags in [Flags::ALL, NO_WINDOWS, Flags { collection: true, ..Flags::NONE }] {
            let verdict = check(subject, &build, flags);
            let expected = if allowed { Valid::Valid } else { Valid::Violation };
            assert_eq!(verdict.valid, expected, "{} {flags:?}\n{:#?}", subject.name, build.ops);
            if allowed && flags == Flags::ALL && run.values == 0 {
                counts[2] += u64::from(configurations(&verdict) > 0);
            }
            if !allowed {
                assert_eq!(verdict.stats["violations_proved_twice"], 1, "{:#?}", build.ops);
            }
        }
        counts[usize::from(!allowed)] += 1;
    }
    counts
}

#[test]
fn containers_agree_with_trying_every_order() {
    let histories = std::env::var("DURESS_ORACLE_HISTORIES")
        .map_or(HISTORIES, |n| n.parse().expect("DURESS_ORACLE_HISTORIES is a number"));
    let subjects = containers();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(subject) =
                    subjects.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    let [valid, invalid, searched] = compare(subject, 17, histories);
                    let name = subject.name;
                    // A comparison that sees one answer only compares nothing.
                    assert!(valid > histories / 10, "{name}: {valid} valid of {histories}");
                    assert!(invalid > histories / 20, "{name}: {invalid} invalid of {histories}");
                    // A queue and a bag never need a search, the others rarely.
                    let most = if ["queue", "bag"].contains(&name) { 0 } else { valid / 50 };
                    assert!(searched <= most, "{name}: {searched} of {valid} searched for");
                }
            });
        }
    });
}

/// A run of clients that put and take in turn at an object that really is one.
#[derive(Clone, Copy)]
struct Long {
    calls: u64,
    clients: usize,
    /// Calls whose outcome nobody hears of, per thousand.
    doubt: u64,
}

/// Unique elements, of which each comes out where the container of this name lets it out.
fn long(dice: &mut Dice, name: &str, run: Long) -> Build {
    let (put, take) = match name {
        "stack" => ("push", "pop"),
        "priority-queue" => ("insert", "delete-min"),
        _ => ("enqueue", "dequeue"),
    };
    let mut build = Build::default();
    let mut inside: BTreeMap<u64, u64> = BTreeMap::new();
    // Process, element to put in, and what came of it.
    let mut busy: Vec<(u64, Option<u64>, Option<Value>)> = Vec::new();
    let (mut begun, mut effects) = (0, 0);
    while begun < run.calls || !busy.is_empty() {
        if begun < run.calls && busy.len() < run.clients && dice.below(2) == 0 {
            // Elements of a priority queue in some order, each once.
            let element = (dice.below(2) == 0).then(|| (dice.below(1000) << 32) | begun);
            let (f, asked) = element.map_or((take, Value::Null), |element| (put, json!(element)));
            build.invoke(begun, f, asked);
            busy.push((begun, element, None));
            begun += 1;
            continue;
        }
        let Some(at) = (busy.len() as u64).checked_sub(1).map(|last| dice.below(last + 1)) else { continue };
        let at = usize::try_from(at).expect("small");
        let (process, element, answer) = busy[at].clone();
        let f = if element.is_some() { put } else { take };
        if let Some(answer) = answer {
            build.ok(process, f, answer);
            busy.swap_remove(at);
            continue;
        }
        let is_lost = dice.below(1000) < run.doubt;
        if !is_lost || dice.below(2) == 0 {
            effects += 1;
            let answer = match (element, name) {
                (Some(element), "priority-queue" | "bag") => inside.insert(element, element),
                (Some(element), _) => inside.insert(effects, element),
                (None, "stack") => inside.pop_last().map(|(_, element)| element),
                (None, _) => inside.pop_first().map(|(_, element)| element),
            };
            busy[at].2 = Some(element.map_or_else(|| json!(answer), |element| json!(element)));
        }
        if is_lost {
            busy.swap_remove(at);
        }
    }
    build
}

/// Exchanges what two takes answered.
fn exchange(dice: &mut Dice, build: &mut Build, apart: usize) {
    let takes: Vec<usize> = (0..build.ops.len())
        .filter(|&n| build.ops[n].kind == Kind::Ok && !PUTS.contains(&build.ops[n].f.as_str()))
        .collect();
    if takes.len() < 2 {
        return;
    }
    let one = usize::try_from(dice.below(takes.len() as u64 - 1)).expect("small");
    let other = (one + apart).min(takes.len() - 1);
    let value = build.ops[takes[one]].value.clone();
    build.ops[takes[one]].value = std::mem::replace(&mut build.ops[takes[other]].value, value);
}

#[test]
fn long_histories_need_no_search() {
    let mut dice = Dice(5);
    for subject in &containers()[..4] {
        for clients in [3, 30] {
            let build = long(&mut dice, subject.name, Long { calls: 20_000, clients, doubt: 0 });
            let verdict = check(subject, &build, Flags::ALL);
            assert_eq!((verdict.valid, configurations(&verdict)), (Valid::Valid, 0), "{}", subject.name);
        }
    }
}

#[test]
fn doubtful_puts_need_no_search() {
    let mut dice = Dice(6);
    for subject in &containers()[..4] {
        let mut build = long(&mut dice, subject.name, Long { calls: 5_000, clients: 5, doubt: 0 });
        for op in build.ops.iter_mut().filter(|op| op.kind == Kind::Ok && op.index % 3 == 0) {
            if PUTS.contains(&op.f.as_str()) {
                op.kind = Kind::Info;
            }
        }
        let verdict = check(subject, &build, Flags::ALL);
        assert_eq!((verdict.valid, configurations(&verdict)), (Valid::Valid, 0), "{}", subject.name);
        assert!(verdict.stats["info"].as_u64() > Some(500));
    }
}

#[test]
fn doubtful_takes_need_no_search_in_a_queue_and_a_bag() {
    let mut dice = Dice(7);
    for subject in &containers()[..2] {
        let build = long(&mut dice, subject.name, Long { calls: 5_000, clients: 5, doubt: 20 });
        let verdict = check(subject, &build, Flags::ALL);
        assert_eq!((verdict.valid, configurations(&verdict)), (Valid::Valid, 0), "{}", subject.name);
    }
}

#[test]
fn one_exchange_in_a_long_history_is_shown_by_a_few_operations() {
    let mut dice = Dice(8);
    for subject in containers()[..4].iter().filter(|subject| subject.name != "bag") {
        let mut build = long(&mut dice, subject.name, Long { calls: 5_000, clients: 3, doubt: 0 });
        exchange(&mut dice, &mut build, 200);
        for flags in [Flags::ALL, NO_WINDOWS] {
            let verdict = check(subject, &build, flags);
            assert_eq!(verdict.valid, Valid::Violation, "{}", subject.name);
            assert_eq!(verdict.stats["violations_proved_twice"], 1, "{}", subject.name);
            let proof = verdict.findings[0].counterexample.as_ref().expect("a counterexample");
            assert!(proof.core.len() <= 8, "{} {proof:#?}", subject.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Some answers exchanged: both ways agree, and find the same shortest impossible prefix.
    #[test]
    fn containers_agree_with_the_search(
        seed in any::<u64>(),
        which in 0..4_usize,
        calls in 2..40_u64,
        clients in 1..4_usize,
        doubt in prop_oneof![Just(0_u64), Just(50)],
        exchanged in 0..3_usize,
    ) {
        let mut dice = Dice(seed);
        let subject = &containers()[which];
        let mut build = long(&mut dice, subject.name, Long { calls, clients, doubt });
        for _ in 0..exchanged {
            let apart = 1 + usize::try_from(dice.below(4)).expect("small");
            exchange(&mut dice, &mut build, apart);
        }
        let budget = Budget::new(64 << 20, 1);
        let searched = (subject.checker)(SEARCH).check(&build.history(), &budget);
        for flags in [Flags::ALL, NO_WINDOWS] {
            let decided = check(subject, &build, flags);
            prop_assert_ne!(decided.valid, Valid::Unknown);
            if searched.valid != Valid::Unknown {
                prop_assert_eq!(decided.valid, searched.valid, "{} {:#?}", subject.name, build.ops);
            }
            if searched.valid != Valid::Unknown && doubt == 0 {
                let when = |verdict: &Verdict| verdict.findings.iter().map(|f| f.time).collect::<Vec<_>>();
                prop_assert_eq!(when(&decided), when(&searched), "{}", subject.name);
            }
        }
    }
}
