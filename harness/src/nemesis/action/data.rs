//! Servers that are started again on other data than their own.

use super::processes::{self, Holders};
use super::{Scene, did_not_bite};
use crate::env::data::{Files, OtherData};
use crate::env::{EnvError, Stop};
use duress_reports::artifact::JournalEvent;
use std::collections::BTreeMap;

/// What nodes had when a fault began that gives it back to them later: by fault, and node.
pub(super) type Kept = BTreeMap<u32, BTreeMap<usize, Files>>;

/// Why a server ends that finds such data, if it does.
const EXCUSE: &str = "its data was not what it had left";

/// Ends all victims and takes their data away, or gives them each other's.
pub(super) fn exchange(
    scene: Scene<'_>,
    down: &mut Holders,
    victims: &[usize],
    data: OtherData,
) -> JournalEvent {
    let ended = processes::stop(scene, down, victims, Stop::Kill);
    let ours = |node: &&usize| down.get(node).is_some_and(|holders| holders.contains(&scene.fault));
    let ours: Vec<usize> = victims.iter().filter(ours).copied().collect();
    let mut before = BTreeMap::new();
    for &node in &ours {
        match scene.env.copy_data(node) {
            Ok(files) => _ = before.insert(node, files),
            Err(error) => return did_not_bite(&error),
        }
    }
    let after = (0..).zip(&ours).map(|(at, &node): (usize, _)| {
        let giver = ours[(at + 1) % ours.len()];
        let files = if data == OtherData::Swapped { before[&giver].clone() } else { Files::default() };
        (node, files)
    });
    replace(scene, ended, &before, &after.collect())
}

/// Copies the data of all victims, while all of them stand still: a moment that there was. Of
/// copies from different moments one may hold what another has never heard of, and no cluster
/// comes back from that. Nothing has been seen of the fault yet, unless it could not begin.
pub(super) fn keep(
    scene: Scene<'_>,
    (kept, paused): (&mut Kept, &Holders),
    victims: &[usize],
) -> Option<JournalEvent> {
    // One that another fault has paused stands still, and stays so.
    let is_free = |node: &&usize| paused.get(node).is_none_or(|holders| holders.is_empty());
    let free = || victims.iter().filter(is_free);
    let copy = |&node: &usize| Ok((node, scene.env.copy_data(node)?));
    let copied = free()
        .try_for_each(|&node| scene.env.pause(node))
        .and_then(|()| victims.iter().map(copy).collect::<Result<_, EnvError>>());
    // All of them, whatever becomes of one.
    let resumed = free().map(|&node| scene.env.resume(node)).fold(Ok(()), Result::and);
    match copied.and_then(|files| resumed.map(|()| files)) {
        Ok(files) => {
            kept.insert(scene.fault, files);
            None
        }
        Err(error) => Some(did_not_bite(&error)),
    }
}

/// Ends all victims, and gives them what [`keep`] has kept.
pub(super) fn give_back(
    scene: Scene<'_>,
    (down, kept): (&mut Holders, &mut Kept),
    victims: &[usize],
) -> JournalEvent {
    let ended = processes::stop(scene, down, victims, Stop::Kill);
    let mut after = kept.remove(&scene.fault).unwrap_or_default();
    after.retain(|node, _| down.get(node).is_some_and(|holders| holders.contains(&scene.fault)));
    let before = after.keys().map(|&node| Ok((node, scene.env.copy_data(node)?)));
    match before.collect::<Result<_, EnvError>>() {
        Ok(before) => replace(scene, ended, &before, &after),
        Err(error) => did_not_bite(&error),
    }
}

/// Replaces what ended nodes have, and looks at what they have then.
fn replace(
    scene: Scene<'_>,
    ended: JournalEvent,
    before: &BTreeMap<usize, Files>,
    after: &BTreeMap<usize, Files>,
) -> JournalEvent {
    let (mut evidence, mut bit) = match ended {
        JournalEvent::Bit { evidence } => (vec![evidence], true),
        JournalEvent::DidNotBite { evidence } => (vec![evidence], false),
        other => return other,
    };
    for (&node, files) in after {
        scene.env.excuse(node, Some(EXCUSE));
        let replaced = scene.env.replace_data(node, files).and_then(|()| scene.env.copy_data(node));
        let name = &scene.nodes[node].name;
        evidence.push(match replaced {
            Ok(now) => {
                bit &= now == *files && now != before[&node];
                format!("{name}: it had {}, and now has {}", before[&node].told(), now.told())
            }
            Err(error) => {
                bit = false;
                error.to_string()
            }
        });
    }
    let evidence = evidence.join("; ");
    if bit { JournalEvent::Bit { evidence } } else { JournalEvent::DidNotBite { evidence } }
}
