//! A history as somebody sees it who looks at a few cells of the object only.
//!
//! An order of all operations is one of what they do to these cells. So if the evidence is
//! impossible there, however many of the others happened, it is impossible; and there it is small.

use super::found::Evidence;
use super::partition::{Entry, Moment, Part};
use crate::model::{Element, Model};

/// What has to do with `cells` up to the return at `until`, where only the evidence completed.
pub(super) fn narrow<'h, M: Model>(
    whole: &Part<'h, M>,
    until: Moment,
    evidence: &Evidence,
    cells: &[Element],
) -> Part<'h, M> {
    let mut narrow = Part::new(whole.model, None, whole.history);
    for (at, entry) in (0..).zip(&whole.entries).take_while(|(_, entry)| entry.invoke <= until) {
        let op = &whole.classes[entry.class as usize];
        let ret = entry.ret.filter(|&ret| ret <= until && evidence.ops.contains(&at));
        if ret.is_none() && whole.model.is_observer(op) {
            continue;
        }
        let Some(op) = whole.model.within(op, cells) else { continue };
        let known = narrow.classes.iter().position(|other| *other == op);
        let class = known.unwrap_or_else(|| {
            narrow.classes.push(op);
            narrow.classes.len() - 1
        });
        let class = u32::try_from(class).expect("no more classes than operations");
        narrow.entries.push(Entry { class, ret, ..*entry });
    }
    narrow
}
