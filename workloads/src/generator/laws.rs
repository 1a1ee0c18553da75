//! For tests: laws that hold for every generator built from the combinators.

use super::simulate::{Simulation, Trace, op};
use super::{
    Arrivals, Generator, GeneratorExt as _, Invocation, any, concat, cycle, each_thread, flip_flop, list,
    mix, phases, repeat, reserve,
};
use crate::Rng;
use duress_checkers::Kind;
use proptest::prelude::*;

/// A recipe for a generator; a generator itself cannot be cloned, and some laws need two.
#[derive(Clone, Debug)]
enum Plan {
    Numbers(u64),
    Limit(u64, Box<Plan>),
    Stagger(u64, Box<Plan>),
    TimeLimit(u64, Box<Plan>),
    UntilOk(Box<Plan>),
    Odd(Box<Plan>),
    Processes(usize, Box<Plan>),
    Cycle(Box<Plan>),
    Concurrency(usize, Box<Plan>),
    Synchronize(Box<Plan>),
    OnEven(Box<Plan>),
    Mix(Vec<Plan>),
    Any(Vec<Plan>),
    Concat(Vec<Plan>),
    Phases(Vec<Plan>),
    FlipFlop(Box<Plan>, Box<Plan>),
    Reserve(Box<Plan>, Box<Plan>),
    EachThread(Box<Plan>),
}

/// Bounds what would otherwise not end.
const LIMIT: u64 = 60;

fn build(plan: &Plan, rng: &Rng) -> Box<dyn Generator> {
    let all = |plans: &[Plan]| -> Vec<Box<dyn Generator>> {
        plans.iter().enumerate().map(|(n, plan)| build(plan, &rng.split(&n.to_string()))).collect()
    };
    match plan {
        Plan::Numbers(n) => {
            let mut draws = rng.split("numbers");
            let n = *n;
            (move |_: &super::Context| Invocation::new("n", draws.below(n))).limit(n).boxed()
        }
        Plan::Limit(n, inner) => build(inner, rng).limit(*n).boxed(),
        Plan::Stagger(mean, inner) => {
            build(inner, rng).stagger(*mean, Arrivals::Exponential(rng.split("arrivals"))).boxed()
        }
        Plan::TimeLimit(time, inner) => build(inner, rng).time_limit(*time).boxed(),
        Plan::Odd(inner) => {
            build(inner, rng).limit(LIMIT).filter(|op| op.value.as_u64().is_some_and(|n| n % 2 == 1)).boxed()
        }
        Plan::Processes(max, inner) => build(inner, rng).process_limit(*max).boxed(),
        Plan::Cycle(inner) => {
            let (inner, rng) = (inner.clone(), rng.clone());
            cycle(move |round| build(&inner, &rng.split(&round.to_string()))).boxed()
        }
        Plan::UntilOk(inner) => build(inner, rng).until_ok().boxed(),
        Plan::Concurrency(max, inner) => build(inner, rng).concurrency_limit(*max).boxed(),
        Plan::Synchronize(inner) => build(inner, rng).synchronize().boxed(),
        Plan::OnEven(inner) => build(inner, rng).on_threads(|thread| thread % 2 == 0).boxed(),
        Plan::Mix(plans) => mix(rng.split("mix"), (1..).zip(all(plans)).collect()).boxed(),
        Plan::Any(plans) => any(all(plans)).boxed(),
        Plan::Concat(plans) => concat(all(plans)).boxed(),
        Plan::Phases(plans) => phases(all(plans)).boxed(),
        Plan::FlipFlop(a, b) => flip_flop(build(a, rng), build(b, rng)).boxed(),
        Plan::Reserve(a, b) => reserve(vec![(1, build(a, rng))], build(b, rng)).boxed(),
        Plan::EachThread(inner) => {
            let (inner, rng) = (inner.clone(), rng.clone());
            each_thread(move |_| build(&inner, &rng)).boxed()
        }
    }
}

fn plans() -> impl Strategy<Value = Plan> {
    (0..8_u64).prop_map(Plan::Numbers).prop_recursive(4, 24, 3, |inner| {
        let one = inner.clone().prop_map(Box::new);
        let some = prop::collection::vec(inner, 0..4);
        prop_oneof![
            (0..10_u64, one.clone()).prop_map(|(n, plan)| Plan::Limit(n, plan)),
            (0..200_u64, one.clone()).prop_map(|(mean, plan)| Plan::Stagger(mean, plan)),
            (0..500_u64, one.clone()).prop_map(|(time, plan)| Plan::TimeLimit(time, plan)),
            one.clone().prop_map(Plan::UntilOk),
            one.clone().prop_map(Plan::Odd),
            one.clone().prop_map(Plan::Cycle),
            (1..12_usize, one.clone()).prop_map(|(max, plan)| Plan::Processes(max, plan)),
            (1..4_usize, one.clone()).prop_map(|(max, plan)| Plan::Concurrency(max, plan)),
            one.clone().prop_map(Plan::Synchronize),
            one.clone().prop_map(Plan::OnEven),
            one.clone().prop_map(Plan::EachThread),
            some.clone().prop_map(Plan::Mix),
            some.clone().prop_map(Plan::Any),
            some.clone().prop_map(Plan::Concat),
            some.prop_map(Plan::Phases),
            (one.clone(), one.clone()).prop_map(|(a, b)| Plan::FlipFlop(a, b)),
            (one.clone(), one).prop_map(|(a, b)| Plan::Reserve(a, b)),
        ]
    })
}

fn clients(kind: usize, threads: usize, seed: u64) -> Simulation {
    match kind {
        0 => Simulation::perfect(threads),
        1 => Simulation::slow(threads, seed),
        _ => Simulation::crashing(threads),
    }
}

fn run(plan: &Plan, clients: Simulation, seed: u64) -> Trace {
    clients.run(&mut build(plan, &Rng::new(seed)).limit(LIMIT))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The simulation itself asserts that `Done` is final and that nobody gets stuck.
    #[test]
    fn the_same_seed_gives_the_same_run(
        plan in plans(), kind in 0..3_usize, threads in 1..5_usize, seed: u64,
    ) {
        let once = run(&plan, clients(kind, threads, seed), seed);
        prop_assert_eq!(once, run(&plan, clients(kind, threads, seed), seed));
    }

    #[test]
    fn idle_questions_change_nothing(
        plan in plans(), kind in 0..3_usize, threads in 1..5_usize, seed: u64,
    ) {
        // Where a question can end something or open a barrier, it may matter who asks first.
        let text = format!("{plan:?}");
        let by_questions = ["Odd", "FlipFlop", "Synchronize", "Phases", "Cycle"];
        prop_assume!(by_questions.iter().all(|word| !text.contains(word)));
        let once = run(&plan, clients(kind, threads, seed), seed);
        prop_assert_eq!(once, run(&plan, clients(kind, threads, seed).asking_more(3), seed));
    }

    #[test]
    fn a_limit_is_never_exceeded(plan in plans(), kind in 0..3_usize, n in 0..20_u64, seed: u64) {
        let trace = clients(kind, 3, seed).run(&mut build(&plan, &Rng::new(seed)).limit(n));
        prop_assert!(trace.invocations().count() as u64 <= n);
    }

    #[test]
    fn nothing_is_handed_out_after_a_time_limit(plan in plans(), kind in 0..3_usize, end in 0..300_u64, seed: u64) {
        let trace = clients(kind, 3, seed).run(&mut build(&plan, &Rng::new(seed)).limit(LIMIT).time_limit(end));
        prop_assert!(trace.invocations().all(|event| event.op.time < end));
    }

    #[test]
    fn phases_never_interleave(
        parts in prop::collection::vec(plans(), 1..4), kind in 0..3_usize, threads in 1..5_usize, seed: u64,
    ) {
        let rng = Rng::new(seed);
        let members = parts.iter().enumerate().map(|(n, plan)| {
            build(plan, &rng.split(&n.to_string())).limit(LIMIT).f_map(move |_| n.to_string()).boxed()
        });
        let trace = clients(kind, threads, seed).run(&mut phases(members.collect()));
        for event in trace.invocations() {
            let busy = trace.busy_at(event.op.index);
            prop_assert!(busy.iter().all(|other| other.op.f == event.op.f), "{}", trace);
        }
        let order: Vec<_> = trace.invocations().map(|event| event.op.f.clone()).collect();
        prop_assert!(order.is_sorted(), "{}", trace);
    }

    /// `until_ok` hands nothing out once one of its own operations is `ok`.
    #[test]
    fn until_ok_stops(plan in plans(), threads in 1..5_usize, fails in 0..10_usize, seed: u64) {
        let mut tries = build(&plan, &Rng::new(seed)).limit(LIMIT).until_ok();
        let trace = Simulation::slow(threads, seed).failing_first(fails).run(&mut tries);
        if let Some(ok) = trace.0.iter().find(|event| event.op.kind == Kind::Ok) {
            prop_assert!(trace.invocations().all(|event| event.op.index < ok.op.index));
        }
    }

    /// What comes is drawn from the seed alone, however slow the clients are: only who gets
    /// it, and when, depends on them.
    #[test]
    fn timing_does_not_reach_the_values(threads in 1..5_usize, seed: u64) {
        let numbers = Plan::Mix(vec![Plan::Numbers(u64::MAX), Plan::Numbers(1 << 40)]);
        let plan = Plan::Stagger(40, Box::new(numbers));
        let perfect = run(&plan, Simulation::perfect(threads), seed).operations();
        prop_assert_eq!(perfect.len() as u64, LIMIT);
        prop_assert_eq!(&perfect, &run(&plan, Simulation::slow(1, seed), seed).operations());
        prop_assert_eq!(&perfect, &run(&plan, Simulation::crashing(2), seed).operations());
    }
}

#[test]
fn nesting_keeps_every_bound_at_once() {
    let mut all = mix(Rng::new(9), vec![(1, repeat(op("a")).boxed()), (2, list(vec![op("b"); 40]).boxed())])
        .concurrency_limit(2)
        .delay(5)
        .time_limit(1_000)
        .limit(100);
    let trace = Simulation::slow(8, 1).run(&mut all);
    assert!(trace.invocations().count() <= 100 && trace.max_busy() == 2);
    assert!(trace.invocations().all(|event| event.op.time < 1_000));
    assert!(trace.invocations().filter(|event| event.op.f == "b").count() <= 40);
}
