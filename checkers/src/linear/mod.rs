//! Linearizability: is there one order of all operations, in keeping with real time, that a
//! single object could have gone through?
//!
//! Reading order: `partition` (a history becomes lists of operations, one per key), `components`
//! (and per group of cells that belong together), `subject` (one of them, with its model and
//! limits), `access` (what can be said of operations without the model), `blocks`, `collection` and
//! `growing` (decided without a search, where values are unique, elements are put in once, or an
//! object only grows; `found` is what such a decision says, `narrow` its proof where an object has many
//! cells), `problem` and `reduce` (laid out for searching), `search` (is there an order?), `ahead` (what
//! rules one out early), `window` (is there provably none?), `engine` (all of these in turns, and the
//! proof of the answer), `certify` (the second opinion), `explain` (the answer as a person wants it).
//! Beside them `online`: the same question while it happens.

mod access;
mod ahead;
mod blocks;
mod certify;
mod collection;
mod components;
mod engine;
mod explain;
mod found;
mod growing;
mod limits;
mod mask;
mod memo;
mod narrow;
mod numbers;
mod online;
mod parallel;
mod partition;
mod problem;
mod reduce;
mod search;
mod states;
mod subject;
#[cfg(test)]
mod tests;
mod uses;
mod window;

pub use online::{Alarm, Deferral, Online, OnlineError, Tally, Watch};
pub use partition::Keys;

use crate::history::History;
use crate::model::{Model, Register};
use crate::words;
use crate::{Budget, Checker, Finding, Valid, Verdict};
use engine::{Answer, Decided};
use limits::{Charge, Limits, Spent};
use partition::{Moment, Part, Parts, Unfit};
use problem::Flags;
use std::sync::atomic::AtomicUsize;
use subject::Subject;

/// Violations that are explained, unless another number is asked for; further ones are counted.
const MAX_FINDINGS: usize = 8;

/// Undecided keys named in a reason; further ones are counted.
const MAX_NAMED: usize = 3;

const NAME: &str = "linearizable";

/// Checks that every key behaves like one copy of a model.
///
/// The answer is exact in both directions: `valid` comes from an order that was replayed, and
/// `violation` from operations that were refuted. Whoever cannot be decided within the budget
/// is `unknown`.
///
/// A failed operation did not happen, and that is all it says. A compare-and-set that failed because
/// its comparison did tells that the value was another one at some instant; but a history does not
/// say why an operation failed in a way that all that write histories mean alike: a refusal before
/// anything was compared, or the second attempt of a client whose first one succeeded, is recorded
/// the same. To take these for observations would be a false alarm. Whoever knows better records
/// what was seen as a read.
#[derive(Clone, Debug)]
pub struct Linearizable<M: Model = Register> {
    model: M,
    keys: Keys,
    flags: Flags,
    explained: usize,
}

impl Linearizable<Register> {
    /// A register per key, initially `null`.
    pub fn register(keys: Keys) -> Self {
        Self::new(Register::default(), keys)
    }
}

impl<M: Model> Linearizable<M> {
    /// One copy of `model` per key.
    pub fn new(model: M, keys: Keys) -> Self {
        Self { model, keys, flags: Flags::ALL, explained: MAX_FINDINGS }
    }

    /// Explains so many violations at most, one for each key; further ones are counted. Without any,
    /// a verdict costs what deciding it costs.
    #[must_use]
    pub fn explaining(self, at_most: usize) -> Self {
        Self { explained: at_most, ..self }
    }
}

impl<M: Model> Checker for Linearizable<M> {
    fn name(&self) -> &str {
        NAME
    }

    fn fits(&self, history: &History) -> Result<(), String> {
        let (budget, held) = (Budget::default(), AtomicUsize::new(0));
        let limits = Limits::new(&budget, &held);
        match partition::partition(&self.model, self.keys, history, &mut Charge::new(&limits)) {
            Err(Unfit::Shape(why)) => Err(why),
            // What needs another option, or more room, is of the right shape.
            Ok(_) | Err(Unfit::Keys(_) | Unfit::Spent(_)) => Ok(()),
        }
    }

    fn check(&self, history: &History, budget: &Budget) -> Verdict {
        if let Some(model) = self.model.learned(history) {
            let learned = Self { model, keys: self.keys, flags: self.flags, explained: self.explained };
            return learned.check_learned(history, budget);
        }
        self.check_learned(history, budget)
    }
}

impl<M: Model> Linearizable<M> {
    fn check_learned(&self, history: &History, budget: &Budget) -> Verdict {
        let held = AtomicUsize::new(0);
        let limits = Limits::new(budget, &held);
        // Held until the end.
        let mut charge = Charge::new(&limits);
        match partition::partition(&self.model, self.keys, history, &mut charge) {
            Ok(parts) => self.judge(&parts, budget, &held),
            Err(Unfit::Shape(why) | Unfit::Keys(why)) => Verdict::unknown(NAME, why),
            Err(Unfit::Spent(spent)) => {
                Verdict::unknown(NAME, format!("{} before the search began", ran_out(spent, budget)))
            }
        }
    }

    fn judge(&self, parts: &Parts<'_, M::Op>, budget: &Budget, held: &AtomicUsize) -> Verdict {
        let decided = self.decide_all(&parts.parts, budget, held);
        let mut violations: Vec<usize> =
            (0..decided.len()).filter(|&at| matches!(decided[at].answer, Answer::Violation(_))).collect();
        violations.sort_by_key(|&at| culprit_return(&parts.parts[at], &decided[at]));
        let findings = violations
            .iter()
            .take(self.explained)
            .filter_map(|&at| self.explain(&parts.parts[at], &decided[at], budget, held))
            .collect();
        let undecided: Vec<usize> = (0..decided.len())
            .filter(|&at| matches!(decided[at].answer, Answer::Spent(_) | Answer::Bug))
            .collect();
        let valid = match (violations.is_empty(), undecided.is_empty()) {
            (false, _) => Valid::Violation,
            (true, false) => Valid::Unknown,
            (true, true) => Valid::Valid,
        };
        Verdict {
            reason: (valid == Valid::Unknown)
                .then(|| why_undecided(&self.model, &undecided, &parts.parts, &decided, budget)),
            findings_omitted: violations.len().saturating_sub(self.explained) as u64,
            findings,
            stats: stats(parts, &decided, &violations, &undecided),
            ..Verdict::new(NAME, valid)
        }
    }

    /// Decides every key, the largest first so that no thread is left with it at the end.
    fn decide_all(&self, parts: &[Part<'_, M::Op>], budget: &Budget, held: &AtomicUsize) -> Vec<Decided> {
        let mut largest_first: Vec<usize> = (0..parts.len()).collect();
        largest_first.sort_by_key(|&at| std::cmp::Reverse(parts[at].entries.len()));
        let decide = |at: usize| {
            let limits = Limits::new(budget, held);
            let decided = engine::decide(&Subject::new(&self.model, &parts[at], &limits), self.flags);
            (decided, limits.refused_memory())
        };
        let together = parallel::map(budget.threads, &largest_first, decide);
        let alone = budget.threads == 1 || parts.len() == 1;
        // Whoever was refused memory while others held some gets all of it now, so that answers do
        // not depend on what happened to run at the same time. A second try that ends in nothing,
        // when time runs out meanwhile, does not take back what the first one has proven.
        together
            .into_iter()
            .enumerate()
            .map(|(at, (first, refused))| {
                if !refused || alone {
                    return first;
                }
                let (second, _) = decide(at);
                if matches!(second.answer, Answer::Spent(_)) { first } else { second }
            })
            .collect()
    }

    fn explain(
        &self,
        part: &Part<'_, M::Op>,
        decided: &Decided,
        budget: &Budget,
        held: &AtomicUsize,
    ) -> Option<Finding> {
        let Answer::Violation(proof) = &decided.answer else { return None };
        let limits = Limits::new(budget, held);
        Some(explain::finding(&Subject::new(&self.model, part, &limits), proof))
    }
}

fn culprit_return<O>(part: &Part<'_, O>, decided: &Decided) -> Option<Moment> {
    match &decided.answer {
        Answer::Violation(proof) => part.entries[proof.culprit as usize].ret,
        _ => None,
    }
}

/// Calls that certainly happened.
fn answered<O>(part: &Part<'_, O>) -> u64 {
    part.entries.iter().filter(|entry| entry.ret.is_some()).count() as u64
}

fn ran_out(spent: Spent, budget: &Budget) -> String {
    match spent {
        Spent::Time => "time ran out".to_owned(),
        Spent::Memory => format!("memory limit {}", words::size(budget.memory_bytes)),
    }
}

/// `3 of 64 keys not decided: key 17: memory limit 2 GiB after 1,234,567 configurations, …`.
fn why_undecided<M: Model>(
    model: &M,
    undecided: &[usize],
    parts: &[Part<'_, M::Op>],
    decided: &[Decided],
    budget: &Budget,
) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for &at in undecided.iter().take(MAX_NAMED) {
        let decided = &decided[at];
        let what = match &decided.answer {
            Answer::Spent(spent) => format!(
                "{} after {} with an order of the first {} of {}, widest frontier {}",
                ran_out(*spent, budget),
                words::counted(decided.configurations, "configuration", "configurations"),
                words::count(u64::from(decided.passed)),
                words::counted(answered(&parts[at]), "answered call", "answered calls"),
                words::counted(decided.widest as u64, "open operation", "open operations")
            ),
            _ => format!("internal error, a bug in Duress: {}", decided.bugs.join("; ")),
        };
        reasons.push(match (&parts[at].key, parts[at].told_cells(model)) {
            (Some(key), Some(cells)) => format!("key {}, {cells}: {what}", words::bare(key)),
            (Some(key), None) => format!("key {}: {what}", words::bare(key)),
            (None, Some(cells)) => format!("{cells}: {what}"),
            (None, None) => what,
        });
    }
    if undecided.len() > MAX_NAMED {
        reasons.push(format!("and {} more", undecided.len() - MAX_NAMED));
    }
    let reasons = reasons.join("; ");
    match parts {
        [Part { key: None, .. }] => reasons,
        _ => format!(
            "{} of {} not decided: {reasons}",
            undecided.len(),
            match parts.iter().any(|part| !part.cells.is_empty()) {
                true => words::counted(parts.len() as u64, "component", "components"),
                false => words::counted(parts.len() as u64, "key", "keys"),
            }
        ),
    }
}

/// How many keys these parts are on.
fn keys_of<O>(at: &[usize], parts: &[Part<'_, O>]) -> u64 {
    let mut at = at.to_vec();
    at.sort_unstable();
    // The components of a key follow one another.
    at.dedup_by_key(|at| &parts[*at].key);
    at.len() as u64
}

fn stats<O>(
    parts: &Parts<'_, O>,
    decided: &[Decided],
    violations: &[usize],
    undecided: &[usize],
) -> serde_json::Map<String, serde_json::Value> {
    let counts = parts.counts;
    let mut stats = serde_json::Map::new();
    let mut put = |name: &str, value: u64| stats.insert(name.to_owned(), value.into());
    put("keys", parts.keys as u64);
    if parts.parts.len() != parts.keys {
        put("components", parts.parts.len() as u64);
    }
    put("calls", counts.ok + counts.fail + counts.info);
    put("ok", counts.ok);
    put("fail", counts.fail);
    put("info", counts.info);
    put("configurations", decided.iter().map(|d| d.configurations).sum());
    put("widest_frontier", decided.iter().map(|d| d.widest as u64).max().unwrap_or(0));
    put("violating_keys", keys_of(violations, &parts.parts));
    put("undecided_keys", keys_of(undecided, &parts.parts));
    let again = |d: &&Decided| matches!(&d.answer, Answer::Violation(proof) if proof.proved_again);
    put("violations_proved_twice", decided.iter().filter(again).count() as u64);
    let bugs: Vec<&str> = decided.iter().flat_map(|d| d.bugs.iter().map(String::as_str)).collect();
    if !bugs.is_empty() {
        // Our own methods disagreed; the answers come from the plain search then.
        stats.insert("internal_errors".to_owned(), bugs.into());
    }
    stats
}
