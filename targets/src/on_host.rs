//! Commands that are run on a node's host, for targets that learn from them how a node is. Who runs them
//! is the harness.

use crate::Node;
use async_trait::async_trait;
use std::path::PathBuf;
use std::time::Duration;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCommand {
    /// A path, or a name that is looked for on `PATH`.
    pub program: PathBuf,
    /// Without the program.
    pub args: Vec<String>,
    /// Environment variables; it gets nothing else but `PATH`.
    pub env: Vec<(String, String)>,
}

/// How a server is asked to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// It is sent this signal.
    Signal(i32),
    /// This is run on its host.
    Command(HostCommand),
}

impl Default for Stopping {
    fn default() -> Self {
        Self::Signal(libc::SIGTERM)
    }
}

/// The hosts of a run.
#[async_trait]
pub trait OnHosts: Send + Sync {
    /// The nodes, by position.
    fn nodes(&self) -> &[Node];

    /// Runs a command on a node's host, for so long at most, and gives what it printed on standard output;
    /// what there is of it outlives no run.
    ///
    /// # Errors
    /// It could not be started, did not end in time, or failed: in words, with what it printed.
    async fn run(&self, node: &Node, command: HostCommand, limit: Duration) -> Result<String, String>;
}
