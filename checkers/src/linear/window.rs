//! Refuting a history by a few of its operations.
//!
//! Cut the history before some return and pretend that nothing is known about the order of
//! what came before: the object may be in *any* state that can come of it, every subset of the
//! operations open at the cut may have taken effect, and no optional operation was used yet.
//! Whatever the true configuration is, one of these starts can do all that it can. So if all of
//! them run into a wall a few returns later, the history cannot be linearized, and those few
//! operations show why.
//!
//! What this costs depends on the window alone, not on how many optional operations came
//! before it; the plain search multiplies with each of those.

use super::found::{Evidence, Others};
use super::limits::{Charge, Spent};
use super::mask::{Mask, by_width};
use super::partition::Moment;
use super::problem::{Flags, Item, Problem, Supply};
use super::reduce;
use super::search::{End, Search};
use super::states::States;
use super::subject::Subject;
use rustc_hash::FxHashSet;

/// At most this many changing operations may be open at a cut: their subsets are enumerated.
const MAX_OPEN_AT_CUT: usize = 12;

/// At most this many starts, subsets times states.
const MAX_STARTS: usize = 100_000;

/// A stretch of a history.
#[derive(Clone)]
pub(super) struct Window {
    /// What has to be placed or may be used, by invocation.
    pub(super) items: Vec<Item>,
    /// The cut: time of the last return before the window. Absent at the beginning of the history.
    pub(super) since: Option<Moment>,
}

/// What came of a window.
pub(super) struct Trial {
    pub(super) end: End,
    pub(super) configurations: u64,
    pub(super) effort: u64,
    /// Returns passed; the next one is the culprit if the window is impossible.
    pub(super) passed: u32,
}

impl Window {
    /// Everything that matters between the cut and the return at `until`, inclusive. What returns
    /// later is optional: at `until` it may have happened.
    pub(super) fn new(subject: &Subject<'_>, since: Option<Moment>, until: Moment) -> Self {
        let items = (0_u32..)
            .zip(subject.entries)
            .take_while(|(_, entry)| entry.invoke <= until)
            .filter(|(_, entry)| entry.ret.is_none_or(|ret| since.is_none_or(|since| ret > since)))
            .map(|(at, entry)| subject.item(at, entry.ret.filter(|&ret| ret <= until)))
            .filter(|item| item.ret.is_some() || !item.observer)
            .collect();
        Self { items, since }
    }

    /// From the beginning up to the return at `until`, where only the evidence has to be placed. What
    /// is optional and leaves a value that matters to nobody is left out too.
    pub(super) fn of_evidence(subject: &Subject<'_>, until: Moment, evidence: &Evidence) -> Self {
        let mut window = Self::new(subject, None, until);
        let known: FxHashSet<u32> = evidence.ops.iter().copied().collect();
        let is_evidence = |entry| known.contains(&entry);
        match evidence.others {
            Others::Optional | Others::Within(_) => {
                for item in &mut window.items {
                    item.ret = item.ret.filter(|_| is_evidence(item.entry));
                }
            }
            Others::Dropped => window.items.retain(|item| is_evidence(item.entry)),
        }
        window.items.retain(|item| item.ret.is_some() || !item.observer);
        if let Some(accesses) = &subject.accesses {
            reduce::drop_unseen(&mut window.items, accesses);
        }
        window
    }

    /// Is it impossible? Spends no more effort than `cap`, or twice that to look at it with endless
    /// supply first.
    pub(super) fn refute(&self, subject: &Subject<'_>, flags: Flags, cap: u64) -> Trial {
        let mut trial = Trial { end: End::Paused, configurations: 0, effort: 0, passed: 0 };
        for supply in [Supply::Endless, Supply::Counted] {
            if supply == Supply::Endless && !flags.endless {
                continue;
            }
            let mut charge = Charge::new(subject.limits);
            let accesses = subject.accesses.as_ref();
            let problem = match Problem::new(self.items.clone(), accesses, flags, supply, &mut charge) {
                Ok(problem) => problem,
                Err(spent) => return Trial { end: End::Spent(spent), ..trial },
            };
            let next = by_width!(problem.slots, K => self.run::<K>(subject, &problem, flags, cap));
            trial = Trial {
                configurations: trial.configurations + next.configurations,
                effort: trial.effort + next.effort,
                ..next
            };
            if trial.end == End::Impossible || supply == Supply::Endless && !problem.stretched {
                break;
            }
        }
        trial
    }

    fn run<K: Mask>(&self, subject: &Subject<'_>, problem: &Problem, flags: Flags, cap: u64) -> Trial {
        let states = subject.object.states();
        let states = if flags.ahead { states.among(problem) } else { states };
        let mut search = Search::<K>::new(problem, states, flags, subject.limits);
        let end = match self.starts(subject, problem, &mut search) {
            Ok(true) => search.run(cap),
            // Too many to begin with: says nothing, like running out of configurations.
            Ok(false) => End::Paused,
            Err(spent) => End::Spent(spent),
        };
        Trial { end, configurations: search.configurations, effort: search.effort, passed: search.culprit() }
    }

    /// Gives a search every place where this window can begin. False: there are too many.
    pub(super) fn starts<K: Mask>(
        &self,
        subject: &Subject<'_>,
        problem: &Problem,
        search: &mut Search<'_, '_, K>,
    ) -> Result<bool, Spent> {
        let Some(since) = self.since else {
            let initial = search.states.initial();
            search.start(initial, std::iter::empty());
            return Ok(true);
        };
        if problem.len() == 0 {
            return Ok(false);
        }
        let open_at_cut =
            || problem.open(0).iter().copied().filter(|&at| problem.items[at as usize].invoke < since);
        // A start that has seen an observer can do all that one that has not can.
        let seen: Vec<u32> = open_at_cut().filter(|&at| problem.items[at as usize].observer).collect();
        let open: Vec<u32> = open_at_cut().filter(|&at| !problem.items[at as usize].observer).collect();
        if open.len() > MAX_OPEN_AT_CUT {
            return Ok(false);
        }
        let Some(states) = self.any_state(subject, since, &mut search.states) else { return Ok(false) };
        if states.len() << open.len() > MAX_STARTS {
            return Ok(false);
        }
        for subset in 0..1_usize << open.len() {
            subject.limits.time()?;
            let done =
                || open.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1).map(|(_, &at)| at);
            for &state in &states {
                search.start(state, done().chain(seen.iter().copied()));
            }
        }
        Ok(true)
    }

    /// What the object may be like at the cut, as far as it matters here.
    fn any_state(&self, subject: &Subject<'_>, since: Moment, states: &mut States<'_>) -> Option<Vec<u32>> {
        // Classes are numbered in the order in which they appear.
        let before = subject.entries.iter().take_while(|entry| entry.invoke < since);
        let past = before.map(|entry| entry.class as usize + 1).max().unwrap_or(0);
        let mut ops: Vec<u32> = self.items.iter().map(|item| item.class).collect();
        ops.sort_unstable();
        ops.dedup();
        states.any(past, &ops)
    }
}
