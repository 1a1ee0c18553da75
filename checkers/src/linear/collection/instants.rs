//! Orders of a bag and of a priority queue: every operation at an instant of its own.
//!
//! An element is put in as late and taken out as early as can be. In a bag that is all. In a priority
//! queue it can only come out when nothing smaller is in, so elements are placed from the smallest
//! to the greatest: the smaller do not care about the greater, and each one is in for a time that
//! lies within the time of every other order. (If an element has to wait for smaller ones,
//! zones of smaller ones lie over the whole time that it waits.)
//!
//! Not here: when it is empty; see [`super::zones`]. There no element is in.

use super::case::{Case, Item, NEVER, Time};
use super::clash::{Clash, Step};
use super::skip::Skip;
use super::zones::cover;

/// An instant, and what comes first in it: what is done with elements from the smallest to the
/// greatest, then everything that nobody knows by name goes, then it is empty.
type Place = (Time, Turn, u32, Step);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Known,
    Unknown,
    Empty,
}

/// The order of a bag: there always is one.
pub(super) fn bag(case: &Case) -> Vec<Step> {
    let mut emptied: Vec<Time> = case.empties.iter().map(|empty| empty.at).collect();
    emptied.sort_unstable();
    let takes = case.items.iter().map(|item| {
        if item.is_swallowed() {
            // Right before it is found empty: see the model.
            let at = emptied.partition_point(|&at| at < item.put.to);
            return (emptied.get(at).copied().unwrap_or(NEVER), Turn::Unknown);
        }
        (item.take.from.max(item.put.to), Turn::Known)
    });
    placed(case, takes)
}

/// The order of a priority queue.
pub(super) fn priority(case: &Case) -> Result<Vec<Step>, Clash> {
    let mut instants: Vec<Time> = case.items.iter().map(|item| item.take.from).collect();
    instants.push(NEVER);
    instants.sort_unstable();
    instants.dedup();
    let mut free = Skip::new(instants.len());
    let mut taken = vec![NEVER; case.items.len()];
    let mut smallest_first: Vec<(u32, u32)> =
        (0..).zip(&case.items).map(|(id, item)| (item.rank, id)).collect();
    smallest_first.sort_unstable();
    for (rank, id) in smallest_first {
        let Item { put, take, .. } = case.items[id as usize];
        let earliest = instants.partition_point(|&instant| instant < take.from);
        let at = free.next(earliest).expect("the last instant is after everything and stays free");
        if instants[at] > take.to {
            let mut items = cover(case, |other| other.rank < rank, take.from, take.to);
            items.push(id);
            return Err(Clash { items, empty: None });
        }
        taken[id as usize] = instants[at];
        let begins = instants.partition_point(|&instant| instant <= put.to);
        let mut inside = free.next(begins);
        while let Some(instant) = inside.filter(|&instant| instant < at) {
            free.remove(instant);
            inside = free.next(instant);
        }
    }
    Ok(placed(case, taken.into_iter().map(|at| (at, Turn::Known))))
}

/// Everything by its instant, where takes have these.
fn placed(case: &Case, takes: impl Iterator<Item = (Time, Turn)>) -> Vec<Step> {
    let mut places: Vec<Place> = Vec::with_capacity(2 * case.items.len() + case.empties.len());
    for ((id, item), (at, turn)) in (0..).zip(&case.items).zip(takes) {
        places.push((item.put.to.min(at), Turn::Known, item.rank, Step::Put(id)));
        places.push((at, turn, item.rank, Step::Take(id)));
    }
    places.extend((0..).zip(&case.empties).map(|(id, empty)| (empty.at, Turn::Empty, 0, Step::Empty(id))));
    // An element that comes and goes in one instant is put in before it is taken, as steps are ordered; and
    // two that have an instant in common differ in rank, or are only taken in it.
    places.sort_unstable();
    places.into_iter().map(|(.., step)| step).collect()
}
