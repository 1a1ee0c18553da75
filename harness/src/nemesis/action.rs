//! Applying and undoing, with proof: each returns the event for the journal.

use super::fault::Action;
use super::grudge::Grudge;
use crate::env::{EnvError, Environment, Link, ProcessState};
use duress_reports::artifact::JournalEvent;
use duress_targets::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is in force, by fault. The lock is held while something is applied or undone, so that
/// two faults on one node or link take turns.
#[derive(Debug, Default)]
pub struct Held {
    cuts: BTreeMap<u32, Grudge>,
    down: BTreeMap<usize, BTreeSet<u32>>,
    paused: BTreeMap<usize, BTreeSet<u32>>,
}

impl Held {
    fn all_cuts(&self) -> Grudge {
        self.cuts.values().flatten().copied().collect()
    }
}

/// A fault in force.
#[derive(Debug)]
pub(super) struct Applied {
    action: Action,
    /// Frames dropped before it, per cut link.
    dropped_before: Vec<(Link, u64)>,
}

/// What came of applying.
pub(super) struct Outcome {
    /// For the journal.
    pub event: JournalEvent,
    /// For the undo; `None` when nothing was touched.
    pub applied: Option<Applied>,
}

/// What `duress heal` needs.
pub(super) fn undo_data(env: &dyn Environment, action: &Action) -> serde_json::Value {
    match action {
        Action::Stop(nodes, _) | Action::Pause(nodes) => {
            nodes.iter().map(|&node| env.undo_data(node)).collect()
        }
        Action::Cut(links) => serde_json::json!({ "links": links }),
    }
}

/// Applies and probes.
pub(super) fn apply(
    env: &dyn Environment,
    nodes: &[Node],
    held: &Mutex<Held>,
    fault: u32,
    action: Action,
) -> Outcome {
    let mut held = lock(held);
    match &action {
        Action::Stop(victims, how) => {
            let how = *how;
            for &node in victims {
                held.down.entry(node).or_default().insert(fault);
            }
            strike_each(env, nodes, action.clone(), victims, |node| {
                env.stop(node, how)?;
                Ok(env.state(node) == ProcessState::Gone)
            })
        }
        Action::Pause(victims) => {
            for &node in victims {
                held.paused.entry(node).or_default().insert(fault);
            }
            strike_each(env, nodes, action.clone(), victims, |node| {
                env.pause(node)?;
                Ok(matches!(env.state(node), ProcessState::Paused { .. }))
            })
        }
        Action::Cut(links) => {
            let dropped_before = links.iter().map(|&link| (link, env.dropped(link))).collect();
            held.cuts.insert(fault, links.clone());
            let event = match env.set_cuts(&held.all_cuts()).and_then(|()| passing(env, links)) {
                Err(error) => did_not_bite(error.to_string()),
                Ok(0) => {
                    JournalEvent::Bit { evidence: format!("all {} cut links drop their probe", links.len()) }
                }
                Ok(n) => did_not_bite(format!("{n} of {} cut links let their probe pass", links.len())),
            };
            Outcome { event, applied: Some(Applied { action, dropped_before }) }
        }
    }
}

/// Applies to every victim that has a process; `strike` says whether its effect was seen.
fn strike_each(
    env: &dyn Environment,
    nodes: &[Node],
    action: Action,
    victims: &[usize],
    strike: impl Fn(usize) -> Result<bool, EnvError>,
) -> Outcome {
    let mut evidence = Vec::new();
    let mut bit = true;
    let mut touched = false;
    for &node in victims {
        let name = &nodes[node].name;
        let pid = match env.state(node) {
            ProcessState::Running { pid } | ProcessState::Paused { pid } => pid,
            ProcessState::Gone => {
                evidence.push(format!("{name} has no process"));
                continue;
            }
        };
        touched = true;
        match strike(node) {
            Ok(seen) => {
                bit &= seen;
                evidence.push(format!("{name}: process {pid} is {}", word(&env.state(node))));
            }
            Err(error) => {
                bit = false;
                evidence.push(error.to_string());
            }
        }
    }
    let evidence = evidence.join("; ");
    let event = match (touched, bit) {
        (false, _) => JournalEvent::Skipped { why: evidence },
        (true, true) => JournalEvent::Bit { evidence },
        (true, false) => did_not_bite(evidence),
    };
    // Even a skipped fault is undone: it is on record as holding its nodes.
    Outcome { event, applied: Some(Applied { action, dropped_before: Vec::new() }) }
}

/// Takes back what no other fault still holds; idempotent.
pub(super) fn undo(
    env: &dyn Environment,
    nodes: &[Node],
    held: &Mutex<Held>,
    fault: u32,
    applied: &Applied,
) -> JournalEvent {
    let mut held = lock(held);
    let outcome = match &applied.action {
        Action::Stop(victims, _) => {
            release(&mut held.down, victims, fault, nodes, |node| match env.state(node) {
                ProcessState::Gone => env.start(node).map(|()| word(&env.state(node))),
                state => Ok(word(&state)),
            })
        }
        Action::Pause(victims) => release(&mut held.paused, victims, fault, nodes, |node| {
            env.resume(node).map(|()| word(&env.state(node)))
        }),
        Action::Cut(links) => {
            held.cuts.remove(&fault);
            let still = held.all_cuts();
            let free: Grudge = links.difference(&still).copied().collect();
            let dropped: u64 = applied
                .dropped_before
                .iter()
                .map(|&(link, before)| env.dropped(link).saturating_sub(before))
                .sum();
            env.set_cuts(&still).and_then(|()| passing(env, &free)).map(|n| {
                format!("{dropped} frames dropped; {n} of {} links that were freed pass a probe", free.len())
            })
        }
    };
    match outcome {
        Ok(evidence) => JournalEvent::Healed { evidence },
        Err(error) => JournalEvent::HealFailed { why: error.to_string() },
    }
}

/// Lets go of each victim, and mends it when nobody else holds it.
fn release(
    holders: &mut BTreeMap<usize, BTreeSet<u32>>,
    victims: &[usize],
    fault: u32,
    nodes: &[Node],
    mend: impl Fn(usize) -> Result<&'static str, EnvError>,
) -> Result<String, EnvError> {
    let mut evidence = Vec::new();
    for &node in victims {
        let name = &nodes[node].name;
        let others = holders.entry(node).or_default();
        others.remove(&fault);
        evidence.push(if others.is_empty() {
            format!("{name} is {}", mend(node)?)
        } else {
            format!("{name} is held by another fault")
        });
    }
    Ok(evidence.join("; "))
}

/// How many of these links let a probe pass.
fn passing(env: &dyn Environment, links: &Grudge) -> Result<usize, EnvError> {
    let mut n = 0;
    for &link in links {
        n += usize::from(env.probe(link)?);
    }
    Ok(n)
}

fn did_not_bite(evidence: String) -> JournalEvent {
    JournalEvent::DidNotBite { evidence }
}

fn word(state: &ProcessState) -> &'static str {
    match state {
        ProcessState::Running { .. } => "running",
        ProcessState::Paused { .. } => "stopped",
        ProcessState::Gone => "gone",
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
