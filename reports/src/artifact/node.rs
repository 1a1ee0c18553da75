//! `nodes.jsonl`: what each node was, as it was seen from outside while the run went on.

use serde::{Deserialize, Serialize};

/// A node in a new state, which lasts until its next line. One line per change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSeen {
    /// Nanoseconds since the start of the run's clock, when the question was answered or given up.
    pub at: u64,
    /// `n1`.
    pub node: String,
    /// How it is.
    pub state: NodeState,
    /// It says of itself that it leads; absent where there are no leaders, or it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads: Option<bool>,
    /// Term or epoch, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
}

/// How a node is, by its process and by what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It runs, and tells its state.
    Answers,
    /// It runs, and does not.
    Silent,
    /// Its processes are stopped.
    Paused,
    /// It has no server; processes that one had started may be left.
    Down,
}
