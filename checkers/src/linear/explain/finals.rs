//! Every state that the object can be in when the culprit has to be placed.

use super::super::limits::Charge;
use super::super::mask::{Mask, by_width};
use super::super::problem::{Flags, Problem, Supply};
use super::super::search::{End, Search};
use super::super::states::States;
use super::super::subject::Subject;
use super::super::window::Window;
use crate::model::Model;

/// Effort for visiting them all.
const CAP: u64 = 150_000;

/// Whatever changes which states can be seen at the end is off.
const FLAGS: Flags = Flags { unseen: false, dead: false, ..Flags::ALL };

/// A state before the culprit.
pub(super) struct Final<M: Model> {
    pub(super) state: M::State,
    /// Entries beyond the longest order that took effect to get here.
    pub(super) taken: Vec<u32>,
    /// The last entry that changed something, where nothing was taken but the order differs.
    pub(super) decisive: Option<u32>,
}

/// The states after everything in `window` but the culprit, the one that `order` leads to first.
/// `None` when they are too many to visit.
pub(super) fn finals<M: Model>(
    subject: &Subject<'_, M>,
    window: &Window,
    order: &[u32],
) -> Option<Vec<Final<M>>> {
    let mut charge = Charge::new(subject.limits);
    let problem =
        Problem::new(window.items.clone(), subject.accesses.as_ref(), FLAGS, Supply::Counted, &mut charge)
            .ok()?;
    let mut found = by_width!(problem.slots, K => visit::<M, K>(subject, window, &problem))?;
    let base = order.iter().try_fold(subject.model.initial(), |state, &entry| {
        subject.model.step(&state, subject.op(entry)).ok()
    })?;
    let used: rustc_hash::FxHashSet<u32> = order.iter().copied().collect();
    let optional: rustc_hash::FxHashSet<u32> =
        problem.items.iter().filter(|item| item.ret.is_none()).map(|item| item.entry).collect();
    // The fewest assumptions first, in the order found where equal.
    found.sort_by_key(|(state, uses, _)| (*state != base, *uses));
    let explain = |(state, _, trail): (M::State, u32, Vec<u32>)| {
        if state == base {
            return Final { state, taken: Vec::new(), decisive: None };
        }
        let taken: Vec<u32> =
            trail.iter().copied().filter(|entry| optional.contains(entry) && !used.contains(entry)).collect();
        let changes = |entry: &&u32| !subject.is_observer(**entry);
        let decisive = if taken.is_empty() { trail.iter().rev().find(changes).copied() } else { None };
        Final { state, taken, decisive }
    };
    Some(found.into_iter().map(explain).collect())
}

/// State, optional operations used, entries in order.
type Visited<S> = Vec<(S, u32, Vec<u32>)>;

fn visit<M: Model, K: Mask>(
    subject: &Subject<'_, M>,
    window: &Window,
    problem: &Problem,
) -> Option<Visited<M::State>> {
    if problem.len() == 0 {
        return None;
    }
    let states = States::new(subject.model, &subject.part.classes);
    let mut search = Search::<M, K>::new(problem, states, FLAGS, subject.limits);
    search.finals = Some(Vec::new());
    if !window.starts(subject, problem, &mut search).ok()? || search.run(CAP) != End::Impossible {
        return None;
    }
    let finals = search.finals.take()?;
    let entries = |trail: Vec<u32>| trail.into_iter().map(|at| problem.items[at as usize].entry).collect();
    let visited = finals
        .into_iter()
        .map(|last| (search.states.state(last.state).clone(), last.used, entries(last.trail)));
    Some(visited.collect())
}
