//! The in-process cluster of the demo: faults that need no privilege, since nothing is real.

use super::clock::{Reading, Skews};
use super::cut::{Crossing, Cut};
use super::packet::{Behavior, Policies, Policy, Traffic};
use super::trap::{Call, Snare, Trap};
use super::{EnvError, Environment, Exit, Link, ProcessState, Stop};
use duress_targets::sim::{Cluster, NodeState};
use std::path::Path;

/// Breaks a simulated cluster.
pub struct Sim(Cluster);

impl Sim {
    /// The environment of a cluster.
    pub fn new(cluster: &Cluster) -> Self {
        Self(cluster.clone())
    }
}

/// Simulated servers have no process; the run itself stands in for it in reports.
fn pid() -> u32 {
    std::process::id()
}

fn no_packets() -> EnvError {
    EnvError::Unable {
        what: "mistreat packets".to_owned(),
        why: "the simulated cluster sends none".to_owned(),
        fix: "use a target with real servers, or other faults".to_owned(),
    }
}

fn no_clocks() -> EnvError {
    EnvError::Unable {
        what: "skew clocks".to_owned(),
        why: "the simulated cluster has none".to_owned(),
        fix: "use a target with real servers, or other faults".to_owned(),
    }
}

impl Environment for Sim {
    fn enter(&self) -> Result<(), EnvError> {
        Ok(())
    }

    fn start(&self, node: usize) -> Result<(), EnvError> {
        self.0.start(node);
        Ok(())
    }

    fn stop(&self, node: usize, _how: Stop) -> Result<(), EnvError> {
        self.0.kill(node);
        Ok(())
    }

    /// It has no other process.
    fn stop_main(&self, node: usize, how: Stop) -> Result<(), EnvError> {
        self.stop(node, how)
    }

    fn pause(&self, node: usize) -> Result<(), EnvError> {
        self.0.pause(node);
        Ok(())
    }

    fn resume(&self, node: usize) -> Result<(), EnvError> {
        self.0.resume(node);
        Ok(())
    }

    fn starve(&self, _node: usize, percent: Option<u32>) -> Result<(), EnvError> {
        match percent {
            None => Ok(()),
            Some(_) => Err(EnvError::Unable {
                what: "starve a node".to_owned(),
                why: "the simulated cluster's nodes have no processes".to_owned(),
                fix: "use a target with real servers, or other faults".to_owned(),
            }),
        }
    }

    fn starved(&self, _node: usize) -> u64 {
        0
    }

    fn state(&self, node: usize) -> ProcessState {
        match self.0.state(node) {
            NodeState::Running => ProcessState::Running { pid: pid() },
            NodeState::Paused => ProcessState::Paused { pid: pid() },
            NodeState::Stopped => ProcessState::Gone,
        }
    }

    fn set_links(&self, policies: &Policies) -> Result<(), EnvError> {
        let beyond =
            |policy: &Policy| !policy.behaviors.is_empty() || policy.cuts.values().any(|cut| !cut.is_plain());
        if policies.values().any(beyond) {
            return Err(no_packets());
        }
        let cut = policies.iter().filter(|(_, policy)| !policy.cuts.is_empty());
        self.0.set_cuts(&cut.map(|(&link, _)| link).collect());
        Ok(())
    }

    fn probe(&self, link: Link, _cut: &Cut) -> Result<Crossing, EnvError> {
        Ok(if self.0.probe(link) { Crossing::Arrived } else { Crossing::Dropped })
    }

    fn sample(&self, _link: Link, _behavior: &Behavior) -> Result<Option<u32>, EnvError> {
        Err(no_packets())
    }

    fn traffic(&self, link: Link) -> Traffic {
        Traffic { dropped: self.0.dropped(link), ..Traffic::default() }
    }

    fn trap(&self, _node: usize, snare: Snare) -> Result<Trap, EnvError> {
        Err(EnvError::Unable {
            what: format!("catch a {} call", snare.call),
            why: "what lives inside Duress makes no system calls of its own".into(),
            fix: "use a target with real servers".into(),
        })
    }

    fn calls(&self, _node: usize, _call: Call) -> u64 {
        0
    }

    fn log(&self, _node: usize) -> Option<&Path> {
        None
    }

    fn set_clocks(&self, _node: usize, skews: &Skews) -> Result<(), EnvError> {
        if skews.is_empty() { Ok(()) } else { Err(no_clocks()) }
    }

    fn read_clocks(&self, _node: usize, _fault: Option<u32>) -> Result<Reading, EnvError> {
        Err(no_clocks())
    }

    fn exits(&self) -> Vec<Exit> {
        Vec::new()
    }

    fn undo_data(&self, node: usize) -> serde_json::Value {
        serde_json::json!({ "simulated": node })
    }
}
