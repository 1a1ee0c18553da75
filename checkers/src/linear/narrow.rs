//! A history as somebody sees it who looks at a few cells of the object only.
//!
//! An order of all operations is one of what they do to these cells. So if the evidence is
//! impossible there, however many of the others happened, it is impossible; and there it is small.

use super::found::Evidence;
use super::partition::{Entry, Moment, Part};
use super::subject::Subject;
use crate::model::{Element, Model};

/// What has to do with `cells` up to the return at `until`, where only the evidence completed.
pub(super) fn narrow<'h, M: Model>(
    subject: &Subject<'h, M>,
    until: Moment,
    evidence: &Evidence,
    cells: &[Element],
) -> Part<'h, M::Op> {
    let whole = subject.part;
    let mut classes: Vec<M::Op> = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    for (at, entry) in (0..).zip(&whole.entries).take_while(|(_, entry)| entry.invoke <= until) {
        let ret = entry.ret.filter(|&ret| ret <= until && evidence.ops.contains(&at));
        if ret.is_none() && subject.is_observer(at) {
            continue;
        }
        let Some(op) = subject.model.within(subject.op(at), cells) else { continue };
        let known = classes.iter().position(|other| *other == op);
        let class = known.unwrap_or_else(|| {
            classes.push(op);
            classes.len() - 1
        });
        let class = u32::try_from(class).expect("no more classes than operations");
        entries.push(Entry { class, ret, ..*entry });
    }
    Part { classes, entries, ..Part::new(None, whole.history) }
}
