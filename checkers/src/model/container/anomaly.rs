//! What kind of violation a container shows, where that can be proven.

use super::ContainerOp;
use crate::model::persist::Element;
use crate::model::{Anomaly, Case, NOT_LINEARIZABLE, Seen};
use crate::words::{after, who};
use rustc_hash::FxHashMap;

type Call<'a> = Seen<'a, ContainerOp>;

pub(super) fn classify(initial: &[Element], case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
    match case.calls[case.culprit].op {
        ContainerOp::Took(element) => {
            from_nowhere(initial, element, case).or_else(|| taken_twice(initial, element, case))
        }
        ContainerOp::Empty => not_empty(initial, case),
        ContainerOp::Put(_) | ContainerOp::Take => None,
    }
}

fn puts(call: &Call, element: &Element) -> bool {
    matches!(call.op, ContainerOp::Put(put) if put == element)
}

fn takes(call: &Call, element: &Element) -> bool {
    matches!(call.op, ContainerOp::Took(took) if took == element)
}

/// Nobody had begun to put the element in when it came out.
fn from_nowhere(initial: &[Element], element: &Element, case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
    let ended = case.calls[case.culprit].returned()?;
    if initial.contains(element)
        || case.calls.iter().any(|call| puts(call, element) && call.invoked() < ended)
    {
        return None;
    }
    let failed = case.failed.iter().find(|call| puts(call, element) && call.invoked() < ended);
    let later = case.calls.iter().find(|call| puts(call, element));
    let (name, because) = match (failed, later) {
        (Some(failed), _) => (
            NOT_LINEARIZABLE,
            format!("although {} had been told that putting {element} in had failed", who(&failed.call)),
        ),
        (None, Some(later)) => (
            NOT_LINEARIZABLE,
            format!("although {} began to put {element} in only after that", who(&later.call)),
        ),
        (None, None) => ("phantom value", format!("but nobody ever put {element} in")),
    };
    Some(Anomaly { name, because, evidence: Vec::new() })
}

/// The element came out more often than anybody had begun to put it in.
fn taken_twice(initial: &[Element], element: &Element, case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
    let ended = case.calls[case.culprit].returned()?;
    let put = initial.iter().filter(|other| *other == element).count()
        + case.calls.iter().filter(|call| puts(call, element) && call.invoked() < ended).count();
    let others: Vec<usize> = (0..case.calls.len())
        .filter(|&at| {
            let call = &case.calls[at];
            at != case.culprit && takes(call, element) && call.returned().is_some_and(|end| end < ended)
        })
        .collect();
    let other = *others.last()?;
    (others.len() + 1 > put).then(|| Anomaly {
        name: "double delivery",
        because: format!(
            "although {element} had been put in {}, and {} had taken it out",
            if put == 1 { "only once".to_owned() } else { format!("only {put} times") },
            who(&case.calls[other].call)
        ),
        evidence: others,
    })
}

/// An element was in it for certain when it was found empty.
fn not_empty(initial: &[Element], case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let (began, ended) = (culprit.invoked(), culprit.returned()?);
    let mut there: FxHashMap<&Element, (i64, Vec<usize>)> = FxHashMap::default();
    let mut order: Vec<&Element> = Vec::new();
    let mut change = |element, by, at| {
        let entry = there.entry(element).or_insert_with(|| {
            order.push(element);
            (0, Vec::new())
        });
        entry.0 += by;
        entry.1.extend(at);
    };
    for element in initial {
        change(element, 1, None);
    }
    // Whoever took something unknown may have taken any of them.
    let mut unknown = 0;
    for (at, call) in case.calls.iter().enumerate() {
        match call.op {
            ContainerOp::Put(element) if call.returned().is_some_and(|end| end < began) => {
                change(element, 1, Some(at));
            }
            ContainerOp::Took(element) if call.invoked() < ended => change(element, -1, None),
            ContainerOp::Take if call.invoked() < ended => unknown += 1,
            _ => {}
        }
    }
    // Only what is left over of each element counts: one that was taken while it was being put
    // in takes nothing away from the others. As many are shown as it takes.
    let (mut left, mut evidence, mut first) = (0, Vec::new(), None);
    for element in order.into_iter().filter(|element| there[element].0 > 0) {
        let (count, puts) = &there[element];
        left += count;
        evidence.extend(puts);
        first = first.or(Some((element, puts.first())));
        if left > unknown {
            break;
        }
    }
    let (lost, put) = first.filter(|_| left > unknown)?;
    let since = match put.map(|&at| &case.calls[at]) {
        Some(call) => format!(
            "in an operation that began {} {} had put {lost} in",
            after(call.return_time(), culprit.call.invoke.time),
            who(&call.call)
        ),
        None => format!("although {lost} was in it at first"),
    };
    Some(Anomaly {
        name: "lost element",
        because: match unknown {
            0 => format!("{since}, and nobody had begun to take that out"),
            _ => format!(
                "{since}, and at least {left} elements were left for {unknown} who may have taken one"
            ),
        },
        evidence,
    })
}

/// The only call that puts each element in, and the only one that takes it out; or none if there
/// are more.
fn only<'a>(case: &'a Case<'_, ContainerOp>) -> FxHashMap<&'a Element, (Option<usize>, Option<usize>)> {
    let mut calls: FxHashMap<&Element, (Option<usize>, Option<usize>)> = FxHashMap::default();
    let mut repeated: Vec<&Element> = Vec::new();
    for (at, call) in case.calls.iter().enumerate() {
        let (element, is_put) = match call.op {
            ContainerOp::Put(element) => (element, true),
            ContainerOp::Took(element) => (element, false),
            ContainerOp::Take | ContainerOp::Empty => continue,
        };
        let entry = calls.entry(element).or_default();
        let place = if is_put { &mut entry.0 } else { &mut entry.1 };
        if place.replace(at).is_some() {
            repeated.push(element);
        }
    }
    for element in repeated {
        calls.remove(element);
    }
    calls
}

/// First in, first out: an element that was put in before the culprit's had certainly not come
/// out before it.
pub(super) fn overtaken(case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let ContainerOp::Took(mine) = culprit.op else { return None };
    let ended = culprit.returned()?;
    let unknown = |call: &Call| matches!(call.op, ContainerOp::Take) && call.invoked() < ended;
    if case.calls.iter().any(unknown) {
        return None;
    }
    let only = only(case);
    let mine_put = &case.calls[only.get(mine)?.0?];
    let precedes = |a: &Call, b: &Call| a.returned().is_some_and(|end| end < b.invoked());
    // Whoever stood in front, and came out later or never.
    let in_front = |at: usize| {
        let call = &case.calls[at];
        let ContainerOp::Put(element) = call.op else { return false };
        let Some(&(Some(_), took)) = only.get(element) else { return false };
        let stays = took.is_none_or(|took| precedes(culprit, &case.calls[took]));
        element != mine && precedes(call, mine_put) && stays
    };
    let over = (0..case.calls.len()).find(|&at| in_front(at))?;
    Some(Anomaly {
        name: "out of order",
        because: format!(
            "although {} had put in {} before {mine}, and that had not come out",
            who(&case.calls[over].call),
            label(&case.calls[over])
        ),
        evidence: vec![over],
    })
}

/// The smallest first: a smaller element was in for certain.
pub(super) fn smaller_was_there(case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let ContainerOp::Took(mine) = culprit.op else { return None };
    let (began, ended) = (culprit.invoked(), culprit.returned()?);
    let unknown = |call: &Call| matches!(call.op, ContainerOp::Take) && call.invoked() < ended;
    if case.calls.iter().any(unknown) {
        return None;
    }
    let only = only(case);
    let smaller = |at: usize| {
        let call = &case.calls[at];
        let ContainerOp::Put(element) = call.op else { return false };
        let Some(&(Some(_), took)) = only.get(element) else { return false };
        element < mine
            && call.returned().is_some_and(|end| end < began)
            && took.is_none_or(|took| case.calls[took].invoked() > ended)
    };
    let over = (0..case.calls.len()).find(|&at| smaller(at))?;
    Some(Anomaly {
        name: "out of order",
        because: format!(
            "although {} had put in {} before, and nobody had begun to take that out",
            who(&case.calls[over].call),
            label(&case.calls[over])
        ),
        evidence: vec![over],
    })
}

fn label(call: &Call) -> String {
    match call.op {
        ContainerOp::Put(element) | ContainerOp::Took(element) => element.to_string(),
        ContainerOp::Take | ContainerOp::Empty => "something".to_owned(),
    }
}
