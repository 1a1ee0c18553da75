//! Pods of a StatefulSet, reached by the user's own `kubectl`: their processes are ended and held, and their
//! links cut, by the agent that hosts reached by ssh have, in ephemeral containers beside the server's.
//!
//! Each pod has two agents. One is in the pod's network, whose rules it keeps; it outlives the server. The
//! other is in the process namespace of the server's container, ends with it, and is opened anew for the next
//! one. That next one Kubernetes starts by itself: at once the first time, and later after ten seconds and
//! more. Until it has been taken up, the node counts as gone; what was killed is. What runs there was made by
//! somebody else, with its data, and is left running.

mod able;
mod kubectl;
mod pod;
mod pods;
mod transport;

pub use able::refusal;
pub use pods::Pods;

use super::clock::{Reading, Skews};
use super::cut::{Crossing, Cut};
use super::packet::{Behavior, Policies, Traffic};
use super::remote::binary::AgentBinary;
use super::remote::capability::Capability;
use super::remote::connection::Connection;
use super::remote::transport::{Transport, open};
use super::remote::wire::{Answer, Ask, Hello, PROTOCOL, Trouble};
use super::remote::{self, HostAbilities, Remote, Wants};
use super::salvage::Salvage;
use super::trap::{Call, Snare, Trap};
use super::{EnvError, Environment, Exit, Link, ProcessState, Stop};
use able::cannot;
use duress_targets::{HostCommand, Node, Stopping};
use pod::{End, Pod};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};
use transport::PodTransport;

/// How long an end may take to be known: kubelets look every second, and tell the API server later.
const ENDED_WITHIN: Duration = Duration::from_secs(60);
/// How long the next container may take: a kubelet waits for five minutes at most before it starts one.
const AGAIN_WITHIN: Duration = Duration::from_secs(330);
/// How often the API server is asked meanwhile.
const POLL: Duration = Duration::from_millis(300);
/// How often one looks whether a line has broken.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Ends of one pod's servers that are remembered.
const MOST_EXITS: usize = 1_000;

/// What a cluster in pods is to be.
pub struct Config<'a> {
    /// Which pods.
    pub pods: &'a Pods,
    /// The nodes, as they were found there.
    pub nodes: &'a [Node],
    /// The run's identity.
    pub run: String,
    /// Where the nodes' output goes when the run is over: a folder each, in this one.
    pub logs_dir: PathBuf,
    /// Name of the file that takes a server's output.
    pub log_name: String,
    /// Which faults are planned.
    pub wants: Wants,
}

/// A cluster in pods. They are healed when it is dropped, and their servers go on.
pub struct Kube {
    pods: Arc<Vec<PodNode>>,
    /// The agents in the pods' networks.
    network: Remote,
    watcher: Option<(SyncSender<()>, JoinHandle<()>)>,
}

/// One pod.
struct PodNode {
    pods: Pods,
    at: usize,
    name: String,
    /// The identity of this very pod: the next one of its name is another one.
    uid: String,
    container: String,
    node: Node,
    run: String,
    /// When the run began, as the API server writes it.
    since: String,
    log: PathBuf,
    binary: Arc<AgentBinary>,
    now: Mutex<Now>,
    /// Servers that ended by themselves, and nobody has been told yet.
    ended: Mutex<Vec<String>>,
    warnings: Mutex<Vec<String>>,
    excuse: Mutex<Option<&'static str>>,
}

/// What is known of its server now.
#[derive(Default)]
struct Now {
    /// The agent among its processes, while there are any.
    hand: Option<Connection>,
    /// The identity of the container that was taken up last.
    id: String,
    /// How servers ended, for the report.
    exits: Vec<String>,
}

/// What these pods allow, each for itself: an agent is put into its network, and ends.
///
/// # Errors
/// When this binary cannot be read.
pub fn abilities(pods: &Pods) -> Result<Vec<HostAbilities>, EnvError> {
    let nodes = pods.nodes(pods.len())?;
    let ways = nodes.iter().enumerate().map(|(at, node)| network(pods, at, node));
    let found = remote::abilities(&ways.collect::<Vec<_>>())?;
    // What the agent among the processes is needed for is not tried here.
    let of_network = |capability: &Capability| capability.name.is_of_links();
    let only = |found: Vec<Capability>| found.into_iter().filter(of_network).collect();
    Ok(found.into_iter().map(|(pod, found)| (pod, found.map(only))).collect())
}

fn network(pods: &Pods, at: usize, node: &Node) -> Box<dyn Transport> {
    Box::new(PodTransport::network(pods, at, node))
}

impl Kube {
    /// Takes up the servers that run in these pods.
    ///
    /// # Errors
    /// When an agent cannot be put there, or cannot do what is planned.
    pub fn open(config: &Config<'_>) -> Result<Self, EnvError> {
        let Config { pods, nodes, run, logs_dir, log_name, wants } = config;
        let way = remote::Config {
            transports: nodes.iter().enumerate().map(|(at, node)| network(pods, at, node)).collect(),
            nodes: nodes.to_vec(),
            run: run.clone(),
            logs_dir: logs_dir.clone(),
            log_name: log_name.clone(),
            dead_man: pods.kube.dead_man,
            wants: wants.clone(),
            origins: Vec::new(),
        };
        // Somebody else's servers run there already.
        let network = Remote::create(&way, |_| Ok::<_, EnvError>(Vec::new()))?;
        let binary = Arc::new(AgentBinary::own()?);
        let since = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let nodes = nodes.iter().enumerate().map(|(at, node)| {
            let name = pods.pod_name(at);
            let known = pods.kubectl.get::<Pod>(&["pod", &name]);
            let known = known.and_then(|pod| Ok((pods.container(&pod)?.to_owned(), pod.metadata.uid)));
            let (container, uid) = known.map_err(|why| pods.unable(&format!("use pod {name}"), why))?;
            Ok(PodNode {
                pods: (*pods).clone(),
                at,
                name,
                uid,
                container,
                node: node.clone(),
                run: run.clone(),
                since: since.clone(),
                log: logs_dir.join(&node.name).join(log_name),
                binary: Arc::clone(&binary),
                now: Mutex::default(),
                ended: Mutex::default(),
                warnings: Mutex::default(),
                excuse: Mutex::default(),
            })
        });
        let pods: Arc<Vec<PodNode>> = Arc::new(nodes.collect::<Result<_, EnvError>>()?);
        std::thread::scope(|scope| {
            let opened: Vec<_> = pods.iter().map(|pod| scope.spawn(|| pod.take_up(&mut pod.now()))).collect();
            // All of them, so that none is left behind when one fails.
            let ended: Vec<_> = opened
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect();
            ended.into_iter().collect::<Result<Vec<()>, EnvError>>()
        })?;
        let (end, over) = sync_channel::<()>(0);
        let watched = Arc::clone(&pods);
        let watcher = Builder::new().name("pods".into()).spawn(move || {
            while over.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                watched.iter().for_each(PodNode::look);
            }
        });
        let watcher = watcher.map_err(|error| EnvError::Unable {
            what: "start a thread".to_owned(),
            why: error.to_string(),
            fix: "raise the limit of processes (ulimit -u)".to_owned(),
        })?;
        Ok(Self { pods, network, watcher: Some((end, watcher)) })
    }
}

impl PodNode {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pod(&self) -> Result<Pod, String> {
        self.pods.kubectl.get(&["pod", &self.name])
    }

    /// Waits until a container runs that is not the last one, and puts an agent among its processes.
    fn take_up(&self, now: &mut Now) -> Result<(), EnvError> {
        let what = "take up its server";
        let patience = Instant::now() + AGAIN_WITHIN;
        let id = loop {
            let pod = self.pod().map_err(|why| self.error(what, why))?;
            let moved = pod.status.pod_ip.is_some_and(|address| address != self.node.addr);
            if moved || pod.metadata.uid != self.uid {
                let why =
                    format!("somebody has replaced its pod {}, which had {}", self.name, self.node.addr);
                return Err(self.error(what, why));
            }
            let status = pod.container(&self.container);
            if let Some(next) = status.filter(|status| status.is_running() && status.id() != now.id) {
                break next.id().to_owned();
            }
            if Instant::now() > patience {
                let waits = status.and_then(|status| status.state.waiting.as_ref());
                let waits = waits.map_or_else(|| "nothing is said of it".to_owned(), |w| w.reason.clone());
                return Err(self.error(what, format!("it does not run after {AGAIN_WITHIN:?}: {waits}")));
            }
            sleep(POLL);
        };
        let way = PodTransport::processes(&self.pods, self.at, &self.node, (&self.container, &id));
        let hello = Hello {
            protocol: PROTOCOL,
            run: self.run.clone(),
            node: self.node.clone(),
            dir: way.dir().to_owned(),
            consent: None,
            dead_man: self.pods.kube.dead_man,
            charge: way.charge(),
            tries: Vec::new(),
        };
        now.hand = Some(Connection::begin(&way, open(&way, &self.binary)?, &hello)?);
        now.id = id;
        Ok(())
    }

    /// How the container with this identity ended; `None` when it has not.
    fn await_end(&self, id: &str) -> Result<Option<End>, String> {
        let patience = Instant::now() + ENDED_WITHIN;
        loop {
            let pod = self.pod();
            if let Some(end) = pod.as_ref().ok().and_then(|pod| pod.end_of(&self.uid, &self.container, id)) {
                return Ok(Some(end));
            }
            if Instant::now() > patience {
                return pod.map(|_| None);
            }
            sleep(POLL);
        }
    }

    /// Sees whether the server has ended although nobody asked it to. One that is being ended or awaited is
    /// passed over.
    fn look(&self) {
        let Ok(mut now) = self.now.try_lock() else { return };
        if now.hand.as_ref().is_none_or(|hand| !hand.is_lost()) {
            return;
        }
        now.hand = None;
        let why = match self.await_end(&now.id) {
            Ok(Some(End::Status(end))) => {
                now.note(&format!("{end}, by itself"));
                self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(end);
                return;
            }
            // To call that a crash of the server would be a false alarm.
            Ok(Some(End::WithPod(why))) => format!("the server ended with its pod {}: {why}", self.name),
            // It is taken up again when it is to be broken next.
            Ok(None) => "its server runs on".to_owned(),
            Err(why) => why,
        };
        now.id = String::new();
        let told = format!("the line to the agent among the processes of {} broke: {why}", self.node.name);
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    fn end(&self, how: Stop) -> Result<(), EnvError> {
        let mut now = self.now();
        let Some(hand) = now.hand.as_ref().filter(|hand| !hand.is_lost()) else { return Ok(()) };
        let asked = hand.ask(Ask::Stop { how });
        // Its agent ends with it: that nobody answers is no error, and what the API server says decides.
        match asked {
            Err(trouble) if !hand.is_lost() => return Err(self.trouble(trouble)),
            _ => {}
        }
        let what = "see its server's end";
        match self.await_end(&now.id).map_err(|why| self.error(what, why))? {
            Some(End::Status(end)) => now.note(&format!("{end}, as asked")),
            Some(End::WithPod(why)) => {
                return Err(self.error(what, format!("it ended with its pod {}: {why}", self.name)));
            }
            None => {
                let why = format!("by the API server's word it runs, {ENDED_WITHIN:?} later");
                return Err(self.error(what, why));
            }
        }
        now.hand = None;
        Ok(())
    }

    fn ask(&self, what: Ask) -> Result<Answer, EnvError> {
        let now = self.now();
        let Some(hand) = &now.hand else {
            return Err(self.error("break its server", "it does not run".to_owned()));
        };
        hand.ask(what).map(|(answer, _)| answer).map_err(|trouble| self.trouble(trouble))
    }

    /// Its output since the run began, of the container before, too: `kubectl` knows of no more.
    fn fetch_log(&self) -> Result<(), String> {
        let since = format!("--since-time={}", self.since);
        let logs = |more: &[&str]| {
            let args = ["logs", &self.name, "-c", &self.container, "--timestamps", &since];
            self.pods.kubectl.run(&[&args[..], more].concat(), "")
        };
        // Most have none.
        let text = logs(&["--previous"]).unwrap_or_default() + &logs(&[])?;
        let folder = self.log.parent().ok_or("it has no folder")?;
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&self.log, text));
        written.map_err(|error| error.to_string())
    }

    fn error(&self, what: &str, why: String) -> EnvError {
        EnvError::Node { node: self.node.name.clone(), what: what.to_owned(), why, log: self.log.clone() }
    }

    fn trouble(&self, Trouble { what, why }: Trouble) -> EnvError {
        self.error(&what, why)
    }
}

impl Now {
    fn note(&mut self, how: &str) {
        if self.exits.len() < MOST_EXITS {
            let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
            self.exits.push(format!("{now} container: {how}"));
        }
    }
}

impl Environment for Kube {
    /// Clients are where this runs, and reach the pods' addresses.
    fn enter(&self) -> Result<(), EnvError> {
        Ok(())
    }

    fn start(&self, node: usize) -> Result<(), EnvError> {
        let pod = &self.pods[node];
        let mut now = pod.now();
        if now.hand.as_ref().is_some_and(|hand| !hand.is_lost()) {
            return Ok(());
        }
        now.hand = None;
        pod.take_up(&mut now)
    }

    fn stop(&self, node: usize, how: Stop) -> Result<(), EnvError> {
        self.pods[node].end(how)
    }

    /// A container ends with its first process.
    fn stop_main(&self, node: usize, how: Stop) -> Result<(), EnvError> {
        self.pods[node].end(how)
    }

    fn pause(&self, node: usize) -> Result<(), EnvError> {
        self.pods[node].ask(Ask::Pause).map(drop)
    }

    fn resume(&self, node: usize) -> Result<(), EnvError> {
        let pod = &self.pods[node];
        let runs = pod.now().hand.as_ref().is_some_and(|hand| !hand.is_lost());
        // What is held goes on when its agent ends.
        if runs { pod.ask(Ask::Resume).map(drop) } else { Ok(()) }
    }

    fn starve(&self, _: usize, percent: Option<u32>) -> Result<(), EnvError> {
        if percent.is_none() { Ok(()) } else { Err(cannot("starve a server")) }
    }

    fn starved(&self, _: usize) -> u64 {
        0
    }

    /// One that is being ended, or awaited, has no server that anybody could break.
    fn state(&self, node: usize) -> ProcessState {
        let Ok(now) = self.pods[node].now.try_lock() else { return ProcessState::Gone };
        match now.hand.as_ref().map(|hand| hand.ask(Ask::State)) {
            Some(Ok((Answer::State(state), _))) => state,
            _ => ProcessState::Gone,
        }
    }

    fn set_links(&self, policies: &Policies) -> Result<(), EnvError> {
        self.network.set_links(policies)
    }

    fn probe(&self, link: Link, cut: &Cut) -> Result<Crossing, EnvError> {
        self.network.probe(link, cut)
    }

    fn sample(&self, _: Link, behavior: &Behavior) -> Result<Option<u32>, EnvError> {
        Err(cannot(behavior.kind()))
    }

    fn traffic(&self, link: Link) -> Traffic {
        self.network.traffic(link)
    }

    fn taken(&self, fault: u32) -> Option<u64> {
        self.network.taken(fault)
    }

    fn trap(&self, _: usize, _: Snare) -> Result<Trap, EnvError> {
        Err(cannot("a fault that waits for a system call"))
    }

    fn calls(&self, _: usize, _: Call) -> u64 {
        0
    }

    fn log(&self, node: usize) -> Option<&Path> {
        Some(&self.pods[node].log)
    }

    fn set_clocks(&self, _: usize, skews: &Skews) -> Result<(), EnvError> {
        if skews.is_empty() { Ok(()) } else { Err(cannot("a fault of clocks")) }
    }

    fn read_clocks(&self, _: usize, _: Option<u32>) -> Result<Reading, EnvError> {
        Err(cannot("a fault of clocks"))
    }

    /// Containers are asked as kubelets do it, by SIGTERM.
    fn set_stopping(&self, _: usize, _: &Stopping) -> Result<(), EnvError> {
        Ok(())
    }

    /// In the server's container, by its own user.
    fn run(&self, node: usize, command: &HostCommand, limit: Duration) -> Result<String, EnvError> {
        let pod = &self.pods[node];
        let program = command.program.display().to_string();
        let env: Vec<String> = command.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut args = vec!["exec", &pod.name, "-c", &pod.container, "--"];
        if !env.is_empty() {
            args.push("env");
            args.extend(env.iter().map(String::as_str));
        }
        args.push(&program);
        args.extend(command.args.iter().map(String::as_str));
        let ran = pod.pods.kubectl.run_for(&args, "", limit);
        ran.map_err(|why| pod.error(&format!("run {program}"), why))
    }

    fn excuse(&self, node: usize, why: Option<&'static str>) {
        *self.pods[node].excuse.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn exits(&self) -> Vec<Exit> {
        let mut exits = Vec::new();
        for (node, pod) in self.pods.iter().enumerate() {
            let excuse = *pod.excuse.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = std::mem::take(&mut *pod.ended.lock().unwrap_or_else(PoisonError::into_inner));
            exits.extend(ended.into_iter().map(|status| Exit { node, status, excuse }));
        }
        exits
    }

    fn warnings(&self) -> Vec<String> {
        let told = |pod: &PodNode| pod.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.pods.iter().flat_map(told).collect()
    }

    fn are_ours(&self) -> bool {
        false
    }

    fn salvage(&self, node: usize, _: usize) -> Salvage {
        let pod = &self.pods[node];
        let mut salvage = Salvage { exits: pod.now().exits.clone(), ..Salvage::default() };
        if let Err(why) = pod.fetch_log() {
            salvage.notes.push(format!("the log of {} was not kept: {why}", pod.node.name));
        }
        salvage
    }

    /// Agents heal their pods by themselves.
    fn undo_data(&self, node: usize) -> serde_json::Value {
        // The clients have a number, too.
        let Some(pod) = self.pods.get(node) else { return serde_json::Value::Null };
        serde_json::json!({ "node": pod.node.name, "pod": pod.name, "address": pod.node.addr })
    }
}

impl Drop for Kube {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.watcher.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}
