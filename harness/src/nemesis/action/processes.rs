//! Processes of nodes that are ended or stopped, and brought back.

use super::Scene;
use crate::env::{EnvError, ProcessState, Stop};
use duress_checkers::words::counted;
use duress_reports::artifact::JournalEvent;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Periods after which a node counts as starved.
const STARVED_PERIODS: u64 = 2;
/// How long that may take; it is a fifth of a second where the machine has time.
const STARVED_WITHIN: Duration = Duration::from_secs(5);
/// How often one looks.
const STARVED_POLL: Duration = Duration::from_millis(5);

/// For each node, the faults that keep it broken.
pub(super) type Holders = BTreeMap<usize, BTreeSet<u32>>;

pub(super) fn stop(scene: Scene<'_>, down: &mut Holders, victims: &[usize], how: Stop) -> JournalEvent {
    strike(scene, down, victims, |node| {
        scene.env.stop(node, how)?;
        let state = scene.env.state(node);
        Ok((state == ProcessState::Gone, word(&state).to_owned()))
    })
}

/// What a server leaves behind when it alone is ended goes on.
pub(super) fn stop_main(scene: Scene<'_>, down: &mut Holders, victims: &[usize], how: Stop) -> JournalEvent {
    strike(scene, down, victims, |node| {
        scene.env.stop_main(node, how)?;
        let state = scene.env.state(node);
        let told = match state {
            ProcessState::Gone => "gone; it had started no other".to_owned(),
            ProcessState::Orphaned { left } => format!("gone; {} left", counted_processes(left)),
            ref other => word(other).to_owned(),
        };
        Ok((!state.has_server(), told))
    })
}

pub(super) fn pause(scene: Scene<'_>, paused: &mut Holders, victims: &[usize]) -> JournalEvent {
    strike(scene, paused, victims, |node| {
        scene.env.pause(node)?;
        let state = scene.env.state(node);
        Ok((matches!(state, ProcessState::Paused { .. }), word(&state).to_owned()))
    })
}

/// Seen when a node has been starved for a while.
pub(super) fn starve(
    scene: Scene<'_>,
    paused: &mut Holders,
    victims: &[usize],
    percent: u32,
) -> JournalEvent {
    strike(scene, paused, victims, |node| {
        scene.env.starve(node, Some(percent))?;
        let patience = Instant::now() + STARVED_WITHIN;
        while scene.env.starved(node) < STARVED_PERIODS && Instant::now() < patience {
            std::thread::sleep(STARVED_POLL);
        }
        let periods = scene.env.starved(node);
        Ok((periods >= STARVED_PERIODS, format!("starved, {periods} periods so far")))
    })
}

/// Starts again, on the same data, those that no other fault keeps down.
pub(super) fn restart(scene: Scene<'_>, down: &mut Holders, victims: &[usize]) -> Result<String, EnvError> {
    release(scene, down, victims, |node| {
        let before = scene.env.state(node);
        if before.has_server() {
            return Ok(word(&before).to_owned());
        }
        scene.env.start(node)?;
        let now = word(&scene.env.state(node));
        Ok(match before {
            ProcessState::Orphaned { left } => format!("{now}; {} ended first", counted_processes(left)),
            _ => now.to_owned(),
        })
    })
}

fn counted_processes(left: usize) -> String {
    counted(left as u64, "process that it had started was", "processes that it had started were")
}

/// Gives them all of the time again.
pub(super) fn feed(scene: Scene<'_>, paused: &mut Holders, victims: &[usize]) -> Result<String, EnvError> {
    release(scene, paused, victims, |node| {
        scene.env.starve(node, None).map(|()| word(&scene.env.state(node)).to_owned())
    })
}

/// Lets those go on that no other fault keeps paused.
pub(super) fn resume(scene: Scene<'_>, paused: &mut Holders, victims: &[usize]) -> Result<String, EnvError> {
    release(scene, paused, victims, |node| {
        scene.env.resume(node)?;
        match scene.env.state(node) {
            ProcessState::Paused { .. } => Err(EnvError::Unable {
                what: format!("resume {}", scene.nodes[node].name),
                why: "its processes still stand still".to_owned(),
                fix: "look whether somebody else stops them, too".to_owned(),
            }),
            state => Ok(word(&state).to_owned()),
        }
    })
}

/// Applies to every victim that has a server, and holds it; `effect` says whether it was seen, and
/// what the process is then. A victim without one is not held: it would stay broken outside of any window.
pub(super) fn strike(
    scene: Scene<'_>,
    holders: &mut Holders,
    victims: &[usize],
    effect: impl Fn(usize) -> Result<(bool, String), EnvError>,
) -> JournalEvent {
    let mut evidence = Vec::new();
    let mut bit = true;
    let mut touched = false;
    for &node in victims {
        let name = &scene.nodes[node].name;
        let pid = match scene.env.state(node) {
            ProcessState::Running { pid } | ProcessState::Paused { pid } => pid,
            state @ (ProcessState::Gone | ProcessState::Orphaned { .. }) => {
                evidence.push(format!(
                    "{name} has no {}",
                    if state == ProcessState::Gone { "process" } else { "server" }
                ));
                continue;
            }
        };
        touched = true;
        holders.entry(node).or_default().insert(scene.fault);
        match effect(node) {
            Ok((seen, what)) => {
                bit &= seen;
                evidence.push(format!("{name}: process {pid} is {what}"));
            }
            Err(error) => {
                bit = false;
                evidence.push(error.to_string());
            }
        }
    }
    let evidence = evidence.join("; ");
    match (touched, bit) {
        (false, _) => JournalEvent::Skipped { why: evidence },
        (true, true) => JournalEvent::Bit { evidence },
        (true, false) => JournalEvent::DidNotBite { evidence },
    }
}

/// Lets go of each victim that this fault holds, and mends it when nobody else does. One that
/// cannot be mended does not keep the others broken.
fn release(
    scene: Scene<'_>,
    holders: &mut Holders,
    victims: &[usize],
    mend: impl Fn(usize) -> Result<String, EnvError>,
) -> Result<String, EnvError> {
    let mut evidence = Vec::new();
    let mut failed = None;
    for &node in victims {
        let name = &scene.nodes[node].name;
        let others = holders.entry(node).or_default();
        if !others.remove(&scene.fault) {
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

fn word(state: &ProcessState) -> &'static str {
    match state {
        ProcessState::Running { .. } => "running",
        ProcessState::Paused { .. } => "stopped",
        ProcessState::Gone => "gone",
        ProcessState::Orphaned { .. } => "gone, but for what it had started",
    }
}
