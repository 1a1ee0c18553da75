//! One node of a cluster on this machine: its host, its server, and where its files are.

use super::disk::NodeDisk;
use super::host::{self, Host, NamespaceId, Plan};
use super::memory::Group;
use super::server::{Main, Server};
use super::starve::Starving;
use super::trap::Traps;
use super::user::User;
use super::{Data, Disks, Rootfs, unable};
use crate::env::EnvError;
use duress_targets::Node;
use nix::unistd::Uid;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) struct LocalNode {
    pub(super) node: Node,
    pub(super) dir: PathBuf,
    pub(super) log: PathBuf,
    pub(super) host: Arc<Host>,
    /// The server's working directory, as seen on the host.
    pub(super) work_dir: PathBuf,
    pub(super) namespace: NamespaceId,
    pub(super) disk: Option<NodeDisk>,
    pub(super) memory: Option<Arc<Group>>,
    pub(super) server: Mutex<Server>,
    /// Not in `server`, which is held for as long as it takes to start or end it.
    pub(super) main: Mutex<Main>,
    pub(super) starving: Mutex<Option<Starving>>,
    pub(super) traps: Arc<Traps>,
}

impl LocalNode {
    pub(super) fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn main(&self) -> Main {
        *self.main.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_main(&self, main: Main) {
        *self.main.lock().unwrap_or_else(PoisonError::into_inner) = main;
    }

    pub(super) fn starving(&self) -> MutexGuard<'_, Option<Starving>> {
        self.starving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user of this name, which is given what the server has to write, its output too: before each start, since
    /// faults put other data in its place. `None` where only one user's servers can be.
    pub(super) fn user(&self, name: Option<&str>, output: &File) -> io::Result<Option<User>> {
        let Some(name) = name.filter(|_| Uid::effective().is_root()) else { return Ok(None) };
        // In an image, it works among the image's files.
        let work = (self.work_dir == self.dir).then_some(self.dir.as_path());
        let given = self.host.among_its_files(|| {
            let user = User::find(name, Path::new("/"))?;
            user.give(&self.dir.join("data"), work)?;
            user.give_open(output)?;
            Ok(user)
        });
        given.map(Some)
    }

    pub(super) fn error(&self, what: &str, why: String) -> EnvError {
        EnvError::Node { node: self.node.name.clone(), what: what.into(), why, log: self.log.clone() }
    }
}

pub(super) fn node_dir(work_dir: &Path, node: &Node) -> PathBuf {
    work_dir.join(&node.name)
}

pub(super) fn make_host(
    nodes: &[Node],
    index: usize,
    dir: &Path,
    (data, disks, rootfs): (Data, Disks, Option<&Rootfs>),
    own_network: bool,
) -> Result<Host, EnvError> {
    let plan = Plan {
        name: nodes[index].name.clone(),
        own_network,
        data_dir: dir.join("data"),
        data,
        disks,
        hosts_file: dir.join("hosts"),
        root: rootfs.map(|rootfs| (rootfs.clone(), dir.join("root"))),
    };
    let staging = plan.root.iter().map(|(_, staging)| staging);
    staging
        .chain([&plan.data_dir])
        .try_for_each(fs::create_dir_all)
        .and_then(|()| {
            host::write_hosts_file(&plan.hosts_file, nodes.iter().map(|n| (n.name.as_str(), n.addr)))
        })
        .map_err(|e| EnvError::Unable {
            what: format!("prepare the directory {}", dir.display()),
            why: e.to_string(),
            fix: "choose a directory on a file system with room, that you may write to".into(),
        })?;
    let host = Host::create(&plan);
    if let Some((_, staging)) = &plan.root {
        // An empty folder at worst.
        let _ = fs::remove_dir(staging);
    }
    host.map_err(|e| unable(&format!("make the host of {}", plan.name), &e))
}
