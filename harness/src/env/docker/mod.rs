//! Containers that the user has made, and that an engine on this machine runs (docker, podman): they are
//! killed, stopped, paused and started by its command line, and their links are cut by rules inside their
//! network namespaces, which root enters from outside. Nothing is put into them, and no container is added.
//!
//! Their own command is the server. A container that is started again is on a new network: links that are cut
//! are cut there again a moment later, not at once. What they hold stays, so a run has keys of its own.

mod able;
mod containers;
mod engine;
mod exec;
mod guardian;
mod links;
mod live;
mod node;

pub use able::{abilities, refusal};
pub use containers::Containers;
pub use guardian::{guard, sweep};

use super::clock::{Reading, Skews};
use super::cut::{Connections, Crossing, Cut};
use super::packet::{Behavior, Policies, Traffic};
use super::remote::Wants;
use super::remote::agent::{Tool, firewall_capabilities, remove_rules, tables};
use super::salvage::Salvage;
use super::trap::{Call, Snare, Trap};
use super::{EnvError, Environment, Exit, Link, ProcessState, Stop};
use able::cannot;
use containers::unfit;
use duress_targets::{HostCommand, Node, Stopping};
use engine::Engine;
use guardian::Guardian;
use live::Live;
use node::{ContainerNode, Now};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Containers as the nodes of a cluster. When it is dropped they are as they were: they run, and
/// nothing is cut.
pub struct Docker {
    engine: Engine,
    nodes: Vec<ContainerNode>,
    /// Our own table of rules.
    table: String,
    links: Mutex<Policies>,
    /// Where a node reaches another one by more than its first address.
    more_ways: BTreeMap<Link, Vec<IpAddr>>,
    /// Faults that have cut links.
    cutting: Mutex<BTreeSet<u32>>,
    /// The next probe's number, and one probe at a time.
    turn: Mutex<u64>,
    guardian: Guardian,
}

/// What a cluster of containers is to be.
pub struct Config<'a> {
    /// One for each node at least.
    pub containers: &'a Containers,
    /// The nodes.
    pub nodes: &'a [Node],
    /// Where their output goes when the run is over: a folder each, in this one.
    pub logs_dir: PathBuf,
    /// Name of the file that takes it.
    pub log_name: String,
    /// Which faults are planned.
    pub wants: Wants,
}

impl Docker {
    /// Takes these containers over; they run.
    ///
    /// # Errors
    /// When the engine does not answer, this process is not root, or one of them does not run, is on
    /// this machine's own network, shares another's, cannot be reached, or cannot do what is planned.
    pub fn open(config: &Config<'_>) -> Result<Self, EnvError> {
        rights()?;
        let engine = config.containers.engine();
        let table = guardian::table();
        let since = jiff::Timestamp::now().to_string();
        let named = config.containers.names().iter().zip(config.nodes);
        let nodes = named.map(|(name, node)| take(config, (name, node), &table, &since));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let mut seen = BTreeMap::new();
        for node in &nodes {
            let network = node.now().live.as_ref().and_then(Live::network);
            if let Some(other) = network.and_then(|network| seen.insert(network, &node.name)) {
                let why = format!("{other} and {} share a network namespace", node.name);
                return Err(unable("cut links between containers", why, "give each a network of its own"));
            }
        }
        let guardian = Guardian::begin(engine, &table, nodes.iter().map(|node| &*node.id)).map_err(|e| {
            unable("start a guardian for the containers", e.to_string(), "see that processes can be started")
        })?;
        let mut docker = Self {
            engine,
            nodes,
            table,
            links: Mutex::default(),
            more_ways: BTreeMap::new(),
            cutting: Mutex::default(),
            turn: Mutex::new(0),
            guardian,
        };
        docker.try_all_links()?;
        if config.wants.cuts {
            docker.more_ways = docker.find_more_ways();
        }
        Ok(docker)
    }

    /// The faults that have cut something.
    fn faults(&self) -> BTreeSet<u32> {
        self.cutting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Root enters namespaces.
fn rights() -> Result<(), EnvError> {
    let missing = super::local::missing_capabilities();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!("this process lacks {}", missing.join(", "));
    Err(unable("enter containers' networks", why, "run duress as root, where the engine runs"))
}

/// Takes a container over.
fn take(
    config: &Config<'_>,
    (name, node): (&str, &Node),
    table: &str,
    since: &str,
) -> Result<ContainerNode, EnvError> {
    let network = config.containers.network();
    let container = config.containers.running(name)?;
    let prepare = || {
        let addresses = container.addresses(network)?;
        let live = Live::open(container.state.pid, node.addr, table)?;
        clear(&live)?;
        able(&live, table, &config.wants)?;
        let clients = links::clients_address(node.addr)
            .map_err(|error| format!("there is no way to {}: {error}", node.addr))?;
        let dir = config.logs_dir.join(&node.name);
        std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(ContainerNode {
            node: node.clone(),
            addresses,
            id: container.id.clone(),
            name: container.name().to_owned(),
            environment: container.environment(),
            clients,
            network: network.map(str::to_owned),
            log: dir.join(&config.log_name),
            since: since.to_owned(),
            now: Mutex::new(Now { live: Some(live), ..Now::default() }),
        })
    };
    prepare().map_err(|why| unfit(name, why))
}

/// Removes rules that dead runs have left. Two runs at a time would take each other's faults for their own.
fn clear(live: &Live) -> Result<(), String> {
    for table in live.within(tables)? {
        match guardian::is_left_behind(&table) {
            Some(true) => live.within(|| {
                remove_rules(Tool::Nft, &table);
                Ok(())
            })?,
            Some(false) => return Err(format!("another run breaks it already (its rules are in {table})")),
            None => {}
        }
    }
    Ok(())
}

/// Can it have the rules that are planned?
fn able(live: &Live, table: &str, wants: &Wants) -> Result<(), String> {
    if !wants.cuts {
        return Ok(());
    }
    let capabilities = live.within(|| Ok(firewall_capabilities(Tool::Nft, table)))?;
    let needed = capabilities.into_iter().take(if wants.rejects { 2 } else { 1 });
    needed.filter_map(|capability| capability.missing).next().map_or(Ok(()), Err)
}

impl Environment for Docker {
    /// Clients are on this machine, as they are.
    fn enter(&self) -> Result<(), EnvError> {
        Ok(())
    }

    fn start(&self, at: usize) -> Result<(), EnvError> {
        self.raise(at).map_err(|why| self.nodes[at].error("start its container", why))
    }

    fn stop(&self, at: usize, how: Stop) -> Result<(), EnvError> {
        self.end(at, how).map_err(|why| self.nodes[at].error("end its container", why))
    }

    /// Without its first process a container has none.
    fn stop_main(&self, node: usize, how: Stop) -> Result<(), EnvError> {
        self.stop(node, how)
    }

    fn pause(&self, at: usize) -> Result<(), EnvError> {
        let node = &self.nodes[at];
        node.pause(self.engine).map_err(|why| node.error("pause it", why))
    }

    fn resume(&self, at: usize) -> Result<(), EnvError> {
        let node = &self.nodes[at];
        node.resume(self.engine).map_err(|why| node.error("resume it", why))
    }

    fn starve(&self, at: usize, percent: Option<u32>) -> Result<(), EnvError> {
        let node = &self.nodes[at];
        node.starve(percent).map_err(|why| node.error("starve it", why))
    }

    fn starved(&self, at: usize) -> u64 {
        self.nodes[at].now().starving.as_ref().map_or(0, super::local::Starving::periods)
    }

    fn state(&self, at: usize) -> ProcessState {
        let now = self.nodes[at].now();
        match now.alive() {
            None => ProcessState::Gone,
            Some(live) if live.is_frozen() => ProcessState::Paused { pid: live.pid },
            Some(live) => ProcessState::Running { pid: live.pid },
        }
    }

    fn set_links(&self, policies: &Policies) -> Result<(), EnvError> {
        let all = || policies.values();
        if all().any(|policy| !policy.behaviors.is_empty()) {
            return Err(cannot("mistreat packets"));
        }
        if all().flat_map(|policy| policy.cuts.values()).any(|cut| cut.connections != Connections::All) {
            return Err(cannot("tell old connections from new ones"));
        }
        let faults = all().flat_map(|policy| policy.cuts.keys().copied());
        self.cutting.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
        *self.links.lock().unwrap_or_else(PoisonError::into_inner) = policies.clone();
        self.apply_all(policies)
    }

    fn probe(&self, link: Link, cut: &Cut) -> Result<Crossing, EnvError> {
        self.cross(link, cut)
    }

    fn sample(&self, _link: Link, _behavior: &Behavior) -> Result<Option<u32>, EnvError> {
        Err(cannot("mistreat packets"))
    }

    fn traffic(&self, _link: Link) -> Traffic {
        Traffic::default()
    }

    fn taken(&self, fault: u32) -> Option<u64> {
        Some(self.packets_taken(fault))
    }

    fn trap(&self, _node: usize, _snare: Snare) -> Result<Trap, EnvError> {
        Err(cannot("catch system calls"))
    }

    fn calls(&self, _node: usize, _call: Call) -> u64 {
        0
    }

    fn log(&self, node: usize) -> Option<&Path> {
        Some(&self.nodes[node].log)
    }

    fn set_clocks(&self, _node: usize, skews: &Skews) -> Result<(), EnvError> {
        if skews.is_empty() { Ok(()) } else { Err(cannot("skew clocks")) }
    }

    fn read_clocks(&self, _node: usize, _fault: Option<u32>) -> Result<Reading, EnvError> {
        Err(cannot("skew clocks"))
    }

    fn set_stopping(&self, node: usize, how: &Stopping) -> Result<(), EnvError> {
        self.nodes[node].now().stopping = how.clone();
        Ok(())
    }

    fn run(&self, at: usize, command: &HostCommand, limit: Duration) -> Result<String, EnvError> {
        let node = &self.nodes[at];
        node.run(command, limit).map_err(|why| node.error("run a command", why))
    }

    fn excuse(&self, node: usize, why: Option<&'static str>) {
        self.nodes[node].now().excuse = why;
    }

    fn exits(&self) -> Vec<Exit> {
        let mut exits = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            // One that is being started or stopped is looked at by the next call.
            if let Ok(mut now) = node.now.try_lock() {
                self.look(at, &mut now);
                let ended = std::mem::take(&mut now.ended);
                exits.extend(ended.into_iter().map(|(status, excuse)| Exit { node: at, status, excuse }));
            }
        }
        exits
    }

    fn warnings(&self) -> Vec<String> {
        let is = |node: &ContainerNode| format!("{} is {}", node.node.name, node.name);
        vec![format!("in containers: {}", self.nodes.iter().map(is).collect::<Vec<_>>().join(", "))]
    }

    /// They go on when the run is over.
    fn are_ours(&self) -> bool {
        false
    }

    fn salvage(&self, at: usize, _most_data: usize) -> Salvage {
        let node = &self.nodes[at];
        let mut salvage = Salvage { exits: node.now().exits.clone(), ..Salvage::default() };
        if let Err(why) = self.engine.logs(&node.id, &node.since, &node.log) {
            salvage.notes.push(format!("the log of {} was not kept: {why}", node.node.name));
        }
        salvage
    }

    fn undo_data(&self, at: usize) -> serde_json::Value {
        // The clients have a number, too.
        let Some(node) = self.nodes.get(at) else { return serde_json::Value::Null };
        serde_json::json!({
            "node": node.node.name, "engine": self.engine.0, "container": node.id, "table": self.table,
        })
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let mut right = true;
        for node in &self.nodes {
            let mut now = node.now();
            now.starving = None;
            now.live = None;
            right &= guardian::put_right(self.engine, &node.id, &self.table).is_ok();
        }
        // What could not be put right, it tries again when this process ends.
        if right {
            self.guardian.dismiss();
        }
    }
}

fn unable(what: &str, why: String, fix: &str) -> EnvError {
    EnvError::Unable { what: what.to_owned(), why, fix: fix.to_owned() }
}
