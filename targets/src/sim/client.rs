//! A client of the cluster: one connection to one node.

use super::cluster::{Cluster, Served};
use super::command::Command;
use crate::{Client, ClientError, Completion};
use async_trait::async_trait;
use duress_workloads::{Invocation, Rng};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// One way between client and node, in microseconds.
const LATENCY: (u64, u64) = (200, 3_000);
/// How often a node looks again whether it can serve what waits there.
const RETRY: Duration = Duration::from_millis(5);
/// How long a node tries to serve an operation before it answers that it could not.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(300);
/// How long a client waits for a node that stands still. Longer than any run's timeout: it is
/// the engine that gives up, as it does with a real server.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) struct SimClient {
    cluster: Cluster,
    node: usize,
    rng: Rng,
}

impl SimClient {
    pub(super) async fn connect(cluster: &Cluster, node: usize) -> Result<Self, ClientError> {
        let mut client = Self { cluster: cluster.clone(), node, rng: cluster.client_rng() };
        client.travel().await;
        client.cluster.connect(node)?;
        Ok(client)
    }

    async fn travel(&mut self) {
        sleep(Duration::from_micros(self.rng.between(LATENCY.0, LATENCY.1))).await;
    }

    /// Stays at the node until it has been served.
    async fn wait(&mut self, incarnation: u64, command: Command) -> Completion {
        let arrived = Instant::now();
        let mut deadline = arrived + REQUEST_TIMEOUT;
        while arrived.elapsed() < PATIENCE {
            match self.cluster.serve(self.node, incarnation, command) {
                Served::Done(completion) => return completion,
                Served::Gone => return gone(),
                // Its clocks stand still as well.
                Served::Paused => deadline += RETRY,
                Served::NotNow if Instant::now() >= deadline => {
                    self.cluster.give_up(command);
                    return Completion::Info(ClientError::new("no-leader", "no leader answered in time"));
                }
                Served::NotNow => {}
            }
            sleep(RETRY).await;
        }
        Completion::Info(ClientError::new("timeout", "the node stands still"))
    }
}

#[async_trait]
impl Client for SimClient {
    async fn invoke(&mut self, invocation: &Invocation) -> Completion {
        let Some(command) = Command::parse(invocation) else {
            // Nothing was sent.
            let message = format!("no register operation: {} {}", invocation.f, invocation.value);
            return Completion::Fail(ClientError::new("bad-request", message));
        };
        // A connection that broke while it was idle is made anew.
        let connected = self.cluster.connect(self.node);
        self.travel().await;
        let incarnation = match connected {
            Ok(incarnation) => incarnation,
            // Nothing was sent.
            Err(refused) => return Completion::Fail(refused),
        };
        let completion = self.wait(incarnation, command).await;
        self.travel().await;
        // An answer that the node has sent arrives, whatever becomes of the node; one that a
        // kill overtakes does not.
        match self.cluster.connect(self.node) {
            Ok(now) if now == incarnation => completion,
            _ => gone(),
        }
    }
}

/// The connection broke after the request was sent.
fn gone() -> Completion {
    Completion::Info(ClientError::new("reset", "the node was killed"))
}
