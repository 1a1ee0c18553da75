//! What an operator does to a running cluster over the system's own interface: who is a member, who
//! leads, what is kept.
//!
//! Not here: when, to whom, and how servers are ended and started; nor patience. Each call is one
//! request to one node, and an error of one that changes something leaves open whether it did.

use crate::{ClientError, Node};
use async_trait::async_trait;
use std::net::IpAddr;
use std::path::Path;

/// One who belongs to the cluster, as one of its members lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What the cluster calls it. A node that is removed and added again is another member.
    pub id: u64,
    /// The node that it is on.
    pub addr: IpAddr,
    /// It gets what the others agree on, and has no vote.
    pub learner: bool,
}

/// What a node keeps its data in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its size, in bytes.
    pub bytes: u64,
    /// How much of that is used, in bytes.
    pub used: u64,
}

/// What compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Nothing from before this revision can be asked for any more.
    pub revision: u64,
    /// It was asked for something from before, and refused.
    pub seen: bool,
}

/// A system whose members come and go, and that keeps house.
#[async_trait]
pub trait Lifecycle: Send + Sync {
    /// The members, as `asked` knows them.
    async fn members(&self, asked: &Node) -> Result<Vec<Member>, ClientError>;

    /// Removes a member.
    async fn remove(&self, asked: &Node, member: u64) -> Result<(), ClientError>;

    /// Adds a node, as a learner: until it has caught up the quorum does not count on it. As a voter
    /// it would be one that is down, from the first moment on.
    async fn add(&self, asked: &Node, node: &Node) -> Result<(), ClientError>;

    /// Gives a learner its vote; an error as long as it lags behind.
    async fn promote(&self, asked: &Node, member: u64) -> Result<(), ClientError>;

    /// Has the leader hand over to this member.
    async fn transfer(&self, leader: &Node, to: u64) -> Result<(), ClientError>;

    /// Throws away all history before the present.
    async fn compact(&self, asked: &Node) -> Result<Compacted, ClientError>;

    /// How large a node's data is.
    async fn storage(&self, node: &Node) -> Result<Storage, ClientError>;

    /// Gives unused storage of a node back to its file system.
    async fn defragment(&self, node: &Node) -> Result<(), ClientError>;

    /// What the cluster calls itself.
    async fn cluster(&self, asked: &Node) -> Result<u64, ClientError>;

    /// All that a node holds, as a file for [`Lifecycle::restore_args`]. Whether that is all that the
    /// cluster holds is for the caller to see to.
    async fn snapshot(&self, asked: &Node) -> Result<Vec<u8>, ClientError>;

    /// Arguments (without the program, the target's tool) that make the data of a node out of a
    /// snapshot, as one of a new cluster of these nodes. `token` sets that apart from every other.
    fn restore_args(
        &self,
        cluster: &[Node],
        node: &Node,
        token: &str,
        snapshot: &Path,
        data_dir: &Path,
    ) -> Vec<String>;

    /// Arguments (without the program) to start a node with no data that has been added to a
    /// running cluster, and for every later start on the data that it gathers. `cluster`: all
    /// members of the moment, itself included.
    fn joining_args(&self, cluster: &[Node], node: &Node, data_dir: &Path) -> Vec<String>;
}
