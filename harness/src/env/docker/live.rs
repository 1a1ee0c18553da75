//! A container while it runs: its first process, and what is done in its namespaces from outside. When it is
//! started again it has new ones.

use crate::env::local::{NamespaceId, PROBE_PORT, namespace_of, start_time};
use crate::env::remote::agent::{Firewall, Tool, bind_everywhere};
use nix::sched::{CloneFlags, setns};
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

/// A running container.
pub(super) struct Live {
    pub(super) pid: u32,
    born: Option<u64>,
    net: File,
    /// What its processes are known by.
    pub(super) ipc: Option<NamespaceId>,
    /// Our rules on its network.
    pub(super) firewall: Firewall,
    /// Hears probes, at all of its addresses.
    pub(super) ear: Arc<UdpSocket>,
}

impl Live {
    /// The container whose first process this is, which goes by this address; our rules in it are in this
    /// table.
    pub(super) fn open(pid: u32, address: IpAddr, table: &str) -> Result<Self, String> {
        let net = File::open(format!("/proc/{pid}/ns/net"))
            .map_err(|error| format!("the network of its process {pid} is not to be had: {error}"))?;
        if identity(&net) == File::open("/proc/self/ns/net").ok().and_then(|own| identity(&own)) {
            return Err(
                "it is on this machine's own network: rules there would cut off this machine".to_owned()
            );
        }
        // A number of another machine's is some other process here, or none.
        inside(&net, || UdpSocket::bind((address, 0))).map_err(|error| {
            format!("process {pid} has no {address} ({error}): is it an engine on another machine, or in a virtual one?")
        })?;
        let ear = inside(&net, || bind_everywhere(PROBE_PORT)).map_err(|error| {
            format!(
                "its UDP port {PROBE_PORT} is not to be had ({error}): does another run break it already?"
            )
        })?;
        let own = namespace_of(std::process::id());
        let ipc = namespace_of(pid).filter(|ipc| Some(*ipc) != own);
        let firewall = Firewall::new(Tool::Nft, table.to_owned());
        Ok(Self { pid, born: start_time(pid), net, ipc, firewall, ear: Arc::new(ear) })
    }

    /// Which network it is on: no other container may be on the same.
    pub(super) fn network(&self) -> Option<(u64, u64)> {
        identity(&self.net)
    }

    /// Calls this on a thread in its network. Sockets that it opens, and programs that it starts, stay there.
    pub(super) fn inside<T: Send>(&self, f: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        inside(&self.net, f)
    }

    /// The same for what fails in words.
    pub(super) fn within<T: Send>(&self, f: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
        self.inside(|| Ok(f())).map_err(|error| format!("its network cannot be entered: {error}"))?
    }

    /// Is its first process still there? With it all others end.
    pub(super) fn is_alive(&self) -> bool {
        self.born.is_some() && start_time(self.pid) == self.born && !self.is_zombie()
    }

    fn is_zombie(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with(['Z', 'X']))
    }

    /// Do all of its processes stand still, as the kernel says?
    pub(super) fn is_frozen(&self) -> bool {
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).unwrap_or_default();
        groups.lines().any(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { return false };
            let read = |file: String| fs::read_to_string(file).unwrap_or_default();
            match controllers {
                "freezer" => read(format!("/sys/fs/cgroup/freezer{path}/freezer.state")).trim() == "FROZEN",
                "" => read(format!("/sys/fs/cgroup{path}/cgroup.events")).contains("frozen 1"),
                _ => false,
            }
        })
    }
}

fn identity(net: &File) -> Option<(u64, u64)> {
    net.metadata().ok().map(|found| (found.dev(), found.ino()))
}

fn inside<T: Send>(net: &File, f: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("container".into()).spawn_scoped(scope, || {
            setns(net, CloneFlags::CLONE_NEWNET)?;
            f()
        })?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
