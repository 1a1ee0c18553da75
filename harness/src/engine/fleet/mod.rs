//! Clients on other machines: load machines, each with an agent that holds the clients of some threads.
//!
//! The one scheduler stays here. It alone asks the generator, gives out indices, and stamps: an invocation
//! before its call is sent, a completion when its outcome has come back. Thus intervals are wider by what the
//! line takes, which can hide a violation and never invent one, and no clock has to be right: what a load
//! machine measures are durations. A line that breaks leaves the calls that are open on it in doubt.
//!
//! `wire` is what is said, `machine` the end of the line here, `agent` the other one, `ready` what that has before
//! the first call, `parcel` what is sent there of a target from a file. How one gets there: `crate::env::remote`.

pub(crate) mod agent;
mod machine;
mod parcel;
mod ready;
mod wire;

pub use parcel::Parcel;
pub(super) use wire::Call;

use super::perform::Performed;
use super::{Clients, Clock};
use crate::env::EnvError;
use crate::env::remote::binary::AgentBinary;
use crate::env::remote::transport::Transport;
use crate::env::remote::{Origin, each};
use duress_checkers::words;
use duress_reports::artifact::LoadMachine;
use duress_targets::{ClientError, Completion, Node};
use machine::Machine;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wire::{Hello, PROTOCOL, ToLoad};

/// What load machines are to be.
pub struct Config {
    /// The ways there.
    pub transports: Vec<Box<dyn Transport>>,
    /// The run's identity: load machines know what is its own by it.
    pub run: String,
    /// Where logs of client programs go when the run is over.
    pub logs: PathBuf,
    /// The target's name.
    pub target: String,
    /// What it is made of, if it is declared in a file.
    pub parcel: Option<Parcel>,
    /// Where its keys begin, if elsewhere than at 0.
    pub first_key: Option<i64>,
    /// The workload's.
    pub workload: String,
    /// The target's settings.
    pub settings: BTreeMap<String, String>,
    /// All nodes, by position.
    pub nodes: Vec<Node>,
    /// How many client threads there are.
    pub threads: usize,
    /// How long a client waits for an answer.
    pub op_timeout: Duration,
    /// How long a client may take to be opened.
    pub opens_within: Duration,
    /// After so long without a word a line is broken, at both of its ends.
    pub dead_man: Duration,
}

/// The load machines of a run. Their clients end when it is dropped.
pub struct Fleet {
    machines: Vec<Arc<Machine>>,
    nodes: usize,
    threads: usize,
}

impl Fleet {
    /// Puts agents on all of them. No client is connected yet.
    ///
    /// # Errors
    /// When one cannot be reached, or will not work.
    pub fn start(config: &Config) -> Result<Arc<Self>, EnvError> {
        let binary = AgentBinary::own()?;
        let hello = Hello {
            protocol: PROTOCOL,
            run: config.run.clone(),
            which: (0, config.transports.len()),
            dir: PathBuf::new(),
            declared: config.parcel.as_ref().map(|parcel| parcel.declared.clone()),
            first_key: config.first_key,
            target: config.target.clone(),
            workload: config.workload.clone(),
            settings: config.settings.clone(),
            nodes: config.nodes.clone(),
            threads: config.threads,
            op_timeout: config.op_timeout,
            dead_man: config.dead_man,
        };
        // There an operation may wait to be connected, and for its answer.
        let patience = config.opens_within + config.op_timeout + config.dead_man;
        let files = config.parcel.as_ref().map_or(&[][..], |parcel| &parcel.files);
        let machines = each(&config.transports, |at, transport| {
            let which = (at, config.transports.len());
            let hello = Hello { which, dir: transport.dir().to_owned(), ..hello.clone() };
            Machine::begin(transport, &binary, (&hello, files), (&config.logs, patience)).map(Arc::new)
        })?;
        Ok(Arc::new(Self { machines, nodes: config.nodes.len(), threads: config.threads }))
    }

    /// Where datagrams of clients come from.
    pub fn origins(&self) -> Vec<Arc<dyn Origin>> {
        self.machines.iter().map(|machine| Arc::clone(machine) as Arc<dyn Origin>).collect()
    }

    /// From now on what befalls clients befalls them there, and their hits count here.
    pub(super) fn follow(self: &Arc<Self>, clients: &Arc<Clients>, clock: Clock) {
        self.machines.iter().for_each(|machine| machine.belong(clients, clock));
        let (fleet, clients) = (Arc::clone(self), Arc::clone(clients));
        tokio::spawn(async move {
            let mut seen = clients.watch();
            let mut told = clients.struck();
            while seen.changed().await.is_ok() {
                let struck = clients.struck();
                if struck != told {
                    fleet.machines.iter().for_each(|machine| machine.say(ToLoad::Struck(struck.clone())));
                    told = struck;
                }
            }
        });
    }

    /// Performs one operation where its thread is at home, with the client that it had on that machine, if it
    /// had one; on which that was.
    pub(super) async fn perform(&self, mut call: Call, had: Option<usize>) -> Performed<usize> {
        let Some(at) = self.home(call.thread) else {
            // Certain: it has not been sent anywhere.
            let error = ClientError::new(ClientError::UNSTARTED, "no load machine is left");
            return Performed::without_client(Completion::Fail(error));
        };
        call.fresh |= had != Some(at);
        self.machines[at].perform(call).await.map(|()| at)
    }

    /// The machine of a thread: its own, or when that is lost the next one that is not.
    fn home(&self, thread: usize) -> Option<usize> {
        let n = self.machines.len();
        let first = place(thread, self.nodes, n);
        (0..n).map(|k| (first + k) % n).find(|&at| self.machines[at].lost().is_none())
    }

    /// What the user should know that is new: clients' notes, and machines that were lost.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (at, machine) in self.machines.iter().enumerate() {
            notes.extend(machine.notes());
            if let Some((why, when)) = machine.loss() {
                let clients: Vec<usize> = self.clients_of(at).collect();
                let others = match clients.first().and_then(|&thread| self.home(thread)) {
                    Some(next) => format!("go on from {}", self.machines[next].host()),
                    None => "stay down, since no load machine is left".to_owned(),
                };
                let when = when.map(|ns| format!(" after {}", words::at(ns))).unwrap_or_default();
                notes.push(format!(
                    "the load machine {} was lost{when}: {why}; its operations that were open are in doubt, and \
                     its {} {others}",
                    machine.host(),
                    words::counted(clients.len() as u64, "client", "clients"),
                ));
            }
        }
        notes
    }

    /// Why there were times without any client, if there were.
    pub fn doubt(&self) -> Option<String> {
        let all = self.machines.iter().all(|machine| machine.lost().is_some());
        all.then(|| "all load machines were lost, so nobody asked anything any more".to_owned())
    }

    /// What became of each machine, for `run.json`.
    pub fn told(&self) -> Vec<LoadMachine> {
        let told = |(at, machine): (usize, &Arc<Machine>)| {
            let clients = self.clients_of(at).map(|thread| thread as u64).collect();
            machine.told(clients)
        };
        self.machines.iter().enumerate().map(told).collect()
    }

    fn clients_of(&self, machine: usize) -> impl Iterator<Item = usize> {
        let (nodes, machines) = (self.nodes, self.machines.len());
        (0..self.threads).filter(move |&thread| place(thread, nodes, machines) == machine)
    }
}

/// The machine of a thread, which has node `thread % nodes`. All machines get as many threads, but for one, and
/// each gets threads of all nodes when there are enough: where they go round together, as with two nodes and two
/// machines, the machines move on by one after each round.
fn place(thread: usize, nodes: usize, machines: usize) -> usize {
    let together = gcd(nodes, machines);
    let round = nodes * machines / together;
    (thread + thread / round % together) % machines
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn threads_are_spread_evenly_and_every_machine_has_all_nodes() {
        for (nodes, machines) in [(1, 1), (1, 3), (2, 2), (3, 2), (5, 2), (4, 2), (6, 4), (9, 3)] {
            let threads = nodes * machines;
            let mut counts = vec![0; machines];
            let mut pairs = BTreeSet::new();
            for thread in 0..threads {
                let machine = place(thread, nodes, machines);
                counts[machine] += 1;
                pairs.insert((thread % nodes, machine));
                let (least, most) = (counts.iter().min(), counts.iter().max());
                assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 2), "{nodes} {machines}");
            }
            assert_eq!(counts, vec![nodes; machines], "{nodes} nodes, {machines} machines");
            assert_eq!(pairs.len(), threads, "{nodes} nodes, {machines} machines");
        }
    }
}
