//! Applying and undoing, with proof: each returns the event for the journal.

use super::fault::Action;
use super::grudge::Grudge;
use crate::env::packet::{Behavior, Policies, Traffic};
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
    packets: BTreeMap<u32, (Grudge, Behavior)>,
    down: Holders,
    paused: Holders,
}

/// For each node, the faults that keep it broken.
type Holders = BTreeMap<usize, BTreeSet<u32>>;

impl Held {
    fn all_cuts(&self) -> Grudge {
        self.cuts.values().flatten().copied().collect()
    }

    fn policies(&self) -> Policies {
        let mut policies = Policies::new();
        for link in self.all_cuts() {
            policies.entry(link).or_default().cut = true;
        }
        for (links, behavior) in self.packets.values() {
            for &link in links {
                policies.entry(link).or_default().behaviors.push(behavior.clone());
            }
        }
        policies
    }
}

/// A fault in force.
#[derive(Debug)]
pub(super) struct Applied {
    action: Action,
    /// What its links had done before it.
    before: Vec<(Link, Traffic)>,
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
        Action::Cut(links) | Action::Packet(links, _) => serde_json::json!({ "links": links }),
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
        Action::Stop(_, how) => {
            let how = *how;
            strike_each(env, nodes, action.clone(), (&mut held.down, fault), |node| {
                env.stop(node, how)?;
                Ok(env.state(node) == ProcessState::Gone)
            })
        }
        Action::Pause(_) => strike_each(env, nodes, action.clone(), (&mut held.paused, fault), |node| {
            env.pause(node)?;
            Ok(matches!(env.state(node), ProcessState::Paused { .. }))
        }),
        Action::Cut(links) | Action::Packet(links, _) if links.is_empty() => Outcome {
            // A set of no links would pass its probe, too.
            event: JournalEvent::Skipped { why: "there is no link between these nodes".to_owned() },
            applied: None,
        },
        Action::Cut(links) => {
            let before = traffic(env, links);
            held.cuts.insert(fault, links.clone());
            let event = match env.set_links(&held.policies()).and_then(|()| passing(env, links)) {
                Err(error) => did_not_bite(error.to_string()),
                Ok(0) => {
                    JournalEvent::Bit { evidence: format!("all {} cut links drop their probe", links.len()) }
                }
                Ok(n) => did_not_bite(format!("{n} of {} cut links let their probe pass", links.len())),
            };
            Outcome { event, applied: Some(Applied { action, before }) }
        }
        Action::Packet(links, behavior) => {
            let before = traffic(env, links);
            held.packets.insert(fault, (links.clone(), behavior.clone()));
            let event = match env.set_links(&held.policies()).and_then(|()| sampled(env, links, behavior)) {
                Ok(event) => event,
                Err(error) => did_not_bite(error.to_string()),
            };
            Outcome { event, applied: Some(Applied { action, before }) }
        }
    }
}

/// Looks on each link whether packets are treated like this.
fn sampled(env: &dyn Environment, links: &Grudge, behavior: &Behavior) -> Result<JournalEvent, EnvError> {
    let (mut seen, mut probes) = (0, 0);
    for &link in links {
        if let Some(sent) = env.sample(link, behavior)? {
            seen += 1;
            probes += sent;
        }
    }
    if seen == links.len() {
        let evidence = format!("seen on all {seen} links within {probes} probes");
        return Ok(JournalEvent::Bit { evidence });
    }
    Ok(did_not_bite(format!("it was not seen on {} of {} links", links.len() - seen, links.len())))
}

fn traffic(env: &dyn Environment, links: &Grudge) -> Vec<(Link, Traffic)> {
    links.iter().map(|&link| (link, env.traffic(link))).collect()
}

/// Applies to every victim that has a process, and holds it; `strike` says whether its effect was
/// seen. A victim without one is not held: it would stay broken outside of any window.
fn strike_each(
    env: &dyn Environment,
    nodes: &[Node],
    action: Action,
    (holders, fault): (&mut Holders, u32),
    strike: impl Fn(usize) -> Result<bool, EnvError>,
) -> Outcome {
    let (Action::Stop(victims, _) | Action::Pause(victims)) = &action else {
        unreachable!("links are not struck")
    };
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
        holders.entry(node).or_default().insert(fault);
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
    Outcome { event, applied: touched.then_some(Applied { action, before: Vec::new() }) }
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
            let dropped: u64 = counted(env, applied, |traffic| traffic.dropped);
            env.set_links(&held.policies()).and_then(|()| passing(env, &free)).map(|n| {
                format!("{dropped} frames dropped; {n} of {} links that were freed pass a probe", free.len())
            })
        }
        Action::Packet(links, behavior) => {
            held.packets.remove(&fault);
            let free: Grudge = links.difference(&held.all_cuts()).copied().collect();
            let (_, word) = behavior.count(&Traffic::default());
            let befallen = counted(env, applied, |traffic| behavior.count(traffic).0);
            let passed = counted(env, applied, |traffic| traffic.passed);
            env.set_links(&held.policies()).and_then(|()| passing(env, &free)).map(|n| {
                format!(
                    "{befallen} frames {word}, {passed} passed; {n} of {} links that were freed pass a probe",
                    free.len()
                )
            })
        }
    };
    match outcome {
        Ok(evidence) => JournalEvent::Healed { evidence },
        Err(error) => JournalEvent::HealFailed { why: error.to_string() },
    }
}

/// Lets go of each victim that this fault holds, and mends it when nobody else does. One that
/// cannot be mended does not keep the others broken.
fn release(
    holders: &mut Holders,
    victims: &[usize],
    fault: u32,
    nodes: &[Node],
    mend: impl Fn(usize) -> Result<&'static str, EnvError>,
) -> Result<String, EnvError> {
    let mut evidence = Vec::new();
    let mut failed = None;
    for &node in victims {
        let name = &nodes[node].name;
        let others = holders.entry(node).or_default();
        if !others.remove(&fault) {
            continue;
        }
        if !others.is_empty() {
            evidence.push(format!("{name} is held by another fault"));
            continue;
        }
        match mend(node) {
            Ok(state) => evidence.push(format!("{name} is {state}")),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or_else(|| Ok(evidence.join("; ")), Err)
}

/// What its links did since it was applied.
fn counted(env: &dyn Environment, applied: &Applied, count: impl Fn(&Traffic) -> u64) -> u64 {
    let since = |(link, before): &(Link, Traffic)| count(&env.traffic(*link)).saturating_sub(count(before));
    applied.before.iter().map(since).sum()
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
