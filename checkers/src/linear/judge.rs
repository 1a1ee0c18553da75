//! All keys of a history: each is decided, and what came of them is the verdict.
//!
//! Not here: how a key is decided; see [`super::engine`].

use super::engine::{self, Answer, Decided};
use super::explain;
use super::limits::{Limits, Spent};
use super::object::Object;
use super::parallel;
use super::partition::{Counts, Moment};
use super::problem::Flags;
use super::subject::Subject;
use crate::words;
use crate::{Budget, Finding, Valid, Verdict};
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::sync::atomic::AtomicUsize;

/// Undecided keys named in a reason; further ones are counted.
const MAX_NAMED: usize = 3;

/// What is to be decided.
pub(super) struct Judge<'a> {
    /// The components of a key follow one another.
    pub(super) objects: Vec<&'a dyn Object>,
    /// How many keys there are.
    pub(super) keys: usize,
    pub(super) counts: Counts,
    pub(super) flags: Flags,
    pub(super) budget: &'a Budget,
    /// Bytes that all searches hold together.
    pub(super) held: &'a AtomicUsize,
}

impl Judge<'_> {
    /// Explains so many violations at most.
    pub(super) fn verdict(&self, explained: usize) -> Verdict {
        let decided = self.decide_all();
        let mut violations: Vec<usize> =
            (0..decided.len()).filter(|&at| matches!(decided[at].answer, Answer::Violation(_))).collect();
        violations.sort_by_key(|&at| culprit_return(self.objects[at], &decided[at]));
        let findings =
            violations.iter().take(explained).filter_map(|&at| self.explain(at, &decided[at])).collect();
        let undecided: Vec<usize> = (0..decided.len())
            .filter(|&at| matches!(decided[at].answer, Answer::Spent(_) | Answer::Bug))
            .collect();
        let valid = match (violations.is_empty(), undecided.is_empty()) {
            (false, _) => Valid::Violation,
            (true, false) => Valid::Unknown,
            (true, true) => Valid::Valid,
        };
        Verdict {
            reason: (valid == Valid::Unknown).then(|| self.why_undecided(&undecided, &decided)),
            findings_omitted: violations.len().saturating_sub(explained) as u64,
            findings,
            stats: self.stats(&decided, &violations, &undecided),
            ..Verdict::new(super::NAME, valid)
        }
    }

    /// Decides every key, the largest first so that no thread is left with it at the end.
    fn decide_all(&self) -> Vec<Decided> {
        let mut largest_first: Vec<usize> = (0..self.objects.len()).collect();
        largest_first.sort_by_key(|&at| Reverse(self.objects[at].entries().len()));
        let decide = |at: usize| {
            let limits = Limits::new(self.budget, self.held);
            let decided = engine::decide(&Subject::new(self.objects[at], &limits), self.flags);
            (decided, limits.refused_memory())
        };
        let together = parallel::map(self.budget.threads, &largest_first, decide);
        let alone = self.budget.threads == 1 || self.objects.len() == 1;
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

    fn explain(&self, at: usize, decided: &Decided) -> Option<Finding> {
        let Answer::Violation(proof) = &decided.answer else { return None };
        let limits = Limits::new(self.budget, self.held);
        Some(explain::finding(&Subject::new(self.objects[at], &limits), proof))
    }

    /// `3 of 64 keys not decided: key 17: memory limit 2 GiB after 1,234,567 configurations, …`.
    fn why_undecided(&self, undecided: &[usize], decided: &[Decided]) -> String {
        let why = |&at: &usize| self.why(self.objects[at], &decided[at]);
        let mut reasons: Vec<String> = undecided.iter().take(MAX_NAMED).map(why).collect();
        if undecided.len() > MAX_NAMED {
            reasons.push(format!("and {} more", undecided.len() - MAX_NAMED));
        }
        let reasons = reasons.join("; ");
        if let [only] = &self.objects[..]
            && only.key().is_none()
        {
            return reasons;
        }
        let all = self.objects.len() as u64;
        let all = match self.objects.iter().any(|object| !object.cells().is_empty()) {
            true => words::counted(all, "component", "components"),
            false => words::counted(all, "key", "keys"),
        };
        format!("{} of {all} not decided: {reasons}", undecided.len())
    }

    fn why(&self, object: &dyn Object, decided: &Decided) -> String {
        let what = match &decided.answer {
            Answer::Spent(spent) => format!(
                "{} after {} with an order of the first {} of {}, widest frontier {}",
                ran_out(*spent, self.budget),
                words::counted(decided.configurations, "configuration", "configurations"),
                words::count(u64::from(decided.passed)),
                words::counted(answered(object), "answered call", "answered calls"),
                words::counted(decided.widest as u64, "open operation", "open operations")
            ),
            _ => format!("internal error, a bug in Duress: {}", decided.bugs.join("; ")),
        };
        match (object.key(), object.told_cells()) {
            (Some(key), Some(cells)) => format!("key {}, {cells}: {what}", words::bare(key)),
            (Some(key), None) => format!("key {}: {what}", words::bare(key)),
            (None, Some(cells)) => format!("{cells}: {what}"),
            (None, None) => what,
        }
    }

    /// How many keys these objects are on.
    fn keys_of(&self, at: &[usize]) -> u64 {
        let mut at = at.to_vec();
        at.sort_unstable();
        at.dedup_by_key(|at| self.objects[*at].key());
        at.len() as u64
    }

    fn stats(&self, decided: &[Decided], violations: &[usize], undecided: &[usize]) -> Map<String, Value> {
        let counts = self.counts;
        let mut stats = Map::new();
        let mut put = |name: &str, value: u64| stats.insert(name.to_owned(), value.into());
        put("keys", self.keys as u64);
        if self.objects.len() != self.keys {
            put("components", self.objects.len() as u64);
        }
        put("calls", counts.ok + counts.fail + counts.info);
        put("ok", counts.ok);
        put("fail", counts.fail);
        put("info", counts.info);
        put("configurations", decided.iter().map(|d| d.configurations).sum());
        put("widest_frontier", decided.iter().map(|d| d.widest as u64).max().unwrap_or(0));
        put("violating_keys", self.keys_of(violations));
        put("undecided_keys", self.keys_of(undecided));
        let again = |d: &&Decided| matches!(&d.answer, Answer::Violation(proof) if proof.proved_again);
        put("violations_proved_twice", decided.iter().filter(again).count() as u64);
        let bugs: Vec<&str> = decided.iter().flat_map(|d| d.bugs.iter().map(String::as_str)).collect();
        if !bugs.is_empty() {
            // Our own methods disagreed; the answers come from the plain search then.
            stats.insert("internal_errors".to_owned(), bugs.into());
        }
        stats
    }
}

fn culprit_return(object: &dyn Object, decided: &Decided) -> Option<Moment> {
    match &decided.answer {
        Answer::Violation(proof) => object.entries()[proof.culprit as usize].ret,
        _ => None,
    }
}

/// Calls that certainly happened.
fn answered(object: &dyn Object) -> u64 {
    object.entries().iter().filter(|entry| entry.ret.is_some()).count() as u64
}

/// In words, why a search ended.
pub(super) fn ran_out(spent: Spent, budget: &Budget) -> String {
    match spent {
        Spent::Time => "time ran out".to_owned(),
        Spent::Memory => format!("memory limit {}", words::size(budget.memory_bytes)),
    }
}
