//! Clocks of nodes that are skewed, and set right.

use super::Scene;
use crate::env::clock::{Clocks, Reading, Skew, Skews, signed};
use crate::env::{EnvError, ProcessState};
use duress_reports::artifact::JournalEvent;
use std::collections::BTreeMap;

/// What skews the clocks of nodes.
pub(super) type Skewed = BTreeMap<usize, Skews>;

/// Skews the clocks of every victim that has a process, and sees that they show it.
pub(super) fn skew(
    scene: Scene<'_>,
    skewed: &mut Skewed,
    victims: &[usize],
    (clocks, skew): (Clocks, Skew),
) -> JournalEvent {
    let Scene { env, nodes, fault, .. } = scene;
    let mut evidence = Vec::new();
    let (mut touched, mut bit) = (false, true);
    for &node in victims {
        let name = &nodes[node].name;
        if env.state(node) == ProcessState::Gone {
            evidence.push(format!("{name} has no process"));
            continue;
        }
        touched = true;
        let skews = skewed.entry(node).or_default();
        skews.insert(fault, (clocks, skew));
        match env.set_clocks(node, skews).and_then(|()| env.read_clocks(node, Some(fault))) {
            Ok(reading) => {
                bit &= reading.shows && reading.strays == 0 && reading.processes > 0;
                evidence.push(told(name, &reading));
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

/// Takes back what this fault did to clocks; what others do stays.
pub(super) fn right(scene: Scene<'_>, skewed: &mut Skewed, victims: &[usize]) -> Result<String, EnvError> {
    let Scene { env, nodes, fault, .. } = scene;
    let mut evidence = Vec::new();
    let mut failed = None;
    for &node in victims {
        let skews = skewed.entry(node).or_default();
        if skews.remove(&fault).is_none() {
            continue;
        }
        match env.set_clocks(node, skews).and_then(|()| env.read_clocks(node, None)) {
            Ok(reading) => evidence.push(told(&nodes[node].name, &reading)),
            // One that cannot be set right does not keep the others wrong.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or_else(|| Ok(evidence.join("; ")), Err)
}

fn told(name: &str, reading: &Reading) -> String {
    let Reading { wall_ns, monotonic_ns, shows: _, processes, strays } = reading;
    let shown = |ns| if ns == 0 { "right".to_owned() } else { signed(ns) };
    let mut told = format!("{name}: wall clock {}", shown(*wall_ns));
    if *monotonic_ns != 0 {
        told += &format!(", monotonic {}", signed(*monotonic_ns));
    }
    match (processes, strays) {
        (0, 0) => told + ", no process",
        (1, 0) => told + ", 1 process",
        (all, 0) => format!("{told}, {all} processes"),
        (some, strays) => format!("{told}, {strays} of {} processes have other clocks", some + strays),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plot of clocks reads skews out of these very words (`reports/src/measure/clocks.rs`).
    #[test]
    fn clocks_are_told_as_the_plot_reads_them() {
        let reading = Reading {
            wall_ns: 1_500_000_000,
            monotonic_ns: -2_000_000,
            shows: true,
            processes: 2,
            strays: 0,
        };
        assert_eq!(told("n3", &reading), "n3: wall clock +1.5 s, monotonic -2 ms, 2 processes");
        let right = Reading { wall_ns: 0, monotonic_ns: 0, shows: false, processes: 1, strays: 0 };
        assert_eq!(told("n3", &right), "n3: wall clock right, 1 process");
    }
}
