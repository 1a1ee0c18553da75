//! Proofs that more were inside than may be.
//!
//! When the culprit returns, everything that has returned has happened, and nothing has that was
//! not invoked. So whoever has acquired by then and has not begun to release holds the lock,
//! whatever the order.

use super::super::{Anomaly, Case, picture};
use crate::history::Process;
use crate::verdict::{Clash, Picture, Stretch, Tone, Track};
use crate::words::{self, who};
use rustc_hash::FxHashMap;
use std::hash::Hash;

/// The name of the violation.
const SPLIT: &str = "split lock";

/// Holders drawn, the last ones.
const MAX_HOLDERS: usize = 6;

/// Times that each of them held it, the last ones.
const MAX_HELD: usize = 4;

/// So much is held for certain: what was acquired and returned, less what had begun to be
/// released. And the last call that acquired some.
#[derive(Clone, Copy, Default)]
struct Held {
    permits: i64,
    last: Option<usize>,
}

/// What each of the groups that `holds` tells apart must hold when the culprit returns. `holds`
/// says how much an operation takes, or gives back if negative.
fn must_hold<O, G: Eq + Hash>(
    case: &Case<'_, O>,
    holds: impl Fn(&O) -> (G, i64),
) -> Option<FxHashMap<G, Held>> {
    let now = case.calls[case.culprit].returned()?;
    let mut groups: FxHashMap<G, Held> = FxHashMap::default();
    for (at, call) in case.calls.iter().enumerate() {
        let (group, change) = holds(call.op);
        let group = groups.entry(group).or_default();
        if change > 0 && call.returned().is_some_and(|end| end <= now) {
            group.permits += change;
            if at != case.culprit {
                group.last = Some(at);
            }
        } else if change < 0 && call.invoked() < now {
            group.permits += change;
        }
    }
    Some(groups)
}

/// More than `limit` are out for certain when the culprit returns.
pub(super) fn by_count<O>(case: &Case<'_, O>, limit: i64, holds: impl Fn(&O) -> i64) -> Option<Anomaly> {
    if holds(case.calls[case.culprit].op) <= 0 {
        return None;
    }
    let held = *must_hold(case, |op| ((), holds(op)))?.get(&())?;
    let last = held.last.filter(|_| held.permits > limit)?;
    let because = if limit == 1 {
        let other = who(&case.calls[last].call);
        format!("although {other} had acquired it, and no release had begun that could have freed it since")
    } else {
        format!("which makes {} that are out for certain, where no more than {limit} may be", held.permits)
    };
    Some(Anomaly { name: SPLIT, because, evidence: vec![last] })
}

/// Two processes hold it for certain when the culprit returns. Only its owner can release it.
pub(super) fn by_owner<O>(case: &Case<'_, O>, holds: impl Fn(&O) -> (Process, i64)) -> Option<Anomaly> {
    let (mine, change) = holds(case.calls[case.culprit].op);
    let held = must_hold(case, &holds)?;
    if change <= 0 || held.get(&mine)?.permits <= 0 {
        return None;
    }
    let others = held.iter().filter(|(process, held)| **process != mine && held.permits > 0);
    let last = others.filter_map(|(_, held)| held.last).max()?;
    let because =
        format!("although {} had acquired it and had not begun to release it", who(&case.calls[last].call));
    Some(Anomaly { name: SPLIT, because, evidence: vec![last] })
}

/// Who held it when, for certain: from the return of an acquisition to the beginning of the release.
/// `gets`: does an operation acquire, or else release?
pub(super) fn picture<O>(case: &Case<'_, O>, gets: impl Fn(&O) -> bool) -> Option<Picture> {
    let culprit = &case.calls[case.culprit];
    let now = culprit.call.returned().filter(|_| gets(culprit.op))?;
    let mut tracks: Vec<Track> = Vec::new();
    let mut holders: Vec<(String, u64)> = Vec::new();
    // The next release of each process, seen from the end.
    let mut releases: FxHashMap<Process, u64> = FxHashMap::default();
    let mut mine = None;
    for (at, call) in case.calls.iter().enumerate().rev() {
        let process = call.call.invoke.process;
        if !gets(call.op) {
            releases.insert(process, call.call.invoke.time);
            continue;
        }
        let given_back = releases.get(&process).copied();
        let Some(got) = call.call.returned().filter(|got| got.index <= now.index) else { continue };
        let name = picture::who(call);
        if at == case.culprit {
            mine = given_back;
        } else if given_back.is_none_or(|end| end > now.time) {
            holders.push((name.clone(), given_back.unwrap_or(u64::MAX)));
        }
        let label = if given_back.is_some() { "held" } else { "held, and never began to release" };
        let tone = if at == case.culprit { Tone::Wrong } else { Tone::Plain };
        let held = Stretch { from: got.time, to: given_back, label: label.to_owned(), tone };
        match tracks.iter().position(|track| track.label == name) {
            Some(at) if tracks[at].stretches.len() < MAX_HELD => tracks[at].stretches.insert(0, held),
            None if tracks.len() < MAX_HOLDERS => tracks.push(Track {
                label: name,
                node: words::node(&call.call).map(str::to_owned),
                stretches: vec![held],
            }),
            _ => {}
        }
    }
    let last = case.calls.iter().map(picture::end).max()?;
    let until = holders.iter().map(|(_, end)| *end).min()?.min(mine.unwrap_or(last)).min(last);
    let mut names: Vec<String> = holders.into_iter().rev().map(|(name, _)| name).collect();
    names.push(picture::who(culprit));
    names.dedup();
    let told = match names.as_slice() {
        [one, other] => {
            format!("{one} and {other} both held it for {}", words::span(until.saturating_sub(now.time)))
        }
        all => {
            format!("{} held it at once for {}", all.join(", "), words::span(until.saturating_sub(now.time)))
        }
    };
    tracks.reverse();
    Some(Picture {
        caption: "who held it for certain".to_owned(),
        tracks,
        clash: Some(Clash { from: now.time, to: until.max(now.time), words: told }),
    })
}
