//! What a violation looks like over time, for objects of which the order of calls does not show it at
//! a glance: what became of an element, who held a lock.
//!
//! Not here: whether something is a violation. A picture is drawn of one that was proven.

use super::{Case, Seen};
use crate::verdict::{Clash, Picture, Stretch, Tone, Track};
use crate::words;

/// Stretches on one track; of more, the first and the last are drawn.
const MAX_STRETCHES: usize = 4;

/// What a call has to do with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It puts it there.
    Puts,
    /// It takes it away.
    Takes,
    /// It saw it.
    Sees,
    /// It looked, and did not see it.
    Misses,
}

/// The life of an element: put there, seen, not seen any more. `what` names it.
pub(super) fn life<O>(
    case: &Case<'_, O>,
    what: &str,
    sight: impl Fn(&Seen<'_, O>) -> Option<Sight>,
) -> Option<Picture> {
    let culprit = &case.calls[case.culprit];
    let of = |wanted: Sight| case.calls.iter().filter(|call| sight(call) == Some(wanted)).collect::<Vec<_>>();
    let (put, taken, seen, missed) = (of(Sight::Puts), of(Sight::Takes), of(Sight::Sees), of(Sight::Misses));
    let track = |label: &str, calls: &[&Seen<'_, O>]| Track {
        label: label.to_owned(),
        node: None,
        stretches: thinned(calls.iter().map(|call| stretch(call, who(call), culprit)).collect()),
    };
    // Before it was there for the first time nobody could see it.
    let there = put.iter().chain(&seen).filter_map(|call| call.returned()).min();
    let late: Vec<_> = missed
        .iter()
        .copied()
        .filter(|call| there.is_some_and(|there| there < call.invoked()) || is(call, culprit))
        .collect();
    let rows = [("put in", &put), ("seen", &seen), ("taken out", &taken), ("not seen", &late)];
    let tracks: Vec<Track> = rows
        .iter()
        .filter(|(_, calls)| !calls.is_empty())
        .map(|(label, calls)| track(label, calls))
        .collect();
    let acknowledged = put
        .iter()
        .filter_map(|call| call.call.returned())
        .filter(|op| op.index < culprit.invoked())
        .min_by_key(|op| op.index);
    let last_seen = seen.iter().filter_map(|call| call.call.returned()).max_by_key(|op| op.index);
    let mut told = Vec::new();
    told.extend(acknowledged.map(|op| format!("acknowledged at {}", words::at(op.time))));
    told.extend(last_seen.map(|op| {
        let reads = words::counted(seen.len() as u64, "call", "calls");
        format!("seen by {reads} until {}", words::at(op.time))
    }));
    if sight(culprit) == Some(Sight::Misses) {
        let reads = words::counted(late.len() as u64, "call", "calls");
        told.push(format!("missing from {reads}, first at {}", words::at(late.first()?.call.invoke.time)));
    }
    // Where it was still there for certain, for the last time before.
    let certain = put.iter().chain(&seen).filter_map(|call| call.call.returned());
    let certain = certain.filter(|op| op.index < culprit.invoked()).max_by_key(|op| op.index);
    let from = certain.map_or(culprit.call.invoke.time, |op| op.time);
    Some(Picture {
        caption: what.to_owned(),
        tracks,
        clash: (!told.is_empty()).then(|| Clash { from, to: end(culprit), words: told.join(", ") }),
    })
}

/// What happened to each of some elements, one track for each.
pub(super) fn elements<O>(
    case: &Case<'_, O>,
    caption: &str,
    rows: impl Iterator<Item = (String, Vec<usize>)>,
    label: impl Fn(&Seen<'_, O>) -> String,
    clash: Option<(u64, String)>,
) -> Picture {
    let culprit = &case.calls[case.culprit];
    let draw = |at: &usize| {
        let call = &case.calls[*at];
        stretch(call, label(call), culprit)
    };
    let track = |(label, calls): (String, Vec<usize>)| Track {
        label,
        node: None,
        stretches: thinned(calls.iter().map(draw).collect()),
    };
    Picture {
        caption: caption.to_owned(),
        tracks: rows.map(track).collect(),
        clash: clash.map(|(from, words)| Clash { from, to: end(culprit), words }),
    }
}

/// `p3`.
pub(super) fn who<O>(call: &Seen<'_, O>) -> String {
    format!("p{}", call.call.invoke.process)
}

/// When a call came back; of one that did not, when it began.
pub(super) fn end<O>(call: &Seen<'_, O>) -> u64 {
    call.call.returned().map_or(call.call.invoke.time, |op| op.time)
}

/// A call as a stretch of time, the culprit marked.
pub(super) fn stretch<O>(call: &Seen<'_, O>, label: String, culprit: &Seen<'_, O>) -> Stretch {
    Stretch {
        from: call.call.invoke.time,
        to: call.call.returned().map(|op| op.time),
        label,
        tone: if is(call, culprit) {
            Tone::Wrong
        } else if call.returned().is_none() {
            Tone::Doubt
        } else {
            Tone::Plain
        },
    }
}

fn is<O>(call: &Seen<'_, O>, other: &Seen<'_, O>) -> bool {
    call.invoked() == other.invoked()
}

/// Those that are wrong, and of the others the first and the last.
pub(super) fn thinned(stretches: Vec<Stretch>) -> Vec<Stretch> {
    let over = stretches.len().saturating_sub(MAX_STRETCHES);
    let middle = MAX_STRETCHES / 2..MAX_STRETCHES / 2 + over;
    let keep = |(at, stretch): &(usize, Stretch)| !middle.contains(at) || stretch.tone == Tone::Wrong;
    stretches.into_iter().enumerate().filter(keep).map(|(_, stretch)| stretch).collect()
}
