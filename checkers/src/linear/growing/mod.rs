//! Deciding without a search, where an object only grows: counters, logs, sets.
//!
//! Whoever reads such an object says where it stands, and two readings say which of them comes
//! first. What was added lies between the last reading without it and the first one with it. So
//! most operations have one place; those without one, whose place nobody saw, fill what is left.
//!
//! `line` puts operations on a line of numbers; `number` and `log` say where on it their
//! operations are; a `set` is a line of what was read.
//!
//! Not here: proof. An order is replayed by [`super::certify`], and operations that rule one out
//! are refuted again by a search ([`super::engine`]).

mod fill;
mod line;
mod log;
mod number;
mod set;

use super::found::{Evidence, Found, Others};
use super::limits::{Charge, Spent};
use super::partition::{Entry, Moment};
use super::subject::Subject;
use crate::model::Growth;

/// No operation.
const NONE: u32 = u32::MAX;

/// Bytes that a decision holds for each operation, at most.
const BYTES_PER_ENTRY: usize = 320;

/// What is to be decided.
struct Calls<'a> {
    /// Those invoked in time.
    entries: &'a [Entry],
    /// What every class of operations says.
    says: Vec<Growth<'a>>,
    until: Moment,
}

impl<'a> Calls<'a> {
    fn says(&self, entry: u32) -> Growth<'a> {
        self.says[self.entries[entry as usize].class as usize]
    }

    fn invoke(&self, entry: u32) -> Moment {
        self.entries[entry as usize].invoke
    }

    fn ret(&self, entry: u32) -> Option<Moment> {
        self.entries[entry as usize].ret.filter(|&ret| ret <= self.until)
    }

    fn each(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.entries.len()).expect("a history has fewer than 2^32 operations")
    }

    /// These, without those in doubt.
    fn completed(&self, ops: &[u32]) -> Vec<u32> {
        let mut ops: Vec<u32> =
            ops.iter().copied().filter(|&op| op != NONE && self.ret(op).is_some()).collect();
        ops.sort_unstable();
        ops.dedup();
        ops
    }

    /// These rule an order out, whatever else happened.
    fn impossible(&self, ops: &[u32]) -> Found {
        Found::Impossible(Evidence { ops: self.completed(ops), others: Others::Optional })
    }
}

/// Decides what happened up to the return at `until`; what returns later is in doubt. `None` when
/// that leaves open where an operation belongs.
pub(super) fn decide(
    subject: &Subject<'_>,
    until: Moment,
    charge: &mut Charge,
) -> Result<Option<Found>, Spent> {
    let object = subject.object;
    let classes = u32::try_from(object.classes()).expect("no more classes than operations");
    let Some(first) = (0..classes).next().and_then(|class| object.growth(class)) else { return Ok(None) };
    let entries = subject.entries;
    let entries = &entries[..entries.partition_point(|entry| entry.invoke <= until)];
    charge.can_hold(entries.len() * BYTES_PER_ENTRY)?;
    let says: Option<Vec<Growth<'_>>> = (0..classes).map(|class| object.growth(class)).collect();
    let Some(says) = says else { return Ok(None) };
    let calls = Calls { entries, says, until };
    match first {
        Growth::By(..) | Growth::At(_) | Growth::Nothing => number::decide(&calls, charge),
        Growth::Append(..) | Growth::Entry(..) | Growth::Entries(_) => log::decide(&calls, charge),
        Growth::Add(_) | Growth::Members(_) => set::decide(&calls, charge),
    }
}
