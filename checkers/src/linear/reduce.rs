//! What a problem can do without, where operations are accesses to one value.
//!
//! Not here: reductions that depend on where a search stands; see [`super::search`].

use super::access::{Accesses, NONE};
use super::problem::Item;
use rustc_hash::{FxHashMap, FxHashSet};

/// Leaves out every optional operation whose value matters to nobody.
///
/// A value matters if a completed operation expects it, or an optional one that leaves a value that
/// matters. Take an order, an optional operation in it whose value does not matter, and the
/// operations after it up to the next that overwrites: all expect a value that does not matter, so
/// all are optional and leave such a value. Without them the order is as good.
pub(super) fn drop_unseen(items: &mut Vec<Item>, accesses: &Accesses) {
    let mut matters: FxHashSet<u32> = FxHashSet::default();
    let mut sources: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    for item in &*items {
        let access = accesses.of(item.class);
        if item.ret.is_some() {
            matters.insert(access.expects);
        } else if access.expects != NONE {
            sources.entry(access.leaves).or_default().push(access.expects);
        }
    }
    let mut new: Vec<u32> = matters.iter().copied().collect();
    while let Some(value) = new.pop() {
        let expected = sources.remove(&value).unwrap_or_default();
        new.extend(expected.into_iter().filter(|&value| matters.insert(value)));
    }
    items.retain(|item| item.ret.is_some() || matters.contains(&accesses.of(item.class).leaves));
}

/// Gives one class to all operations that differ only in a value that nobody expects, and marks
/// those that are completed as dead.
pub(super) fn merge_dead(items: &mut [Item], accesses: &Accesses) {
    let expected: FxHashSet<u32> = items.iter().map(|item| accesses.of(item.class).expects).collect();
    let mut like: FxHashMap<u32, u32> = FxHashMap::default();
    for item in items {
        let access = accesses.of(item.class);
        if access.leaves != NONE && !expected.contains(&access.leaves) {
            item.class = *like.entry(access.expects).or_insert(item.class);
            item.dead = item.ret.is_some();
        }
    }
}
