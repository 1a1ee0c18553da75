//! What became of the elements that a violation is about, one row for each.

use super::ContainerOp;
use crate::model::persist::Element;
use crate::model::picture::{elements, who};
use crate::model::{Anomaly, Case, Seen};
use crate::verdict::Picture;
use crate::words;

/// Elements shown.
const MAX_ELEMENTS: usize = 6;

pub(super) fn picture(
    case: &Case<'_, ContainerOp>,
    anomaly: &Anomaly,
    label: impl Fn(&ContainerOp) -> String,
) -> Option<Picture> {
    let culprit = &case.calls[case.culprit];
    let mut shown: Vec<&Element> = Vec::new();
    for at in anomaly.evidence.iter().chain([&case.culprit]) {
        if let Some(element) = case.calls.get(*at).and_then(|call| element(call.op))
            && !shown.contains(&element)
            && shown.len() < MAX_ELEMENTS
        {
            shown.push(element);
        }
    }
    let calls = |wanted: &Element| {
        let about = |at: &usize| element(case.calls[*at].op) == Some(wanted);
        (0..case.calls.len()).filter(about).collect::<Vec<_>>()
    };
    let rows = shown.iter().map(|&element| (element.to_string(), calls(element)));
    let empty =
        matches!(culprit.op, ContainerOp::Empty).then(|| ("found empty".to_owned(), vec![case.culprit]));
    let told = |call: &Seen<'_, ContainerOp>| format!("{} by {}", label(call.op), who(call));
    if shown.is_empty() {
        return None;
    }
    Some(elements(case, "what was put in and taken out", rows.chain(empty), told, clash(case, anomaly)))
}

fn element(op: &ContainerOp) -> Option<&Element> {
    match op {
        ContainerOp::Put(element) | ContainerOp::Took(element) => Some(element),
        ContainerOp::Take | ContainerOp::Empty => None,
    }
}

/// Since when it is wrong, and the pair that does not go together.
fn clash(case: &Case<'_, ContainerOp>, anomaly: &Anomaly) -> Option<(u64, String)> {
    let culprit = &case.calls[case.culprit];
    let other = case.calls.get(*anomaly.evidence.last()?)?;
    let since = other.call.returned()?.time;
    let span = words::span(culprit.call.returned()?.time.saturating_sub(since));
    let (mine, theirs) = (who(culprit), who(other));
    let told = match (culprit.op, other.op) {
        (ContainerOp::Took(element), ContainerOp::Took(_)) => {
            format!("{theirs} and {mine} both took {element} out, {span} apart")
        }
        (ContainerOp::Took(late), ContainerOp::Put(first)) => {
            format!("{first} was put in before {late}, and {late} came out first")
        }
        (ContainerOp::Empty, ContainerOp::Put(element)) => {
            format!("{element} had been put in {span} before, nobody took it out, and it was not there")
        }
        _ => return None,
    };
    Some((since, told))
}
