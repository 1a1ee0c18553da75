//! Which operations to show, and the order through them.

use super::super::states::States;
use super::super::subject::Subject;
use std::collections::BTreeSet;

/// Operations shown, unless the proof itself needs more.
const MAX_SHOWN: usize = 24;

/// The last operations of the order that are shown in any case.
const TAIL: usize = 4;

/// What is shown. Entries of the part.
pub(super) struct Shown<'a> {
    /// By invocation.
    pub(super) ops: Vec<u32>,
    /// Before the first step.
    pub(super) initial: u32,
    /// The shown part of the order, with the state after each. It can be replayed from
    /// `initial` by itself.
    pub(super) steps: Vec<(u32, u32)>,
    /// What these states are.
    pub(super) states: States<'a>,
}

impl<'a> Shown<'a> {
    /// Everything in `wanted`, what was open around the culprit, and the end of the order.
    pub(super) fn new(subject: &Subject<'a>, culprit: u32, order: &[u32], wanted: &[u32]) -> Self {
        let mut chosen: BTreeSet<u32> = wanted.iter().copied().chain([culprit]).collect();
        let tail = order.iter().rev().take(TAIL).copied();
        for entry in tail.chain(open_around(subject, culprit)) {
            if chosen.len() < MAX_SHOWN {
                chosen.insert(entry);
            }
        }
        let mut states = subject.object.states();
        let mut replayed = Replayed::new(subject, order, &mut states);
        let (initial, steps) = replayed.coherent(&mut chosen);
        Self { ops: chosen.into_iter().collect(), initial, steps, states }
    }

    pub(super) fn position(&self, entry: u32) -> Option<usize> {
        self.ops.binary_search(&entry).ok()
    }
}

/// What was open while the culprit was, the latest invoked first, observers last.
fn open_around(subject: &Subject<'_>, culprit: u32) -> impl Iterator<Item = u32> {
    let entries = subject.entries;
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

/// An order, and the states that it leads through.
struct Replayed<'s, 'a> {
    subject: &'s Subject<'a>,
    order: &'s [u32],
    states: &'s mut States<'a>,
    /// Before each step, and after the last.
    through: Vec<u32>,
}

/// A state, and from there entries with the state after each.
type Steps = (u32, Vec<(u32, u32)>);

impl<'s, 'a> Replayed<'s, 'a> {
    fn new(subject: &'s Subject<'a>, order: &'s [u32], states: &'s mut States<'a>) -> Self {
        let mut last = states.initial();
        let mut through = vec![last];
        for &entry in order {
            let next = states.step(last, subject.class(entry));
            last = next.expect("the order was replayed when it was found");
            through.push(last);
        }
        Self { subject, order, states, through }
    }

    /// Picks the chosen operations out of the order so that they make sense by themselves: where
    /// a step depends on a change that is not shown, that change is added. If this adds too much,
    /// the steps are the unbroken end of the order.
    fn coherent(&mut self, chosen: &mut BTreeSet<u32>) -> Steps {
        let room = chosen.len().max(MAX_SHOWN);
        let mut tried = chosen.clone();
        while tried.len() <= room {
            match self.pick(&tried) {
                Ok(steps) => {
                    *chosen = tried;
                    return steps;
                }
                Err(missing) => {
                    tried.insert(missing);
                }
            }
        }
        let (order, through) = (self.order, &self.through);
        let from = (0..order.len()).rev().take_while(|&at| chosen.contains(&order[at])).last();
        let from = from.unwrap_or(order.len());
        (through[from], (from..order.len()).map(|at| (order[at], through[at + 1])).collect())
    }

    /// The steps of the chosen operations, or an operation that has to be chosen too.
    fn pick(&mut self, chosen: &BTreeSet<u32>) -> Result<Steps, u32> {
        let (order, through) = (self.order, &self.through);
        let changed_before = |end: usize| {
            let changed = (0..end).rev().find(|&at| through[at] != through[at + 1]);
            order[changed.expect("the state differs, so something changed it")]
        };
        let mut at_first: Option<u32> = None;
        let mut now: Option<u32> = None;
        let mut steps = Vec::new();
        for (at, &entry) in order.iter().enumerate().filter(|(_, entry)| chosen.contains(entry)) {
            let before = now.unwrap_or(through[at]);
            at_first.get_or_insert(before);
            let after = through[at + 1];
            if self.states.step(before, self.subject.class(entry)) != Some(after) {
                return Err(changed_before(at));
            }
            steps.push((entry, after));
            now = Some(after);
        }
        // What the culprit meets is the end of the order, so no change after the last step is hidden.
        let last = *through.last().expect("there is an initial state");
        match now {
            Some(now) if now != last => Err(changed_before(order.len())),
            _ => Ok((at_first.unwrap_or(last), steps)),
        }
    }
}
