//! The in-process cluster of the demo: faults that need no privilege, since nothing is real.

use super::{EnvError, Environment, Exit, Link, ProcessState, Stop};
use duress_targets::sim::{Cluster, NodeState};
use std::collections::BTreeSet;

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

    fn pause(&self, node: usize) -> Result<(), EnvError> {
        self.0.pause(node);
        Ok(())
    }

    fn resume(&self, node: usize) -> Result<(), EnvError> {
        self.0.resume(node);
        Ok(())
    }

    fn state(&self, node: usize) -> ProcessState {
        match self.0.state(node) {
            NodeState::Running => ProcessState::Running { pid: pid() },
            NodeState::Paused => ProcessState::Paused { pid: pid() },
            NodeState::Stopped => ProcessState::Gone,
        }
    }

    fn set_cuts(&self, cuts: &BTreeSet<Link>) -> Result<(), EnvError> {
        self.0.set_cuts(cuts);
        Ok(())
    }

    fn probe(&self, link: Link) -> Result<bool, EnvError> {
        Ok(self.0.probe(link))
    }

    fn dropped(&self, link: Link) -> u64 {
        self.0.dropped(link)
    }

    fn exits(&self) -> Vec<Exit> {
        Vec::new()
    }

    fn undo_data(&self, node: usize) -> serde_json::Value {
        serde_json::json!({ "simulated": node })
    }
}
