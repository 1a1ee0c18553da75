//! Applying and undoing, with proof: each returns the event for the journal.
//!
//! What is done to processes, links, clients, clocks, disks, data and members is said in the modules
//! below; here is what they share, and who does what.

mod clients;
mod clocks;
mod data;
mod disks;
mod lifecycle;
mod links;
mod memory;
mod processes;
mod restore;
#[cfg(test)]
mod tests;

use super::fault::Action;
use super::grudge::Grudge;
use super::lifecycle::Act;
use crate::engine::{ClientFault, Clients};
use crate::env::data::OtherData;
use crate::env::packet::Traffic;
use crate::env::{EnvError, Environment, Link, Program};
pub(super) use clients::can_show;
pub(super) use disks::seen;
use duress_reports::artifact::JournalEvent;
use duress_targets::{Node, Target};
pub(super) use lifecycle::restore;
use processes::Holders;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is in force.
#[derive(Debug, Default)]
pub struct Held {
    /// Held while something is applied or undone, so that two faults on one node or link take turns.
    things: Mutex<Things>,
    /// Held while members change.
    members: Mutex<()>,
}

/// What is in force, by fault.
#[derive(Debug, Default)]
struct Things {
    links: links::Mistreated,
    down: Holders,
    paused: Holders,
    clocks: clocks::Skewed,
    data: data::Kept,
    restored: restore::Restored,
}

impl Held {
    fn things(&self) -> MutexGuard<'_, Things> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The links that are cut.
    pub(super) fn cuts(&self) -> Grudge {
        self.things().links.all_cuts()
    }

    /// Keeps a node down.
    fn hold(&self, node: usize, fault: u32) {
        self.things().down.entry(node).or_default().insert(fault);
    }

    /// No longer. Do others?
    fn let_go(&self, node: usize, fault: u32) -> bool {
        let mut things = self.things();
        let holders = things.down.entry(node).or_default();
        holders.remove(&fault);
        !holders.is_empty()
    }
}

/// One fault, and what it happens to.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub env: &'a dyn Environment,
    pub target: &'a dyn Target,
    pub nodes: &'a [Node],
    pub programs: &'a [Program],
    pub tool: Option<&'a Program>,
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
            Action::StartWith(_, OtherData::Older) => Some(Showing::Data),
            Action::Lifecycle(_, Act::MemberReplace) => Some(Showing::Replaced),
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
    /// In data that is given back once it is older.
    Data,
    /// It has been seen, and goes on: the node comes back.
    Replaced,
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
        Action::Stop(nodes, ..)
        | Action::Pause(nodes)
        | Action::Starve(nodes, _)
        | Action::Clock(nodes, ..)
        | Action::Disk(nodes, _)
        | Action::PowerFailure(nodes, ..)
        | Action::Corrupt(nodes, ..)
        | Action::StartWith(nodes, _)
        | Action::Lifecycle(nodes, _)
        | Action::Oom(nodes) => nodes.iter().map(|&node| env.undo_data(node)).collect(),
        // Rules beside servers that are not ours outlive us as they do.
        Action::Cut(links, _) | Action::Packet(links, _) if !env.are_ours() => {
            let ends: BTreeSet<usize> = links.iter().flat_map(|&(from, to)| [from, to]).collect();
            ends.into_iter().map(|node| env.undo_data(node)).collect()
        }
        Action::Cut(links, _) | Action::Packet(links, _) => serde_json::json!({ "links": links }),
        // They are in this process, and gone with it.
        Action::Clients(..) => serde_json::Value::Null,
    }
}

/// Applies and probes.
pub(super) fn apply(scene: Scene<'_>, held: &Held, action: Action) -> Outcome {
    let (event, before) = match &action {
        Action::Lifecycle(victims, act) if act.restores() => {
            (Some(restore::perform(scene, held, victims)), Vec::new())
        }
        Action::Lifecycle(victims, act) => (Some(lifecycle::perform(scene, held, victims, *act)), Vec::new()),
        _ => apply_to(scene, &mut held.things(), &action),
    };
    let touched = !matches!(event, Some(JournalEvent::Skipped { .. }));
    Outcome { event, applied: touched.then_some(Applied { action, before }) }
}

/// What has been seen of it, if it shows at once, and what its links had done before it.
fn apply_to(
    scene: Scene<'_>,
    held: &mut Things,
    action: &Action,
) -> (Option<JournalEvent>, Vec<(Link, Traffic)>) {
    let seen = |(event, before)| (Some(event), before);
    match action {
        Action::Stop(victims, how, whom) => {
            let stop = if whom.is_tree() { processes::stop } else { processes::stop_main };
            seen((stop(scene, &mut held.down, victims, *how), Vec::new()))
        }
        Action::Pause(victims) => seen((processes::pause(scene, &mut held.paused, victims), Vec::new())),
        Action::Starve(victims, percent) => {
            seen((processes::starve(scene, &mut held.paused, victims, *percent), Vec::new()))
        }
        Action::Cut(links, cut) => seen(links::cut(scene, &mut held.links, links, cut)),
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
        Action::StartWith(victims, OtherData::Older) => {
            (data::keep(scene, (&mut held.data, &held.paused), victims), Vec::new())
        }
        Action::StartWith(victims, other) => {
            seen((data::exchange(scene, &mut held.down, victims, *other), Vec::new()))
        }
        Action::Oom(victims) => seen((memory::run_out(scene, &mut held.down, victims), Vec::new())),
        Action::Lifecycle(..) => unreachable!("it takes no lock, and is done where it is asked for"),
    }
}

/// The second half of a fault that has two: what was seen of it, if that is new.
pub(super) fn turn(scene: Scene<'_>, held: &Held, applied: &Applied) -> Option<JournalEvent> {
    match &applied.action {
        Action::StartWith(victims, OtherData::Older) => {
            let Things { down, data, .. } = &mut *held.things();
            Some(data::give_back(scene, (down, data), victims))
        }
        Action::Lifecycle(victims, act) => {
            // Whether it came back is for the undo to tell, which tries again.
            let _ = lifecycle::undo(scene, held, victims, *act);
            None
        }
        _ => None,
    }
}

/// Takes back what no other fault still holds; idempotent.
pub(super) fn undo(scene: Scene<'_>, held: &Held, applied: &Applied) -> JournalEvent {
    let outcome = match &applied.action {
        Action::Lifecycle(victims, act) if act.restores() => restore::undo(scene, held, victims),
        Action::Lifecycle(victims, act) => lifecycle::undo(scene, held, victims, *act),
        _ => undo_to(scene, &mut held.things(), applied),
    };
    match outcome {
        Ok(evidence) => JournalEvent::Healed { evidence },
        Err(error) => JournalEvent::HealFailed { why: error.to_string() },
    }
}

fn undo_to(scene: Scene<'_>, held: &mut Things, applied: &Applied) -> Result<String, EnvError> {
    let Applied { action, before } = applied;
    match action {
        Action::Stop(victims, ..)
        | Action::PowerFailure(victims, ..)
        | Action::Corrupt(victims, ..)
        | Action::StartWith(victims, _)
        | Action::Oom(victims) => {
            held.data.remove(&scene.fault);
            processes::restart(scene, &mut held.down, victims)
        }
        Action::Pause(victims) => processes::resume(scene, &mut held.paused, victims),
        Action::Starve(victims, _) => processes::feed(scene, &mut held.paused, victims),
        Action::Cut(links, cut) => links::mend(scene, &mut held.links, (links, cut), before),
        Action::Packet(links, behavior) => links::spare(scene, &mut held.links, links, behavior, before),
        Action::Clients(_, what) => Ok(clients::release(scene, *what)),
        Action::Clock(victims, ..) => clocks::right(scene, &mut held.clocks, victims),
        Action::Disk(victims, _) => disks::behave(scene, &held.down, victims),
        Action::Lifecycle(..) => unreachable!("it takes no lock, and is undone where it is asked for"),
    }
}

/// What could not be done did nothing that counts.
fn did_not_bite(error: &EnvError) -> JournalEvent {
    JournalEvent::DidNotBite { evidence: error.to_string() }
}
