//! Applying and undoing, with proof: each returns the event for the journal.
//!
//! What is done to processes and to links is said in the modules below; here is what they share,
//! and who does what.

mod links;
mod processes;

use super::fault::Action;
use crate::env::packet::Traffic;
use crate::env::{EnvError, Environment, Link};
use duress_reports::artifact::JournalEvent;
use duress_targets::Node;
use processes::Holders;
use std::sync::{Mutex, PoisonError};

/// What is in force, by fault. The lock is held while something is applied or undone, so that
/// two faults on one node or link take turns.
#[derive(Debug, Default)]
pub struct Held {
    links: links::Mistreated,
    down: Holders,
    paused: Holders,
}

/// One fault, and what it happens to.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub env: &'a dyn Environment,
    pub nodes: &'a [Node],
    pub fault: u32,
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
pub(super) fn apply(scene: Scene<'_>, held: &Mutex<Held>, action: Action) -> Outcome {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let (event, before) = match &action {
        Action::Stop(victims, how) => (processes::stop(scene, &mut held.down, victims, *how), Vec::new()),
        Action::Pause(victims) => (processes::pause(scene, &mut held.paused, victims), Vec::new()),
        Action::Cut(links) => links::cut(scene, &mut held.links, links),
        Action::Packet(links, behavior) => links::mistreat(scene, &mut held.links, links, behavior),
    };
    let touched = !matches!(event, JournalEvent::Skipped { .. });
    Outcome { event, applied: touched.then_some(Applied { action, before }) }
}

/// Takes back what no other fault still holds; idempotent.
pub(super) fn undo(scene: Scene<'_>, held: &Mutex<Held>, applied: &Applied) -> JournalEvent {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let Applied { action, before } = applied;
    let outcome = match action {
        Action::Stop(victims, _) => processes::restart(scene, &mut held.down, victims),
        Action::Pause(victims) => processes::resume(scene, &mut held.paused, victims),
        Action::Cut(links) => links::mend(scene, &mut held.links, links, before),
        Action::Packet(links, behavior) => links::spare(scene, &mut held.links, links, behavior, before),
    };
    match outcome {
        Ok(evidence) => JournalEvent::Healed { evidence },
        Err(error) => JournalEvent::HealFailed { why: error.to_string() },
    }
}

/// What could not be done did nothing that counts.
fn did_not_bite(error: &EnvError) -> JournalEvent {
    JournalEvent::DidNotBite { evidence: error.to_string() }
}
