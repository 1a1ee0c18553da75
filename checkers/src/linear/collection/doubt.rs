//! Those who took nobody knows what: which elements are gone because of them.
//!
//! An element that nobody is known to have taken may be gone. In a queue it has to be if one that
//! went in after it came out, and anywhere if it went in before it was found empty: at the latest by
//! then. The earlier it went in, the earlier it has to be gone; so there are enough takes exactly if
//! the first one began early enough for the first such element, the second one for the second, and so
//! on.
//!
//! In a stack and in a priority queue that is not all. There elements are supposed to be gone where
//! they are in the way, at any time from the first such take on, and whether there are enough takes
//! is only looked at when there is an order. So some of these histories are left to the search.

use super::case::{Case, Item, NEVER, NONE, Time, number};
use super::clash::{Clash, Step};
use crate::model::FirstOut;

/// How often elements that are in the way are supposed to be gone, before all are.
const MAX_ROUNDS: usize = 16;

/// Lets go what has to be gone in any order.
pub(super) fn let_go(case: &mut Case) -> Result<(), Clash> {
    let Some(&(first, _)) = case.takes.first() else { return Ok(()) };
    let emptied = case.empties.iter().map(|empty| empty.at).max();
    let mut staying: Vec<u32> =
        (0..).zip(&case.items).filter(|(_, item)| item.stays()).map(|(id, _)| id).collect();
    staying.sort_unstable_by_key(|&id| case.items[id as usize].put.to);
    let overtaking = if case.first_out == FirstOut::Oldest { overtaking(case) } else { Vec::new() };
    for at in 0..staying.len() {
        let Item { put, .. } = case.items[staying[at] as usize];
        let after = overtaking.partition_point(|&(from, ..)| from <= put.to);
        let overtaken = overtaking.get(after).map(|&(_, ended, id)| (ended, id));
        if let Some((ended, id)) = overtaken
            && case.takes.get(at).is_none_or(|&(from, _)| from > ended)
        {
            let items = staying[..=at].iter().copied().chain([id]).collect();
            return Err(Clash { items, empty: None });
        }
        if overtaken.is_none() && emptied.is_none_or(|emptied| emptied < put.to) {
            break;
        }
        let since = if case.first_out == FirstOut::Oldest { case.takes[at].0 } else { first };
        case.items[staying[at] as usize].swallow(since);
    }
    Ok(())
}

/// For elements by the beginning of their puts: of all from there on, the one whose take ended first.
fn overtaking(case: &Case) -> Vec<(Time, Time, u32)> {
    let mut first = (NEVER, NONE);
    let mut found = Vec::with_capacity(case.items.len());
    for id in (0..number(case.items.len())).rev() {
        let item = &case.items[id as usize];
        first = first.min((item.take.to, id));
        found.push((item.put.from, first.0, first.1));
    }
    found.retain(|&(_, ended, _)| ended < NEVER);
    found.reverse();
    found
}

/// Supposes that what is in the way is gone. False: nothing is.
pub(super) fn yields(case: &mut Case, clash: &Clash, round: usize) -> bool {
    let Some(&(first, _)) = case.takes.first() else { return false };
    let in_the_way = clash.items.iter().any(|&id| case.items[id as usize].stays());
    if in_the_way {
        let all = round >= MAX_ROUNDS;
        let many = if all { (0..number(case.items.len())).collect() } else { clash.items.clone() };
        for id in many {
            let item = &mut case.items[id as usize];
            if item.stays() {
                item.swallow(first);
            }
        }
    }
    in_the_way
}

/// The entries of an order, without what comes after everything that is certain. `None`: there are
/// too few takes for it, or they began too late.
pub(super) fn entries(case: &Case, steps: &[Step]) -> Option<Vec<u32>> {
    let span = |step: Step| match step {
        Step::Put(id) => case.items[id as usize].put,
        Step::Take(id) => case.items[id as usize].take,
        Step::Empty(id) => case.empties[id as usize].span,
    };
    let end = steps.iter().rposition(|&step| span(step).to < NEVER).map_or(0, |last| last + 1);
    let swallows = |step: Step| matches!(step, Step::Take(id) if case.items[id as usize].is_swallowed());
    // Backwards, the last moment for each: before the end of everything that comes after.
    let mut due = NEVER;
    let mut missing = steps[..end].iter().filter(|&&step| swallows(step)).count();
    let mut order: Vec<u32> = Vec::with_capacity(end);
    for &step in steps[..end].iter().rev() {
        due = due.min(span(step).to);
        let op = match step {
            Step::Put(id) => case.items[id as usize].put_op,
            Step::Empty(id) => case.empties[id as usize].op,
            Step::Take(_) if swallows(step) => {
                missing -= 1;
                case.takes.get(missing).filter(|&&(from, _)| from < due)?.1
            }
            Step::Take(id) => case.items[id as usize].take_op,
        };
        if op != NONE {
            order.push(op);
        }
    }
    order.reverse();
    Some(order)
}
