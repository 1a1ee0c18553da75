//! Where the nodes are: makes them exist, reach each other, and break.
//!
//! An environment acts and looks; it decides nothing. Which node, when and for how long is
//! the nemesis' business. All calls block, for a named time at most; async code calls them
//! through `spawn_blocking`.

pub mod clock;
pub mod cut;
pub mod data;
pub mod disk;
pub mod docker;
pub mod doctor;
pub mod kernel_log;
pub mod local;
pub mod memory;
pub mod packet;
pub mod place;
pub mod remote;
pub mod salvage;
pub mod sim;
pub mod trap;

use clock::{Reading, Skews};
use cut::{Crossing, Cut};
use data::Files;
use disk::{FaultyDisk, Keep};
use duress_reports::artifact::Flow;
use duress_targets::{HostCommand, ServerFiles, Stopping};
use memory::OutOfMemory;
use packet::{Behavior, Policies, Traffic};
use salvage::Salvage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trap::{Call, Snare, Trap};

/// A directed link between two nodes, by position: frames from the first to the second. The position
/// after the last node is the clients'.
pub type Link = (usize, usize);

/// By which programs find their shared libraries.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// The hosts of one run.
pub trait Environment: Send + Sync {
    /// Makes the calling thread a host on the cluster's control port, so that the sockets
    /// which it opens reach the nodes.
    fn enter(&self) -> Result<(), EnvError>;

    /// Makes the calling thread one of the node's host, so that the sockets which it opens reach the node's
    /// server whatever becomes of the network.
    fn enter_node(&self, _node: usize) -> Result<(), EnvError> {
        Ok(())
    }

    /// Starts the node's server, for the first time or again on the same data. What is left of the
    /// last one is ended first, as service managers do.
    fn start(&self, node: usize) -> Result<(), EnvError>;

    /// Ends the node's processes and waits until they are gone. Does nothing when they are.
    fn stop(&self, node: usize, how: Stop) -> Result<(), EnvError>;

    /// Ends the node's server and waits until it is gone; what it has started goes on without it, until
    /// the node is started again. Does nothing when it is gone.
    fn stop_main(&self, node: usize, how: Stop) -> Result<(), EnvError>;

    /// Stops all processes of the node where they stand (SIGSTOP).
    fn pause(&self, node: usize) -> Result<(), EnvError>;

    /// Lets them go on (SIGCONT). Does nothing when none is paused.
    fn resume(&self, node: usize) -> Result<(), EnvError>;

    /// Lets all processes of the node have so many percent of the time, 1 to 99, and no more until it
    /// is asked again; `None` for all of it.
    fn starve(&self, node: usize, percent: Option<u32>) -> Result<(), EnvError>;

    /// For how many periods of 100 ms a node has been seen to be starved, since that began.
    fn starved(&self, node: usize) -> u64;

    /// What the node's server is doing, as the kernel says, not as we remember.
    fn state(&self, node: usize) -> ProcessState;

    /// Replaces what all links do, at once for the whole cluster. When this returns, no frame that
    /// is sent later crosses a cut link.
    fn set_links(&self, policies: &Policies) -> Result<(), EnvError>;

    /// Sends datagrams from host to host over links that such a cut is not yet for, so that it finds
    /// what is established there.
    fn acquaint(&self, _links: &BTreeSet<Link>, _cut: &Cut) -> Result<(), EnvError> {
        Ok(())
    }

    /// Sends a datagram from host to host over a link, such as this cut is for.
    fn probe(&self, link: Link, cut: &Cut) -> Result<Crossing, EnvError>;

    /// Sends datagrams over a link until this has befallen one: how many it took; `None` when it
    /// has befallen none although it should have, by all chance.
    fn sample(&self, link: Link, behavior: &Behavior) -> Result<Option<u32>, EnvError>;

    /// What a link did to frames so far, probes not counted.
    fn traffic(&self, link: Link) -> Traffic;

    /// How many frames a fault kept from crossing so far, probes not counted; `None` where nobody can tell
    /// one fault's from another's.
    fn taken(&self, _fault: u32) -> Option<u64> {
        None
    }

    /// What was seen on the network so far; `None` where there is none.
    fn network(&self) -> Option<NetworkRecord> {
        None
    }

    /// Lays a snare for a system call of a node's processes. The one that it catches waits until the
    /// trap is dropped.
    fn trap(&self, node: usize, snare: Snare) -> Result<Trap, EnvError>;

    /// How many calls of this kind a node's processes have made, if somebody counts.
    fn calls(&self, node: usize, call: Call) -> u64;

    /// The file with the output of a node's server, if it has one.
    fn log(&self, node: usize) -> Option<&Path>;

    /// Replaces what skews a node's clocks, for all processes that it has or will have. Faults that are
    /// in force already are left as they are. Undone, a wall clock is right again; a monotonic one runs
    /// on from where it is, since it must not go back, until the node is started again.
    fn set_clocks(&self, node: usize, skews: &Skews) -> Result<(), EnvError>;

    /// What a node's clocks show; an error if it is not what was asked for. `fault` is the one that is
    /// to be seen to have an effect.
    fn read_clocks(&self, node: usize, fault: Option<u32>) -> Result<Reading, EnvError>;

    /// The node's disk, where it is one that can be told to go wrong.
    fn disk(&self, _node: usize) -> Result<&dyn FaultyDisk, EnvError> {
        Err(EnvError::Unable {
            what: "break a disk".to_owned(),
            why: "the nodes of this cluster have none that can be told to go wrong".to_owned(),
            fix: "use a target with real servers, and plan the fault before the run".to_owned(),
        })
    }

    /// The power of a node fails, and comes back: its disk loses what was not fsynced. No process of the
    /// node may be left. In words what that did; the number decides what chance decides.
    ///
    /// # Errors
    /// Why that was not seen.
    fn power_failure(&self, node: usize, _how: (Keep, u64)) -> Result<String, String> {
        Err(format!("node {node} has no disk whose power can fail"))
    }

    /// Lets a node's memory run out, once. All of its processes have ended afterwards if its server has.
    fn exhaust_memory(&self, _node: usize) -> Result<OutOfMemory, EnvError> {
        Err(EnvError::Unable {
            what: "let a node's memory run out".to_owned(),
            why: "the nodes of this cluster have none of their own".to_owned(),
            fix: "use a target with real servers, and plan the fault before the run".to_owned(),
        })
    }

    /// Reads all that is in a node's data directory.
    fn copy_data(&self, _node: usize) -> Result<Files, EnvError> {
        Err(no_data("read a node's data"))
    }

    /// Replaces all that is in a node's data directory. No process of the node may be left.
    fn replace_data(&self, _node: usize, _files: &Files) -> Result<(), EnvError> {
        Err(no_data("replace a node's data"))
    }

    /// Replaces all that is in a node's data directory by what is in this folder; what it has then. No
    /// process of the node may be left.
    fn import_data(&self, _node: usize, _from: &Path) -> Result<Files, EnvError> {
        Err(no_data("replace a node's data"))
    }

    /// Calls this on a thread whose sockets are those of a node's host: what it asks the node for
    /// crosses no link.
    fn on_host(&self, _node: usize, _what: &mut (dyn FnMut() + Send)) -> Result<(), EnvError> {
        Err(no_data("work on a node's host"))
    }

    /// Replaces the arguments with which a node's server is started from now on; they may depend on
    /// where its data is.
    fn set_args(&self, _node: usize, _args: &dyn Fn(&Path) -> Vec<String>) -> Result<(), EnvError> {
        Err(no_data("start a server in another way"))
    }

    /// Replaces the program with which a node's server is started from now on.
    fn set_program(&self, _node: usize, _program: &Program) -> Result<(), EnvError> {
        Err(no_data("start another server"))
    }

    /// Replaces how a node's server is asked to end from now on ([`Stop::Terminate`]).
    fn set_stopping(&self, _node: usize, how: &Stopping) -> Result<(), EnvError> {
        if *how == Stopping::default() { Ok(()) } else { Err(no_data("end a server in another way")) }
    }

    /// Replaces where a node's server works from its next start on, and what it writes logs into.
    fn set_files(&self, _node: usize, files: &ServerFiles) -> Result<(), EnvError> {
        let none = *files == ServerFiles::default();
        if none { Ok(()) } else { Err(no_data("give a server another directory, or keep its own logs")) }
    }

    /// Runs a command on a node's host, for so long at most; what it printed on standard output, of which
    /// the end may be missing. It is none of the node's processes: faults do not meet it. Nothing of it
    /// outlives the cluster.
    ///
    /// # Errors
    /// It could not be started, did not end in time, or failed; then with what it printed.
    fn run(&self, _node: usize, _command: &HostCommand, _limit: Duration) -> Result<String, EnvError> {
        Err(no_data("run a command on a node's host"))
    }

    /// Why a node's server may end by itself from now on, if it may.
    fn excuse(&self, _node: usize, _why: Option<&'static str>) {}

    /// Servers that ended although nobody asked them to, since the last call.
    fn exits(&self) -> Vec<Exit>;

    /// What is not as one would want it, in sentences for the user.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Are the servers ours, and end with the run? Those that were there before go on.
    fn are_ours(&self) -> bool {
        true
    }

    /// What can be saved of a node before it goes, with no more than so many bytes of its data. None of its
    /// processes should be left.
    fn salvage(&self, _node: usize, _most_data: usize) -> Salvage {
        Salvage::default()
    }

    /// What `duress heal` needs to find what is left of a node, as JSON.
    fn undo_data(&self, node: usize) -> serde_json::Value;
}

fn no_data(what: &str) -> EnvError {
    EnvError::Unable {
        what: what.to_owned(),
        why: "the nodes of this cluster have neither data nor servers of their own".to_owned(),
        fix: "use a target with real servers, or other faults".to_owned(),
    }
}

/// One version of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// A folder of shared libraries that come with it; its environment names it, too.
    pub libraries: Option<PathBuf>,
    /// Its environment variables.
    pub env: Vec<(String, String)>,
}

/// What was seen on a network.
pub struct NetworkRecord {
    /// Who talked to whom.
    pub flows: Vec<Flow>,
    /// The last frames, and what became of each, as a file of pcapng.
    pub capture: Vec<u8>,
}

/// How a server is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// SIGKILL to every process of the node.
    Kill,
    /// SIGTERM to the server; SIGKILL to what is left after the grace period.
    Terminate,
}

/// Which of a node's processes are ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// All of them.
    #[default]
    Tree,
    /// The server itself, as it was started; not what it has started.
    Main,
}

impl Whom {
    /// All of them?
    pub const fn is_tree(&self) -> bool {
        matches!(self, Self::Tree)
    }
}

/// What a server is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// It runs.
    Running {
        /// In the harness' PID namespace.
        pid: u32,
    },
    /// Every thread of every process of the node is stopped.
    Paused {
        /// In the harness' PID namespace.
        pid: u32,
    },
    /// There is no process.
    Gone,
    /// The server has ended, and processes that it had started are left.
    Orphaned {
        /// How many.
        left: usize,
    },
}

impl ProcessState {
    /// Is there a server, whatever it does?
    pub const fn has_server(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Paused { .. })
    }
}

/// A server that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Which.
    pub node: usize,
    /// `exit status: 1`, `signal: 6 (SIGABRT)`.
    pub status: String,
    /// Why it had to, when a fault left it no choice: `its disk had failed it`.
    pub excuse: Option<&'static str>,
}

/// What an environment could not do.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// The machine does not allow it.
    #[error("{what}: {why}")]
    Unable {
        /// What was tried: `create a network namespace`.
        what: String,
        /// What the kernel said, or what is missing.
        why: String,
        /// What to do.
        fix: String,
    },
    /// A server does not do what it should.
    #[error("{node}: {what}: {why}")]
    Node {
        /// Its name.
        node: String,
        /// What was tried.
        what: String,
        /// What happened.
        why: String,
        /// Its log, for the hint.
        log: PathBuf,
    },
}
