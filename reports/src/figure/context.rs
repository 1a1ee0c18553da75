//! How the nodes that matter were meanwhile: thin strips above a counterexample, on its warped axis.

use crate::artifact::{FaultWindow, NodeSeen, NodeState};
use duress_checkers::verdict::ShownOp;
use duress_checkers::{Counterexample, Kind};

/// Strips above a figure.
const MAX_STRIPS: usize = 4;

/// What is known about the nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Context<'a> {
    /// What befell them.
    pub(crate) faults: &'a [FaultWindow],
    /// How they were seen.
    pub(crate) nodes: &'a [NodeSeen],
    /// When the run was over; nanoseconds.
    pub(crate) end: u64,
}

/// A node over time.
pub(super) struct Strip {
    /// `n4`.
    pub(super) node: String,
    /// By time.
    pub(super) stretches: Vec<Being>,
}

/// How a node was for a while.
pub(super) struct Being {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) how: How,
    /// `paused`, `leader of term 5`.
    pub(super) words: String,
    /// The words are written there, too.
    pub(super) named: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It answers, and leads.
    Leads,
    /// It does not answer, or is not there.
    Gone,
    /// A fault is in effect on it.
    Hit,
}

impl Context<'_> {
    /// The node that gave the impossible answer first, then those that led or acknowledged the core.
    pub(super) fn strips(&self, example: &Counterexample, from: u64, to: u64) -> Vec<Strip> {
        let mut wanted: Vec<&str> = Vec::new();
        let named = |at: &usize| example.ops.get(*at).and_then(|op| op.node.as_deref());
        let led = self.nodes.iter().filter(|seen| seen.leads == Some(true) && seen.at <= to);
        let core = example.core.iter().rev().filter_map(named);
        for node in named(&example.culprit).into_iter().chain(led.map(|seen| seen.node.as_str())).chain(core)
        {
            if !wanted.contains(&node) {
                wanted.push(node);
            }
        }
        let strips = wanted.into_iter().map(|node| {
            let mut hit: Vec<Being> = self.hit(node, from, to).collect();
            let mut stretches = self.seen(node, example, (from, to));
            // Both stand in the same place: one of them says it all.
            for being in stretches.iter_mut().filter(|being| being.how == How::Gone) {
                for fault in hit.iter_mut().filter(|fault| fault.from < being.to && being.from < fault.to) {
                    being.words = format!("{}: {}", being.words, fault.words);
                    fault.named = false;
                }
            }
            // Faults beneath: what the node was is what one has to read.
            hit.extend(stretches);
            Strip { node: node.to_owned(), stretches: hit }
        });
        strips.filter(|strip| !strip.stretches.is_empty()).take(MAX_STRIPS).collect()
    }

    /// Faults in effect then, the last ones, on whatever node.
    pub(super) fn faults(&self, from: u64, to: u64) -> Vec<Being> {
        let active = self.faults.iter().filter_map(|window| self.while_hit(window, from, to));
        let all: Vec<Being> = active.collect();
        let over = all.len().saturating_sub(MAX_STRIPS);
        all.into_iter().skip(over).collect()
    }

    fn seen(&self, node: &str, example: &Counterexample, (from, to): (u64, u64)) -> Vec<Being> {
        let mine: Vec<&NodeSeen> = self.nodes.iter().filter(|seen| seen.node == node).collect();
        let mut stretches = Vec::new();
        for (at, seen) in mine.iter().enumerate() {
            let next = mine.get(at + 1).copied();
            let mut until = next.map_or(to, |next| next.at);
            let term = seen.term.map_or(String::new(), |term| format!(" of term {term}"));
            let (how, words) = match (seen.state, seen.leads) {
                (NodeState::Answers, Some(true)) => (How::Leads, format!("leader{term}")),
                (NodeState::Answers, _) => continue,
                (NodeState::Silent, _) => (How::Gone, "silent".to_owned()),
                (NodeState::Paused, _) => (How::Gone, "paused".to_owned()),
                (NodeState::Down, _) => (How::Gone, "down".to_owned()),
            };
            if how == How::Gone {
                until = self.back(seen, next, example).map_or(until, |back| back.min(until));
            }
            if seen.at < to && until > from {
                stretches.push(Being { from: seen.at.max(from), to: until.min(to), how, words, named: true });
            }
        }
        stretches
    }

    /// When a node that was gone is known to be there again, before anybody asked it the next time: it gave a
    /// client an answer, or the fault was undone before that next time.
    fn back(&self, gone: &NodeSeen, next: Option<&NodeSeen>, example: &Counterexample) -> Option<u64> {
        let through = |op: &&ShownOp| op.node.as_ref() == Some(&gone.node) && op.kind == Kind::Ok;
        let answers = example.ops.iter().filter(through).filter(|op| op.invoked > gone.at);
        let answered = answers.filter_map(|op| op.returned).min();
        let asked = next.filter(|next| next.state == NodeState::Answers).map(|next| next.at);
        let hits = self.faults.iter().filter(|window| window.nodes.contains(&gone.node));
        let hits = hits.filter(|window| asked.is_some_and(|asked| window.start < asked));
        let undone = hits.map(|window| window.healed.unwrap_or(u64::MAX)).max();
        answered.into_iter().chain(undone.filter(|undone| *undone > gone.at)).min()
    }

    fn hit(&self, node: &str, from: u64, to: u64) -> impl Iterator<Item = Being> {
        let mine = self.faults.iter().filter(move |window| window.nodes.iter().any(|n| n == node));
        mine.filter_map(move |window| self.while_hit(window, from, to))
    }

    fn while_hit(&self, window: &FaultWindow, from: u64, to: u64) -> Option<Being> {
        let (start, stop) = window.span_in_effect(self.end)?;
        (start < to && stop > from).then(|| Being {
            from: start.max(from),
            to: stop.min(to),
            how: How::Hit,
            words: window.name(),
            named: true,
        })
    }
}
