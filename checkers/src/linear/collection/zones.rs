//! When something was in for certain, and when it can have been empty.
//!
//! The zone of an element lies between the end of its put and the beginning of its take. At an
//! instant outside all zones every element can be wholly before or wholly after it, whatever the
//! order in which elements come out: so there it can have been empty, and which of several such
//! instants is chosen changes nothing.
//!
//! Somebody who took nobody knows what can have made room: at an instant outside the zones of what is
//! known to have come out, the rest can be gone if there are as many such takes that began before.

use super::case::{Case, Empty, Item, Span, Time};
use super::clash::{Clash, fewest};
use crate::linear::limits::Charge;

/// Finds an instant for everybody who found it empty.
pub(super) fn settle(case: &mut Case, charge: &Charge) -> Result<(), Clash> {
    if case.empties.is_empty() {
        return Ok(());
    }
    let possible = possible(case);
    for at in 0..case.empties.len() {
        match first_within(&possible, case.empties[at].span) {
            Some(instant) => case.empties[at].at = instant,
            None => return Err(full(case, at, charge)),
        }
    }
    Ok(())
}

fn first_within(instants: &[Time], span: Span) -> Option<Time> {
    let first = instants.partition_point(|&instant| instant < span.from);
    instants.get(first).copied().filter(|&instant| instant <= span.to)
}

/// What makes an instant possible or impossible.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    ZoneBegins,
    ZoneEnds,
    /// Something is in that is not known to have come out.
    Stays,
    /// Somebody may have taken something from now on.
    Take,
    /// Somebody wants to find it empty from now on.
    Empty,
}

/// Instants at which it can have been empty, ascending: for everybody who found it empty the
/// first one is among them, if there is one.
fn possible(case: &Case) -> Vec<Time> {
    let mut events: Vec<(Time, Event)> = Vec::with_capacity(2 * case.items.len() + case.empties.len());
    for item in &case.items {
        match item.zone() {
            Some((from, _)) if item.stays() => events.push((from, Event::Stays)),
            Some((from, to)) => events.extend([(from, Event::ZoneBegins), (to, Event::ZoneEnds)]),
            None => {}
        }
    }
    events.extend(case.takes.iter().map(|&(from, _)| (from, Event::Take)));
    events.extend(case.empties.iter().map(|empty| (empty.span.from, Event::Empty)));
    events.sort_unstable();
    let (mut zones, mut stay, mut takes) = (0_usize, 0_usize, 0_usize);
    let mut possible = Vec::new();
    for (instant, event) in events {
        match event {
            Event::ZoneBegins => zones += 1,
            Event::ZoneEnds => zones -= 1,
            Event::Stays => stay += 1,
            Event::Take => takes += 1,
            Event::Empty => {}
        }
        // No zone begins at an instant that is tried here: each event of a history is another one.
        if zones == 0 && stay <= takes && !matches!(event, Event::ZoneBegins | Event::Stays) {
            possible.push(instant);
        }
    }
    possible
}

/// What was in all the time that `case.empties[at]` took.
fn full(case: &Case, at: usize, charge: &Charge) -> Clash {
    let Empty { span, op, .. } = case.empties[at];
    if case.takes.is_empty() {
        return Clash { items: cover(case, |_| true, span.from, span.to), empty: Some(op) };
    }
    let is_near = |item: &Item| item.zone().is_some_and(|(from, to)| from < span.to && to > span.from);
    let near = (0..).zip(&case.items).filter(|(_, item)| is_near(item)).map(|(id, _)| id).collect();
    let fails = |items: &[u32]| {
        let empties = vec![case.empties[at]];
        let case = Case { empties, takes: case.takes.clone(), ..case.only(items) };
        first_within(&possible(&case), span).is_none()
    };
    Clash { items: fewest(near, charge, fails), empty: Some(op) }
}

/// As few elements as possible whose zones lie over all instants from `from` to `to`, which zones of
/// such elements do.
pub(super) fn cover(case: &Case, is: impl Fn(&Item) -> bool, from: Time, to: Time) -> Vec<u32> {
    let zone = |(id, item): (u32, &Item)| {
        let (begin, end) = item.zone().filter(|_| is(item))?;
        (begin < to && end > from).then_some((begin, end, id))
    };
    let mut zones: Vec<(Time, Time, u32)> = (0..).zip(&case.items).filter_map(zone).collect();
    zones.sort_unstable();
    let mut zones = zones.into_iter().peekable();
    let (mut reached, mut chosen) = (from, Vec::new());
    // Of those that began before, the one that lasts longest.
    let mut best: Option<(Time, u32)> = None;
    while reached <= to {
        while let Some((_, end, id)) = zones.next_if(|&(begin, ..)| begin < reached) {
            best = best.max(Some((end, id)));
        }
        match best.take() {
            Some((end, id)) if end > reached => {
                reached = end;
                chosen.push(id);
            }
            // Not covered: no evidence then, and whoever looks at it again will say so.
            _ => break,
        }
    }
    chosen
}
