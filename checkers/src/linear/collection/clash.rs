//! What comes out of putting elements in order: steps, or elements that do not go together.

use crate::linear::limits::Charge;

/// Elements decided again in making a clash smaller, in all.
const MAX_WORK: usize = 1 << 23;

/// A step of an order. Elements, and those who found it empty, by their position in the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Put(u32),
    Take(u32),
    Empty(u32),
}

/// Elements that no order can have together. Any other elements do not matter: what is legal with
/// them is legal without them.
#[derive(Debug)]
pub(super) struct Clash {
    /// Positions in the case.
    pub(super) items: Vec<u32>,
    /// The entry that found it empty, if that is what is wrong.
    pub(super) empty: Option<u32>,
}

/// A part of `items` that still fails and of which nothing can be left out, if that is found with
/// bounded effort and in time. All of them fail.
pub(super) fn fewest(
    mut items: Vec<u32>,
    charge: &Charge,
    mut fails: impl FnMut(&[u32]) -> bool,
) -> Vec<u32> {
    let goes_on = |work: usize| work < MAX_WORK && charge.time().is_ok();
    let mut work = 0;
    let mut size = items.len();
    while size > 1 && goes_on(work) {
        size = size.div_ceil(2);
        let mut at = 0;
        while at < items.len() && goes_on(work) {
            let end = items.len().min(at + size);
            let fewer = [&items[..at], &items[end..]].concat();
            work += 1 + fewer.len();
            if fails(&fewer) { items = fewer } else { at = end }
        }
    }
    items
}
