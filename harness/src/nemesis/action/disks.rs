//! Disks that do wrong, lose what was not fsynced, or are damaged.
//!
//! A misdeed shows when the server next calls, not when it begins: it is looked for while it
//! lasts. For one that befalls reads only the server is restarted: then it reads. A power failure that found nothing unsynced is one all the same: the servers were ended and
//! had to recover; its evidence says that nothing was lost.

use super::Scene;
use super::processes::{self, Holders};
use crate::env::disk::{Damage, Keep, Misdeed};
use crate::env::{EnvError, ProcessState, Stop};
use duress_checkers::words::counted;
use duress_reports::artifact::JournalEvent;

/// Lets the disks of all victims do wrong. Nothing has been seen of it yet, unless it could not be.
pub(super) fn misbehave(
    scene: Scene<'_>,
    down: &Holders,
    victims: &[usize],
    misdeed: &Misdeed,
) -> Option<JournalEvent> {
    let begin = |&node: &usize| {
        let free = is_free(down, node) && misdeed.is_of_reads();
        if free {
            scene.env.stop(node, Stop::Kill)?;
        }
        scene.env.disk(node)?.misbehave(scene.fault, misdeed);
        if free { scene.env.start(node) } else { Ok(()) }
    };
    victims.iter().try_for_each(begin).err().as_ref().map(super::did_not_bite)
}

/// Does no fault keep it down?
fn is_free(down: &Holders, node: usize) -> bool {
    down.get(&node).is_none_or(|holders| holders.is_empty())
}

/// What has been seen of that.
pub(in super::super) struct Seen {
    /// In words.
    pub told: String,
    /// It befell calls of every victim that has a server.
    pub bit: bool,
    /// Victims that it has not befallen, with whether they have a server that could call.
    pub spared: Vec<(usize, bool)>,
}

/// Looks.
pub(in super::super) fn seen(scene: Scene<'_>, victims: &[usize]) -> Seen {
    let (mut told, mut spared) = (Vec::new(), Vec::new());
    for &node in victims {
        let hits = scene.env.disk(node).map_or(0, |disk| disk.hits(scene.fault));
        let calls = counted(hits, "call", "calls");
        let has_server = scene.env.state(node).has_server();
        let down = if hits == 0 && !has_server { ", and is down" } else { "" };
        told.push(format!("{}: it befell {calls}{down}", scene.nodes[node].name));
        if hits == 0 {
            spared.push((node, has_server));
        }
    }
    let bit = spared.len() < victims.len() && spared.iter().all(|(_, has_server)| !has_server);
    Seen { told: told.join("; "), bit, spared }
}

/// Lets them do right again, and starts servers that have ended over it, but for those that another
/// fault keeps down.
pub(super) fn behave(scene: Scene<'_>, down: &Holders, victims: &[usize]) -> Result<String, EnvError> {
    let mut evidence = Vec::new();
    for &node in victims {
        let hits = scene.env.disk(node)?.behave(Some(scene.fault));
        // One that another fault keeps down was ended by that.
        let ended = is_free(down, node) && !scene.env.state(node).has_server();
        if ended {
            scene.env.start(node)?;
        }
        let ended = if ended { ", and its server ended" } else { "" };
        evidence.push(format!(
            "{}: it befell {}{ended}",
            scene.nodes[node].name,
            counted(hits, "call", "calls")
        ));
    }
    Ok(evidence.join("; "))
}

/// Ends all victims, then lets their disks lose what was not fsynced.
pub(super) fn power_failure(
    scene: Scene<'_>,
    down: &mut Holders,
    victims: &[usize],
    (keep, seed): (Keep, u64),
) -> JournalEvent {
    let ended = processes::stop(scene, down, victims, Stop::Kill);
    on_each(scene, down, victims, ended, |node| scene.env.power_failure(node, (keep, seed_of(seed, node))))
}

/// Ends all victims, then damages their files.
pub(super) fn corrupt(
    scene: Scene<'_>,
    down: &mut Holders,
    victims: &[usize],
    (damage, seed): (&Damage, u64),
) -> JournalEvent {
    let ended = processes::stop(scene, down, victims, Stop::Kill);
    on_each(scene, down, victims, ended, |node| {
        let disk = scene.env.disk(node).map_err(|error| error.to_string())?;
        disk.damage(damage, seed_of(seed, node))
    })
}

/// Disks of one fault differ.
fn seed_of(seed: u64, node: usize) -> u64 {
    seed.wrapping_add(node as u64)
}

/// Does something to the disk of each victim that this fault has ended.
fn on_each(
    scene: Scene<'_>,
    down: &Holders,
    victims: &[usize],
    ended: JournalEvent,
    act: impl Fn(usize) -> Result<String, String>,
) -> JournalEvent {
    let (mut evidence, mut bit) = match ended {
        JournalEvent::Bit { evidence } => (vec![evidence], true),
        JournalEvent::DidNotBite { evidence } => (vec![evidence], false),
        other => return other,
    };
    for &node in victims {
        let ours = down.get(&node).is_some_and(|holders| holders.contains(&scene.fault));
        // One that could not be ended still writes.
        if !ours || scene.env.state(node) != ProcessState::Gone {
            continue;
        }
        let done = act(node);
        bit &= done.is_ok();
        let (Ok(told) | Err(told)) = done;
        evidence.push(format!("{}: {told}", scene.nodes[node].name));
    }
    let evidence = evidence.join("; ");
    if bit { JournalEvent::Bit { evidence } } else { JournalEvent::DidNotBite { evidence } }
}
