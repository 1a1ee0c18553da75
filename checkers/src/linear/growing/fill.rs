//! Filling holes with steps whose place nobody knows.
//!
//! A hole asks for so much, no less and no more. From the first hole to the last, whoever may be
//! there and returns first goes first, and those in doubt last: where an order has two of the same size the
//! other way round, they can change places. So it is exact where all have the same size. Where they
//! differ, one that fits a hole exactly is taken, which may or may not be right.

use super::super::partition::Moment;
use super::NONE;
use super::line::{Line, Placed, Why, furthest_before};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Steps of one size.
#[derive(Default)]
struct Shelf {
    /// By invocation, the last first.
    later: Vec<(Reverse<Moment>, u32)>,
    /// Invoked in time for the present hole: the first return first.
    ready: BinaryHeap<Reverse<(Moment, u32)>>,
}

/// Whoever fills a hole, and who is left: after the end, those that return first come first.
/// Otherwise what shows that there are too few; or nothing is known.
pub(super) fn fill(line: &mut Line<'_, '_>) -> Result<Vec<Placed>, Option<Vec<u32>>> {
    let (calls, end) = (line.calls, line.end());
    let mut shelves: FxHashMap<i128, Shelf> = FxHashMap::default();
    for &(entry, size) in line.fillers.iter().rev() {
        shelves.entry(size).or_default().later.push((Reverse(calls.invoke(entry)), entry));
    }
    let same_size = if shelves.len() == 1 { shelves.keys().next().copied() } else { None };
    let mut filled = Vec::new();
    let needs = Needs::new(line);
    for (from, to) in holes(line) {
        let size = same_size.unwrap_or(to - from);
        let due = needs.first_beyond(to);
        let mut at = from;
        while at < to {
            let shelf = shelves.entry(size).or_default();
            while let Some((Reverse(invoke), entry)) = shelf.later.pop() {
                if due.is_some_and(|(due, _)| invoke > due) {
                    shelf.later.push((Reverse(invoke), entry));
                    break;
                }
                shelf.ready.push(Reverse((calls.ret(entry).unwrap_or(Moment::MAX), entry)));
            }
            at += size;
            let next = shelf.ready.pop().filter(|_| at <= to);
            let Some(Reverse((_, entry))) = next else {
                let few = same_size.is_some() || line.fillers.is_empty();
                return Err(due.filter(|_| few).and_then(|due| shortage(line, due, to)));
            };
            filled.push(Placed { at, entry, why: Why::Filler });
        }
        line.sure &= same_size.is_some();
    }
    let ready = shelves.values().flat_map(|shelf| shelf.ready.iter().map(|Reverse((_, entry))| *entry));
    let later = shelves.values().flat_map(|shelf| shelf.later.iter().map(|&(_, entry)| entry));
    let mut rest: Vec<(Moment, u32)> =
        ready.chain(later).filter_map(|entry| Some((calls.ret(entry)?, entry))).collect();
    rest.sort_unstable();
    let mut at = end.max(line.steps.last().map_or(0, |step| step.to));
    for (_, entry) in rest {
        at += size_of(line, entry);
        filled.push(Placed { at, entry, why: Why::Filler });
    }
    Ok(filled)
}

/// How large a filler is.
fn size_of(line: &Line<'_, '_>, entry: u32) -> i128 {
    // They were gathered in the order of their entries.
    let at = line.fillers.partition_point(|&(other, _)| other < entry);
    line.fillers[at].1
}

/// What nothing covers, cut wherever somebody looked.
fn holes(line: &Line<'_, '_>) -> Vec<(i128, i128)> {
    let end = line.end();
    let mut cuts: Vec<i128> = vec![0, end];
    cuts.extend(line.observers.iter().flat_map(|observer| [observer.low, observer.high]));
    cuts.extend(line.steps.iter().flat_map(|step| [step.from, step.to]));
    cuts.retain(|&cut| 0 <= cut && cut <= end);
    cuts.sort_unstable();
    cuts.dedup();
    let covered = |from: i128| {
        let next = line.steps.partition_point(|step| step.to <= from);
        line.steps.get(next).is_some_and(|step| step.from <= from)
    };
    let pairs = cuts.windows(2).map(|pair| (pair[0], pair[1]));
    pairs.filter(|&(from, _)| !covered(from)).collect()
}

/// For each place, who returned first of those that lie beyond it.
struct Needs {
    /// By place; the return is the first of this and all after it.
    by_place: Vec<(i128, (Moment, u32, u32))>,
}

impl Needs {
    fn new(line: &Line<'_, '_>) -> Self {
        let steps = line.steps.iter().map(|step| (step.from, step.entry, step.witness));
        let observers = line.observers.iter().map(|observer| (observer.low, observer.entry, NONE));
        let returned = |(place, entry, witness)| Some((place, (line.calls.ret(entry)?, entry, witness)));
        let mut by_place: Vec<_> = steps.chain(observers).filter_map(returned).collect();
        by_place.sort_unstable();
        for n in (1..by_place.len()).rev() {
            by_place[n - 1].1 = by_place[n - 1].1.min(by_place[n].1);
        }
        Self { by_place }
    }

    /// The first return of those that begin at `place` or beyond it, and whose it is.
    fn first_beyond(&self, place: i128) -> Option<(Moment, (u32, u32))> {
        let next = self.by_place.partition_point(|&(other, _)| other < place);
        self.by_place.get(next).map(|&(_, (ret, entry, witness))| (ret, (entry, witness)))
    }
}

/// What shows that too little was invoked before `due` returned, which lies at `to` or beyond.
fn shortage(line: &Line<'_, '_>, due: (Moment, (u32, u32)), to: i128) -> Option<Vec<u32>> {
    let (due, (entry, witness)) = due;
    let mut ops = vec![entry, witness];
    ops.extend(line.excluded.iter().filter(|&&(at, _)| at < to).map(|&(_, entry)| entry));
    let mut supply = 0;
    for &(entry, size) in &line.fillers {
        if line.calls.invoke(entry) < due {
            supply += size;
        }
    }
    for step in &line.steps {
        if step.from < to {
            supply += step.to - step.from;
        } else if line.calls.invoke(step.entry) < due {
            ops.extend([step.entry, step.witness]);
        }
    }
    (line.sure && supply < to).then_some(ops)
}

/// What shows that `late` cannot lie at `highest` or before: too many have to be there that begin
/// after something else and return no later.
pub(super) fn crowd(line: &Line<'_, '_>, filled: &[Placed], late: Placed, highest: i128) -> Option<Vec<u32>> {
    let calls = line.calls;
    let last = calls.ret(late.entry)?;
    let known = (0..).zip(&line.steps);
    let known = known.map(|(n, step)| Placed { at: step.to, entry: step.entry, why: Why::Known(n) });
    let lows = (0..).zip(&line.observers);
    let lows = lows.map(|(n, it)| Placed { at: it.low, entry: it.entry, why: Why::Observer(n) });
    let reached = line.reached(known.chain(lows));
    let size = size_of(line, late.entry);
    let (mut since, mut crowd, mut ops) = (calls.invoke(late.entry), size, vec![late.entry]);
    // `filled` is in the order of the places; those before `next` are not looked at yet.
    let mut next = filled.partition_point(|other| other.at <= highest);
    let low = loop {
        let low = furthest_before(&reached, since).map_or(0, |before| before.at);
        let first = filled.partition_point(|other| other.at - size_of(line, other.entry) < low);
        if first >= next {
            break low;
        }
        for other in &filled[first..next] {
            if calls.ret(other.entry)? > last {
                return None;
            }
            since = since.min(calls.invoke(other.entry));
            crowd += size_of(line, other.entry);
            ops.push(other.entry);
        }
        next = first;
    };
    if let Some(before) = furthest_before(&reached, since) {
        ops.push(before.entry);
        if let Why::Known(n) = before.why {
            ops.push(line.steps[n as usize].witness);
        }
    }
    let first = line.steps.partition_point(|step| step.from < low);
    for step in line.steps[first..].iter().take_while(|step| step.to <= highest) {
        if step.witness == NONE {
            return None;
        }
        crowd += step.to - step.from;
        ops.extend([step.entry, step.witness]);
    }
    (crowd > highest - low).then_some(ops)
}
