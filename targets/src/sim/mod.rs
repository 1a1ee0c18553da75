//! A cluster inside this process, with a bug if you like: for `duress demo` and for trying
//! Duress out without installing anything.
//!
//! Its clients, faults and history are as real as with any target; only the servers and the
//! network between them are imitated, by one state machine under one lock. That lock is why
//! the cluster without a bug is linearizable: every operation takes effect in one place.

mod client;
mod cluster;
mod command;
mod state;
#[cfg(test)]
mod tests;

pub use cluster::Cluster;
pub use state::NodeState;

use crate::{
    Client, ClientError, Node, NodeStatus, OptionDoc, Server, Settings, Target, TargetEntry, TargetError,
};
use async_trait::async_trait;
use client::SimClient;
use state::Bug;
use std::sync::Arc;

/// The cluster in the registry.
pub(crate) fn entry() -> TargetEntry {
    TargetEntry {
        name: NAME.to_owned(),
        doc: "a small register cluster inside Duress, with a planted bug".to_owned(),
        workloads: vec!["register".to_owned()],
        options: OPTIONS.map(Clone::clone).into(),
        default_nodes: 5,
        max_nodes: Some(MAX_NODES),
        ports: Vec::new(),
        tool: None,
        refuses: Vec::new(),
        declaration: None,
        make: Arc::new(|settings, _| Ok(Arc::new(Sim::new(settings)?))),
    }
}

const NAME: &str = "sim";
static OPTIONS: [&OptionDoc; 3] = [&BUG, &NODES, &SEED];
static BUG: OptionDoc = OptionDoc::new("bug", "stale-read", "stale-read, lost-write or none");
static NODES: OptionDoc = OptionDoc::new("nodes", "5", "how many nodes, 1 to 9");
static SEED: OptionDoc = OptionDoc::new("seed", "0", "decides latencies and elections");
const MAX_NODES: usize = 9;

/// The cluster as a target.
struct Sim {
    cluster: Cluster,
}

impl Sim {
    /// A cluster whose nodes have yet to be started.
    fn new(settings: &Settings) -> Result<Self, TargetError> {
        settings.only(NAME, OPTIONS)?;
        let bug = settings.value(&BUG, &BUG.doc, Bug::parse)?;
        let nodes = settings.value(&NODES, &format!("a whole number from 1 to {MAX_NODES}"), |text| {
            text.parse().ok().filter(|nodes| (1..=MAX_NODES).contains(nodes))
        })?;
        let seed = settings.value(&SEED, "a whole number", |text| text.parse().ok())?;
        Ok(Self { cluster: Cluster::new(nodes, bug, seed) })
    }

    /// Nodes are called `n1`, `n2`, …, in the order of their positions.
    fn position(&self, node: &Node) -> Result<usize, ClientError> {
        let number: Option<usize> = node.name.strip_prefix('n').and_then(|number| number.parse().ok());
        number
            .filter(|number| (1..=self.cluster.n_nodes()).contains(number))
            .map(|number| number - 1)
            .ok_or_else(|| ClientError::new("no-such-node", format!("{} is not in the cluster", node.name)))
    }
}

#[async_trait]
impl Target for Sim {
    fn server(&self) -> Server<'_> {
        Server::InProcess(&self.cluster)
    }

    async fn connect(&self, node: &Node) -> Result<Box<dyn Client>, ClientError> {
        let position = self.position(node)?;
        Ok(Box::new(SimClient::connect(&self.cluster, position).await?))
    }

    async fn healthy(&self, node: &Node) -> Result<(), ClientError> {
        self.cluster.healthy(self.position(node)?)
    }

    async fn status(&self, node: &Node) -> Result<NodeStatus, ClientError> {
        self.cluster.status(self.position(node)?)
    }
}
