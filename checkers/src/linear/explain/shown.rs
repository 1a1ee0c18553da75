//! Which operations to show, and the order through them.

use super::super::subject::Subject;
use crate::model::Model;
use std::collections::BTreeSet;

/// Operations shown, unless the proof itself needs more.
const MAX_SHOWN: usize = 24;

/// The last operations of the order that are shown in any case.
const TAIL: usize = 4;

/// What is shown. Entries of the part.
pub(super) struct Shown<M: Model> {
    /// By invocation.
    pub(super) ops: Vec<u32>,
    /// Before the first step.
    pub(super) initial: M::State,
    /// The shown part of the order, with the state after each. It can be replayed from
    /// `initial` by itself.
    pub(super) steps: Vec<(u32, M::State)>,
}

impl<M: Model> Shown<M> {
    /// Everything in `wanted`, what was open around the culprit, and the end of the order.
    pub(super) fn new(subject: &Subject<'_, M>, culprit: u32, order: &[u32], wanted: &[u32]) -> Self {
        let mut chosen: BTreeSet<u32> = wanted.iter().copied().chain([culprit]).collect();
        let tail = order.iter().rev().take(TAIL).copied();
        for entry in tail.chain(open_around(subject, culprit)) {
            if chosen.len() < MAX_SHOWN {
                chosen.insert(entry);
            }
        }
        let states = replay(subject, order);
        let (initial, steps) = coherent(subject, order, &states, &mut chosen);
        Self { ops: chosen.into_iter().collect(), initial, steps }
    }

    pub(super) fn position(&self, entry: u32) -> Option<usize> {
        self.ops.binary_search(&entry).ok()
    }
}

/// What was open while the culprit was, the latest invoked first, observers last.
fn open_around<M: Model>(subject: &Subject<'_, M>, culprit: u32) -> impl Iterator<Item = u32> {
    let entries = &subject.part.entries;
    let this = entries[culprit as usize];
    let mut open: Vec<u32> = (0_u32..)
        .zip(entries)
        .filter(|(_, entry)| Some(entry.invoke) < this.ret && entry.ret.is_none_or(|ret| ret > this.invoke))
        .filter(|&(at, entry)| entry.ret.is_some() || !subject.is_observer(at))
        .map(|(at, _)| at)
        .collect();
    open.sort_by_key(|&at| (subject.is_observer(at), std::cmp::Reverse(at)));
    open.into_iter()
}

/// The states before each step of the order, and after the last.
fn replay<M: Model>(subject: &Subject<'_, M>, order: &[u32]) -> Vec<M::State> {
    let mut states = vec![subject.model.initial()];
    for &entry in order {
        let last = states.last().expect("there is an initial state");
        let next = subject.model.step(last, subject.op(entry));
        states.push(next.expect("the order was replayed when it was found"));
    }
    states
}

type Steps<M> = (<M as Model>::State, Vec<(u32, <M as Model>::State)>);

/// Picks the chosen operations out of the order so that they make sense by themselves: where
/// a step depends on a change that is not shown, that change is added. If this adds too much,
/// the steps are the unbroken end of the order.
fn coherent<M: Model>(
    subject: &Subject<'_, M>,
    order: &[u32],
    states: &[M::State],
    chosen: &mut BTreeSet<u32>,
) -> Steps<M> {
    let room = chosen.len().max(MAX_SHOWN);
    let mut tried = chosen.clone();
    while tried.len() <= room {
        match pick(subject, order, states, &tried) {
            Ok(steps) => {
                *chosen = tried;
                return steps;
            }
            Err(missing) => {
                tried.insert(missing);
            }
        }
    }
    let from = (0..order.len()).rev().take_while(|&at| chosen.contains(&order[at])).last();
    let from = from.unwrap_or(order.len());
    let steps = (from..order.len()).map(|at| (order[at], states[at + 1].clone())).collect();
    (states[from].clone(), steps)
}

/// The steps of the chosen operations, or an operation that has to be chosen too.
fn pick<M: Model>(
    subject: &Subject<'_, M>,
    order: &[u32],
    states: &[M::State],
    chosen: &BTreeSet<u32>,
) -> Result<Steps<M>, u32> {
    let mut at_first: Option<M::State> = None;
    let mut now: Option<M::State> = None;
    let mut steps = Vec::new();
    for (at, &entry) in order.iter().enumerate().filter(|(_, entry)| chosen.contains(entry)) {
        let before = now.take().unwrap_or_else(|| states[at].clone());
        at_first.get_or_insert_with(|| before.clone());
        let after = &states[at + 1];
        if subject.model.step(&before, subject.op(entry)).as_ref() != Ok(after) {
            let changed = (0..at).rev().find(|&at| states[at] != states[at + 1]);
            return Err(order[changed.expect("the state differs, so something changed it")]);
        }
        steps.push((entry, after.clone()));
        now = Some(after.clone());
    }
    // What the culprit meets is the end of the order, so no change after the last step is hidden.
    let last = states.last().expect("there is an initial state");
    match now {
        Some(now) if now != *last => {
            let changed = (0..order.len()).rev().find(|&at| states[at] != states[at + 1]);
            Err(order[changed.expect("the state differs, so something changed it")])
        }
        _ => Ok((at_first.unwrap_or_else(|| last.clone()), steps)),
    }
}
