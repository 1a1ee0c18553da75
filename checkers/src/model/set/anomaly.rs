//! What kind of violation a set shows, where that can be proven.

use super::{Elements, SetOp};
use crate::model::persist::Element;
use crate::model::picture::{self, Sight};
use crate::model::{Anomaly, Case, NOT_LINEARIZABLE, Seen};
use crate::verdict::Picture;
use crate::words::{after, who};
use rustc_hash::FxHashSet;

type Call<'a> = Seen<'a, SetOp>;

pub(super) fn classify(initial: &[Element], case: &Case<'_, SetOp>) -> Option<Anomaly> {
    match case.calls[case.culprit].op {
        SetOp::Contains(element, true) => {
            from_nowhere(initial, element, case).or_else(|| removed(element, case))
        }
        SetOp::Contains(element, false) => missing(element, case),
        SetOp::Read(Elements { twice: Some(element), .. }) => Some(Anomaly {
            name: "duplicate element",
            because: format!("which holds {element} twice, and a set does not"),
            evidence: Vec::new(),
        }),
        SetOp::Read(seen) => {
            let seen = &seen.distinct;
            let there = || seen.iter().map(|(element, _)| element);
            // Each look at one element goes through all calls: only for those where it can tell.
            let ended = case.calls[case.culprit].returned()?;
            let begun = |call: &&Call| call.invoked() < ended;
            let added = case.calls.iter().filter(begun).filter_map(|call| match call.op {
                SetOp::Add(element) => Some(element),
                _ => None,
            });
            let known: FxHashSet<&Element> = added.clone().collect();
            let gone: FxHashSet<&Element> = case
                .calls
                .iter()
                .filter_map(|call| match call.op {
                    SetOp::Remove(element) => Some(element),
                    _ => None,
                })
                .collect();
            let mut unknown = there().filter(|element| !known.contains(*element));
            let mut unseen = added.filter(|element| seen.get(element).is_none());
            unknown
                .find_map(|element| from_nowhere(initial, element, case))
                .or_else(|| unseen.find_map(|element| missing(element, case)))
                .or_else(|| {
                    there().filter(|element| gone.contains(*element)).find_map(|it| removed(it, case))
                })
        }
        SetOp::Add(_) | SetOp::Remove(_) => None,
    }
}

/// Nobody had begun to add the element when it was seen.
fn from_nowhere(initial: &[Element], element: &Element, case: &Case<'_, SetOp>) -> Option<Anomaly> {
    let ended = case.calls[case.culprit].returned()?;
    let adds = |call: &&Call| matches!(call.op, SetOp::Add(added) if added == element);
    if initial.contains(element) || case.calls.iter().filter(adds).any(|call| call.invoked() < ended) {
        return None;
    }
    let failed = case.failed.iter().filter(adds).find(|call| call.invoked() < ended);
    let later = case.calls.iter().find(adds);
    let (name, because) = match (failed, later) {
        (Some(failed), _) => (
            NOT_LINEARIZABLE,
            format!(
                "although the only add of {element}, by {}, had been reported as failed",
                who(&failed.call)
            ),
        ),
        (None, Some(later)) => (
            NOT_LINEARIZABLE,
            format!("although the first add of {element}, by {}, began only after that", who(&later.call)),
        ),
        (None, None) => ("phantom value", format!("but nobody ever added {element} to it")),
    };
    Some(Anomaly { name, because, evidence: Vec::new() })
}

/// The element had been added before the culprit began, and nobody had begun to remove it.
fn missing(element: &Element, case: &Case<'_, SetOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let (began, ended) = (culprit.invoked(), culprit.returned()?);
    let removes = |call: &Call| matches!(call.op, SetOp::Remove(gone) if gone == element);
    // When it was there for certain: the earliest add or sight of it.
    let shows = |call: &Call| match call.op {
        SetOp::Add(added) => added == element,
        SetOp::Contains(seen, true) => seen == element,
        SetOp::Read(seen) => seen.distinct.get(element).is_some(),
        SetOp::Contains(_, false) | SetOp::Remove(_) => false,
    };
    if case.calls.iter().any(|call| removes(call) && call.invoked() < ended) {
        return None;
    }
    let proof = (0..case.calls.len())
        .filter(|&at| shows(&case.calls[at]) && case.calls[at].returned().is_some_and(|end| end < began))
        .min_by_key(|&at| case.calls[at].returned())?;
    let over = &case.calls[proof];
    let again = case
        .calls
        .iter()
        .any(|call| call.invoked() > ended && !matches!(call.op, SetOp::Add(_)) && shows(call));
    let late = after(over.return_time(), culprit.call.invoke.time);
    let how = if matches!(over.op, SetOp::Add(_)) { "had added" } else { "had seen" };
    let outcome = if again { "it was seen again later" } else { "it was never seen again" };
    Some(Anomaly {
        name: if again { "stale read" } else { "lost element" },
        because: format!(
            "in an operation that began {late} {} {how} {element}, which nobody had begun to remove; {outcome}",
            who(&over.call)
        ),
        evidence: vec![proof],
    })
}

/// The element had been removed before the culprit began, after all that can have added it.
fn removed(element: &Element, case: &Case<'_, SetOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let (began, ended) = (culprit.invoked(), culprit.returned()?);
    let mut added_until = None;
    for call in case.calls {
        if matches!(call.op, SetOp::Add(added) if added == element) && call.invoked() < ended {
            // In doubt: it may take effect at any time.
            added_until = added_until.max(Some(call.returned()?));
        }
    }
    let proof = case.calls.iter().position(|call| {
        matches!(call.op, SetOp::Remove(gone) if gone == element)
            && Some(call.invoked()) > added_until
            && call.returned().is_some_and(|end| end < began)
    })?;
    let over = &case.calls[proof];
    Some(Anomaly {
        name: "stale read",
        because: format!(
            "in an operation that began {} {} had removed {element}, and nothing added it again",
            after(over.return_time(), culprit.call.invoke.time),
            who(&over.call)
        ),
        evidence: vec![proof],
    })
}

/// The life of the element that the violation is about.
pub(super) fn picture(case: &Case<'_, SetOp>, anomaly: &Anomaly) -> Option<Picture> {
    let element = subject(case, anomaly)?;
    picture::life(case, &format!("the life of element {element}"), |call| match call.op {
        SetOp::Add(added) => (added == element).then_some(Sight::Puts),
        SetOp::Remove(gone) => (gone == element).then_some(Sight::Takes),
        SetOp::Contains(asked, _) if asked != element => None,
        SetOp::Contains(_, true) => Some(Sight::Sees),
        SetOp::Contains(_, false) => Some(Sight::Misses),
        SetOp::Read(seen) if seen.distinct.get(element).is_some() => Some(Sight::Sees),
        SetOp::Read(_) => Some(Sight::Misses),
    })
}

/// What the culprit and what proves it wrong disagree about.
fn subject<'a>(case: &'a Case<'_, SetOp>, anomaly: &Anomaly) -> Option<&'a Element> {
    let seen = match case.calls[case.culprit].op {
        SetOp::Contains(element, _) => return Some(element),
        SetOp::Read(Elements { twice: Some(element), .. }) => return Some(element),
        SetOp::Read(seen) => &seen.distinct,
        SetOp::Add(_) | SetOp::Remove(_) => return None,
    };
    let proof = anomaly.evidence.first().and_then(|at| case.calls.get(*at));
    match proof.map(|call| call.op) {
        Some(SetOp::Add(element) | SetOp::Remove(element) | SetOp::Contains(element, _)) => Some(element),
        Some(SetOp::Read(other)) => {
            other.distinct.iter().map(|(element, _)| element).find(|element| seen.get(element).is_none())
        }
        // It was never there: what nobody added.
        None => {
            let added: FxHashSet<&Element> = case
                .calls
                .iter()
                .filter_map(|call| match call.op {
                    SetOp::Add(element) => Some(element),
                    _ => None,
                })
                .collect();
            seen.iter().map(|(element, _)| element).find(|element| !added.contains(*element))
        }
    }
}
