//! Proofs that more were inside than may be.
//!
//! When the culprit returns, everything that has returned has happened, and nothing has that was
//! not invoked. So whoever has acquired by then and has not begun to release holds the lock,
//! whatever the order.

use super::super::{Anomaly, Case};
use crate::history::Process;
use crate::words::who;
use rustc_hash::FxHashMap;
use std::hash::Hash;

/// The name of the violation.
const SPLIT: &str = "split lock";

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
