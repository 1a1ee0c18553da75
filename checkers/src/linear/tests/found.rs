//! Decisions without a search by themselves: every answer against the oracle, what is shown against a
//! violation too, and how often there is none. Behind the engine a wrong one would only cost time.

use super::super::certify::certify;
use super::super::found::{Found, Others};
use super::super::limits::{Charge, Limits};
use super::super::partition::{Entry, Moment, Part, partition};
use super::super::subject::Subject as Decided;
use super::super::{Keys, collection, growing};
use super::build::Build;
use super::model_random::{Run, simulate};
use super::model_specs::{Subject, subjects};
use super::oracle;
use super::random::Dice;
use crate::history::History;
use crate::model::{
    Bag, Container, ContainerOp, Counter, Discipline, Element, FetchAdd, Fifo, Lifo, Log, Model,
    PriorityQueue, Queue, Set, SmallestFirst, Stack, Unordered,
};
use crate::{Budget, Kind};
use serde_json::{Value, json};
use std::sync::atomic::AtomicUsize;

/// Histories of each object.
const HISTORIES: u64 = 3_000;

/// What is said of a history up to some moment, and all that it can have been.
type Said = (Answer, Vec<Build>);

/// An answer about the history up to some moment.
#[derive(Debug)]
enum Answer {
    Order,
    /// The operations shown, as histories that should have no order either, and their number. Those seen
    /// through some cells only are only counted.
    Impossible(Option<Vec<Build>>, usize),
    Open,
}

/// A kind of object, what is asked of it, and who decides.
pub(super) struct Kinds {
    pub(super) subject: Subject,
    answer: fn(&History, Moment) -> Option<Said>,
    /// How many answers are open at most, without doubt and with it.
    open: [u64; 2],
    /// The most operations that are shown, of the few that there are.
    shown: usize,
}

fn answer<M: Model>(model: &M, history: &History, until: Moment) -> Option<Said> {
    let (budget, held) = (Budget::default(), AtomicUsize::new(0));
    let limits = Limits::new(&budget, &held);
    let mut charge = Charge::new(&limits);
    let Ok(parts) = partition(model, Keys::Single, history, &mut charge) else { panic!("a history of it") };
    let [part] = &parts.parts[..] else { return None };
    let subject = Decided::new(part, &limits);
    let way = if subject.contents.is_some() { collection::decide } else { growing::decide };
    let Ok(found) = way(&subject, until, &mut charge) else { panic!("no limit is in the way") };
    let answer = match found {
        Some(Found::Order(order)) => {
            let known = |ret: &Moment| *ret <= until;
            let prefix: Vec<Entry> =
                part.entries.iter().map(|entry| Entry { ret: entry.ret.filter(known), ..*entry }).collect();
            assert!(order.iter().all(|&at| prefix[at as usize].invoke <= until), "{order:?}");
            let replayed = certify(model, &part.classes, &prefix, &order);
            assert!(replayed.is_ok(), "until {until}: {replayed:?} {order:?}\n{:#?}", history.ops());
            Answer::Order
        }
        Some(Found::Impossible(evidence)) => {
            assert!(evidence.ops.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", evidence.ops);
            let is_shown = |at: u32| evidence.ops.contains(&at);
            if evidence.others == Others::Dropped {
                // What was in at first is there whether its operations are left out or not.
                let (_, initial) = model.container().expect("elements of a container are left out");
                let is_initial = |at: &u32| {
                    let entry = &part.entries[*at as usize];
                    match model.container_op(&part.classes[entry.class as usize]) {
                        Some(ContainerOp::Put(element) | ContainerOp::Took(element)) => {
                            entry.invoke <= until && initial.contains(&element)
                        }
                        _ => false,
                    }
                };
                let mut theirs = (0..u32::try_from(part.entries.len()).expect("small")).filter(is_initial);
                assert!(theirs.all(is_shown), "{:?}", evidence.ops);
            }
            let told = match evidence.others {
                Others::Optional => Some(told(part, until, |at| (true, is_shown(at)))),
                // Of what a container did, all that is about some elements can be left out, and nothing else:
                // somebody who took nobody knows what may have taken something of what is left.
                Others::Dropped => Some(told(part, until, |at| {
                    let entry = part.entries[at as usize];
                    let is_any = entry.ret.is_none() && part.call(entry.invoke).invoke.value.is_null();
                    (is_any || is_shown(at), true)
                })),
                Others::Within(_) => None,
            };
            Answer::Impossible(told, evidence.ops.len())
        }
        None => Answer::Open,
    };
    Some((answer, told(part, until, |_| (true, true))))
}

/// All that a part can have been up to some moment: each operation is there or not, and heard of
/// again or not. Who was not heard of in time but later did what was heard later, or nothing.
fn told<M: Model>(part: &Part<'_, M>, until: Moment, is: impl Fn(u32) -> (bool, bool)) -> Vec<Build> {
    let mut events: Vec<(Moment, u32, Kind)> = Vec::new();
    let mut perhaps: Vec<u32> = Vec::new();
    for (at, entry) in (0..).zip(&part.entries) {
        let (there, heard) = is(at);
        if there && entry.invoke <= until {
            events.push((entry.invoke, at, Kind::Invoke));
            match entry.ret {
                Some(ret) if heard && ret <= until => events.push((ret, at, Kind::Ok)),
                Some(_) => perhaps.push(at),
                None => {}
            }
        }
    }
    events.sort_unstable_by_key(|&(moment, ..)| moment);
    let all = 0..1_u32 << perhaps.len();
    let build = |some: u32| {
        let is_some = |at: u32| perhaps.iter().position(|&other| other == at).map(|n| some >> n & 1 == 1);
        let mut build = Build::default();
        let late = perhaps.iter().filter(|&&at| is_some(at) == Some(true)).map(|&at| (until, at, Kind::Ok));
        for (_, at, kind) in
            events.iter().copied().filter(|event| is_some(event.1) != Some(false)).chain(late)
        {
            let call = part.call(part.entries[at as usize].invoke);
            let op = if kind == Kind::Ok { call.completion.expect("it returned") } else { call.invoke };
            build.event(at.into(), kind, &op.f, op.value.clone());
        }
        build
    };
    all.map(build).collect()
}

/// Compares the answer for what happened up to some moment with trying every order. Answers with whether
/// there is one, and how many operations are shown to say that there is none; `None`: it is open.
pub(super) fn judge(kinds: &Kinds, build: &Build, until: Moment) -> Option<(bool, Option<usize>)> {
    let Kinds { subject, .. } = kinds;
    let (answer, told) = (kinds.answer)(&build.history(), until)?;
    let is_allowed = |build: &Build| oracle::allowed(&build.history(), &subject.initial, subject.spec);
    let expected = told.iter().any(is_allowed);
    let context = || format!("{} until {until}\n{:#?}", subject.name, build.ops);
    let shown = match answer {
        Answer::Order => {
            assert!(expected, "{}", context());
            Some(0)
        }
        Answer::Impossible(told, shown) => {
            assert!(!expected, "{}", context());
            assert!(!told.into_iter().flatten().any(|told| is_allowed(&told)), "{}", context());
            Some(shown)
        }
        Answer::Open => None,
    };
    Some((expected, shown))
}

/// Answers at the end of random histories and at some moment before: how many are open, and the most
/// operations that are shown.
pub(super) fn compare(
    kinds: &Kinds,
    seed: u64,
    histories: u64,
    make: impl Fn(&mut Dice) -> Build,
) -> (u64, usize) {
    let mut dice = Dice(seed);
    let (mut open, mut most, mut counts) = (0, 0, [0_u64; 2]);
    for _ in 0..histories {
        let build = make(&mut dice);
        let end = u32::try_from(build.ops.len() - 1).expect("small");
        for until in [end, u32::try_from(dice.below(u64::from(end) + 1)).expect("small")] {
            let Some((expected, shown)) = judge(kinds, &build, until) else { continue };
            open += u64::from(shown.is_none());
            most = most.max(shown.unwrap_or_default());
            counts[usize::from(expected)] += 1;
        }
    }
    assert!(counts.iter().all(|&n| n > histories / 20), "{} {counts:?}", kinds.subject.name);
    (open, most)
}

/// What an object did that follows its specification, or now and then does not.
fn simulated(dice: &mut Dice, subject: &Subject, doubt: u64) -> Build {
    let run = Run {
        calls: 2 + dice.below(6),
        clients: 1 + usize::try_from(dice.below(4)).expect("small"),
        values: 0,
        doubt: doubt * dice.below(3),
        stale: [0, 300, 800][usize::try_from(dice.below(3)).expect("small")],
    };
    simulate(dice, subject, run)
}

fn named(name: &str, ask: fn(&mut Dice, u64) -> (&'static str, Value)) -> Subject {
    let found = subjects().into_iter().find(|subject| subject.name == name);
    Subject { ask, ..found.expect("a model of that name") }
}

pub(super) fn growing_ones() -> Vec<Kinds> {
    let set = named("set", |dice, n| match dice.below(2) {
        0 => ("add", json!(n)),
        _ => ("read", Value::Null),
    });
    let counter = named("counter", |dice, _| match dice.below(6) {
        0..3 => ("add", json!(-2)),
        3 => ("add", json!(0)),
        _ => ("read", Value::Null),
    });
    let fetch_add = named("fetch-add", |dice, n| match dice.below(3) {
        0 => ("read", Value::Null),
        _ => ("fetch-add", json!([n, null])),
    });
    let log = named("log", |dice, n| match dice.below(5) {
        0..3 => ("append", json!(n)),
        3 => ("read", json!([dice.below(4), null])),
        _ => ("read", Value::Null),
    });
    vec![
        Kinds { subject: set, answer: |h, until| answer(&Set::default(), h, until), open: [0, 12], shown: 2 },
        Kinds {
            subject: counter,
            answer: |h, until| answer(&Counter::default(), h, until),
            open: [0, 2],
            shown: 6,
        },
        Kinds {
            subject: fetch_add,
            answer: |h, until| answer(&FetchAdd::default(), h, until),
            open: [0, 36],
            shown: 2,
        },
        Kinds { subject: log, answer: |h, until| answer(&Log::default(), h, until), open: [6, 10], shown: 6 },
    ]
}

pub(super) fn containers() -> Vec<Kinds> {
    let of = |name: &str| {
        subjects().into_iter().find(|subject| subject.name == name).expect("a model of that name")
    };
    vec![
        Kinds {
            subject: of("queue"),
            answer: |h, until| answer(&Queue::default(), h, until),
            open: [0, 0],
            shown: 5,
        },
        Kinds {
            subject: of("bag"),
            answer: |h, until| answer(&Bag::default(), h, until),
            open: [0, 0],
            shown: 5,
        },
        Kinds {
            subject: of("stack"),
            answer: |h, until| answer(&Stack::default(), h, until),
            open: [0, 3],
            shown: 5,
        },
        Kinds {
            subject: of("priority-queue"),
            answer: |h, until| answer(&PriorityQueue::default(), h, until),
            open: [0, 0],
            shown: 6,
        },
    ]
}

/// Containers with something in them at first.
pub(super) fn filled() -> Vec<Kinds> {
    fn answers<D: Discipline>(history: &History, until: Moment) -> Option<Said> {
        let initial = [json!(100), json!(200)].iter().map(Element::from).collect();
        answer(&Container::<D> { initial, ..Container::default() }, history, until)
    }
    let all = containers().into_iter().map(|kinds| Kinds {
        answer: match kinds.subject.name {
            "queue" => answers::<Fifo>,
            "bag" => answers::<Unordered>,
            "stack" => answers::<Lifo>,
            _ => answers::<SmallestFirst>,
        },
        subject: Subject { initial: json!([100, 200]), ..kinds.subject },
        ..kinds
    });
    all.collect()
}

fn decides(all: Vec<Kinds>) {
    for (seed, kinds) in (71..).zip(all) {
        for (doubt, open) in [0, 150].into_iter().zip(kinds.open) {
            let make = |dice: &mut Dice| simulated(dice, &kinds.subject, doubt);
            let found = compare(&kinds, seed, HISTORIES, make);
            let name = kinds.subject.name;
            assert!(found.0 <= open && found.1 <= kinds.shown, "{name} {doubt}: {found:?}");
        }
    }
}

#[test]
fn what_only_grows_is_decided_right_and_nearly_always() {
    decides(growing_ones());
}

#[test]
fn containers_are_decided_right_and_nearly_always() {
    decides(containers());
}

/// What became of the first two elements, when the third one came out.
#[test]
fn in_a_queue_there_have_to_be_enough_takes_of_nobody_knows_what_and_early_enough() {
    // Before it came out, after that, and how many operations show that it cannot have: with all takes.
    for (before, after, shows) in
        [(0, 0, 3), (0, 2, 5), (1, 0, 5), (1, 1, 6), (2, 0, 0), (2, 1, 0), (3, 0, 0)]
    {
        let mut build = Build::default();
        for n in 1..=3 {
            build.did(n, "enqueue", json!(n));
        }
        build.invoke(4, "dequeue", Value::Null);
        for n in 0..before {
            build.lost(10 + n, "dequeue", Value::Null);
        }
        build.ok(4, "dequeue", json!(3));
        for n in 0..after {
            build.lost(20 + n, "dequeue", Value::Null);
        }
        let end = u32::try_from(build.ops.len() - 1).expect("small");
        let (answer, _) = answer(&Queue::default(), &build.history(), end).expect("one object");
        match answer {
            Answer::Order => assert!(before >= 2, "{before} {after}"),
            Answer::Impossible(_, shown) => assert!(before < 2 && shown == shows, "{before} {after} {shown}"),
            Answer::Open => panic!("{before} {after}"),
        }
    }
}

/// Too little to fill a hole: what comes later, lies beyond it or was seen elsewhere fills none.
#[test]
fn what_cannot_fill_a_hole_is_no_supply() {
    let mut late = Build::default();
    late.did(0, "add", json!(1)).did(1, "read", json!(2));
    for process in 2..5 {
        late.did(process, "add", json!(1));
    }
    let mut beyond = Build::default();
    for (process, by, from) in [(0, 2, 0), (1, 1, 2), (2, 30, 4)] {
        beyond.invoke(process, "fetch-add", json!([by, null])).ok(process, "fetch-add", json!([by, from]));
    }
    let mut elsewhere = Build::default();
    elsewhere.lost(0, "append", json!(3));
    elsewhere.invoke(1, "append", json!(9)).ok(1, "append", json!([1, 9]));
    elsewhere.invoke(2, "read", json!([2, null])).ok(2, "read", json!([2, 3]));
    for (kinds, build) in growing_ones().into_iter().skip(1).zip([late, beyond, elsewhere]) {
        let name = kinds.subject.name;
        let end = u32::try_from(build.ops.len() - 1).expect("small");
        let (answer, _) = (kinds.answer)(&build.history(), end).expect("one object");
        let Answer::Impossible(Some(told), _) = answer else { panic!("{name} {answer:?}") };
        let is_allowed =
            |build: &Build| oracle::allowed(&build.history(), &kinds.subject.initial, kinds.subject.spec);
        assert!(!told.iter().any(is_allowed), "{name}");
    }
}

/// Until it is known where an append went, it is said to be at a place because all others were seen
/// elsewhere. Those have to be shown too, unless they are too many.
#[test]
fn who_was_seen_elsewhere_is_shown_up_to_a_number() {
    for (elsewhere, is_shown) in [(1, true), (2, true), (20, true), (31, true), (32, false)] {
        let mut build = Build::default();
        for n in 0..elsewhere {
            build.invoke(n, "append", json!(n));
        }
        build.lost(100, "append", json!(100)).invoke(101, "read", json!([1, null]));
        for n in 0..elsewhere {
            let place = 2 + n;
            build.invoke(200 + n, "read", json!([place, null])).ok(200 + n, "read", json!([place, n]));
        }
        // This one says itself where it went.
        build.invoke(103, "append", json!(103)).ok(103, "append", json!([2 + elsewhere, 103]));
        build.ok(101, "read", json!([1, 100])).invoke(102, "append", json!(102));
        let until = u32::try_from(build.ops.len() - 1).expect("small");
        build.ok(102, "append", json!([0, 102]));
        let (answer, _) = answer(&Log::default(), &build.history(), until).expect("one object");
        match answer {
            // The reads of their places, and of that of 100.
            Answer::Impossible(_, shown) => assert!(is_shown && shown as u64 == elsewhere + 1, "{shown}"),
            _ => assert!(!is_shown, "{elsewhere} {answer:?}"),
        }
    }
}

/// Each of two fits where it says it was, and nobody has heard of them yet: the second one did it.
#[test]
fn of_two_that_may_have_been_at_one_place_either_is_possible() {
    for (first, second, seen) in [([2, 0], [3, 0], 3), ([2, 0], [2, 1], 3), ([2, 0], [1, 0], 1)] {
        let mut build = Build::default();
        for (process, [by, _]) in [(0, first), (1, second)] {
            build.invoke(process, "fetch-add", json!([by, null]));
        }
        build.invoke(2, "read", Value::Null).ok(2, "read", json!(seen));
        build.ok(0, "fetch-add", json!(first)).ok(1, "fetch-add", json!(second));
        let kinds = growing_ones().swap_remove(2);
        for until in 3..6 {
            let told = judge(&kinds, &build, until);
            assert!(told.is_some_and(|(_, shown)| shown.is_some()) || until < 5, "{until} {:#?}", build.ops);
        }
    }
}

/// Two equal elements lie above the one that came out, and one of them was taken, or none.
#[test]
fn who_took_an_element_took_it_once() {
    let mut build = Build::default();
    build.did(0, "push", json!(1)).did(1, "push", json!(2)).did(2, "push", json!(2));
    build.invoke(3, "pop", Value::Null).did(4, "pop", json!(1)).ok(3, "pop", json!(2));
    let stack = containers().swap_remove(2);
    for until in 0..10 {
        judge(&stack, &build, until);
    }
}

/// Of two that nobody is known to have taken, the one above is gone first, and the first take was its.
#[test]
fn in_a_stack_the_first_take_of_nobody_knows_what_need_not_be_that_of_the_first_element() {
    let mut build = Build::default();
    build.did(0, "push", json!(1)).did(1, "push", json!(2)).did(2, "push", json!(3));
    build.lost(3, "pop", Value::Null).did(4, "pop", json!(2));
    build.lost(5, "pop", Value::Null).did(6, "pop", Value::Null);
    let end = u32::try_from(build.ops.len() - 1).expect("small");
    assert_eq!(judge(&containers().swap_remove(2), &build, end), Some((true, Some(0))));
}
