//! Applying and undoing, with proof: each returns the event for the journal.
//!
//! What is done to processes, links, clients, clocks and disks is said in the modules below; here is
//! what they share, and who does what.

mod clients;
mod clocks;
mod disks;
mod links;
mod processes;

use super::fault::Action;
use crate::engine::{ClientFault, Clients};
use crate::env::packet::Traffic;
use crate::env::{EnvError, Environment, Link};
pub(super) use clients::can_show;
pub(super) use disks::seen;
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
    clocks: clocks::Skewed,
}

/// One fault, and what it happens to.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub env: &'a dyn Environment,
    pub nodes: &'a [Node],
    pub clients: &'a Clients,
    pub fault: u32,
}

/// A fault in force.
#[derive(Debug)]
pub(super) struct Applied {
    action: Action,
    /// What its links had done before it.
    before: Vec<(Link, Traffic)>,
}

impl Applied {
    /// Does its effect show later than when it is applied?
    pub(super) fn shows_later(&self) -> Option<Showing> {
        match &self.action {
            Action::Clients(nodes, what) => Some(Showing::Clients(nodes.clone(), *what)),
            Action::Disk(victims, _) => Some(Showing::Disks(victims.clone())),
            _ => None,
        }
    }
}

/// Where a fault shows that does not show at once.
pub(super) enum Showing {
    /// In operations of the clients of these nodes.
    Clients(Vec<usize>, ClientFault),
    /// In calls of the servers of these nodes.
    Disks(Vec<usize>),
}

/// What came of applying.
pub(super) struct Outcome {
    /// For the journal; `None` when its effect shows later.
    pub event: Option<JournalEvent>,
    /// For the undo; `None` when nothing was touched.
    pub applied: Option<Applied>,
}

/// What `duress heal` needs.
pub(super) fn undo_data(env: &dyn Environment, action: &Action) -> serde_json::Value {
    match action {
        Action::Stop(nodes, _)
        | Action::Pause(nodes)
        | Action::Starve(nodes, _)
        | Action::Clock(nodes, ..)
        | Action::Disk(nodes, _)
        | Action::PowerFailure(nodes, ..)
        | Action::Corrupt(nodes, ..) => nodes.iter().map(|&node| env.undo_data(node)).collect(),
        Action::Cut(links) | Action::Packet(links, _) => serde_json::json!({ "links": links }),
        // They are in this process, and gone with it.
        Action::Clients(..) => serde_json::Value::Null,
    }
}

/// Applies and probes.
pub(super) fn apply(scene: Scene<'_>, held: &Mutex<Held>, action: Action) -> Outcome {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = |(event, before)| (Some(event), before);
    let (event, before) = match &action {
        Action::Stop(victims, how) => {
            seen((processes::stop(scene, &mut held.down, victims, *how), Vec::new()))
        }
        Action::Pause(victims) => seen((processes::pause(scene, &mut held.paused, victims), Vec::new())),
        Action::Starve(victims, percent) => {
            seen((processes::starve(scene, &mut held.paused, victims, *percent), Vec::new()))
        }
        Action::Cut(links) => seen(links::cut(scene, &mut held.links, links)),
        Action::Packet(links, behavior) => seen(links::mistreat(scene, &mut held.links, links, behavior)),
        Action::Clients(nodes, what) => (clients::strike(scene, nodes, *what), Vec::new()),
        Action::Clock(victims, which, skew) => {
            seen((clocks::skew(scene, &mut held.clocks, victims, (*which, *skew)), Vec::new()))
        }
        Action::Disk(victims, misdeed) => (disks::misbehave(scene, &held.down, victims, misdeed), Vec::new()),
        Action::PowerFailure(victims, keep, seed) => {
            seen((disks::power_failure(scene, &mut held.down, victims, (*keep, *seed)), Vec::new()))
        }
        Action::Corrupt(victims, damage, seed) => {
            seen((disks::corrupt(scene, &mut held.down, victims, (damage, *seed)), Vec::new()))
        }
    };
    let touched = !matches!(event, Some(JournalEvent::Skipped { .. }));
    Outcome { event, applied: touched.then_some(Applied { action, before }) }
}

/// Takes back what no other fault still holds; idempotent.
pub(super) fn undo(scene: Scene<'_>, held: &Mutex<Held>, applied: &Applied) -> JournalEvent {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let Applied { action, before } = applied;
    let outcome = match action {
        Action::Stop(victims, _) | Action::PowerFailure(victims, ..) | Action::Corrupt(victims, ..) => {
            processes::restart(scene, &mut held.down, victims)
        }
        Action::Pause(victims) => processes::resume(scene, &mut held.paused, victims),
        Action::Starve(victims, _) => processes::feed(scene, &mut held.paused, victims),
        Action::Cut(links) => links::mend(scene, &mut held.links, links, before),
        Action::Packet(links, behavior) => links::spare(scene, &mut held.links, links, behavior, before),
        Action::Clients(_, what) => Ok(clients::release(scene, *what)),
        Action::Clock(victims, ..) => clocks::right(scene, &mut held.clocks, victims),
        Action::Disk(victims, _) => disks::behave(scene, &held.down, victims),
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
