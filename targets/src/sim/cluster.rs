//! The handle on the cluster: for whoever breaks it, mends it or looks at it.

use super::command::Command;
use super::state::{Bug, NodeState, State};
use crate::{ClientError, Completion, NodeStatus};
use duress_workloads::Rng;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// A cluster of nodes, all stopped at first. Clones are handles on the same cluster; nodes are
/// given by position, and there must be one.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    n_nodes: usize,
    seed: u64,
    n_clients: AtomicU64,
}

/// How a command fared at a node.
pub(super) enum Served {
    /// It took effect, or was looked at and refused.
    Done(Completion),
    /// The node cannot serve it now; it may later.
    NotNow,
    /// The node stands still.
    Paused,
    /// The node was killed since the connection was made.
    Gone,
}

impl Cluster {
    /// A cluster of so many nodes; the seed decides latencies and elections.
    pub(super) fn new(n_nodes: usize, bug: Bug, seed: u64) -> Self {
        let rng = Rng::new(seed).split("cluster");
        let state = Mutex::new(State::new(n_nodes, bug, rng, Instant::now()));
        Self(Arc::new(Inner { state, n_nodes, seed, n_clients: AtomicU64::new(0) }))
    }

    /// How many nodes there are, running or not.
    pub(super) fn n_nodes(&self) -> usize {
        self.0.n_nodes
    }

    /// Replaces the set of cut links, at once.
    pub fn set_cuts(&self, cuts: &BTreeSet<(usize, usize)>) {
        self.look().set_cuts(cuts);
    }

    /// Ends the node's server. What is in flight there is never answered.
    pub fn kill(&self, node: usize) {
        self.look().kill(node);
    }

    /// Starts the node's server, on the data it had. Does nothing when there is one.
    pub fn start(&self, node: usize) {
        self.look().start(node);
    }

    /// Stops a running server where it stands.
    pub fn pause(&self, node: usize) {
        self.switch(node, NodeState::Running, NodeState::Paused);
    }

    /// Lets a paused server go on.
    pub fn resume(&self, node: usize) {
        self.switch(node, NodeState::Paused, NodeState::Running);
    }

    /// What the node's server is doing.
    pub fn state(&self, node: usize) -> NodeState {
        self.look().nodes[node].state
    }

    /// Messages dropped on a link so far because it was cut.
    pub fn dropped(&self, link: (usize, usize)) -> u64 {
        self.look().dropped.get(&link).copied().unwrap_or(0)
    }

    /// Sends one message over a link; did it arrive at the host? Not counted as dropped.
    pub fn probe(&self, link: (usize, usize)) -> bool {
        !self.look().is_cut(link)
    }

    /// Does the node serve a majority?
    pub(super) fn healthy(&self, node: usize) -> Result<(), ClientError> {
        self.answers(node)?;
        if self.look().leader_of(node).is_some() {
            return Ok(());
        }
        Err(ClientError::new("no-leader", "it reaches no leader with a majority"))
    }

    /// What the node says of itself.
    pub(super) fn status(&self, node: usize) -> Result<NodeStatus, ClientError> {
        self.answers(node)?;
        let state = self.look();
        Ok(NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            leads: Some(state.thinks_it_leads(node)),
            term: Some(state.nodes[node].term),
        })
    }

    /// A connection to the node as it runs now.
    pub(super) fn connect(&self, node: usize) -> Result<u64, ClientError> {
        let state = self.look();
        match state.nodes[node].state {
            NodeState::Stopped => Err(ClientError::new(ClientError::REFUSED, "nobody listens")),
            // The kernel of a paused server still accepts.
            NodeState::Running | NodeState::Paused => Ok(state.nodes[node].incarnation),
        }
    }

    /// Has a command served by the node, if the connection still stands.
    pub(super) fn serve(&self, node: usize, incarnation: u64, command: Command) -> Served {
        let mut state = self.look();
        if state.nodes[node].incarnation != incarnation {
            return Served::Gone;
        }
        match state.nodes[node].state {
            NodeState::Stopped => Served::Gone,
            NodeState::Paused => Served::Paused,
            NodeState::Running => state.serve(node, command).map_or(Served::NotNow, Served::Done),
        }
    }

    pub(super) fn give_up(&self, command: Command) {
        self.look().give_up(command);
    }

    /// A stream of random numbers for the next client.
    pub(super) fn client_rng(&self) -> Rng {
        let n = self.0.n_clients.fetch_add(1, Ordering::Relaxed);
        Rng::new(self.0.seed).split(&format!("client {n}"))
    }

    fn answers(&self, node: usize) -> Result<(), ClientError> {
        self.connect(node)?;
        match self.state(node) {
            NodeState::Paused => Err(ClientError::new("timeout", "it stands still")),
            NodeState::Running | NodeState::Stopped => Ok(()),
        }
    }

    fn switch(&self, node: usize, from: NodeState, to: NodeState) {
        let mut state = self.look();
        if state.nodes[node].state == from {
            state.nodes[node].state = to;
        }
    }

    /// The state as of now.
    fn look(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(Instant::now());
        state
    }
}
