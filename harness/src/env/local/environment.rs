//! What a run asks of a cluster on this machine, done by the parts that know how.
//!
//! Not here: how it is made, and how it ends; see [`super::Local`].

use super::node::LocalNode;
use super::processes::{self, Activity};
use super::server::{Main, REAP_TIMEOUT};
use super::spawner::Start;
use super::starve::Starving;
use super::{Local, NodeDisk, data, flows, helper, salvage, unable};
use crate::env::clock::{Reading, Skews};
use crate::env::cut::{Connections, Crossing, Cut};
use crate::env::data::Files;
use crate::env::disk::{FaultyDisk, Keep};
use crate::env::memory::OutOfMemory;
use crate::env::packet::{Behavior, Policies, Traffic};
use crate::env::salvage::Salvage;
use crate::env::trap::{Call, Snare, Trap};
use crate::env::{EnvError, Environment, Exit, Link, NetworkRecord, ProcessState, Program, Stop};
use duress_targets::{HostCommand, ServerFiles, Stopping};
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long a server that was told to end may take, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

impl Local {
    fn ask_to_end(&self, node: &LocalNode, how: &Stopping, pid: u32) -> Result<(), EnvError> {
        let told = |why| node.error("end its server", why);
        match how {
            Stopping::Signal(signal) => {
                processes::terminate(node.namespace, pid, *signal, GRACE).map_err(told)
            }
            Stopping::Command(command) => {
                // One that stands still would not hear of it.
                processes::resume_all(node.namespace).map_err(told)?;
                helper::run(&self.spawner, node, command, GRACE).map_err(told)?;
                processes::await_end(node.namespace, pid, GRACE);
                Ok(())
            }
        }
    }
}

impl Environment for Local {
    fn enter(&self) -> Result<(), EnvError> {
        let entered = self.joint().and_then(|joint| Ok(joint.control.enter()?));
        entered.map_err(|e| unable("enter the clients' network namespace", &e))
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
            if self.state(at).has_server() {
                return Ok(());
            }
            server.wait_by_itself(node.disk.as_ref()).map_err(|why| node.error("start its server", why))?;
        }
        // Helpers of the last server would hold its ports and its data.
        processes::kill_all(node.namespace).map_err(|why| node.error("start its server", why))?;
        if let Some(clocks) = &self.clocks {
            clocks.begin_anew(at);
        }
        let output = OpenOptions::new().create(true).append(true).open(&node.log);
        let output = output.and_then(|log| Ok((log.try_clone()?, log)));
        let (stdout, stderr) = output.map_err(|error| node.error("open its log", error.to_string()))?;
        if let Some(disk) = &node.disk {
            let begun = disk.begins_anew(&node.host);
            begun.map_err(|error| node.error("start its server", error.to_string()))?;
        }
        let user = node.user(server.command.user.as_deref(), &stdout);
        let start = Start {
            host: Arc::clone(&node.host),
            command: server.command.clone(),
            work_dir: server.files.dir.as_ref().unwrap_or(&node.work_dir).clone(),
            stdout,
            stderr,
            visits: false,
            memory: node.memory.clone(),
            user: user.map_err(|error| node.error("start its server", error.to_string()))?,
        };
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
            self.ask_to_end(node, &server.stopping, child.id())?;
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
            self.ask_to_end(node, &server.stopping, pid)?;
        }
        processes::kill(node.namespace, pid).map_err(told)?;
        server.wait(how, node.disk.as_ref()).map_err(told)
    }

    fn set_stopping(&self, node: usize, how: &Stopping) -> Result<(), EnvError> {
        self.nodes[node].server().stopping = how.clone();
        Ok(())
    }

    fn run(&self, node: usize, command: &HostCommand, limit: Duration) -> Result<String, EnvError> {
        let node = &self.nodes[node];
        let failed = |why| node.error(&format!("run {} on its host", command.program.display()), why);
        helper::run(&self.spawner, node, command, limit).map_err(failed)
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
        let joint = self.joint().map_err(failed)?;
        let real_packets = policies.values().any(|policy| !policy.behaviors.is_empty());
        let mut now = joint.real_packets.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != real_packets {
            self.set_segmentation_offload(!real_packets).map_err(failed)?;
            *now = real_packets;
        }
        joint.switch.set_links(policies.clone()).map_err(|error| failed(io::Error::other(error)))
    }

    fn acquaint(&self, links: &BTreeSet<Link>, cut: &Cut) -> Result<(), EnvError> {
        if cut.connections != Connections::Established {
            return Ok(());
        }
        let prober = self.prober()?;
        let one = |&link: &Link| prober.acquaint(link, cut).map_err(|why| self.probe_failed(link, why));
        links.iter().try_for_each(one)
    }

    fn probe(&self, link: Link, cut: &Cut) -> Result<Crossing, EnvError> {
        self.prober()?.probe(link, cut).map_err(|why| self.probe_failed(link, why))
    }

    fn sample(&self, link: Link, behavior: &Behavior) -> Result<Option<u32>, EnvError> {
        self.prober()?.sample(link, behavior).map_err(|why| self.probe_failed(link, why))
    }

    fn traffic(&self, link: Link) -> Traffic {
        self.joint.as_ref().map(|joint| joint.switch.traffic(link)).unwrap_or_default()
    }

    fn taken(&self, fault: u32) -> Option<u64> {
        Some(self.joint.as_ref()?.switch.taken(fault))
    }

    fn network(&self) -> Option<NetworkRecord> {
        let mut hosts: Vec<String> = self.nodes.iter().map(|node| node.node.name.clone()).collect();
        hosts.push("clients".to_owned());
        let seen = self.joint.as_ref()?.switch.tell(hosts.clone()).ok()?;
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

    fn set_files(&self, node: usize, files: &ServerFiles) -> Result<(), EnvError> {
        self.nodes[node].server().files = files.clone();
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

fn no_clocks() -> EnvError {
    EnvError::Unable {
        what: "skew a node's clocks".into(),
        why: "the cluster was made without clocks of its own".into(),
        fix: "ask for them when it is made".into(),
    }
}
