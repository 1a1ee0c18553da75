//! Commands that a target has run on its nodes' hosts, to learn how they are.

use crate::env::Environment;
use async_trait::async_trait;
use duress_targets::{HostCommand, Node, OnHosts};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The hosts of a run, as its target sees them.
pub(super) struct Helpers {
    /// The target outlives the cluster, and must not keep it.
    env: Weak<dyn Environment>,
    nodes: Arc<[Node]>,
}

impl Helpers {
    pub(super) fn on(env: &Arc<dyn Environment>, nodes: &[Node]) -> Self {
        Self { env: Arc::downgrade(env), nodes: nodes.into() }
    }
}

#[async_trait]
impl OnHosts for Helpers {
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    async fn run(&self, node: &Node, command: HostCommand, limit: Duration) -> Result<String, String> {
        let at = self.nodes.iter().position(|other| other == node);
        let (Some(at), Some(env)) = (at, self.env.upgrade()) else {
            return Err(format!("{} is not there any more", node.name));
        };
        let ran = tokio::task::spawn_blocking(move || env.run(at, &command, limit)).await;
        match ran {
            Ok(Ok(printed)) => Ok(printed),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
