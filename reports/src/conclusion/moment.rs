//! Which faults a finding came with. Those that touch a node of its proof come first: one that is in effect
//! there, then one that was undone there shortly before. What is broken elsewhere is only named where there is
//! nothing nearer, and as such.

use crate::artifact::{FaultWindow, Run};
use crate::words::{self, SECOND};
use duress_checkers::Finding;
use std::collections::BTreeSet;

/// How long after a fault something still counts as just after it.
const JUST_AFTER: u64 = 2 * SECOND;
/// How far back a fault is worth naming.
const NEAR: u64 = 10 * SECOND;

/// Which faults a finding came with.
pub(super) enum Moment {
    /// While they were in effect.
    During(BTreeSet<String>),
    /// Soon after one.
    JustAfter(String),
    /// With none.
    Quiet,
}

impl Moment {
    /// `during kill+partition`.
    pub(super) fn words(&self) -> String {
        match self {
            Self::During(kinds) => {
                format!("during {}", kinds.iter().map(String::as_str).collect::<Vec<_>>().join("+"))
            }
            Self::JustAfter(kind) => format!("just after {kind}"),
            Self::Quiet => "without a fault".to_owned(),
        }
    }
}

/// A fault that a finding came with, if any, how in words, and in those that other runs share.
pub(super) type Relation = (Option<u32>, String, Moment);

pub(super) fn relation(run: &Run, finding: &Finding, end: u64) -> Relation {
    let nodes = nodes(finding);
    let (here, elsewhere): (Vec<&FaultWindow>, Vec<&FaultWindow>) =
        run.faults.iter().partition(|window| touches(window, &nodes, run));
    let time = finding.time;
    let found = || {
        with(&here, time, end).or_else(|| {
            let (id, words, moment) = with(&elsewhere, time, end)?;
            Some((id, format!("{words}, on no node of the proof"), moment))
        })
    };
    found().unwrap_or_else(|| (None, long_ago(&run.faults, time), Moment::Quiet))
}

/// Whether it is in effect, or was shortly before.
fn with(faults: &[&FaultWindow], time: u64, end: u64) -> Option<Relation> {
    let active =
        |w: &&&FaultWindow| w.span_in_effect(end).is_some_and(|(from, to)| (from..=to).contains(&time));
    let during: Vec<&&FaultWindow> = faults.iter().filter(active).collect();
    if let Some(last) = during.last() {
        let names: Vec<String> = during.iter().map(|w| w.name()).collect();
        let kinds = during.iter().map(|w| w.kind.clone()).collect();
        return Some((Some(last.id), format!("during {}", words::list(&names)), Moment::During(kinds)));
    }
    let (heal, last) = ended(faults.iter().copied(), time).filter(|(heal, _)| time - heal <= JUST_AFTER)?;
    Some((Some(last.id), after(time - heal, last), Moment::JustAfter(last.kind.clone())))
}

fn long_ago(faults: &[FaultWindow], time: u64) -> String {
    match ended(faults.iter(), time).filter(|(heal, _)| time - heal <= NEAR) {
        Some((heal, last)) => after(time - heal, last),
        None => format!("no fault within {} s before", NEAR / SECOND),
    }
}

fn after(since: u64, window: &FaultWindow) -> String {
    format!("{} after {}", words::span(since), window.name())
}

/// The last one whose undo had begun, and when.
fn ended<'a>(faults: impl Iterator<Item = &'a FaultWindow>, time: u64) -> Option<(u64, &'a FaultWindow)> {
    let ended = faults.filter(|w| w.bit()).filter_map(|w| Some((w.heal.filter(|t| *t < time)?, w)));
    ended.max_by_key(|(heal, w)| (*heal, w.id))
}

/// Nodes through which the operations of the proof went; none where there is no proof.
fn nodes(finding: &Finding) -> BTreeSet<&str> {
    let Some(example) = &finding.counterexample else { return BTreeSet::new() };
    let proof = example.core.iter().chain([&example.culprit]).filter_map(|at| example.ops.get(*at));
    proof.filter_map(|op| op.node.as_deref()).collect()
}

/// Has it to do with one of these nodes? A cut link has with both of its ends. Where nobody knows, it may have.
fn touches(window: &FaultWindow, nodes: &BTreeSet<&str>, run: &Run) -> bool {
    let ends = window.cut.iter().flat_map(|&(from, to)| [from, to]);
    let ends = ends.filter_map(|end| run.info.nodes.get(end as usize)).map(|node| node.name.as_str());
    let mut all = window.nodes.iter().map(String::as_str).chain(ends).peekable();
    nodes.is_empty() || all.peek().is_none() || all.any(|node| nodes.contains(node))
}
