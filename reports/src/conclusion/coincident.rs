//! What was the case when an impossible result came back: how the node that gave it was, who led, since
//! when a fault was in effect. Coincidences: none of this says why.

use crate::artifact::{FaultWindow, NodeSeen, NodeState, Run};
use crate::words;
use duress_checkers::Finding;

/// Faults told of, the last ones.
const MAX_FAULTS: usize = 2;

/// In words that complete "at that time …".
pub(super) fn facts(run: &Run, finding: &Finding, end: u64) -> Vec<String> {
    let Some((node, time)) = answered(finding) else { return Vec::new() };
    let mut facts = Vec::new();
    let active = run.faults.iter().filter(|w| {
        w.span_in_effect(end).is_some_and(|(from, to)| (from..=to).contains(&time))
            && w.nodes.iter().any(|n| n == node)
    });
    let active: Vec<&FaultWindow> = active.collect();
    for window in active.iter().rev().take(MAX_FAULTS) {
        let since = words::span(time.saturating_sub(window.in_effect.unwrap_or(window.start)));
        facts.push(format!("{node}, which answered, had been under F{} for {since}", window.id));
    }
    let now = |node: &str| run.nodes.iter().rfind(|seen| seen.node == node && seen.at <= time);
    if let Some(seen) = now(node) {
        match seen.state {
            NodeState::Answers if seen.leads == Some(true) => {
                facts.push(format!("{node} took itself for the leader{}", term(seen)));
            }
            NodeState::Answers => {}
            NodeState::Silent => facts.push(format!("{node} did not tell its state")),
            NodeState::Paused => facts.push(format!("{node} had been paused")),
            NodeState::Down => facts.push(format!("{node} had been down")),
        }
    }
    let leaders =
        run.info.nodes.iter().filter(|other| other.name != node).filter_map(|other| now(&other.name));
    let leaders = leaders.filter(|seen| seen.leads == Some(true) && seen.state == NodeState::Answers);
    facts.extend(leaders.map(|seen| format!("{} led{}", seen.node, term(seen))));
    facts
}

/// The node that gave the impossible answer, and when.
fn answered(finding: &Finding) -> Option<(&str, u64)> {
    let example = finding.counterexample.as_ref()?;
    let culprit = example.ops.get(example.culprit)?;
    Some((culprit.node.as_deref()?, culprit.returned.unwrap_or(finding.time)))
}

fn term(seen: &NodeSeen) -> String {
    seen.term.map_or(String::new(), |term| format!(" in term {term}"))
}
