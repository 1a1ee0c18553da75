//! Every state that the object can be in when the culprit has to be placed.

use super::super::limits::Charge;
use super::super::mask::{Mask, by_width};
use super::super::problem::{Flags, Problem, Supply};
use super::super::search::{self, End, Search};
use super::super::states::States;
use super::super::subject::Subject;
use super::super::window::Window;
use rustc_hash::FxHashSet;

/// Effort for visiting them all.
const CAP: u64 = 150_000;

/// Whatever changes which states can be seen at the end is off.
const FLAGS: Flags = Flags { unseen: false, dead: false, ..Flags::ALL };

/// States before the culprit.
pub(super) struct Listed<'a> {
    /// What they are.
    pub(super) states: States<'a>,
    pub(super) list: Vec<Final>,
}

/// A state before the culprit.
pub(super) struct Final {
    pub(super) state: u32,
    /// Entries beyond the longest order that took effect to get here.
    pub(super) taken: Vec<u32>,
    /// The last entry that changed something, where nothing was taken but the order differs.
    pub(super) decisive: Option<u32>,
}

/// The states after everything in `window` but the culprit, the one that `order` leads to first.
/// `None` when they are too many to visit.
pub(super) fn finals<'a>(subject: &Subject<'a>, window: &Window, order: &[u32]) -> Option<Listed<'a>> {
    let mut charge = Charge::new(subject.limits);
    let problem =
        Problem::new(window.items.clone(), subject.accesses.as_ref(), FLAGS, Supply::Counted, &mut charge)
            .ok()?;
    let (mut states, mut found) = by_width!(problem.slots, K => visit::<K>(subject, window, &problem))?;
    let initial = states.initial();
    let base = order.iter().try_fold(initial, |state, &entry| states.step(state, subject.class(entry)))?;
    let used: FxHashSet<u32> = order.iter().copied().collect();
    let optional: FxHashSet<u32> =
        problem.items.iter().filter(|item| item.ret.is_none()).map(|item| item.entry).collect();
    // The fewest assumptions first, in the order found where equal.
    found.sort_by_key(|last| (last.state != base, last.used));
    let explain = |search::Final { state, trail, .. }| {
        if state == base {
            return Final { state, taken: Vec::new(), decisive: None };
        }
        let trail: Vec<u32> = trail.into_iter().map(|at| problem.items[at as usize].entry).collect();
        let taken: Vec<u32> =
            trail.iter().copied().filter(|entry| optional.contains(entry) && !used.contains(entry)).collect();
        let changes = |entry: &&u32| !subject.is_observer(**entry);
        let decisive = if taken.is_empty() { trail.iter().rev().find(changes).copied() } else { None };
        Final { state, taken, decisive }
    };
    let list = found.into_iter().map(explain).collect();
    Some(Listed { states, list })
}

/// Every state before the last return, and the way to it.
fn visit<'a, K: Mask>(
    subject: &Subject<'a>,
    window: &Window,
    problem: &Problem,
) -> Option<(States<'a>, Vec<search::Final>)> {
    if problem.len() == 0 {
        return None;
    }
    let mut search = Search::<K>::new(problem, subject.object.states(), FLAGS, subject.limits);
    search.finals = Some(Vec::new());
    if !window.starts(subject, problem, &mut search).ok()? || search.run(CAP) != End::Impossible {
        return None;
    }
    Some((search.states, search.finals?))
}
