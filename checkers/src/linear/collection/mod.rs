//! Decides a container without a search, where every element is put in once.
//!
//! An element has a span in which it was put in and one in which it came out ([`case`]); an element
//! that was in doubt is dropped or, if it came out, put in before that. It was in for certain in its
//! zone, between the two, and nobody found the container empty there ([`zones`]). Then
//! elements are put in an order in which they can come out: [`instants`] for a bag and a priority
//! queue, [`queue`], [`stack`]. All four are exact. Takes of nobody knows what come last ([`doubt`]).
//!
//! Whatever is legal stays legal when all operations on some elements are left out. That is why a few
//! elements that clash prove a violation, and why those that were put in more than once can be left
//! out to look for one; an order needs them all.
//!
//! Not here: proof. An order is replayed by [`super::certify`], and a clash is refuted again by a
//! search ([`super::engine`]).
//!
//! (That such histories of collections can be decided in polynomial time: Emmi and Enea 2018. The
//! algorithms, and operations whose outcome is in doubt, are our own.)

mod case;
mod clash;
mod contents;
mod doubt;
mod instants;
mod queue;
mod skip;
mod stack;
mod tree;
mod zones;

pub(super) use contents::Contents;

use super::found::{Evidence, Found, Others};
use super::limits::{Charge, Spent};
use super::partition::{Entry, Moment};
use super::subject::Subject;
use crate::model::FirstOut;
use case::{Case, NONE, Read, SOMEBODY};
use clash::{Clash, Step};
use contents::Does;

/// Decides what happened up to the return at `until`; what returns later is in doubt. `None` when
/// the model is no container, when elements that matter are not told apart, or when it takes
/// a search to see what was taken.
pub(super) fn decide(
    subject: &Subject<'_>,
    until: Moment,
    charge: &mut Charge,
) -> Result<Option<Found>, Spent> {
    let Some(contents) = &subject.contents else { return Ok(None) };
    let entries = subject.entries;
    let entries = &entries[..entries.partition_point(|entry| entry.invoke <= until)];
    charge.can_hold(case::bytes(entries.len()))?;
    charge.time()?;
    let impossible = |ops| Ok(Some(Found::Impossible(evidence(contents, entries, ops))));
    let mut case = match case::read(contents, entries, until) {
        Read::Case(case) => case,
        Read::Impossible(ops) => return impossible(ops),
        Read::Unfit => return Ok(None),
    };
    charge.time()?;
    match arrange(&mut case, charge)? {
        Ok(_) if !case.complete => Ok(None),
        Ok(steps) => {
            charge.time()?;
            Ok(doubt::entries(&case, &steps).map(Found::Order))
        }
        // Somebody else may have taken what was never taken by whom we know.
        Err(clash)
            if !case.takes.is_empty() && clash.items.iter().any(|&id| case.items[id as usize].may_stay()) =>
        {
            Ok(None)
        }
        Err(clash) => impossible(operations(&case, &clash)),
    }
}

/// Steps for everything, or what clashes.
fn arrange(case: &mut Case, charge: &Charge) -> Result<Result<Vec<Step>, Clash>, Spent> {
    if let Err(clash) = zones::settle(case, charge).and_then(|()| doubt::let_go(case)) {
        return Ok(Err(clash));
    }
    let mut round = 0;
    loop {
        charge.time()?;
        let arranged = match case.first_out {
            FirstOut::Any => Ok(instants::bag(case)),
            FirstOut::Smallest => instants::priority(case),
            FirstOut::Oldest => queue::order(case),
            FirstOut::Newest => stack::order(case, charge),
        };
        match arranged {
            // Each time, fewer elements stay.
            Err(clash) if doubt::yields(case, &clash, round) => round += 1,
            arranged => return Ok(arranged),
        }
    }
}

/// The entries of a clash, with everybody who may have taken something of it.
fn operations(case: &Case, clash: &Clash) -> Vec<u32> {
    let items = || clash.items.iter().map(|&id| &case.items[id as usize]);
    let unknown = items().any(|item| item.stays() || item.is_swallowed());
    let takes = case.takes.iter().map(|&(_, op)| op).filter(|_| unknown);
    items().flat_map(|item| [item.put_op, item.take_op]).chain(takes).chain(clash.empty).collect()
}

/// What was in at first is in the model's first state, and cannot be left out.
fn evidence(contents: &Contents, entries: &[Entry], mut ops: Vec<u32>) -> Evidence {
    ops.retain(|&op| op != NONE && op != SOMEBODY);
    if !contents.initial.is_empty() {
        let is_initial = |entry: &Entry| match contents.of(entry.class) {
            Does::Put(element) | Does::Took(element) => contents.initial.contains(&element),
            Does::Take | Does::Empty => false,
        };
        ops.extend((0..).zip(entries).filter(|(_, entry)| is_initial(entry)).map(|(op, _)| op));
    }
    ops.sort_unstable();
    ops.dedup();
    Evidence { ops, others: Others::Dropped }
}
