//! A target: how the system is launched, reached and asked how it is.

use crate::declared::Declaration;
use crate::{Client, ClientError, Lifecycle, Needs, Node, OnHosts, Stopping, nearest};
use async_trait::async_trait;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A system under test, configured for one run.
#[async_trait]
pub trait Target: Send + Sync {
    /// Where its servers live.
    fn server(&self) -> Server<'_>;

    /// May its servers keep data where no environment wipes it, so that it is there in the next run, too?
    fn keeps_data(&self) -> bool {
        false
    }

    /// Opens one client connection to one node.
    async fn connect(&self, node: &Node) -> Result<Box<dyn Client>, ClientError>;

    /// After how long [`connect`](Self::connect) has ended in any case, where it starts a program and not just
    /// a connection; that may take longer than an operation, and is no part of one before the run's clock goes.
    fn opens_within(&self) -> Option<Duration> {
        None
    }

    /// Has this node, started for the first time, come so far that the next one may be started?
    /// For servers that get in each other's way when they all begin at the same time.
    async fn started(&self, _node: &Node) -> Result<(), ClientError> {
        Ok(())
    }

    /// Does this node serve the cluster, that is: does it answer something that needs a quorum?
    async fn healthy(&self, node: &Node) -> Result<(), ClientError>;

    /// What the node says of itself.
    async fn status(&self, node: &Node) -> Result<NodeStatus, ClientError>;

    /// Names of events, and what a line of a server's log contains that tells of them: `snapshot-installed`,
    /// a node took its state from another one; `follower-lagged`, one was so far behind that it had to.
    fn signs(&self) -> &[(&'static str, &'static str)] {
        &[]
    }

    /// The hosts are there, for targets that run commands on them. Called once, before any server is started.
    fn attach(&self, _hosts: Arc<dyn OnHosts>) {}

    /// The cluster is there, and this is the run that clients will work in. Called once, wherever clients are,
    /// before any of them is connected.
    fn enter(&self, _run: &Surroundings) {}

    /// Makes what operations need: a table, a key space. Called once, when the cluster is healthy and nobody
    /// has asked it for anything yet.
    async fn set_up(&self, _run: &Surroundings) -> Result<(), ClientError> {
        Ok(())
    }

    /// What clients noticed that the user should know, in sentences: since the last call, and at the end of
    /// the run (`over`) what else there is.
    fn notes(&self, _over: bool) -> Vec<String> {
        Vec::new()
    }

    /// The program that its clients are, and what it is told, if they are one.
    fn client_program(&self) -> Option<(crate::exec::Spec, crate::Context)> {
        None
    }

    /// What that program needs where clients are, if that is not this machine.
    fn client_needs(&self) -> Needs {
        Needs::default()
    }

    /// What can be changed about the cluster while it runs, if it can.
    fn lifecycle(&self) -> Option<&dyn Lifecycle> {
        None
    }
}

/// The run that a target's clients work in.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// All nodes, by position.
    pub nodes: Vec<Node>,
    /// The directory for what clients leave: logs. It may have to be made.
    pub logs: PathBuf,
    /// How connections are numbered.
    pub numbers: Numbers,
}

/// How connections are numbered: no two of a run are to have the same number, on whichever machines they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The first one's.
    pub first: u64,
    /// From one to the next.
    pub step: u64,
}

impl Default for Numbers {
    /// 0, 1, 2, …
    fn default() -> Self {
        Self { first: 0, step: 1 }
    }
}

/// Where a target's servers live.
pub enum Server<'a> {
    /// Real processes, one per node.
    Processes(&'a dyn Launch),
    /// Inside this process, for the demo.
    InProcess(&'a crate::sim::Cluster),
}

/// How a server process is started.
pub trait Launch: Send + Sync {
    /// Where its program comes from.
    fn source(&self) -> Source<'_>;

    /// Arguments (without the program) to start `node`, for the first time or again with the
    /// same data. `data_dir` is the node's own, and empty at first.
    fn args(&self, cluster: &[Node], node: &Node, data_dir: &Path) -> Vec<String>;

    /// Environment variables; nothing else is inherited but `PATH`.
    fn env(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Whom its servers run as where Duress is root, by name or number; otherwise, and by default, they run as
    /// who started it.
    fn user(&self) -> Option<&str> {
        None
    }

    /// How `node` is asked to end.
    fn stopping(&self, _cluster: &[Node], _node: &Node) -> Stopping {
        Stopping::default()
    }

    /// Where `node`'s server works, and what it writes besides its data.
    fn files(&self, _cluster: &[Node], _node: &Node, _data_dir: &Path) -> ServerFiles {
        ServerFiles::default()
    }

    /// A container image, or a folder, in whose root file system the servers run
    /// ([`unpack`](crate::obtain::image::unpack)): their program is a file in there, and they get its
    /// environment variables and working directory as well. `None` for this machine's.
    fn rootfs(&self) -> Option<&Path> {
        None
    }

    /// What its commands need where its nodes are, if that is not this machine.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The files that it [needs](Self::needs) are in this folder there, on all hosts. Called once at most,
    /// before any command is asked for.
    fn moved(&self, _folder: &Path) {}
}

/// Files of a server's besides its data, as seen on its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its working directory, which has to be there; one of the node's own when absent.
    pub dir: Option<PathBuf>,
    /// Logs that it writes itself, or folders of them: they are kept with what it prints.
    pub logs: Vec<PathBuf>,
}

/// Where a server's program comes from, unless the user names one.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// It is obtained, in many versions.
    Recipe(&'a crate::obtain::Recipe),
    /// It has to be there.
    Named {
        /// A path, or a name without `/`, which is looked for on `PATH`.
        program: &'a Path,
        /// Who says so, for errors: `my-db.toml:12`.
        place: &'a str,
    },
}

/// A node's view of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// The server's version, as it says.
    pub version: String,
    /// Does it think that it leads? `None` where there are no leaders.
    pub leads: Option<bool>,
    /// Its term, epoch or ballot, where there is one.
    pub term: Option<u64>,
}

/// `--set name=value`, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(pub BTreeMap<String, String>);

impl Settings {
    /// Refuses what is not among a target's options.
    ///
    /// # Errors
    /// Names the first that is not, and what there is.
    pub fn only<'a>(
        &self,
        target: &str,
        options: impl IntoIterator<Item = &'a OptionDoc>,
    ) -> Result<(), TargetError> {
        let options: Vec<_> = options.into_iter().collect();
        let unknown = self.0.keys().find(|name| options.iter().all(|option| option.name != name.as_str()));
        unknown.map_or(Ok(()), |name| {
            let known: Vec<_> = options.iter().map(|option| &*option.name).collect();
            let fix = if known.is_empty() {
                "it has none".to_owned()
            } else {
                nearest::choose(name, &known, "`duress list targets`")
            };
            Err(TargetError::UnknownSetting { target: target.to_owned(), name: name.clone(), fix })
        })
    }

    /// The value of an option, typed or by default, if `parse` understands it; `takes` says what
    /// that is.
    ///
    /// # Errors
    /// When it does not.
    pub fn value<T>(
        &self,
        option: &OptionDoc,
        takes: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, TargetError> {
        let value = self.0.get(&*option.name).map_or(&*option.default, String::as_str);
        parse(value).ok_or_else(|| TargetError::BadValue {
            name: option.name.to_string(),
            value: value.to_owned(),
            why: format!("it takes {takes}"),
        })
    }
}

/// One setting of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionDoc {
    /// As given to `--set`.
    pub name: Cow<'static, str>,
    /// Value when not given.
    pub default: Cow<'static, str>,
    /// One line.
    pub doc: Cow<'static, str>,
}

impl OptionDoc {
    /// One that is written down in a program.
    pub const fn new(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), default: Cow::Borrowed(default), doc: Cow::Borrowed(doc) }
    }
}

/// A target in the registry: the single source for `duress list`, help and plans.
#[derive(Clone)]
pub struct TargetEntry {
    /// As given to `duress run`.
    pub name: String,
    /// One line.
    pub doc: String,
    /// Names of the workloads it can run, the default first.
    pub workloads: Vec<String>,
    /// Its settings.
    pub options: Vec<OptionDoc>,
    /// How many nodes its cluster has when nobody says.
    pub default_nodes: usize,
    /// How many it can have; `None` when it does not mind.
    pub max_nodes: Option<usize>,
    /// On which ports a server listens.
    pub ports: Vec<u16>,
    /// How the operators' own program is obtained, for what only that can do; `None` when nothing is
    /// asked of one.
    pub tool: Option<&'static crate::obtain::Recipe>,
    /// Faults that the system cannot be asked to bear.
    pub refuses: Vec<Refusal>,
    /// The file that it is declared in, if it is.
    pub declaration: Option<Arc<Declaration>>,
    /// Makes it.
    pub make: Make,
}

/// A fault that a system cannot be asked to bear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind: `clock`.
    pub fault: String,
    /// Why: `its leases trust clocks, and it says so`.
    pub why: String,
    /// Who says so: `my-db.toml:12`.
    pub place: String,
}

/// Makes a target for one of its workloads; refuses unknown or impossible settings.
pub type Make = Arc<dyn Fn(&Settings, &str) -> Result<Arc<dyn Target>, TargetError> + Send + Sync>;

/// A setting or a workload that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No such setting.
    #[error("{target} has no setting `{name}`; {fix}")]
    UnknownSetting {
        /// The target.
        target: String,
        /// As typed.
        name: String,
        /// What may have been meant, or what there is.
        fix: String,
    },
    /// None of its workloads.
    #[error("{target} cannot run the workload `{name}`")]
    UnknownWorkload {
        /// The target.
        target: String,
        /// As asked for.
        name: String,
    },
    /// A value out of its range.
    #[error("{name}={value} cannot be: {why}")]
    BadValue {
        /// The setting.
        name: String,
        /// As typed.
        value: String,
        /// What it takes.
        why: String,
    },
}
