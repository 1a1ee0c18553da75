//! What is seen next, so that a search can leave a configuration that rules it out.
//!
//! A completed observer that is not linearized yet has to find a state in which it is possible. Take
//! the way from the present state to that one: after the last operation on it that overwrites, or
//! else from the beginning, the state is never doomed ([`Model::is_doomed`](crate::model::Model::is_doomed)). So if the present state
//! is doomed, and so is what each operation leaves behind that overwrites and may come before the
//! observer, the configuration has no completion.
//!
//! Not here: the model's knowledge, and the search that asks.

use super::partition::Moment;
use super::problem::Problem;
use super::states::States;

/// Observers looked at, the earliest returns first. More would only show the same a little earlier.
const MAX_SEEN: usize = 16;

/// With more classes of optional operations that overwrite, there is nearly always one that excuses.
const MAX_OPTIONAL: usize = 64;

/// Who sees and who overwrites, in time.
pub(super) struct Ahead {
    /// Completed observers by their returns: number of the return, item.
    seen: Vec<(u32, u32)>,
    /// For each return the first observer that returns there or later.
    first: Vec<u32>,
    /// Completed operations that overwrite, by invocation: when, and of which class.
    sources: Vec<(Moment, u32)>,
    /// The same for optional ones, the first of each class.
    optional: Vec<(Moment, u32)>,
}

impl Ahead {
    /// For a model that looks ahead. `None` where it is of no use.
    pub(super) fn new(problem: &Problem) -> Option<Self> {
        let optional = problem.optional.iter().filter(|optional| optional.overwrites);
        let optional: Vec<_> = optional.map(|optional| (optional.since(), optional.class)).collect();
        if optional.len() > MAX_OPTIONAL {
            return None;
        }
        let mut ahead = Self { seen: Vec::new(), first: Vec::new(), sources: Vec::new(), optional };
        for (pos, &at) in (0..).zip(&problem.returns) {
            let before = u32::try_from(ahead.seen.len()).expect("no more observers than operations");
            ahead.first.push(before);
            let item = &problem.items[at as usize];
            if item.observer {
                ahead.seen.push((pos, at));
            } else if item.overwrites {
                ahead.sources.push((item.invoke, item.class));
            }
        }
        ahead.sources.sort_unstable();
        Some(ahead)
    }

    /// The number of a return that cannot be passed any more, before return `pos` and in this state.
    /// `is_done` tells which of the operations open there are linearized.
    pub(super) fn doom(
        &self,
        problem: &Problem,
        states: &mut States<'_>,
        (pos, state): (u32, u32),
        is_done: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let now = problem.return_time(pos);
        for &(seen_at, seen) in self.seen[self.first[pos as usize] as usize..].iter().take(MAX_SEEN) {
            let seen = &problem.items[seen as usize];
            if seen.invoke < now && is_done(seen.slot) || !states.is_doomed(state, seen.class) {
                continue;
            }
            let due = problem.return_time(seen_at);
            let mut excuses = |class: u32| {
                states.step(state, class).is_some_and(|after| !states.is_doomed(after, seen.class))
            };
            let open = problem.open(pos).iter().map(|&at| &problem.items[at as usize]);
            let mut open = open.filter(|item| item.overwrites && !is_done(item.slot));
            let later = self.sources.partition_point(|&(invoke, _)| invoke < now);
            let until = |&&(since, _): &&(Moment, u32)| since < due;
            let mut later = self.sources[later..].iter().take_while(until);
            let mut optional = self.optional.iter().filter(until);
            let excused = open.any(|item| excuses(item.class))
                || later.any(|&(_, class)| excuses(class))
                || optional.any(|&(_, class)| excuses(class));
            if !excused {
                return Some(seen_at);
            }
        }
        None
    }

    pub(super) fn bytes(&self) -> usize {
        (self.seen.capacity() + self.sources.capacity() + self.optional.capacity()) * 8
            + self.first.capacity() * 4
    }
}
