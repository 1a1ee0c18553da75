//! Logs: every entry has an index, and most are seen somewhere.

use super::super::found::Found;
use super::super::limits::{Charge, Spent};
use super::line::{Line, Observer, Step};
use super::{Calls, NONE};
use crate::model::{Element, Growth};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::hash_map::Entry as Slot;

/// Decides, unless two appends could have left the same entry.
pub(super) fn decide(calls: &Calls<'_>, charge: &Charge) -> Result<Option<Found>, Spent> {
    let mut seen = Seen::default();
    if let Some(pair) = seen.gather(calls, charge)? {
        return Ok(Some(calls.impossible(&pair)));
    }
    if seen.twice {
        return Ok(None);
    }
    charge.time()?;
    let mut line = Line::new(calls);
    let mut appended: FxHashSet<&Element> = FxHashSet::default();
    for entry in calls.each() {
        let completed = calls.ret(entry).is_some();
        match calls.says(entry) {
            Growth::Append(value, index) => {
                if !appended.insert(value) {
                    return Ok(None);
                }
                let known = seen.index.get(value).copied();
                match (known, index) {
                    (Some((at, _)), Some(index)) if at != index => return Ok(None),
                    (Some((at, witness)), _) => line.steps.push(step(at, entry, witness)),
                    (None, Some(at)) => line.possible.push(step(at, entry, NONE)),
                    (None, None) => line.fillers.push((entry, 1)),
                }
            }
            Growth::Entry(index, value) if completed => {
                let index = i128::from(index);
                let (low, high) = if value.is_some() { (index + 1, i128::MAX) } else { (0, index) };
                line.observers.push(Observer { low, high, entry });
            }
            Growth::Entries(all) if completed => {
                let at = i128::from(all.len());
                line.observers.push(Observer { low: at, high: at, entry });
            }
            Growth::Entry(..) | Growth::Entries(_) => {}
            _ => return Ok(None),
        }
    }
    let phantom = seen.index.iter().filter(|(value, _)| !appended.contains(*value));
    if let Some(witness) = phantom.map(|(_, &(_, witness))| witness).min() {
        return Ok(Some(calls.impossible(&[witness])));
    }
    line.decide(charge)
}

fn step(at: u64, entry: u32, witness: u32) -> Step {
    let from = i128::from(at);
    Step { from, to: from + 1, entry, witness }
}

/// Where values were seen, and by whom.
#[derive(Default)]
struct Seen<'a> {
    index: FxHashMap<&'a Element, (u64, u32)>,
    value: FxHashMap<u64, (&'a Element, u32)>,
    /// Was a value seen at two places?
    twice: bool,
}

impl<'a> Seen<'a> {
    /// Takes down what completed operations say; two that contradict each other, or one that
    /// contradicts itself, if there are such.
    fn gather(&mut self, calls: &Calls<'a>, charge: &Charge) -> Result<Option<Vec<u32>>, Spent> {
        for entry in calls.each().filter(|&entry| calls.ret(entry).is_some()) {
            let conflict = match calls.says(entry) {
                Growth::Append(value, Some(index)) | Growth::Entry(index, Some(value)) => {
                    self.note(index, value, entry)
                }
                Growth::Entries(all) => {
                    charge.time()?;
                    all.backwards().find_map(|(index, value)| self.note(index, value, entry))
                }
                _ => None,
            };
            if conflict.is_some() {
                return Ok(conflict);
            }
        }
        Ok(None)
    }

    fn note(&mut self, index: u64, value: &'a Element, witness: u32) -> Option<Vec<u32>> {
        match self.value.entry(index) {
            Slot::Occupied(known) if known.get().0 == value => return None,
            Slot::Occupied(known) => return Some(vec![known.get().1, witness]),
            Slot::Vacant(free) => free.insert((value, witness)),
        };
        self.twice |= self.index.insert(value, (index, witness)).is_some();
        None
    }
}
