//! Real hosts, each with an agent that does to it what it is told: the same binary, put there.
//!
//! Clients run here, or on load machines, and reach the nodes directly, so a link between clients and a node
//! is cut at the node, by the addresses that it sees them come from. The line to an agent is none of these links and no
//! fault touches it; when it breaks, the agent heals its host by itself.

mod able;
mod acquaintances;
pub mod agent;
pub mod binary;
pub mod capability;
pub(super) mod connection;
mod disk_there;
mod files;
mod follow;
pub mod hosts;
pub(crate) mod lines;
mod links;
mod mistreated;
mod origin;
mod reached;
pub mod ssh;
pub mod transport;
mod upload;
mod ways;
pub mod wire;

pub use able::{refusal, wants};
pub(super) use acquaintances::send_probe;
pub(super) use links::together;
pub use origin::{Here, Origin};
pub use reached::Reached;
pub use transport::run_name;
pub(crate) use upload::pack;

use super::clock::{Reading, Skews};
use super::cut::{Connections, Crossing, Cut};
use super::data::Files;
use super::disk::{self, FaultyDisk, Keep};
use super::memory::OutOfMemory;
use super::packet::{Behavior, Policies, Traffic};
use super::trap::{Call, Snare, Trap};
use super::{EnvError, Environment, Exit, Link, ProcessState, Program, Stop};
use able::{cannot, needs};
use binary::AgentBinary;
use capability::{Ability, Capability};
use connection::Connection;
use duress_targets::{HostCommand, Node, Stopping};
use follow::{Follower, Log};
use links::Links;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use transport::{Transport, open};
use wire::{Answer, Ask, Hello, PROTOCOL, Trouble};

/// It has nothing to heal.
const DOCTOR_DEAD_MAN: Duration = Duration::from_secs(15);

/// What a cluster on hosts is to be.
pub struct Config {
    /// The ways to the hosts, in the order of the nodes.
    pub transports: Vec<Box<dyn Transport>>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The run's identity: hosts know what is its own by it.
    pub run: String,
    /// Where the nodes' output goes when the run is over: a folder each, in this one.
    pub logs_dir: PathBuf,
    /// Name of the file that takes a server's output.
    pub log_name: String,
    /// After so long without a word from here a host heals itself.
    pub dead_man: Duration,
    /// Which faults are planned.
    pub wants: Wants,
    /// Where clients are besides this machine.
    pub origins: Vec<Arc<dyn Origin>>,
}

/// What faults will ask of the hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Links are cut.
    pub cuts: bool,
    /// They refuse.
    pub rejects: bool,
    /// They are cut for connections that began before or after.
    pub connections: bool,
    /// Clocks are skewed.
    pub clocks: bool,
    /// Packets are mistreated.
    pub packets: bool,
    /// Disks go wrong; reads, too, if true.
    pub disk: Option<bool>,
    /// Memory runs out.
    pub memory: bool,
    /// Faults wait for such system calls.
    pub calls: BTreeSet<Call>,
    /// They wait for what these nodes log.
    pub logs: BTreeSet<String>,
}

impl Wants {
    /// Do they ask for this?
    fn need(&self, ability: Ability) -> bool {
        match ability {
            Ability::Cuts => self.cuts,
            Ability::Rejects => self.rejects,
            Ability::Connections => self.connections,
            Ability::Clocks => self.clocks,
            Ability::Packets => self.packets,
            Ability::Disks => self.disk.is_some(),
            Ability::Memory => self.memory,
            Ability::Calls => !self.calls.is_empty(),
        }
    }
}

/// How a node's server is started.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its program.
    pub program: ServerProgram,
    /// Its arguments, as they are to be there.
    pub args: Vec<String>,
    /// Its environment variables.
    pub env: Vec<(String, String)>,
}

/// Where a server's program comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerProgram {
    /// The host has it, there.
    There(PathBuf),
    /// It is a file of this machine, and sent.
    Sent {
        /// The file.
        path: PathBuf,
        /// A folder of shared libraries that come with it.
        libraries: Option<PathBuf>,
    },
}

/// A cluster on hosts. They are healed, and its servers end, when it is dropped.
pub struct Remote {
    /// Ends before the nodes do.
    _follower: Option<Follower>,
    nodes: Arc<[RemoteNode]>,
    links: Links,
    /// Nodes that could not be reached from here for a while.
    cut_off: Mutex<BTreeSet<usize>>,
    warnings: Mutex<Vec<String>>,
}

struct RemoteNode {
    node: Node,
    agent: Connection,
    /// It has a disk that can go wrong.
    has_disk: bool,
    /// Where its data is on its host.
    data: PathBuf,
    log: Log,
    excuse: Mutex<Option<&'static str>>,
}

/// The nodes of a cluster on these hosts.
///
/// # Errors
/// When a host's address cannot be found.
pub fn addresses(transports: &[Box<dyn Transport>]) -> Result<Vec<Node>, EnvError> {
    let names = (1..).map(|number| format!("n{number}"));
    let nodes = names.zip(transports).map(|(name, transport)| Ok(Node { name, addr: transport.address()? }));
    nodes.collect()
}

/// What these hosts can do, each for itself: an agent is put there, and ends.
///
/// # Errors
/// When this binary cannot be read.
pub fn abilities(transports: &[Box<dyn Transport>]) -> Result<Vec<HostAbilities>, EnvError> {
    let binary = AgentBinary::own()?;
    each(transports, |at, transport| {
        let ask = || {
            let hello = Hello {
                protocol: PROTOCOL,
                run: run_name("doctor"),
                node: Node { name: format!("n{}", at + 1), addr: transport.address()? },
                dir: transport.dir().to_owned(),
                consent: transport.consent().map(Path::to_owned),
                dead_man: DOCTOR_DEAD_MAN,
                charge: transport.charge(),
                tries: transport.charge().may_try(&Ability::ALL),
            };
            let agent = Connection::begin(transport, open(transport, &binary)?, &hello)?;
            Ok(agent.capabilities.clone())
        };
        Ok((transport.host().to_owned(), ask()))
    })
}

/// A host's name, and what it can do, or why nobody knows.
pub type HostAbilities = (String, Result<Vec<Capability>, EnvError>);

impl Remote {
    /// Puts agents on all hosts, asks how servers are to be started on them, one per node, and sends their files.
    /// No server runs yet.
    ///
    /// # Errors
    /// When a host cannot be reached, does not agree, or cannot do what is planned; or what `servers` says.
    pub fn create<E: From<EnvError>>(
        config: &Config,
        servers: impl FnOnce(&Reached<'_>) -> Result<Vec<Server>, E>,
    ) -> Result<Self, E> {
        able::together(&config.nodes, &config.wants)?;
        let binary = AgentBinary::own()?;
        let tries: Vec<Ability> =
            Ability::ALL.into_iter().filter(|&ability| config.wants.need(ability)).collect();
        let agents = each(&config.transports, |at, transport| {
            let hello = Hello {
                protocol: PROTOCOL,
                run: config.run.clone(),
                node: config.nodes[at].clone(),
                dir: transport.dir().to_owned(),
                consent: transport.consent().map(Path::to_owned),
                dead_man: config.dead_man,
                charge: transport.charge(),
                tries: transport.charge().may_try(&tries),
            };
            let agent = Connection::begin(transport, open(transport, &binary)?, &hello)?;
            needs(transport.host(), &agent.capabilities, &config.wants)?;
            Ok(agent)
        })?;
        let met = agents.into_iter().zip(&config.transports).zip(&config.nodes);
        let nodes = met.map(|((agent, transport), node)| RemoteNode {
            node: node.clone(),
            agent,
            has_disk: config.wants.disk.is_some(),
            data: transport::run_dir(transport.dir(), &config.run, &node.name).join(&node.name).join("data"),
            log: Log::new(config.logs_dir.join(&node.name).join(&config.log_name)),
            excuse: Mutex::new(None),
        });
        let nodes: Arc<[RemoteNode]> = nodes.collect();
        let servers = servers(&Reached { transports: &config.transports, nodes: &nodes })?;
        each(&config.transports, |at, _| {
            // There may be servers already, of somebody else's.
            let Some(Server { program, args, env }) = servers.get(at).cloned() else { return Ok(()) };
            let program = upload::program(&nodes[at].agent, program, env)
                .map_err(|trouble| nodes[at].error(trouble))?;
            let Wants { clocks, disk, memory, calls, .. } = config.wants.clone();
            let log_name = config.log_name.clone();
            let server = wire::Server { program, args, log_name, clocks, disk, memory, calls };
            nodes[at].ask(Ask::Make(Box::new(server))).map(drop)
        })?;
        let links = Links::new(&nodes, &config.origins, &config.wants)?;
        let follower = Follower::begin(&nodes, &config.wants.logs)?;
        let (cut_off, warnings) = (Mutex::default(), Mutex::default());
        Ok(Self { _follower: follower, nodes, links, cut_off, warnings })
    }

    fn cut_off(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.cut_off.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Environment for Remote {
    /// Clients are on this machine's own network.
    fn enter(&self) -> Result<(), EnvError> {
        Ok(())
    }

    fn start(&self, node: usize) -> Result<(), EnvError> {
        self.nodes[node].ask(Ask::Start).map(drop)
    }

    fn stop(&self, node: usize, how: Stop) -> Result<(), EnvError> {
        self.nodes[node].ask(Ask::Stop { how }).map(drop)
    }

    fn stop_main(&self, node: usize, how: Stop) -> Result<(), EnvError> {
        self.nodes[node].ask(Ask::StopMain { how }).map(drop)
    }

    fn set_stopping(&self, node: usize, how: &Stopping) -> Result<(), EnvError> {
        self.nodes[node].ask(Ask::SetStopping { how: how.clone() }).map(drop)
    }

    fn set_args(&self, node: usize, args: &dyn Fn(&Path) -> Vec<String>) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        node.ask(Ask::SetArgs { args: args(&node.data) }).map(drop)
    }

    fn set_program(&self, node: usize, program: &Program) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        let file = ServerProgram::Sent { path: program.path.clone(), libraries: program.libraries.clone() };
        let program = upload::program(&node.agent, file, program.env.clone());
        let program = program.map_err(|trouble| node.error(trouble))?;
        node.ask(Ask::SetProgram { program }).map(drop)
    }

    fn run(&self, node: usize, command: &HostCommand, limit: Duration) -> Result<String, EnvError> {
        let (_, printed) = self.nodes[node].ask(Ask::Run { command: command.clone(), limit })?;
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    fn pause(&self, node: usize) -> Result<(), EnvError> {
        self.nodes[node].ask(Ask::Pause).map(drop)
    }

    fn resume(&self, node: usize) -> Result<(), EnvError> {
        self.nodes[node].ask(Ask::Resume).map(drop)
    }

    fn starve(&self, node: usize, percent: Option<u32>) -> Result<(), EnvError> {
        self.nodes[node].ask(Ask::Starve { percent }).map(drop)
    }

    fn starved(&self, node: usize) -> u64 {
        match self.nodes[node].ask(Ask::Starved) {
            Ok((Answer::Count(periods), _)) => periods,
            _ => 0,
        }
    }

    /// Of a host whose agent does not answer nothing is known, and nothing runs there for long.
    fn state(&self, node: usize) -> ProcessState {
        match self.nodes[node].ask(Ask::State) {
            Ok((Answer::State(state), _)) => state,
            _ => ProcessState::Gone,
        }
    }

    /// All hosts are told at the same time, and each changes at once.
    fn set_links(&self, policies: &Policies) -> Result<(), EnvError> {
        let (clients, mut cut_off) = (self.nodes.len(), self.cut_off());
        let cut = policies.iter().filter(|(_, policy)| !policy.cuts.is_empty());
        cut_off.extend(cut.filter_map(|(&(from, to), _)| match (from, to) {
            (node, at) | (at, node) if at == clients => Some(node),
            _ => None,
        }));
        drop(cut_off);
        self.links.set(&self.nodes, policies)
    }

    fn acquaint(&self, links: &BTreeSet<Link>, cut: &Cut) -> Result<(), EnvError> {
        if cut.connections != Connections::Established {
            return Ok(());
        }
        self.links.acquaint(&self.nodes, links, cut)
    }

    fn probe(&self, link: Link, cut: &Cut) -> Result<Crossing, EnvError> {
        self.links.probe(&self.nodes, link, cut)
    }

    fn sample(&self, link: Link, behavior: &Behavior) -> Result<Option<u32>, EnvError> {
        self.links.sample(&self.nodes, link, behavior)
    }

    /// As its sender's host has counted, which it does while it mistreats packets.
    fn traffic(&self, link: Link) -> Traffic {
        self.links.traffic(&self.nodes, link)
    }

    fn taken(&self, fault: u32) -> Option<u64> {
        let counts = self.nodes.iter().map(|node| match node.ask(Ask::Taken { fault }) {
            Ok((Answer::Count(packets), _)) => Some(packets),
            _ => None,
        });
        counts.sum()
    }

    fn trap(&self, node: usize, snare: Snare) -> Result<Trap, EnvError> {
        let node = &self.nodes[node];
        node.agent.trap(snare).map_err(|trouble| node.error(trouble))
    }

    fn calls(&self, node: usize, call: Call) -> u64 {
        match self.nodes[node].ask(Ask::Calls { call }) {
            Ok((Answer::Count(calls), _)) => calls,
            _ => 0,
        }
    }

    fn log(&self, node: usize) -> Option<&Path> {
        Some(self.nodes[node].log.path())
    }

    fn disk(&self, node: usize) -> Result<&dyn FaultyDisk, EnvError> {
        let node = &self.nodes[node];
        if node.has_disk { Ok(node) } else { Err(cannot("break a disk that was not asked for")) }
    }

    fn power_failure(&self, node: usize, (keep, seed): (Keep, u64)) -> Result<String, String> {
        self.nodes[node].told(Ask::PowerFailure { keep, seed })
    }

    fn exhaust_memory(&self, node: usize) -> Result<OutOfMemory, EnvError> {
        match self.nodes[node].ask(Ask::ExhaustMemory)? {
            (Answer::OutOfMemory { used, kills, end }, _) => {
                Ok(OutOfMemory { used, kills, end: end.map(ExitStatus::from_raw) })
            }
            _ => Err(self.nodes[node].confused()),
        }
    }

    fn set_clocks(&self, node: usize, skews: &Skews) -> Result<(), EnvError> {
        self.nodes[node].ask(Ask::SetClocks { skews: skews.clone() }).map(drop)
    }

    fn read_clocks(&self, node: usize, fault: Option<u32>) -> Result<Reading, EnvError> {
        match self.nodes[node].ask(Ask::ReadClocks { fault })? {
            (Answer::Clocks(reading), _) => Ok(reading),
            _ => Err(self.nodes[node].confused()),
        }
    }

    fn copy_data(&self, node: usize) -> Result<Files, EnvError> {
        let node = &self.nodes[node];
        let (_, bytes) = node.ask(Ask::CopyData)?;
        files::read(&bytes).map_err(|why| node.error(Trouble { what: "read its data".to_owned(), why }))
    }

    fn replace_data(&self, node: usize, files: &Files) -> Result<(), EnvError> {
        let node = &self.nodes[node];
        let sent = node.agent.send(Ask::ReplaceData, &files::write(files));
        sent.and_then(connection::Pending::wait).map(drop).map_err(|trouble| node.error(trouble))
    }

    fn excuse(&self, node: usize, why: Option<&'static str>) {
        *self.nodes[node].excuse.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn exits(&self) -> Vec<Exit> {
        let mut exits = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let excuse = *node.excuse.lock().unwrap_or_else(PoisonError::into_inner);
            let exit = |(status, disk): (String, bool)| Exit {
                node: at,
                status,
                excuse: disk.then_some(disk::EXCUSE).or(excuse),
            };
            exits.extend(node.agent.exits().into_iter().map(exit));
        }
        exits
    }

    /// Also brings the logs here: nobody asks later.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        // Once.
        for node in std::mem::take(&mut *self.cut_off()) {
            warnings.push(format!(
                "while {} was cut off from the clients, it was cut off from this machine, too: what it is seen to \
                 be in that time is what could be seen from here",
                self.nodes[node].node.name
            ));
        }
        for node in &*self.nodes {
            if let Err(why) = node.log.fetch(&node.agent) {
                warnings.push(format!("the log of {} could not be fetched: {why}", node.node.name));
            }
        }
        warnings.clone()
    }

    /// Agents heal their hosts by themselves.
    fn undo_data(&self, node: usize) -> serde_json::Value {
        serde_json::json!({ "node": self.nodes[node].node.name, "address": self.nodes[node].node.addr })
    }
}

impl RemoteNode {
    fn ask(&self, what: Ask) -> Result<(Answer, Vec<u8>), EnvError> {
        self.agent.ask(what).map_err(|trouble| self.error(trouble))
    }

    fn error(&self, Trouble { what, why }: Trouble) -> EnvError {
        EnvError::Node { node: self.node.name.clone(), what, why, log: self.log.path().to_owned() }
    }

    /// What its agent says in words.
    fn told(&self, what: Ask) -> Result<String, String> {
        match self.agent.ask(what) {
            Ok((Answer::Told(told), _)) => Ok(told),
            Ok(_) => Err(self.confused().to_string()),
            Err(trouble) => Err(trouble.why),
        }
    }

    fn confused(&self) -> EnvError {
        let what = "understand its agent".to_owned();
        self.error(Trouble { what, why: "it answered something else".to_owned() })
    }
}

/// For all hosts at the same time; the first error, if there is one.
pub(crate) fn each<T: Send>(
    transports: &[Box<dyn Transport>],
    what: impl Fn(usize, &dyn Transport) -> Result<T, EnvError> + Sync,
) -> Result<Vec<T>, EnvError> {
    std::thread::scope(|scope| {
        let what = &what;
        let started: Vec<_> = transports
            .iter()
            .enumerate()
            .map(|(at, transport)| scope.spawn(move || what(at, &**transport)))
            .collect();
        // All of them, so that none is left behind when one fails.
        let ended: Vec<_> = started
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        ended.into_iter().collect()
    })
}
