//! Real servers on this machine: one host per node in namespaces of its own, all of them joined
//! by a switch in this process.
//!
//! Nothing it makes has a name outside the cluster, and the kernel removes all of it when this
//! process ends, however it ends (`spawner`, `host`). It needs a [`Privilege`].

mod asked;
#[cfg(target_arch = "x86_64")]
mod clock;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_clock.rs"]
mod clock;
mod config;
mod core_file;
mod data;
mod detour;
mod disk;
mod environment;
mod flows;
pub mod heal;
mod helper;
mod host;
mod interface;
mod memory;
mod network;
mod node;
mod privilege;
mod prober;
mod processes;
mod realtime;
mod root;
mod salvage;
mod server;
mod spawner;
mod starve;
mod switch;
mod trap;
mod trial;
pub(super) mod try_out;
mod user;

#[cfg(target_arch = "x86_64")]
pub(super) use clock::Tracee;
pub use config::{Config, Data, Disks, Network, Ports, Rootfs, ServerCommand};
pub(in crate::env) use data::{read_some as read_files, replace as replace_files};
pub(super) use detour::Detour;
pub(super) use helper::{printed, words};
pub(super) use host::NamespaceId;
pub use privilege::{Privilege, acquire};
pub(super) use privilege::{enter_user_namespace, missing_capabilities, remedy};
pub(super) use processes::{namespace_of, resume_all, start_time, thread_states};
pub(super) use starve::Starving;
pub(super) use switch::frame::{PROBE_PORT, probe_nonce, probe_payload};
pub(super) use trial::in_child;
pub use try_out::{ext4_disks, faulty_disks, limited_memory};

use super::trap::Call;
use super::{EnvError, Link};
use asked::Asked;
use clock::NodeClocks;
use disk::NodeDisk;
use duress_targets::Node;
use host::Netns;
use interface::Interface;
use memory::Groups;
use network::Wiring;
use node::{LocalNode, make_host, node_dir};
use prober::Prober;
use server::{Main, REAP_TIMEOUT, Server};
use spawner::Spawner;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use switch::Switch;
use trap::Filter;

/// Most nodes of one cluster.
pub const MAX_NODES: usize = 64;

/// A cluster on this machine. Its hosts, networks and processes end when it is dropped.
pub struct Local {
    nodes: Vec<LocalNode>,
    /// If the nodes are joined by one.
    joint: Option<Joint>,
    spawner: Spawner,
    /// Removed when nobody is in them any more.
    _groups: Option<Groups>,
    /// If they were asked for.
    clocks: Option<Arc<NodeClocks>>,
    /// Answers the kernel, if it asks.
    _asked: Option<Asked>,
    /// Those that are caught.
    calls: BTreeSet<Call>,
    /// The nodes' data goes with them.
    data_goes: bool,
    warnings: Vec<String>,
}

/// What joins the nodes, and the clients with them.
struct Joint {
    control: Netns,
    prober: Prober,
    switch: Switch,
    /// Hosts send packets as they are on a wire, not many in one.
    real_packets: Mutex<bool>,
}

impl Local {
    /// Builds the hosts and their network. No server runs yet.
    pub fn create(_: Privilege, config: Config) -> Result<Self, EnvError> {
        let count = config.servers.len();
        if count == 0 || count > MAX_NODES || !config.work_dir.is_absolute() {
            return Err(EnvError::Unable {
                what: format!("make a cluster of {count} nodes in {}", config.work_dir.display()),
                why: format!("it takes 1 to {MAX_NODES} nodes and an absolute path"),
                fix: "change the number of nodes or the directory".into(),
            });
        }
        let (nodes, ports) = match &config.network {
            Network::Switched(ports) => (Self::addresses(count), Some(*ports)),
            Network::Machine(node) => (vec![node.clone()], None),
        };
        let mut warnings = Vec::new();
        let asks = config.clocks || !config.calls.is_empty();
        let filter = asks.then(|| Filter::new(&config.calls, config.clocks));
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let groups = config.limited_memory.then(|| Groups::create(&names)).transpose();
        let groups = groups.map_err(|e| unable("make control groups of memory", &e))?;
        let (spawner, listener) = Spawner::new(filter).map_err(|e| unable("make a PID namespace", &e))?;
        let wired = ports.map(|ports| begin_network(ports, count)).transpose()?;
        warnings.extend(wired.iter().filter_map(|(_, wiring, _)| wiring.warning.clone()));

        let mut built = Vec::with_capacity(count);
        let mut ports = Vec::with_capacity(count + 1);
        for (index, command) in config.servers.into_iter().enumerate().take(nodes.len()) {
            let dir = node_dir(&config.work_dir, &nodes[index]);
            let of_host = (config.data, config.disks, config.rootfs.as_ref());
            let mut host = make_host(&nodes, index, &dir, of_host, wired.is_some())?;
            let disk = NodeDisk::create(&mut host, &dir.join("data"), config.disks)
                .map_err(|e| unable("make a disk that can go wrong", &e))?;
            if let Some((_, wiring, _)) = &wired {
                let port = wiring.connect(&host.net, index);
                ports.push(
                    port.map_err(|e| unable(&format!("connect {} to the switch", nodes[index].name), &e))?,
                );
            }
            let namespace = host.id().map_err(|e| unable("identify a host's namespaces", &e))?;
            let host = Arc::new(host);
            if let Err(error) = spawner.mount_proc(&host)
                && index == 0
            {
                warnings.push(format!("/proc of the nodes shows this machine's processes: {error}"));
            }
            built.push(LocalNode {
                node: nodes[index].clone(),
                log: dir.join(&config.log_name),
                work_dir: config.rootfs.as_ref().map_or(&dir, |rootfs| &rootfs.work_dir).clone(),
                dir,
                host,
                namespace,
                disk,
                memory: groups.as_ref().map(|groups| Arc::clone(&groups.of_nodes[index])),
                server: Mutex::new(Server::new(command)),
                main: Mutex::new(Main::First),
                starving: Mutex::default(),
                traps: Arc::default(),
            });
        }
        let namespaces = || built.iter().map(|node: &LocalNode| node.namespace);
        let clocks = config
            .clocks
            .then(|| NodeClocks::create(namespaces()).map(Arc::new))
            .transpose()
            .map_err(|e| unable("give the nodes clocks of their own", &e))?;
        let traps = built.iter().map(|node| Arc::clone(&node.traps));
        let asked = listener
            .map(|listener| Asked::answer(listener, namespaces().zip(traps), clocks.clone()))
            .transpose()
            .map_err(|e| unable("watch the nodes' system calls", &e))?;

        let joint = wired.map(|(control, _, port)| {
            ports.push(port);
            let clients = (&control, network::CONTROL.into());
            let hosts = built.iter().map(|n| (&n.host.net, n.node.addr)).chain([clients]);
            let (switch, prober) = start_switch(ports, hosts)?;
            Ok(Joint { control, prober, switch, real_packets: Mutex::new(false) })
        });
        let joint = joint.transpose()?;
        if let Some(Err(error)) = joint.as_ref().map(|joint| joint.switch.realtime()) {
            warnings.push(format!(
                "the switch runs without real-time priority ({error}): a busy machine adds latency"
            ));
        }
        Ok(Self {
            nodes: built,
            joint,
            spawner,
            _groups: groups,
            clocks,
            _asked: asked,
            calls: config.calls,
            data_goes: config.data == Data::Memory || config.disks != Disks::Plain,
            warnings,
        })
    }

    /// The nodes of a cluster of this size, as they will be.
    pub fn addresses(count: usize) -> Vec<Node> {
        (0..count)
            .map(|i| Node { name: format!("n{}", i + 1), addr: network::node_address(i).into() })
            .collect()
    }

    /// Where a node's data will be, as seen on its host.
    pub fn data_dir(work_dir: &Path, node: &Node) -> PathBuf {
        node_dir(work_dir, node).join("data")
    }

    /// What is not as one would want it, in sentences for the user.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        let complaints = self.clocks.iter().flat_map(|clocks| clocks.complaints());
        warnings
            .extend(complaints.map(|why| format!("a program was left with this machine's clocks: {why}")));
        match self.joint.as_ref().map_or(0, |joint| joint.switch.overruns()) {
            0 => {}
            frames => warnings.push(format!(
                "{frames} frames were lost because a queue was full: loss that no fault asked for"
            )),
        }
        warnings
    }

    /// Lets hosts hand over up to 64 KiB of TCP as one frame, or not: what befalls one packet of many
    /// must not befall all that happened to be sent together.
    fn set_segmentation_offload(&self, on: bool) -> io::Result<()> {
        let set = || Ok(Interface::of_this_namespace(switch::port::INTERFACE)?.set_segmentation_offload(on)?);
        let mut hosts = self.nodes.iter().map(|node| &node.host.net).chain([&self.joint()?.control]);
        hosts.try_for_each(|host| host.run(set))
    }

    fn joint(&self) -> io::Result<&Joint> {
        let none = || io::Error::new(io::ErrorKind::Unsupported, "this node is on the machine's own network");
        self.joint.as_ref().ok_or_else(none)
    }

    fn prober(&self) -> Result<&Prober, EnvError> {
        self.joint().map(|joint| &joint.prober).map_err(|error| unable("probe a link", &error))
    }

    fn probe_failed(&self, (from, to): Link, why: String) -> EnvError {
        let name = |at: usize| self.nodes.get(at).map_or("the clients", |node| &node.node.name);
        // One of them is a node.
        let node = self.nodes.get(from).unwrap_or(&self.nodes[to]);
        node.error(&format!("send a probe from {} to {}", name(from), name(to)), why)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.spawner.kill_all();
        let deadline = Instant::now() + REAP_TIMEOUT;
        for node in &mut self.nodes {
            let server = node.server.get_mut().unwrap_or_else(PoisonError::into_inner);
            if let Some(child) = &mut server.child {
                // Nothing can be done about one that the kernel cannot end.
                let _ = server::wait_until(child, deadline);
            }
        }
    }
}

/// The clients' host, and how others will be connected to its switch.
fn begin_network(ports: Ports, count: usize) -> Result<(Netns, Wiring, OwnedFd), EnvError> {
    let control = Netns::create().map_err(|e| unable("make a network namespace", &e))?;
    let (wiring, port) = Wiring::begin(&control, count, ports)
        .map_err(|e| unable("connect a network namespace to the switch", &e))?;
    Ok((control, wiring, port))
}

fn start_switch<'a>(
    ports: Vec<OwnedFd>,
    hosts: impl Iterator<Item = (&'a Netns, IpAddr)>,
) -> Result<(Switch, Prober), EnvError> {
    let (switch, fates) = Switch::start(ports).map_err(|e| unable("start the switch", &e))?;
    let prober = Prober::new(hosts, fates).map_err(|e| unable("open a socket on a host", &e))?;
    Ok((switch, prober))
}

fn unable(what: &str, why: &io::Error) -> EnvError {
    EnvError::Unable {
        what: what.into(),
        why: why.to_string(),
        fix: "`duress doctor` tests what this machine allows and says how to change it".into(),
    }
}
