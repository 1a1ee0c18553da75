//! Operations on a line of numbers from 0 upwards: steps that lead from one to a greater one, and
//! observers that say where the object stands.
//!
//! Steps whose place is known and observers lie where they have to. What is left between them are
//! holes, which steps of unknown place fill ([`super::fill`]), and those that completed and are
//! not needed there come at the end. In this order, later places after earlier ones, no operation
//! may have returned before one in front of it was invoked.
//!
//! An observer of a range lies as early as the operations before it in time allow: whatever comes
//! after it there can also come after it later.

use super::super::found::Found;
use super::super::limits::{Charge, Spent};
use super::super::partition::Moment;
use super::fill;
use super::{Calls, NONE};

/// Operations seen elsewhere that an argument may need.
const MAX_ELSEWHERE: usize = 32;

/// A step of known place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) from: i128,
    pub(super) to: i128,
    pub(super) entry: u32,
    /// A completed operation that shows the place; `NONE` where the step is in doubt and nobody saw it.
    pub(super) witness: u32,
}

/// It takes place somewhere from `low` to `high`. Both are the same, or the line is one of single
/// steps, or it is possible anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observer {
    pub(super) low: i128,
    pub(super) high: i128,
    pub(super) entry: u32,
}

/// The operations.
pub(super) struct Line<'c, 'a> {
    pub(super) calls: &'c Calls<'a>,
    /// These happened.
    pub(super) steps: Vec<Step>,
    pub(super) observers: Vec<Observer>,
    /// Nobody knows where, and how much.
    pub(super) fillers: Vec<(u32, i128)>,
    /// In doubt; if they happened, then there.
    pub(super) possible: Vec<Step>,
    /// Where a step in doubt cannot have been, and what shows that it cannot.
    pub(super) excluded: Vec<(i128, u32)>,
    /// Was everything forced so far? Otherwise an order proves that there is one, and nothing
    /// proves that there is none.
    pub(super) sure: bool,
}

/// Why an operation is where it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// As a step with this position in [`Line::steps`].
    Known(u32),
    /// As an observer with this position in [`Line::observers`].
    Observer(u32),
    /// Because nothing else was left.
    Filler,
}

/// An operation with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// Where it leads, or where it looks.
    pub(super) at: i128,
    pub(super) entry: u32,
    pub(super) why: Why,
}

impl<'c, 'a> Line<'c, 'a> {
    pub(super) fn new(calls: &'c Calls<'a>) -> Self {
        let (steps, observers, fillers, possible) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { calls, steps, observers, fillers, possible, excluded: Vec::new(), sure: true }
    }

    pub(super) fn decide(mut self, charge: &Charge) -> Result<Option<Found>, Spent> {
        if let Some(ops) = self.contradiction() {
            return Ok(Some(self.calls.impossible(&ops)));
        }
        charge.time()?;
        self.suppose();
        let filled = match fill::fill(&mut self) {
            Ok(filled) => filled,
            Err(ops) => return Ok(ops.map(|ops| self.calls.impossible(&ops))),
        };
        charge.time()?;
        let found = self.place(&filled).and_then(|placed| self.sweep(placed));
        charge.time()?;
        Ok(match found {
            Ok(order) => Some(Found::Order(order)),
            Err((before, after)) => {
                self.evidence(&filled, before, after).map(|ops| self.calls.impossible(&ops))
            }
        })
    }

    /// Steps that overlap, and observers that looked where nothing ever stood. Sorts the steps.
    fn contradiction(&mut self) -> Option<Vec<u32>> {
        self.steps.sort_unstable_by_key(|step| (step.from, step.entry));
        let all = |one: &Step, other: &Step| vec![one.entry, one.witness, other.entry, other.witness];
        if let Some(first) = self.steps.first().filter(|step| step.from < 0) {
            return Some(vec![first.entry, first.witness]);
        }
        if let Some(pair) = self.steps.windows(2).find(|pair| pair[0].to > pair[1].from) {
            return Some(all(&pair[0], &pair[1]));
        }
        let exact = self.observers.iter().filter(|observer| observer.low == observer.high);
        for observer in exact {
            let next = self.steps.partition_point(|step| step.to <= observer.low);
            let around = self.steps.get(next).filter(|step| step.from < observer.low);
            if let Some(step) = around {
                return Some(vec![observer.entry, step.entry, step.witness]);
            }
            if observer.low < 0 {
                return Some(vec![observer.entry]);
            }
        }
        None
    }

    /// Where the object has certainly been.
    pub(super) fn end(&self) -> i128 {
        let steps = self.steps.last().map_or(0, |step| step.to);
        self.observers.iter().map(|observer| observer.low).fold(steps, i128::max)
    }

    /// Takes those steps in doubt as done that fit into a hole.
    fn suppose(&mut self) {
        let end = self.end();
        self.possible.sort_unstable_by_key(|step| (step.from, step.entry));
        let mut exact: Vec<(i128, u32)> =
            self.observers.iter().map(|observer| (observer.low, observer.entry)).collect();
        exact.sort_unstable();
        let mut taken: Vec<Step> = Vec::new();
        for step in std::mem::take(&mut self.possible) {
            if step.from < 0 || step.from >= end {
                continue;
            }
            let next = self.steps.partition_point(|known| known.to <= step.from);
            if let Some(known) = self.steps.get(next).filter(|known| known.from < step.to) {
                self.excluded.extend([(step.from, known.entry), (step.from, known.witness)]);
                continue;
            }
            let next = exact.partition_point(|&(at, _)| at <= step.from);
            if let Some(&(_, observer)) = exact.get(next).filter(|&&(at, _)| at < step.to) {
                self.excluded.push((step.from, observer));
                continue;
            }
            match taken.last() {
                // The one invoked first can do whatever the other can.
                Some(last) if last.from == step.from && last.to == step.to => {}
                Some(last) if last.to > step.from => self.sure = false,
                _ => taken.push(step),
            }
        }
        self.sure &= taken.is_empty() || self.fillers.is_empty();
        self.steps.append(&mut taken);
        self.steps.sort_unstable_by_key(|step| step.from);
    }

    /// Everything with its place, or an observer and what completed before it and lies beyond it.
    fn place(&self, filled: &[Placed]) -> Result<Vec<Placed>, (Placed, Placed)> {
        let known = (0..).zip(&self.steps);
        let known = known.map(|(n, step)| Placed { at: step.to, entry: step.entry, why: Why::Known(n) });
        let mut placed: Vec<Placed> = known.chain(filled.iter().copied()).collect();
        let lows = (0..).zip(&self.observers);
        let lows = lows.map(|(n, it)| Placed { at: it.low, entry: it.entry, why: Why::Observer(n) });
        let reached = self.reached(placed.iter().copied().chain(lows));
        for (n, observer) in (0..).zip(&self.observers) {
            let before = furthest_before(&reached, self.calls.invoke(observer.entry));
            let at = before.map_or(observer.low, |before| before.at.max(observer.low));
            let this = Placed { at, entry: observer.entry, why: Why::Observer(n) };
            match before {
                Some(before) if at > observer.high => return Err((this, before)),
                _ => placed.push(this),
            }
        }
        Ok(placed)
    }

    /// By the time of their returns, the furthest so far of these.
    pub(super) fn reached(&self, ops: impl Iterator<Item = Placed>) -> Vec<(Moment, Placed)> {
        let mut reached: Vec<(Moment, Placed)> =
            ops.filter_map(|op| Some((self.calls.ret(op.entry)?, op))).collect();
        reached.sort_unstable_by_key(|&(ret, _)| ret);
        for n in 1..reached.len() {
            if reached[n].1.at < reached[n - 1].1.at {
                reached[n].1 = reached[n - 1].1;
            }
        }
        reached
    }

    /// The order, or two operations of which the first lies before the second, and was invoked
    /// after that had returned.
    fn sweep(&self, mut placed: Vec<Placed>) -> Result<Vec<u32>, (Placed, Placed)> {
        let calls = self.calls;
        let key = |op: &Placed| (op.at, matches!(op.why, Why::Observer(_)), calls.invoke(op.entry));
        placed.sort_unstable_by_key(key);
        let mut latest = placed.first().copied();
        for op in &placed {
            if let (Some(ret), Some(latest)) = (calls.ret(op.entry), latest)
                && ret < calls.invoke(latest.entry)
            {
                return Err((latest, *op));
            }
            if latest.is_some_and(|latest| calls.invoke(latest.entry) < calls.invoke(op.entry)) {
                latest = Some(*op);
            }
        }
        Ok(placed.into_iter().map(|op| op.entry).collect())
    }

    /// What shows that `before` cannot come after `after`, which returned before it was invoked.
    fn evidence(&self, filled: &[Placed], before: Placed, after: Placed) -> Option<Vec<u32>> {
        // Up to where `before` can be, and whether it moves on from there.
        let (mut ops, highest, looks) = match before.why {
            Why::Known(n) => {
                let step = self.steps[n as usize];
                let mut ops = vec![step.entry, step.witness];
                if step.witness == NONE {
                    // Nobody else can have been there.
                    ops.extend(self.excluded.iter().map(|&(_, entry)| entry));
                    ops.extend(self.seen_elsewhere(step, self.calls.ret(after.entry)?)?);
                }
                (ops, step.from, false)
            }
            Why::Observer(n) => {
                let observer = self.observers[n as usize];
                (vec![observer.entry], observer.high, true)
            }
            Why::Filler => return None,
        };
        let is_after = match after.why {
            Why::Known(n) => {
                let step = self.steps[n as usize];
                ops.extend([step.entry, step.witness]);
                if looks { step.to > highest } else { step.from > highest }
            }
            Why::Observer(n) => {
                let observer = self.observers[n as usize];
                ops.push(observer.entry);
                observer.low > highest
            }
            Why::Filler => {
                ops.extend(fill::crowd(self, filled, after, highest)?);
                true
            }
        };
        (self.sure && is_after).then_some(ops)
    }
}

impl Line<'_, '_> {
    /// Who could have been where `step` is by the time `due`, if others had not seen them somewhere
    /// else, and these others. `None`: too many to be an argument.
    fn seen_elsewhere(&self, step: Step, due: Moment) -> Option<Vec<u32>> {
        let elsewhere = self.steps.iter().filter(|other| {
            // One that is its own witness says itself where it is.
            other.witness != other.entry && other.from != step.from && self.calls.invoke(other.entry) < due
        });
        let ops: Vec<u32> =
            elsewhere.take(MAX_ELSEWHERE + 1).flat_map(|other| [other.entry, other.witness]).collect();
        (ops.len() <= 2 * MAX_ELSEWHERE).then_some(ops)
    }
}

/// Of those that returned before `time`, the one that lies furthest.
pub(super) fn furthest_before(reached: &[(Moment, Placed)], time: Moment) -> Option<Placed> {
    let n = reached.partition_point(|&(ret, _)| ret < time);
    n.checked_sub(1).map(|last| reached[last].1)
}
