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
mod disk;
mod flows;
pub mod heal;
mod host;
mod interface;
mod memory;
mod network;
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

pub use config::{Config, Data, Disks, Ports, Rootfs, ServerCommand};
pub use privilege::{Privilege, acquire};
pub(super) use privilege::{enter_user_namespace, missing_capabilities, remedy};
pub(super) use trial::in_child;
pub use try_out::{ext4_disks, faulty_disks, limited_memory};

use super::clock::{Reading, Skews};
use super::cut::{Connections, Crossing, Cut};
use super::data::Files;
use super::disk::{FaultyDisk, Keep};
use super::memory::OutOfMemory;
use super::packet::{Behavior, Policies, Traffic};
use super::salvage::Salvage;
use super::trap::{Call, Snare, Trap};
use super::{EnvError, Environment, Exit, Link, NetworkRecord, ProcessState, Program, Stop};
use asked::Asked;
use clock::NodeClocks;
use disk::NodeDisk;
use duress_targets::Node;
use host::{Host, NamespaceId, Netns, Plan};
use interface::Interface;
use memory::{Group, Groups};
use network::Wiring;
use prober::Prober;
use processes::Activity;
use server::{Main, REAP_TIMEOUT, Server};
use spawner::{Spawner, Start};
use starve::Starving;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use switch::Switch;
use trap::{Filter, Traps};

/// Most nodes of one cluster.
pub const MAX_NODES: usize = 64;

/// How long a server that was told to end may take, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Probes after which something with a chance of one percent has happened: it fails to once in a
/// million times.
const CERTAIN: u32 = 1_400;

/// A cluster on this machine. Its hosts, networks and processes end when it is dropped.
pub struct Local {
    nodes: Vec<LocalNode>,
    control: Netns,
    prober: Prober,
    switch: Switch,
    spawner: Spawner,
    /// Removed when nobody is in them any more.
    _groups: Option<Groups>,
    /// If they were asked for.
    clocks: Option<Arc<NodeClocks>>,
    /// Answers the kernel, if it asks.
    _asked: Option<Asked>,
    /// Hosts send packets as they are on a wire, not many in one.
    real_packets: Mutex<bool>,
    /// Those that are caught.
    calls: BTreeSet<Call>,
    /// The nodes' data goes with them.
    data_goes: bool,
    warnings: Vec<String>,
}

struct LocalNode {
    node: Node,
    dir: PathBuf,
    log: PathBuf,
    host: Arc<Host>,
    /// The server's working directory, as seen on the host.
    work_dir: PathBuf,
    namespace: NamespaceId,
    disk: Option<NodeDisk>,
    memory: Option<Arc<Group>>,
    server: Mutex<Server>,
    /// Not in `server`, which is held for as long as it takes to start or end it.
    main: Mutex<Main>,
    starving: Mutex<Option<Starving>>,
    traps: Arc<Traps>,
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
        let nodes = Self::addresses(count);
        let mut warnings = Vec::new();
        let asks = config.clocks || !config.calls.is_empty();
        let filter = asks.then(|| Filter::new(&config.calls, config.clocks));
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let groups = config.limited_memory.then(|| Groups::create(&names)).transpose();
        let groups = groups.map_err(|e| unable("make control groups of memory", &e))?;
        let (spawner, listener) = Spawner::new(filter).map_err(|e| unable("make a PID namespace", &e))?;
        let control = Netns::create().map_err(|e| unable("make a network namespace", &e))?;
        let (wiring, control_port) = Wiring::begin(&control, count, config.ports)
            .map_err(|e| unable("connect a network namespace to the switch", &e))?;
        warnings.extend(wiring.warning.clone());

        let mut built = Vec::with_capacity(count);
        let mut ports = Vec::with_capacity(count + 1);
        for (index, command) in config.servers.into_iter().enumerate() {
            let dir = node_dir(&config.work_dir, &nodes[index]);
            let of_host = (config.data, config.disks, config.rootfs.as_ref());
            let mut host = make_host(&nodes, index, &dir, of_host)?;
            let disk = NodeDisk::create(&mut host, &dir.join("data"), config.disks)
                .map_err(|e| unable("make a disk that can go wrong", &e))?;
            ports.push(
                wiring
                    .connect(&host.net, index)
                    .map_err(|e| unable(&format!("connect {} to the switch", nodes[index].name), &e))?,
            );
            let namespace = host.net.id().map_err(|e| unable("identify a network namespace", &e))?;
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
        ports.push(control_port);
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

        let (switch, fates) = Switch::start(ports).map_err(|e| unable("start the switch", &e))?;
        if let Err(error) = switch.realtime() {
            warnings.push(format!(
                "the switch runs without real-time priority ({error}): a busy machine adds latency"
            ));
        }
        let clients = (&control, network::CONTROL.into());
        let hosts = built.iter().map(|n| (&n.host.net, n.node.addr)).chain([clients]);
        let prober = Prober::new(hosts, fates).map_err(|e| unable("open a socket on a host", &e))?;
        Ok(Self {
            nodes: built,
            control,
            prober,
            switch,
            spawner,
            _groups: groups,
            real_packets: Mutex::new(false),
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
        match self.switch.overruns() {
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
        let mut hosts = self.nodes.iter().map(|node| &node.host.net).chain([&self.control]);
        hosts.try_for_each(|host| host.run(set))
    }

    fn probe_failed(&self, (from, to): Link, why: String) -> EnvError {
        let name = |at: usize| self.nodes.get(at).map_or("the clients", |node| &node.node.name);
        // One of them is a node.
        let node = self.nodes.get(from).unwrap_or(&self.nodes[to]);
        node.error(&format!("send a probe from {} to {}", name(from), name(to)), why)
    }
}

impl Environment for Local {
    fn enter(&self) -> Result<(), EnvError> {
        self.control.enter().map_err(|e| unable("enter the clients' network namespace", &e.into()))
    }

    fn enter_node(&self, at: usize) -> Result<(), EnvError> {
        let node = &self.nodes[at];
        node.host.net.enter().map_err(|e| node.error("enter its network namespace", e.to_string()))
    }

    /// Does nothing when the server runs already.
    fn start(&self, at: usize) -> Result<(), EnvError> {
        let node = &self.nodes[at];
        let mut server = node.server();
        server.reap(node.disk.as_ref());
        if server.child.is_some() {
            return Ok(());
        }
        // Helpers of the last server would hold its ports and its data.
        processes::kill_all(node.namespace).map_err(|why| node.error("start its server", why))?;
        if let Some(clocks) = &self.clocks {
            clocks.begin_anew(at);
        }
        let start = Start {
            host: Arc::clone(&node.host),
            command: server.command.clone(),
            work_dir: node.work_dir.clone(),
            log: node.log.clone(),
            memory: node.memory.clone(),
        };
        if let Some(disk) = &node.disk {
            let begun = disk.begins_anew(&node.host);
            begun.map_err(|error| node.error("start its server", error.to_string()))?;
        }
        node.set_main(Main::First);
        let child = self.spawner.start(start).map_err(|error| {
            node.error("start its server", format!("{}: {error}", server.command.program.display()))
        })?;
        let pid = child.id();
        node.set_main(Main::Is { pid, born: processes::start_time(pid) });
        server.begin(child);
        if let Some(clocks) = &self.clocks {
            clocks.settle();
        }
        Ok(())
    }

    fn stop(&self, node: usize, how: Stop) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        let mut server = node.server();
        server.reap(node.disk.as_ref());
        if let (Stop::Terminate, Some(child)) = (how, &server.child) {
            processes::terminate(node.namespace, child.id(), GRACE)
                .map_err(|why| node.error("end its server", why))?;
        }
        processes::kill_all(node.namespace).map_err(|why| node.error("end its processes", why))?;
        server.wait(how, node.disk.as_ref()).map_err(|why| node.error("end its server", why))
    }

    fn stop_main(&self, node: usize, how: Stop) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        let mut server = node.server();
        server.reap(node.disk.as_ref());
        let Some(pid) = server.child.as_ref().map(Child::id) else { return Ok(()) };
        let told = |why| node.error("end its server", why);
        if how == Stop::Terminate {
            processes::terminate(node.namespace, pid, GRACE).map_err(told)?;
        }
        processes::kill(node.namespace, pid).map_err(told)?;
        server.wait(how, node.disk.as_ref()).map_err(told)
    }

    /// An error when no process runs: that would be no fault. After an error none is paused.
    fn pause(&self, node: usize) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        let _server = node.server();
        processes::pause_all(node.namespace).map_err(|why| node.error("pause it", why))
    }

    fn resume(&self, node: usize) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        let _server = node.server();
        processes::resume_all(node.namespace).map_err(|why| node.error("resume it", why))
    }

    fn starve(&self, node: usize, percent: Option<u32>) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        // The last one ends before the next begins, or both would stop and start the same processes.
        let mut starving = node.starving();
        *starving = None;
        *starving = percent
            .map(|percent| Starving::begin(node.namespace, percent.clamp(1, 99)))
            .transpose()
            .map_err(|error| node.error("starve it", error.to_string()))?;
        Ok(())
    }

    fn starved(&self, node: usize) -> u64 {
        self.nodes[node].starving().as_ref().map_or(0, Starving::periods)
    }

    fn state(&self, node: usize) -> ProcessState {
        let node = &self.nodes[node];
        let processes = processes::in_namespace(node.namespace);
        let mut pids = processes.iter().map(|process| process.pid);
        let pid = match node.main() {
            Main::First => pids.next(),
            Main::Is { pid, born } => pids.find(|&p| p == pid && processes::start_time(p) == born),
        };
        match (processes::activity(&processes), pid) {
            (Activity::None, _) => ProcessState::Gone,
            (Activity::Running, Some(pid)) => ProcessState::Running { pid },
            (Activity::Stopped, Some(pid)) => ProcessState::Paused { pid },
            // Those of them that have ended since are none.
            (_, None) => match processes.iter().filter(|process| process.is_alive()).count() {
                0 => ProcessState::Gone,
                left => ProcessState::Orphaned { left },
            },
        }
    }

    fn set_links(&self, policies: &Policies) -> Result<(), EnvError> {
        let failed = |error| unable("change what links do", &error);
        let real_packets = policies.values().any(|policy| !policy.behaviors.is_empty());
        let mut now = self.real_packets.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != real_packets {
            self.set_segmentation_offload(!real_packets).map_err(failed)?;
            *now = real_packets;
        }
        self.switch.set_links(policies.clone()).map_err(|error| failed(io::Error::other(error)))
    }

    fn acquaint(&self, links: &BTreeSet<Link>, cut: &Cut) -> Result<(), EnvError> {
        if cut.connections != Connections::Established {
            return Ok(());
        }
        let one = |&link: &Link| self.prober.acquaint(link, cut).map_err(|why| self.probe_failed(link, why));
        links.iter().try_for_each(one)
    }

    fn probe(&self, link: Link, cut: &Cut) -> Result<Crossing, EnvError> {
        self.prober.probe(link, cut).map_err(|why| self.probe_failed(link, why))
    }

    fn sample(&self, link: Link, behavior: &Behavior) -> Result<Option<u32>, EnvError> {
        let most = CERTAIN.div_ceil(behavior.percent());
        self.prober.sample(link, behavior, most).map_err(|why| self.probe_failed(link, why))
    }

    fn traffic(&self, link: Link) -> Traffic {
        self.switch.traffic(link)
    }

    fn taken(&self, fault: u32) -> Option<u64> {
        Some(self.switch.taken(fault))
    }

    fn network(&self) -> Option<NetworkRecord> {
        let mut hosts: Vec<String> = self.nodes.iter().map(|node| node.node.name.clone()).collect();
        hosts.push("clients".to_owned());
        let seen = self.switch.tell(hosts.clone()).ok()?;
        let flows = seen.talks.iter().map(|talk| flows::told(talk, &hosts)).collect();
        Some(NetworkRecord { flows, capture: seen.capture })
    }

    fn trap(&self, node: usize, snare: Snare) -> Result<Trap, EnvError> {
        let node = &self.nodes[node];
        if self.calls.contains(&snare.call) {
            return Ok(node.traps.lay(snare));
        }
        let why = "the cluster was not made for it".to_owned();
        Err(node.error(&format!("watch its {} calls", snare.call), why))
    }

    fn calls(&self, node: usize, call: Call) -> u64 {
        self.nodes[node].traps.seen(call)
    }

    fn log(&self, node: usize) -> Option<&Path> {
        Some(&self.nodes[node].log)
    }

    fn set_clocks(&self, node: usize, skews: &Skews) -> Result<(), EnvError> {
        match &self.clocks {
            Some(clocks) => {
                clocks.set(node, skews).map_err(|why| self.nodes[node].error("set its clocks", why))
            }
            None if skews.is_empty() => Ok(()),
            None => Err(no_clocks()),
        }
    }

    fn read_clocks(&self, node: usize, fault: Option<u32>) -> Result<Reading, EnvError> {
        let clocks = self.clocks.as_ref().ok_or_else(no_clocks)?;
        clocks.read(node, fault).map_err(|why| self.nodes[node].error("read its clocks", why))
    }

    fn disk(&self, node: usize) -> Result<&dyn FaultyDisk, EnvError> {
        let why = match &self.nodes[node].disk {
            Some(NodeDisk::Own(disk)) => return Ok(&**disk),
            Some(NodeDisk::Ext4(_)) => "an ext4 does no wrong; only its power can fail",
            None => "this cluster was made without disks that can be told to go wrong",
        };
        Err(EnvError::Unable {
            what: format!("break the disk of {}", self.nodes[node].node.name),
            why: why.into(),
            fix: "plan the fault before the run: --faults or --schedule".into(),
        })
    }

    fn power_failure(&self, node: usize, how: (Keep, u64)) -> Result<String, String> {
        let node = &self.nodes[node];
        // Nobody starts it meanwhile.
        let _server = node.server();
        let disk = node.disk.as_ref().ok_or("this cluster was made without disks whose power can fail")?;
        disk.power_failure(&node.host, how)
    }

    fn exhaust_memory(&self, node: usize) -> Result<OutOfMemory, EnvError> {
        const WHAT: &str = "let its memory run out";
        let node = &self.nodes[node];
        let mut server = node.server();
        server.reap(node.disk.as_ref());
        let Some(group) = &node.memory else {
            return Err(node.error(WHAT, "this cluster was made without limits of memory".to_owned()));
        };
        let seen = group.exhaust();
        let killed = seen.as_ref().is_ok_and(|seen| seen.kills > 0);
        let end = server.end_within(if killed { REAP_TIMEOUT } else { Duration::ZERO });
        if end.is_some() {
            processes::kill_all(node.namespace).map_err(|why| node.error("end its processes", why))?;
        }
        let seen = seen.map_err(|error| node.error(WHAT, error.to_string()))?;
        Ok(OutOfMemory { end, ..seen })
    }

    fn copy_data(&self, node: usize) -> Result<Files, EnvError> {
        let node = &self.nodes[node];
        let files = node.host.among_its_files(|| data::read(&node.dir.join("data"), data::MAX_BYTES));
        files.map_err(|error| node.error("read its data", error.to_string()))
    }

    fn replace_data(&self, node: usize, files: &Files) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        // Nobody starts it meanwhile.
        let _server = node.server();
        let replaced = node.host.among_its_files(|| data::replace(&node.dir.join("data"), files));
        replaced.map_err(|error| node.error("replace its data", error.to_string()))
    }

    fn import_data(&self, node: usize, from: &Path) -> Result<Files, EnvError> {
        let told = |error: io::Error| self.nodes[node].error("read its new data", error.to_string());
        self.replace_data(node, &data::read(from, data::MAX_BYTES).map_err(told)?)?;
        self.copy_data(node)
    }

    fn on_host(&self, node: usize, what: &mut (dyn FnMut() + Send)) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        let done = node.host.net.run(|| {
            what();
            Ok(())
        });
        done.map_err(|error| node.error("work on its host", error.to_string()))
    }

    fn set_args(&self, node: usize, args: &dyn Fn(&Path) -> Vec<String>) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        node.server().command.args = args(&node.dir.join("data"));
        Ok(())
    }

    fn set_program(&self, node: usize, program: &Program) -> Result<(), EnvError> {
        let command = &mut self.nodes[node].server().command;
        command.program = program.path.clone();
        command.env = program.env.clone();
        Ok(())
    }

    fn excuse(&self, node: usize, why: Option<&'static str>) {
        self.nodes[node].server().excuse = why;
    }

    /// A node that is being started or stopped at the moment is looked at by the next call.
    fn exits(&self) -> Vec<Exit> {
        let mut exits = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if let Ok(mut server) = node.server.try_lock() {
                server.reap(node.disk.as_ref());
                let ended = std::mem::take(&mut server.ended);
                exits.extend(ended.into_iter().map(|(status, excuse)| Exit {
                    node: index,
                    status: status.to_string(),
                    excuse,
                }));
            }
        }
        exits
    }

    fn salvage(&self, node: usize, most_data: usize) -> Salvage {
        let most_data = Some(most_data).filter(|_| self.data_goes);
        salvage::of(&self.nodes[node], most_data)
    }

    fn undo_data(&self, node: usize) -> serde_json::Value {
        let node = &self.nodes[node];
        let processes: Vec<_> = processes::in_namespace(node.namespace)
            .iter()
            .map(|process| {
                serde_json::json!({
                    "pid": process.pid,
                    "start_time": processes::start_time(process.pid),
                    "exe": fs::read_link(format!("/proc/{}/exe", process.pid)).ok(),
                })
            })
            .collect();
        let group = node.memory.as_ref().map(|group| group.dir());
        serde_json::json!({ "node": node.node.name, "processes": processes, "group": group })
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

impl LocalNode {
    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn main(&self) -> Main {
        *self.main.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_main(&self, main: Main) {
        *self.main.lock().unwrap_or_else(PoisonError::into_inner) = main;
    }

    fn starving(&self) -> MutexGuard<'_, Option<Starving>> {
        self.starving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, what: &str, why: String) -> EnvError {
        EnvError::Node { node: self.node.name.clone(), what: what.into(), why, log: self.log.clone() }
    }
}

fn node_dir(work_dir: &Path, node: &Node) -> PathBuf {
    work_dir.join(&node.name)
}

fn make_host(
    nodes: &[Node],
    index: usize,
    dir: &Path,
    (data, disks, rootfs): (Data, Disks, Option<&Rootfs>),
) -> Result<Host, EnvError> {
    let plan = Plan {
        name: nodes[index].name.clone(),
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

fn no_clocks() -> EnvError {
    EnvError::Unable {
        what: "skew a node's clocks".into(),
        why: "the cluster was made without clocks of its own".into(),
        fix: "ask for them when it is made".into(),
    }
}

fn unable(what: &str, why: &io::Error) -> EnvError {
    EnvError::Unable {
        what: what.into(),
        why: why.to_string(),
        fix: "`duress doctor` tests what this machine allows and says how to change it".into(),
    }
}
