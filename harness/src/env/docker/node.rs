//! One container as a node: what is known of it, and how it is ended, started and made to stand still.

use super::engine::{Container, Engine};
use super::live::Live;
use super::{Docker, exec};
use crate::env::local::Starving;
use crate::env::{EnvError, Stop};
use duress_targets::{HostCommand, Node, Stopping};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for what the engine says to be so.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);
/// How often one looks.
const POLL: Duration = Duration::from_millis(5);
/// What a container has to end by itself, seconds.
const GRACE: u32 = 5;
/// Between the end of what runs in a container and its own.
const LAST_MOMENT: Duration = Duration::from_secs(1);
/// Ends of one container that are remembered.
const MAX_EXITS: usize = 1_000;

pub(super) struct ContainerNode {
    pub(super) node: Node,
    /// By which its packets are known: the node's first.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) id: String,
    /// As the user calls it.
    pub(super) name: String,
    /// For commands in it.
    pub(super) environment: Vec<(String, String)>,
    /// How it sees the clients.
    pub(super) clients: IpAddr,
    pub(super) network: Option<String>,
    pub(super) log: PathBuf,
    /// What it said before is none of this run's.
    pub(super) since: String,
    pub(super) now: Mutex<Now>,
}

/// What is known of a container now.
#[derive(Default)]
pub(super) struct Now {
    /// While it runs.
    pub(super) live: Option<Live>,
    pub(super) starving: Option<Starving>,
    /// It ended by itself, and nobody has been told yet.
    pub(super) ended: Vec<(String, Option<&'static str>)>,
    pub(super) excuse: Option<&'static str>,
    pub(super) stopping: Stopping,
    /// How it ended, each time.
    pub(super) exits: Vec<String>,
    /// Packets that faults took while it had other network namespaces.
    pub(super) taken: BTreeMap<u32, u64>,
}

impl Now {
    /// It, if it runs.
    pub(super) fn alive(&self) -> Option<&Live> {
        self.live.as_ref().filter(|live| live.is_alive())
    }

    fn note(&mut self, how: &str) {
        if self.exits.len() < MAX_EXITS {
            let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
            self.exits.push(format!("{now} container: {how}"));
        }
    }

    /// What its rules have counted, before its network goes.
    fn remember(&mut self, faults: impl Iterator<Item = u32>) {
        let Some(live) = &self.live else { return };
        for fault in faults {
            let packets = live.within(|| live.firewall.taken(fault)).unwrap_or(0);
            *self.taken.entry(fault).or_default() += packets;
        }
    }
}

impl ContainerNode {
    pub(super) fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn error(&self, what: &str, why: String) -> EnvError {
        EnvError::Node { node: self.node.name.clone(), what: what.into(), why, log: self.log.clone() }
    }

    pub(super) fn pause(&self, engine: Engine) -> Result<(), String> {
        let now = self.now();
        let live = now.alive().ok_or("it does not run")?;
        if live.is_frozen() {
            return Ok(());
        }
        engine.run(&["pause", &self.id])?;
        settled(|| live.is_frozen(), "its processes still run")?;
        // The engine learns it a moment later than the kernel, and resumes nothing before.
        let knows = || engine.inspect(&self.id).is_ok_and(|container| container.state.paused);
        settled(knows, "its engine still takes it for running")
    }

    pub(super) fn resume(&self, engine: Engine) -> Result<(), String> {
        self.now().alive().map_or(Ok(()), |live| unfreeze(engine, &self.id, live))
    }

    pub(super) fn starve(&self, percent: Option<u32>) -> Result<(), String> {
        let mut now = self.now();
        now.starving = None;
        let Some(percent) = percent else { return Ok(()) };
        let live = now.alive().ok_or("it does not run")?;
        let ipc = live.ipc.ok_or("it shares this machine's IPC: its processes cannot be told from others")?;
        now.starving = Some(Starving::begin(ipc, percent).map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Runs a command in it.
    pub(super) fn run(&self, command: &HostCommand, limit: Duration) -> Result<String, String> {
        let pid = self.now().alive().map(|live| live.pid).ok_or("it does not run")?;
        exec::run((pid, &self.environment), command, limit)
    }
}

impl Docker {
    /// Starts a container that does not run.
    pub(super) fn raise(&self, at: usize) -> Result<(), String> {
        let node = &self.nodes[at];
        let mut now = node.now();
        self.look(at, &mut now);
        if now.live.is_some() {
            return Ok(());
        }
        self.engine.run(&["start", &node.id])?;
        self.take_up(at, &mut now)
    }

    /// Ends one that runs, and waits until it is gone.
    pub(super) fn end(&self, at: usize, how: Stop) -> Result<(), String> {
        let node = &self.nodes[at];
        let mut now = node.now();
        self.look(at, &mut now);
        // Who stands still can be killed, and not be asked.
        if now.live.is_none() {
            return Ok(());
        }
        now.remember(self.faults().into_iter());
        now.starving = None;
        let live = now.live.as_ref().expect("it has just been there");
        match how {
            Stop::Kill => _ = self.engine.run(&["kill", &node.id])?,
            Stop::Terminate => {
                unfreeze(self.engine, &node.id, live)?;
                self.ask_to_end(node, live, &now.stopping)?;
            }
        }
        settled(|| !live.is_alive(), "it still runs")?;
        now.live = None;
        let ended = self.engine.inspect(&node.id).map_or_else(|why| why, |container| container.ended());
        now.note(&format!("{ended}, as asked"));
        Ok(())
    }

    /// As its image says it is to be asked, unless the target says otherwise; with force when it does not end.
    fn ask_to_end(&self, node: &ContainerNode, live: &Live, how: &Stopping) -> Result<(), String> {
        let grace = Duration::from_secs(GRACE.into());
        let gone = match how {
            how if *how == Stopping::default() => false,
            Stopping::Signal(signal) => {
                self.engine.run(&["kill", "--signal", &signal.to_string(), &node.id])?;
                settled_within(grace, || !live.is_alive())
            }
            Stopping::Command(command) => {
                let ended = exec::run((live.pid, &node.environment), command, grace);
                // With a container all that runs in it ends, the command as well.
                let patience = if ended.is_ok() { grace } else { LAST_MOMENT };
                match (settled_within(patience, || !live.is_alive()), ended) {
                    (false, Err(why)) => return Err(format!("its `stop`: {why}")),
                    (gone, _) => gone,
                }
            }
        };
        // Says nothing of one that has ended. If the engine has started it again, it is a server that nobody
        // wants, and that needs no grace.
        let grace = if gone { 0 } else { GRACE };
        self.engine.run(&["stop", "-t", &grace.to_string(), &node.id]).map(drop)
    }

    /// It may have ended although nobody asked it to, and the engine may have started it again.
    pub(super) fn look(&self, at: usize, now: &mut Now) {
        if now.live.as_ref().is_none_or(Live::is_alive) {
            return;
        }
        now.remember(self.faults().into_iter());
        now.starving = None;
        let gone = now.live.take().map(|live| live.pid);
        let node = &self.nodes[at];
        let how = match self.after(&node.id, gone) {
            Ok(container) if container.state.running => self
                .take_up(at, now)
                .err()
                .unwrap_or_else(|| "exit status: unknown, the engine has started it again".to_owned()),
            Ok(container) => container.ended(),
            Err(why) => why,
        };
        // For its last words; the whole of it is brought at the end.
        let _ = self.engine.logs(&node.id, &node.since, &node.log);
        now.note(&format!("{how}, by itself"));
        now.ended.push((how, now.excuse));
    }

    /// Takes up a container that has been started.
    fn take_up(&self, at: usize, now: &mut Now) -> Result<(), String> {
        let node = &self.nodes[at];
        let container = self.engine.inspect(&node.id)?;
        let addresses = container.addresses(node.network.as_deref())?;
        if addresses != node.addresses {
            return Err(format!(
                "it has {} now, and had {}: give the container fixed addresses (ipv4_address, --ip)",
                listed(&addresses),
                listed(&node.addresses)
            ));
        }
        let live = Live::open(container.state.pid, addresses[0], &self.table)?;
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        self.apply(at, &live, &links)?;
        now.live = Some(live);
        Ok(())
    }

    /// What the engine says of a container once it has noticed that this process has ended.
    fn after(&self, id: &str, gone: Option<u32>) -> Result<Container, String> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        loop {
            let container = self.engine.inspect(id)?;
            if Some(container.state.pid) != gone || Instant::now() > deadline {
                return Ok(container);
            }
            thread::sleep(POLL);
        }
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn unfreeze(engine: Engine, id: &str, live: &Live) -> Result<(), String> {
    if !live.is_frozen() {
        return Ok(());
    }
    engine.run(&["unpause", id])?;
    settled(|| !live.is_frozen(), "its processes still stand still")
}

fn settled(holds: impl Fn() -> bool, otherwise: &str) -> Result<(), String> {
    let settled = settled_within(SETTLED_WITHIN, holds);
    if settled { Ok(()) } else { Err(format!("{otherwise} after {SETTLED_WITHIN:?}")) }
}

fn settled_within(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}
