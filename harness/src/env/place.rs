//! Where the nodes of a run are: on this machine, unless a file says otherwise (`--on hosts.toml`). A table
//! for each kind of place, and one of them in a file.
//!
//! What a table of hosts means is said beside what reaches them ([`super::remote::hosts`]).

use super::docker::Containers;
use super::kube::Pods;
use super::local::Local;
use super::remote::HostAbilities;
use super::remote::hosts::Hosts;
use super::remote::transport::Transport;
use super::{EnvError, docker, kube, remote};
use crate::failure::Failure;
use crate::nemesis::fault::PlannedFault;
use duress_targets::problem::{self, Problem};
use duress_targets::{Node, hosts};
use serde::Deserialize;
use std::path::Path;

/// Largest file.
const MAX_BYTES: u64 = 1 << 20;
/// What a file has to have.
const FIX: &str = "it takes [ssh] with hosts = [\"db1\", \"db2\", …], [docker] with containers = […], or [kube] with \
     statefulset = \"db\"; see `duress docs places`";

/// Where the nodes are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// On this machine, which makes a host for each.
    #[default]
    Here,
    /// On hosts reached by ssh.
    Ssh(Box<Hosts>),
    /// In containers that are there.
    Docker(Containers),
    /// In pods that are there.
    Kube(Box<Pods>),
}

/// All tables that a file can have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Tables {
    ssh: Option<hosts::Ssh>,
    load: Option<hosts::Load>,
    docker: Option<hosts::Docker>,
    kube: Option<hosts::Kube>,
}

impl Place {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or says something that cannot be; with its name and the line.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            refused(path, None, format!("it cannot be read: {error}"), "check the path")
        };
        let length = std::fs::metadata(path).map_err(failed)?.len();
        if length > MAX_BYTES {
            let why = format!("it has {length} bytes, and {MAX_BYTES} are allowed");
            return Err(refused(path, None, why, "give the file with the [ssh] or [kube] table"));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let tables: Tables = toml::from_str(&text).map_err(|error| {
            let Problem { line, why, fix, .. } = problem::refused(path, &text, "places", &error);
            refused(path, line, why, &fix)
        })?;
        if tables.load.is_some() && tables.ssh.is_none() {
            let why =
                "[load] has clients on other machines, which reach only nodes that are hosts of their own";
            return Err(refused(path, None, why, "give the nodes' hosts, too: [ssh]"));
        }
        match tables {
            Tables { ssh: Some(ssh), load, docker: None, kube: None } => {
                Ok(Self::Ssh(Box::new(Hosts::new(ssh, load.as_ref(), (path, &text))?)))
            }
            Tables { ssh: None, docker: Some(table), kube: None, .. } => {
                Containers::new(table, path).map(Self::Docker)
            }
            Tables { ssh: None, docker: None, kube: Some(kube), .. } => {
                Ok(Self::Kube(Box::new(Pods::new(kube, path)?)))
            }
            Tables { ssh: None, docker: None, kube: None, .. } => {
                Err(refused(path, None, "it says of no place where it is", FIX))
            }
            _ => Err(refused(path, None, "it says of several places", "leave one table")),
        }
    }

    /// On this machine?
    pub const fn is_here(&self) -> bool {
        matches!(self, Self::Here)
    }

    /// Do servers run there already, with their data, so that nothing has to be obtained?
    pub const fn has_servers(&self) -> bool {
        matches!(self, Self::Docker(_) | Self::Kube(_))
    }

    /// How many nodes there can be, where that is fixed.
    pub const fn room(&self) -> Option<usize> {
        match self {
            Self::Here => None,
            Self::Ssh(hosts) => Some(hosts.len()),
            Self::Docker(containers) => Some(containers.len()),
            Self::Kube(pods) => Some(pods.len()),
        }
    }

    /// The first so many nodes, with their addresses.
    ///
    /// # Errors
    /// When the address of one cannot be found.
    pub fn nodes(&self, count: usize) -> Result<Vec<Node>, EnvError> {
        match self {
            Self::Here => Ok(Local::addresses(count)),
            Self::Ssh(hosts) => hosts.nodes(count),
            Self::Docker(containers) => containers.nodes(count),
            Self::Kube(pods) => pods.nodes(count),
        }
    }

    /// Ways to the machines from which clients work; none when that is this one.
    pub fn load(&self) -> Vec<Box<dyn Transport>> {
        match self {
            Self::Here | Self::Docker(_) | Self::Kube(_) => Vec::new(),
            Self::Ssh(hosts) => hosts.load(),
        }
    }

    /// What these hosts can do, each for itself; nothing is said of this machine's own.
    ///
    /// # Errors
    /// When they cannot be asked at all.
    pub fn abilities(&self) -> Result<Vec<HostAbilities>, EnvError> {
        match self {
            Self::Here => Ok(Vec::new()),
            Self::Ssh(hosts) => remote::abilities(&hosts.transports(hosts.len())),
            Self::Docker(containers) => Ok(docker::abilities(containers)),
            Self::Kube(pods) => kube::abilities(pods),
        }
    }

    /// The first of these faults that cannot be had there, and why.
    pub fn refusal(&self, schedule: &[PlannedFault]) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Here => None,
            Self::Ssh(_) => remote::refusal(schedule),
            Self::Docker(_) => docker::refusal(schedule),
            Self::Kube(_) => kube::refusal(schedule),
        }
    }
}

/// A mistake in a file: where, what, and what to do.
pub(super) fn refused(path: &Path, line: Option<usize>, why: impl Into<String>, fix: &str) -> Failure {
    let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
    Failure::usage(format!("--on {}{line}", path.display()), why, fix)
}
