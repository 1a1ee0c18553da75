//! What kind of violation a log shows, where that can be proven.

use super::LogOp;
use crate::model::persist::Element;
use crate::model::picture::{self, Sight};
use crate::model::{Anomaly, Case, NOT_LINEARIZABLE, Seen};
use crate::verdict::Picture;
use crate::words::{after, who};

type Call<'a> = Seen<'a, LogOp>;

pub(super) fn classify(initial: &[Element], case: &Case<'_, LogOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    match culprit.op {
        LogOp::Append(_, index) => index.and_then(|index| same_index(index, case)),
        LogOp::Get(index, value) => match value {
            Some(value) => from_nowhere(initial, value, case).or_else(|| replaced(*index, value, case)),
            None => shorter(*index, case),
        },
        LogOp::Read(all) => {
            let mut values: Vec<&Element> = all.0.back_to(0).collect();
            values.reverse();
            let nowhere = values.iter().find_map(|value| from_nowhere(initial, value, case));
            let other = || (0..).zip(&values).find_map(|(index, value)| replaced(index, value, case));
            nowhere.or_else(other).or_else(|| shorter(all.len(), case)).or_else(|| lost(all, case))
        }
    }
}

/// Nobody had begun to append the value when it was read.
fn from_nowhere(initial: &[Element], value: &Element, case: &Case<'_, LogOp>) -> Option<Anomaly> {
    let ended = case.calls[case.culprit].returned()?;
    let appends = |call: &&Call| matches!(call.op, LogOp::Append(appended, _) if appended == value);
    if initial.contains(value) || case.calls.iter().filter(appends).any(|call| call.invoked() < ended) {
        return None;
    }
    let known = case.calls.iter().chain(case.failed).any(|call| appends(&call));
    Some(if known {
        let because = format!(
            "although nobody had begun to append {value} then, but for one that failed or came later"
        );
        Anomaly { name: NOT_LINEARIZABLE, because, evidence: Vec::new() }
    } else {
        let because = format!("but nobody ever appended {value} to it");
        Anomaly { name: "phantom value", because, evidence: Vec::new() }
    })
}

/// What a call shows at an index.
fn at<'a>(call: &'a Call<'_>, index: u64) -> Option<&'a Element> {
    match call.op {
        LogOp::Append(value, Some(here)) if *here == index => Some(value),
        LogOp::Get(here, Some(value)) if *here == index => Some(value),
        LogOp::Read(all) => all.get(index),
        LogOp::Append(..) | LogOp::Get(..) => None,
    }
}

/// Somebody else saw something else at that index.
fn replaced(index: u64, value: &Element, case: &Case<'_, LogOp>) -> Option<Anomaly> {
    let ended = case.calls[case.culprit].returned()?;
    let other = (0..case.calls.len()).find(|&n| {
        let call = &case.calls[n];
        call.returned().is_some_and(|end| end < ended) && at(call, index).is_some_and(|seen| seen != value)
    })?;
    let call = &case.calls[other];
    let seen = at(call, index)?;
    let (name, how) = match call.op {
        LogOp::Append(..) => ("lost write", "had been told that it was appended there"),
        _ => ("forked log", "had read it there"),
    };
    Some(Anomaly {
        name,
        because: format!("although {seen} is at index {index}: {} {how}", who(&call.call)),
        evidence: vec![other],
    })
}

/// Two values were appended at one index.
fn same_index(index: u64, case: &Case<'_, LogOp>) -> Option<Anomaly> {
    let ended = case.calls[case.culprit].returned()?;
    let other = (0..case.calls.len()).find(|&n| {
        let call = &case.calls[n];
        n != case.culprit
            && call.returned().is_some_and(|end| end < ended)
            && matches!(call.op, LogOp::Append(_, Some(here)) if *here == index)
    })?;
    Some(Anomaly {
        name: "lost write",
        because: format!("although {} had been given index {index}, too", who(&case.calls[other].call)),
        evidence: vec![other],
    })
}

/// Something had been seen at `index` before the culprit, which finds the log shorter, began.
fn shorter(index: u64, case: &Case<'_, LogOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let reaches = |call: &Call| match call.op {
        LogOp::Append(_, Some(here)) | LogOp::Get(here, Some(_)) => *here >= index,
        LogOp::Read(all) => all.len() > index,
        LogOp::Append(_, None) | LogOp::Get(_, None) => false,
    };
    let proves = |call: &Call| call.returned().is_some_and(|end| end < culprit.invoked()) && reaches(call);
    let over = case.calls.iter().position(proves)?;
    let call = &case.calls[over];
    Some(Anomaly {
        name: "stale read",
        because: format!(
            "in an operation that began {} {} had reached index {index} or one after it",
            after(call.return_time(), culprit.call.invoke.time),
            who(&call.call)
        ),
        evidence: vec![over],
    })
}

/// A value whose append had been acknowledged before the culprit began is not in it.
fn lost(all: &super::Entries, case: &Case<'_, LogOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let there: rustc_hash::FxHashSet<&Element> = all.0.back_to(0).collect();
    let over = case.calls.iter().position(|call| {
        matches!(call.op, LogOp::Append(value, _) if !there.contains(value))
            && call.returned().is_some_and(|end| end < culprit.invoked())
    })?;
    let call = &case.calls[over];
    let LogOp::Append(value, _) = call.op else { return None };
    let again = case.calls.iter().any(|later| {
        later.invoked() > culprit.invoked()
            && match later.op {
                LogOp::Get(_, Some(seen)) => seen == value,
                LogOp::Read(all) => all.0.back_to(0).any(|seen| seen == value),
                LogOp::Get(_, None) | LogOp::Append(..) => false,
            }
    });
    Some(Anomaly {
        name: if again { "stale read" } else { "lost element" },
        because: format!(
            "in an operation that began {} {} had been told that {value} was appended",
            after(call.return_time(), culprit.call.invoke.time),
            who(&call.call)
        ),
        evidence: vec![over],
    })
}

/// What was at the index that two calls disagree about, or else the life of the value that is missing.
pub(super) fn picture(case: &Case<'_, LogOp>, anomaly: &Anomaly) -> Option<Picture> {
    let culprit = &case.calls[case.culprit];
    let proof = anomaly.evidence.first().and_then(|proof| case.calls.get(*proof))?;
    let reach = case.calls.iter().filter_map(reached).max()?;
    let differ = |index: &u64| at(culprit, *index).zip(at(proof, *index)).is_some_and(|(a, b)| a != b);
    if let Some(index) = (0..=reach).find(differ) {
        let shows = |n: &usize| at(&case.calls[*n], index).is_some();
        let calls: Vec<usize> = (0..case.calls.len()).filter(shows).collect();
        let values: Vec<&Element> =
            calls.iter().filter_map(|n| at(&case.calls[*n], index)).fold(Vec::new(), |mut values, value| {
                if !values.contains(&value) {
                    values.push(value);
                }
                values
            });
        let row = |value: &&Element| {
            let shown = |n: &usize| at(&case.calls[*n], index) == Some(*value);
            (value.to_string(), calls.iter().copied().filter(shown).collect())
        };
        let label = |call: &Call| {
            let how = if matches!(call.op, LogOp::Append(..)) { "appended" } else { "read" };
            format!("{how} by {}", picture::who(call))
        };
        let told = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        let since = picture::end(proof);
        let rows = values.iter().take(MAX_VALUES).map(row);
        let clash = Some((since, format!("{told} were both seen at index {index}")));
        return Some(picture::elements(case, &format!("what was at index {index}"), rows, label, clash));
    }
    let (LogOp::Read(all), LogOp::Append(value, _)) = (culprit.op, proof.op) else { return None };
    let missing = !all.0.back_to(0).any(|seen| seen == value);
    missing.then(|| picture::life(case, &format!("the life of value {value}"), |call| sight(call, value)))?
}

/// Different values at one index that are drawn.
const MAX_VALUES: usize = 6;

fn sight(call: &Call, value: &Element) -> Option<Sight> {
    match call.op {
        LogOp::Append(appended, _) => (appended == value).then_some(Sight::Puts),
        LogOp::Get(_, seen) => (seen.as_ref() == Some(value)).then_some(Sight::Sees),
        LogOp::Read(all) if all.0.back_to(0).any(|seen| seen == value) => Some(Sight::Sees),
        LogOp::Read(_) => Some(Sight::Misses),
    }
}

/// The highest index that a call shows.
fn reached(call: &Call) -> Option<u64> {
    match call.op {
        LogOp::Append(_, index) => *index,
        LogOp::Get(index, value) => value.as_ref().map(|_| *index),
        LogOp::Read(all) => all.len().checked_sub(1),
    }
}
