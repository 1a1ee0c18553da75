//! What a finding is recognised by in other runs.
//!
//! Two findings have the same fingerprint when they are, as far as anybody can tell without looking
//! into the system, the same bug: whatever the seed, keys, values, times and processes were. Too coarse,
//! and one bug that is known hides another; too fine, and one bug is many findings. So everything that
//! tells one way of failing from another counts: what was tested and with which settings, who found it,
//! what kind it is, which faults it came with, how the operations that prove it ended, and what the node
//! that answered was.

use super::crash;
use super::moment::Moment;
use crate::artifact::{NodeState, Run};
use duress_checkers::{Counterexample, Finding, Kind, Verdict};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Goes into every hash: whoever changes what is hashed raises it, so that no old fingerprint fits.
const VERSION: &str = "duress fingerprint 1";
/// The same for what is coarser.
const BUG_VERSION: &str = "duress bug 1";
/// Bytes of the hash that are shown; twice as many digits.
const BYTES: usize = 6;
/// Digits of a fingerprint.
pub(super) const DIGITS: usize = 2 * BYTES;
/// A violation that the checker could not name; then the operations have to tell it from others.
const UNNAMED: &str = "not linearizable";

/// Settings of the target, among the options of a run.
const SETTING: &str = "set ";

/// A fingerprint, and the same in words.
pub(super) struct Fingerprint {
    /// Lower-case hexadecimal, [`DIGITS`] of it.
    pub(super) hex: String,
    /// `etcd register: stale read during partition; acknowledged < read, from a follower`.
    pub(super) words: String,
    /// What it is told together with: see [`super::Placed::bug`].
    pub(super) bug: String,
}

impl Fingerprint {
    pub(super) fn new(run: &Run, verdict: &Verdict, finding: &Finding, moment: &Moment) -> Self {
        let (target, workload) = (&run.info.target, &run.info.workload);
        let faults = moment.words();
        let example = finding.counterexample.as_ref();
        let shape = example.and_then(|example| shape(example, finding.anomaly == UNNAMED));
        let shape = shape.or_else(|| crash::shape(run, verdict, finding));
        let role = example.and_then(|example| role(run, example));
        let mut parts: Vec<&str> =
            vec![VERSION, target, workload, &verdict.checker, &finding.anomaly, &faults];
        parts.extend([shape.as_deref().unwrap_or_default(), role.unwrap_or_default()]);
        let settings = run.info.options.iter().filter(|(name, _)| name.starts_with(SETTING));
        parts.extend(settings.flat_map(|(name, value)| [name.as_str(), value.as_str()]));
        let mut words = format!("{target} {workload}: {} {faults}", finding.anomaly);
        if let Some(shape) = &shape {
            words.push_str(&format!("; {shape}"));
        }
        if let Some(role) = role {
            words.push_str(&format!(", from a {role}"));
        }
        Self { hex: hash(&parts), words, bug: bug(run, verdict, finding, shape.as_deref()) }
    }
}

/// Coarser than a fingerprint: without the faults, the role, the shape of a proof and, where the anomaly
/// has a name, the workload. One stale read under many faults is one thing to look into, so that is what
/// lists of findings count; to excuse by it would excuse too much.
fn bug(run: &Run, verdict: &Verdict, finding: &Finding, shape: Option<&str>) -> String {
    let mut parts: Vec<&str> = vec![BUG_VERSION, &run.info.target, &verdict.checker, &finding.anomaly];
    if finding.anomaly == UNNAMED {
        parts.push(&run.info.workload);
    }
    if finding.counterexample.is_none() {
        parts.push(shape.unwrap_or_default());
    }
    parts.extend(run.info.settings.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
    hash(&parts)
}

/// With the length before each part: no two lists of parts read the same.
fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// `acknowledged < read`: how the operations of the core ended, and what then saw the impossible. Who
/// wrote or read before is told only where the violation has no name: that the newer value was known
/// because of a write or because of another read is the same bug, and its name says what is wrong.
fn shape(example: &Counterexample, unnamed: bool) -> Option<String> {
    let culprit = function(&example.ops.get(example.culprit)?.label);
    let others = example.core.iter().filter(|at| **at != example.culprit);
    let others: BTreeSet<String> = others
        .filter_map(|at| example.ops.get(*at))
        .map(|op| match (ended(op.kind), unnamed) {
            (ended, true) => format!("{ended} {}", function(&op.label)),
            (ended, false) => ended.to_owned(),
        })
        .collect();
    let others = others.into_iter().collect::<Vec<_>>().join(" + ");
    Some(if others.is_empty() { culprit } else { format!("{others} < {culprit}") })
}

fn ended(kind: Kind) -> &'static str {
    match kind {
        Kind::Ok => "acknowledged",
        Kind::Fail => "failed",
        Kind::Info | Kind::Invoke => "unanswered",
    }
}

/// `cas` of `cas 5 → 6`.
fn function(label: &str) -> String {
    let name: String = label.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '-').collect();
    if name.is_empty() { "operation".to_owned() } else { name }
}

/// What the node that gave the impossible answer was when it gave it, as far as somebody looked.
fn role(run: &Run, example: &Counterexample) -> Option<&'static str> {
    let culprit = example.ops.get(example.culprit)?;
    let (node, time) = (culprit.node.as_deref()?, culprit.returned.unwrap_or(culprit.invoked));
    let seen = run.nodes.iter().filter(|seen| seen.node == node && seen.at <= time);
    let seen = seen.max_by_key(|seen| seen.at)?;
    Some(match (seen.state, seen.leads) {
        (NodeState::Answers, Some(true)) => "leader",
        (NodeState::Answers, Some(false)) => "follower",
        (NodeState::Answers, None) => return None,
        (NodeState::Silent, _) => "silent node",
        (NodeState::Paused, _) => "paused node",
        (NodeState::Down, _) => "node that was down",
    })
}
