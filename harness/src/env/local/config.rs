//! What a local cluster is to be: servers, disks, ports. Pure data; a cluster is made of it in `mod.rs`.

use crate::env::trap::Call;
use duress_targets::Node;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a local cluster is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where each node gets its directory, `n1` and so on. Absolute, and this cluster's alone.
    pub work_dir: PathBuf,
    /// How each node's server is started: one per node, in their order.
    pub servers: Vec<ServerCommand>,
    /// Name of the file in the node's directory that takes the server's output.
    pub log_name: String,
    /// Where the nodes' data is.
    pub data: Data,
    /// How the hosts are connected to each other.
    pub network: Network,
    /// System calls of the servers that are to be counted, and can be held. None: their calls are
    /// left alone.
    pub calls: BTreeSet<Call>,
    /// The nodes have clocks of their own, which can be skewed.
    pub clocks: bool,
    /// Whether the nodes' disks can be told to go wrong.
    pub disks: Disks,
    /// The nodes' memory can run out.
    pub limited_memory: bool,
    /// The root file system of all nodes; `None` for this machine's own.
    pub rootfs: Option<Rootfs>,
}

/// A root file system for servers, such as a container image's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    /// The folder with its files. What nodes write there is theirs alone, in memory, and goes with the
    /// cluster; the files themselves stay as they are.
    pub root: PathBuf,
    /// The servers' working directory in it.
    pub work_dir: PathBuf,
}

/// A server's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCommand {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments, without itself.
    pub args: Vec<String>,
    /// Environment variables; it gets nothing else but `PATH`.
    pub env: Vec<(String, String)>,
    /// Whom it runs as, if this process is root: a name or a number, `postgres`, `999:999`, looked up in the
    /// node's own `/etc`. By default, and where this process is an ordinary user's, who started Duress.
    pub user: Option<String>,
}

/// Where the nodes' data is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Data {
    /// In memory, visible on the node's host only: fsync costs nothing, and nothing remains. It
    /// survives the server's end, not the cluster's.
    #[default]
    Memory,
    /// In the node's directory.
    Disk,
}

/// What the nodes' data directories are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disks {
    /// As [`Data`] says.
    #[default]
    Plain,
    /// Disks of our own making, in memory, that can be told to go wrong; whatever [`Data`] says.
    Faulty {
        /// Every read reaches them, past the kernel's page cache: for faults of reads.
        direct_reads: bool,
    },
    /// A real ext4 each, in memory, whose power can fail; whatever [`Data`] says. For root only.
    Ext4,
}

/// How hosts are connected to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Each has a network of its own, and all are joined by a switch.
    Switched(Ports),
    /// There is one, this node, and it is on this machine's network: others are elsewhere, and what
    /// becomes of packets is not decided here.
    Machine(Node),
}

/// How hosts are connected to the switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// By TAP devices where this process may open the TUN device, by packet sockets elsewhere.
    #[default]
    Auto,
    /// By TAP devices.
    Tap,
    /// By veth pairs and packet sockets.
    Packet,
}
