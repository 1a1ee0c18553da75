//! For tests: runs a generator against imaginary clients on an imaginary clock.
//!
//! It asks as the engine does and checks, while at it, that the generator keeps its side of
//! the contract: `Done` is final, and nobody is left waiting for something that cannot come.

use super::{Context, Generator, Invocation, Next};
use crate::Rng;
use duress_checkers::{Kind, Op, Process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// More events than any test needs: an endless generator without a limit is a mistake.
const MAX_EVENTS: usize = 200_000;
/// Rounds of questions in which nothing is handed out or completed.
const MAX_IDLE_PASSES: usize = 1_000;
/// How long a perfect client takes.
const LATENCY: u64 = 10;

/// An operation that has no argument.
pub(crate) fn op(f: &str) -> Invocation {
    Invocation::new(f, Value::Null)
}

/// Clients and how they answer.
pub(crate) struct Simulation {
    n_threads: usize,
    /// Seeded latencies from 1 to 100 instead of always 10.
    slow: Option<Rng>,
    crashing: bool,
    failing_first: usize,
    failing_f: Option<&'static str>,
    late_timers: u64,
    extra_questions: usize,
}

/// An event and the thread that it happened on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) thread: usize,
    pub(crate) op: Op,
}

/// All that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trace(pub(crate) Vec<Event>);

impl Simulation {
    /// Every operation is `ok` after 10 ns.
    pub(crate) fn perfect(n_threads: usize) -> Self {
        Self {
            n_threads,
            slow: None,
            crashing: false,
            failing_first: 0,
            failing_f: None,
            late_timers: 0,
            extra_questions: 0,
        }
    }

    /// Every operation is `ok` after 1 to 100 ns.
    pub(crate) fn slow(n_threads: usize, seed: u64) -> Self {
        Self { slow: Some(Rng::new(seed)), ..Self::perfect(n_threads) }
    }

    /// Every operation is `info` after 10 ns.
    pub(crate) fn crashing(n_threads: usize) -> Self {
        Self { crashing: true, ..Self::perfect(n_threads) }
    }

    /// The first `n` operations fail.
    pub(crate) fn failing_first(self, n: usize) -> Self {
        Self { failing_first: n, ..self }
    }

    /// Operations with this function fail.
    pub(crate) fn failing(self, f: &'static str) -> Self {
        Self { failing_f: Some(f), ..self }
    }

    /// Whoever sleeps until a time wakes this much too late.
    pub(crate) fn with_late_timers(self, late: u64) -> Self {
        Self { late_timers: late, ..self }
    }

    /// Asks everybody so many times more than needed.
    pub(crate) fn asking_more(self, extra_questions: usize) -> Self {
        Self { extra_questions, ..self }
    }

    /// Runs it to its end.
    pub(crate) fn run(self, generator: &mut dyn Generator) -> Trace {
        let n = self.n_threads;
        let mut run = Run {
            clients: self,
            time: 0,
            events: Vec::new(),
            n_invoked: 0,
            flights: BTreeMap::new(),
            processes: (0..n as u64).collect(),
            busy: vec![false; n],
            done: vec![false; n],
        };
        run.finish(generator);
        Trace(run.events)
    }

    /// How and when the `n`th operation will end.
    fn complete(&mut self, invoked: &Event, n: usize) -> Event {
        let latency = self.slow.as_mut().map_or(LATENCY, |rng| rng.between(1, 101));
        let kind = if self.crashing {
            Kind::Info
        } else if n < self.failing_first || self.failing_f == Some(&invoked.op.f) {
            Kind::Fail
        } else {
            Kind::Ok
        };
        let op = Op { kind, time: invoked.op.time + latency, ..invoked.op.clone() };
        Event { thread: invoked.thread, op }
    }
}

/// A simulation under way.
struct Run {
    clients: Simulation,
    time: u64,
    events: Vec<Event>,
    n_invoked: usize,
    /// Completions to come, by time and then by order of invocation.
    flights: BTreeMap<(u64, u64), Event>,
    processes: Vec<u64>,
    busy: Vec<bool>,
    done: Vec<bool>,
}

impl Run {
    fn finish(&mut self, generator: &mut dyn Generator) {
        let (mut first, mut idle) = (0, 0);
        while self.events.len() < MAX_EVENTS {
            let n_events = self.events.len();
            let wake = self.ask_all(first, generator);
            if self.events.len() > n_events {
                idle = 0;
                continue;
            }
            idle += 1;
            assert!(idle < MAX_IDLE_PASSES, "keeps waiting: {}", Trace(self.events.clone()));
            if self.flights.is_empty() && self.done.iter().all(|done| *done) {
                return;
            }
            let landing = self.flights.keys().next().map(|(time, _)| *time);
            assert!(landing.is_some() || wake != u64::MAX, "stuck: {}", Trace(self.events.clone()));
            if wake <= self.time {
                continue;
            }
            if landing.is_none_or(|landing| wake < landing) {
                self.time = wake + self.clients.late_timers;
            } else {
                self.land(generator);
                (first, idle) = ((first + 1) % self.busy.len(), 0);
            }
        }
        panic!("more than {MAX_EVENTS} events");
    }

    /// Asks every free thread; returns when to ask again.
    fn ask_all(&mut self, first: usize, generator: &mut dyn Generator) -> u64 {
        let n = self.busy.len();
        let mut wake = u64::MAX;
        for thread in (0..n).map(|k| (first + k) % n) {
            for _ in 0..=self.clients.extra_questions {
                if self.busy[thread] {
                    break;
                }
                let answer = generator.next(&self.context(thread));
                let breach = self.done[thread] && matches!(answer, Next::Op(_));
                assert!(!breach, "after Done came {answer:?}");
                match answer {
                    Next::Op(invocation) => self.invoke(thread, invocation, generator),
                    Next::Wait(until) => wake = wake.min(until),
                    Next::Pending => {}
                    Next::Done => self.done[thread] = true,
                }
            }
        }
        wake
    }

    fn invoke(&mut self, thread: usize, invocation: Invocation, generator: &mut dyn Generator) {
        let op = Op {
            index: self.events.len() as u64,
            time: self.time,
            process: Process::Client(self.processes[thread]),
            kind: Kind::Invoke,
            f: invocation.f.into(),
            value: invocation.value,
            error: None,
            node: None,
        };
        self.busy[thread] = true;
        generator.update(&self.context(thread), &op);
        let event = Event { thread, op };
        let landing = self.clients.complete(&event, self.n_invoked);
        self.n_invoked += 1;
        self.flights.insert((landing.op.time, event.op.index), landing);
        self.events.push(event);
    }

    /// Takes the next completion.
    fn land(&mut self, generator: &mut dyn Generator) {
        let Some(((time, _), mut event)) = self.flights.pop_first() else { return };
        self.time = self.time.max(time);
        (event.op.time, event.op.index) = (self.time, self.events.len() as u64);
        self.busy[event.thread] = false;
        if event.op.kind == Kind::Info {
            self.processes[event.thread] += self.busy.len() as u64;
        }
        generator.update(&self.context(event.thread), &event.op);
        self.events.push(event);
    }

    fn context(&self, thread: usize) -> Context {
        let n_busy = self.busy.iter().filter(|busy| **busy).count();
        Context { time: self.time, thread, n_threads: self.busy.len(), n_busy }
    }
}

impl Trace {
    /// What was handed out, in order.
    pub(crate) fn invocations(&self) -> impl Iterator<Item = &Event> {
        self.0.iter().filter(|event| event.op.kind == Kind::Invoke)
    }

    /// Functions and arguments alone.
    pub(crate) fn operations(&self) -> Vec<Invocation> {
        self.invocations().map(|event| Invocation::new(event.op.f.clone(), event.op.value.clone())).collect()
    }

    /// When the last operation was completed.
    pub(crate) fn end(&self) -> u64 {
        self.0.last().map_or(0, |event| event.op.time)
    }

    /// What was in flight just before an event.
    pub(crate) fn busy_at(&self, index: u64) -> Vec<&Event> {
        let mut busy: BTreeMap<usize, &Event> = BTreeMap::new();
        for event in self.0.iter().take_while(|event| event.op.index < index) {
            match event.op.kind {
                Kind::Invoke => busy.insert(event.thread, event),
                _ => busy.remove(&event.thread),
            };
        }
        busy.into_values().collect()
    }

    /// The most that was ever in flight.
    pub(crate) fn max_busy(&self) -> usize {
        let after = |event: &Event| self.busy_at(event.op.index).len() + 1;
        self.invocations().map(after).max().unwrap_or(0)
    }
}

/// `thread@time f value, …`
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, event) in self.invocations().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{}@{} {}", event.thread, event.op.time, event.op.f)?;
            if !event.op.value.is_null() {
                write!(f, " {}", event.op.value)?;
            }
        }
        Ok(())
    }
}
