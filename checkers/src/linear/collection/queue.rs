//! The order of a queue: first in, first out.
//!
//! Elements go through a queue in one order, in which they are put in and in which they come out. One
//! has to be before another if its put ended before the other's began, or its take did. Both
//! relations are interval orders, and in the union of two such there is a cycle only if two elements
//! have to be before each other. So whoever is first in both among the rest can go next, and where
//! nobody is, two are in each other's way: the one whose put ended first and the one whose take did.
//! (Whoever is found empty is an element that comes and goes in an instant.)

use super::case::{Case, Item, Span, Time, number};
use super::clash::{Clash, Step};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// When an element goes in and comes out.
#[derive(Clone, Copy)]
struct Passage {
    put: Span,
    take: Span,
}

/// The order of a queue.
pub(super) fn order(case: &Case) -> Result<Vec<Step>, Clash> {
    let items = case.items.iter().map(|&Item { put, take, .. }| Passage { put, take });
    let empties = case.empties.iter().map(|empty| {
        let at = Span { from: empty.at, to: empty.at };
        Passage { put: at, take: at }
    });
    let passages: Vec<Passage> = items.chain(empties).collect();
    let order = passing(&passages).map_err(|pair| {
        // A pair with somebody who found it empty does not occur: see `zones`.
        let items = pair.into_iter().filter(|&id| (id as usize) < case.items.len()).collect();
        Clash { items, empty: None }
    })?;
    Ok(merged(case, &passages, &order))
}

/// Sorted by `key`, with the position of each.
fn sorted(passages: &[Passage], key: impl Fn(&Passage) -> Time) -> Vec<(Time, u32)> {
    let mut sorted: Vec<(Time, u32)> = (0..).zip(passages).map(|(id, passage)| (key(passage), id)).collect();
    sorted.sort_unstable();
    sorted
}

/// In which order they pass, or two that have to be before each other.
fn passing(passages: &[Passage]) -> Result<Vec<u32>, [u32; 2]> {
    let mut put_ends = sorted(passages, |passage| passage.put.to).into_iter().peekable();
    let mut take_ends = sorted(passages, |passage| passage.take.to).into_iter().peekable();
    let mut put_begins = sorted(passages, |passage| passage.put.from).into_iter().peekable();
    // First among the rest as far as puts go, by the beginning of the take.
    let mut can_go: BinaryHeap<Reverse<(Time, u32)>> = BinaryHeap::new();
    let mut gone = vec![false; passages.len()];
    let mut order = Vec::with_capacity(passages.len());
    while order.len() < passages.len() {
        while put_ends.next_if(|&(_, id)| gone[id as usize]).is_some() {}
        while take_ends.next_if(|&(_, id)| gone[id as usize]).is_some() {}
        let (Some(&(put_end, first_in)), Some(&(take_end, first_out))) = (put_ends.peek(), take_ends.peek())
        else {
            break;
        };
        while let Some((_, id)) = put_begins.next_if(|&(begin, _)| begin <= put_end) {
            can_go.push(Reverse((passages[id as usize].take.from, id)));
        }
        match can_go.pop() {
            Some(Reverse((begin, id))) if begin <= take_end => {
                gone[id as usize] = true;
                order.push(id);
            }
            _ => return Err([first_in, first_out]),
        }
    }
    Ok(order)
}

/// Puts and takes at instants that respect their spans and that order.
fn merged(case: &Case, passages: &[Passage], order: &[u32]) -> Vec<Step> {
    let mut steps = Vec::with_capacity(2 * order.len());
    let (mut put_at, mut take_at) = (Time::MIN, Time::MIN);
    // Elements before this one in `order` have come out.
    let mut out = 0;
    let mut takes = Vec::with_capacity(order.len());
    for &id in order {
        let Passage { put, take } = passages[id as usize];
        put_at = put_at.max(put.from);
        take_at = take_at.max(put_at).max(take.from);
        takes.push(take_at);
    }
    let leave = |id: u32| match (id as usize).checked_sub(case.items.len()) {
        Some(_) => Step::Empty(id - number(case.items.len())),
        None => Step::Take(id),
    };
    put_at = Time::MIN;
    for (n, &id) in order.iter().enumerate() {
        put_at = put_at.max(passages[id as usize].put.from);
        // What is due to leave by then leaves first: a later element must not be in at an instant of
        // emptiness.
        while out < n && takes[out] <= put_at {
            steps.push(leave(order[out]));
            out += 1;
        }
        if (id as usize) < case.items.len() {
            steps.push(Step::Put(id));
        }
    }
    steps.extend(order[out..].iter().map(|&id| leave(id)));
    steps
}
