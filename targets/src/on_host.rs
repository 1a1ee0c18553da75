//! Commands that are run on a node's host, for targets that learn from them how a node is, and what they
//! need there. Who runs them is the harness.

use crate::Node;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostCommand {
    /// A path, or a name that is looked for on `PATH`.
    pub program: PathBuf,
    /// Without the program.
    pub args: Vec<String>,
    /// Environment variables; it gets nothing else but `PATH`.
    pub env: Vec<(String, String)>,
}

/// How a server is asked to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// What a target's commands need where its nodes are, besides its server's program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Programs that have to be there already: names that are looked for on `PATH`, and absolute paths.
    pub programs: Vec<Named>,
    /// The folder on this machine that the files are in.
    pub folder: PathBuf,
    /// Files and folders that are brought there: paths in that folder, an empty one for all of it.
    pub files: Vec<Named>,
}

/// Something that a target's commands name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What.
    pub path: PathBuf,
    /// Who names it: `my-db.toml:12`.
    pub place: String,
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
