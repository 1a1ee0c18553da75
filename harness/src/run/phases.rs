//! The phases of a run: set-up, main, heal, final reads.

use super::exits::Exits;
use super::fleet;
use super::interrupts::Standing;
use super::undone::still_broken;
use crate::engine::{Clock, Drive, Engine, Fleet, Opened, Recorder, Stop, StopKind, open};
use crate::env::clock::Skews;
use crate::env::packet::Policies;
use crate::env::trap::Call;
use crate::env::{Environment, Program};
use crate::event::{Event, Listener, Stage};
use crate::failure::Failure;
use crate::nemesis::fault::{Fault, PlannedFault};
use crate::nemesis::trigger::Trigger;
use crate::nemesis::{Journal, Nemesis, restore_members};
use crate::observing::{Asker, NodeLog, Observers};
use crate::plan::Plan;
use crate::watching::Feed;
use duress_checkers::words;
use duress_reports::artifact::{Phase, RunDir, RunFailure, RunInfo, RunStatus};
use duress_targets::{Node, Numbers, Surroundings, Target};
use duress_workloads::generator::GeneratorExt as _;
use duress_workloads::{Generators, Rng};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a node may keep the next one from being started.
const STARTED_WITHIN: Duration = Duration::from_secs(1);
/// How often it is asked meanwhile.
const START_POLL: Duration = Duration::from_millis(5);
/// How long a cluster may take to become healthy, at the start and after the last fault.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
/// How often a node is asked.
const HEALTH_POLL: Duration = Duration::from_millis(20);
/// How long one answer may take.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the final reads may take.
const FINAL_WITHIN: Duration = Duration::from_secs(60);
/// How long clients may take to make what operations need.
const CLIENTS_SET_UP_WITHIN: Duration = Duration::from_secs(60);
/// How often clients are asked for what they noticed.
const NOTES_POLL: Duration = Duration::from_millis(100);

/// What the phases work on.
pub(super) struct Phases<'a> {
    pub(super) plan: &'a Plan,
    pub(super) dir: &'a RunDir,
    pub(super) nodes: Arc<[Node]>,
    pub(super) env: Arc<dyn Environment>,
    /// Where clients are, if not here.
    pub(super) fleet: Option<Arc<Fleet>>,
    pub(super) programs: Arc<[Program]>,
    pub(super) tool: Option<Program>,
    pub(super) listener: Arc<dyn Listener>,
    pub(super) stop: Stop,
    /// A violation has shown, and the cluster is to be left as it is.
    pub(super) standing: Standing,
    /// Looks after the servers, once the run's clock goes.
    pub(super) exits: Option<Arc<Exits>>,
    /// Gets everything that is recorded.
    pub(super) feed: Feed,
    pub(super) info: &'a mut RunInfo,
}

impl Phases<'_> {
    /// Goes through all of them, as far as the user lets us.
    pub(super) async fn go(&mut self) -> Result<(), Failure> {
        let set_up = Instant::now();
        self.set_up().await?;
        let took = set_up.elapsed();
        self.info.setup_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let nodes = plural(self.nodes.len(), "node", "nodes");
        let healthy = format!("{nodes} healthy after {:.1} s", took.as_secs_f64());
        self.listener.event(&Event::Note(&healthy));

        let clients = self.open_clients().await?;
        let clock = Clock::start();
        self.listener.event(&Event::Started(clock));
        self.info.clock_epoch = u64::try_from(jiff::Timestamp::now().as_nanosecond()).ok();
        let recorder = Arc::new(Recorder::create(&self.dir.history_file(), clock, self.feed.clone())?);
        let outcome = self.under_test((clock, clients), &recorder).await;
        let closed = recorder.close();
        self.info.status = match self.stop.wished() {
            StopKind::No => RunStatus::Finished,
            StopKind::Soon | StopKind::Now => RunStatus::Interrupted,
        };
        outcome.and(closed)
    }

    async fn set_up(&mut self) -> Result<(), Failure> {
        self.say(Stage::SetUp, &format!("starting {}", plural(self.nodes.len(), "node", "nodes")));
        for node in 0..self.nodes.len() {
            self.env.start(node)?;
            self.await_started(node).await;
        }
        self.await_healthy(StopKind::Soon, &BTreeSet::new()).await?;
        for (at, node) in self.nodes.iter().enumerate() {
            let status = tokio::time::timeout(HEALTH_TIMEOUT, self.plan.target.status(node)).await;
            self.info.nodes[at].version = status.ok().and_then(Result::ok).map(|status| status.version);
        }
        self.set_up_clients().await?;
        self.dir.write_info(self.info)?;
        Ok(())
    }

    /// Nothing is recorded of it: operations begin with what it has made.
    async fn set_up_clients(&mut self) -> Result<(), Failure> {
        let logs = self.dir.path().join(fleet::CLIENT_LOGS);
        let run = Surroundings { nodes: self.nodes.to_vec(), logs, numbers: Numbers::default() };
        self.plan.target.enter(&run);
        // A program has its time to start, and as much to set up.
        let starts = self.plan.target.opens_within().unwrap_or_default();
        let limit = CLIENTS_SET_UP_WITHIN.max(2 * starts);
        let set_up = tokio::time::timeout(limit, self.plan.target.set_up(&run));
        let why = tokio::select! {
            done = set_up => match done {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("it took longer than {limit:?}"),
            },
            () = self.stop.wait(StopKind::Soon) => return Err(interrupted()),
        };
        Err(Failure::Run(RunFailure {
            what: "the clients could not set up what operations need".to_owned(),
            why,
            fix: format!("look at what they say in {}", run.logs.display()),
        }))
    }

    /// Those that are programs of this machine; load machines start theirs when they are asked for something.
    async fn open_clients(&mut self) -> Result<Opened, Failure> {
        if self.fleet.is_some() {
            return Ok(Opened::new());
        }
        let threads = self.plan.workload_options.concurrency;
        let target = &self.plan.target;
        if target.opens_within().is_some() {
            self.say(Stage::SetUp, &format!("starting {}", plural(threads, "client", "clients")));
        }
        tokio::select! {
            opened = open(target, &self.nodes, threads) => Ok(opened),
            () = self.stop.wait(StopKind::Soon) => Err(interrupted()),
        }
    }

    /// Main, heal, final reads: all that is on the run's clock.
    async fn under_test(
        &mut self,
        (clock, clients): (Clock, Opened),
        recorder: &Arc<Recorder>,
    ) -> Result<(), Failure> {
        let nodes = Arc::clone(&self.nodes);
        let listener = Arc::clone(&self.listener);
        let options = (self.plan.workload_options.concurrency, self.plan.op_timeout);
        let target = Arc::clone(&self.plan.target);
        let engine = Engine::new(target, &nodes, recorder, clock, options, &*listener);
        let mut engine = engine.on(self.fleet.clone()).with(clients);
        let rng = Rng::new(self.plan.seed).split("workload");
        let workload = (self.plan.workload.make)();
        let Generators { main, mut last } = workload.generators(&self.plan.workload_options, &rng);
        let mut main = main.limit(self.plan.options.ops.unwrap_or(u64::MAX));

        let ruining = self.plan.schedule.iter().any(|planned| planned.fault.may_ruin());
        let exits = Arc::new(Exits::new(self.env.clone(), self.nodes.clone(), clock, ruining));
        self.exits = Some(Arc::clone(&exits));
        let observers = self.observe(clock)?;
        let watched = Arc::clone(&exits);
        let guard = tokio::spawn(async move { watched.watch().await });
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let talkers = Talkers { target: Arc::clone(&self.plan.target), fleet: self.fleet.clone() };
        let hearing =
            tokio::spawn(hear_clients(talkers.clone(), Arc::clone(&self.listener), Arc::clone(&said)));
        let outcome = async {
            self.main(&mut engine, &mut main, clock, (recorder, observers.asker())).await?;
            if !self.standing.is_wanted() {
                self.heal(clock).await?;
            }
            if self.stop.wished() == StopKind::No {
                self.final_reads(&mut engine, &mut *last, clock).await?;
            }
            if self.standing.is_wanted() {
                self.info.stopped = Some("a violation showed, and it was to stop there".to_owned());
                self.stand().await;
            }
            Ok(())
        }
        .await;
        guard.abort();
        exits.tell(self.info);
        hearing.abort();
        note_clients(&talkers, true, &*self.listener, &said);
        fleet::account(self.fleet.as_deref(), self.info);
        self.info.warnings.append(&mut said.lock().unwrap_or_else(PoisonError::into_inner));
        self.info.warnings.extend(observers.finish());
        outcome
    }

    /// Nobody looks at nodes where what servers send is counted: their answers would count, too.
    fn observe(&self, clock: Clock) -> Result<Observers, Failure> {
        let call = |planned: &PlannedFault| planned.on.as_ref().and_then(Trigger::call);
        let log = if self.plan.schedule.iter().any(|planned| call(planned) == Some(Call::Send)) {
            None
        } else {
            let listener = Arc::clone(&self.listener);
            Some(NodeLog::create(self.dir.nodes_file(), &self.nodes, clock, listener)?)
        };
        Observers::start(&self.env, &self.plan.target, &self.nodes, log).map_err(super::no_thread)
    }

    async fn main(
        &mut self,
        engine: &mut Engine<'_>,
        generator: &mut dyn duress_workloads::Generator,
        clock: Clock,
        (recorder, asker): (&Arc<Recorder>, Asker),
    ) -> Result<(), Failure> {
        self.begin("main", clock)?;
        let told = format!(
            "running for {}: {}, {} planned",
            humantime::format_duration(self.plan.options.time),
            plural(self.plan.workload_options.concurrency, "client", "clients"),
            plural(self.plan.schedule.len(), "fault", "faults")
        );
        self.say(Stage::Main, &told);
        let nemesis = Arc::new(Nemesis {
            env: Arc::clone(&self.env),
            target: Arc::clone(&self.plan.target),
            asker,
            nodes: Arc::clone(&self.nodes),
            programs: Arc::clone(&self.programs),
            tool: self.tool.clone(),
            clients: engine.clients(),
            journal: Arc::new(Journal::create(&self.dir.faults_file(), clock)?),
            recorder: Arc::clone(recorder),
            listener: Arc::clone(&self.listener),
            clock,
            held: Arc::default(),
        });
        let (over, watching) = watch::channel(false);
        let armed = nemesis.arm(&self.plan.schedule)?;
        let faults = tokio::spawn(nemesis.run(armed, watching));
        let until = u64::try_from(self.plan.options.time.as_nanos()).unwrap_or(u64::MAX);
        let driven = engine.drive(Drive { generator, until }, &mut self.stop).await;
        let healed = if self.standing.is_wanted() {
            // What is in effect stays so. It is no more than the cluster, and ends with it.
            faults.abort();
            faults.await.unwrap_or(Ok(()))
        } else {
            let _ = over.send(true);
            faults.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        };
        self.end(clock);
        driven.and(healed)
    }

    /// Makes sure that nothing is broken any more, whatever the faults' own undo did.
    async fn heal(&mut self, clock: Clock) -> Result<(), Failure> {
        self.begin("heal", clock)?;
        self.say(Stage::Heal, "healing");
        self.env.set_links(&Policies::new())?;
        for disk in (0..self.nodes.len()).filter_map(|node| self.env.disk(node).ok()) {
            disk.behave(None);
        }
        for node in 0..self.nodes.len() {
            self.env.starve(node, None)?;
            self.env.resume(node)?;
            self.env.set_clocks(node, &Skews::new())?;
            if !self.env.state(node).has_server() {
                self.env.start(node)?;
            }
        }
        let members_changed = self.plan.schedule.iter().any(|planned| planned.fault.changes_members());
        if members_changed && self.stop.wished() < StopKind::Now {
            self.restore_members().await;
        }
        if self.stop.wished() < StopKind::Now
            && let Err(failure) = self.await_healthy(StopKind::Now, &self.may_be_ruined()).await
            && self.stop.wished() < StopKind::Now
        {
            let faults = &self.plan.schedule;
            let cut = faults.iter().any(|planned| matches!(planned.fault, Fault::Partition { .. }));
            let doubtful = faults.is_empty()
                || faults.iter().any(|planned| planned.fault.may_ruin())
                || self.exits.as_ref().is_some_and(|exits| exits.leave_doubt());
            let told = format!("after the last fault was healed: {failure}");
            match still_broken(&*self.env, &self.nodes, cut) {
                Some(why) => self.info.doubts.push(format!("{told}; and {why}")),
                None if doubtful => self.info.doubts.push(told),
                None => self.info.unrecovered = Some(failure.to_string()),
            }
        }
        self.end(clock);
        Ok(())
    }

    /// The cluster is to have the members that it began with.
    async fn restore_members(&mut self) {
        let (env, target) = (Arc::clone(&self.env), Arc::clone(&self.plan.target));
        let nodes = Arc::clone(&self.nodes);
        let restored = tokio::task::spawn_blocking(move || restore_members(&*env, &*target, &nodes)).await;
        let restored = restored.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        if let Err(error) = restored {
            self.info.doubts.push(format!("after the last fault was healed: {error}"));
        }
    }

    async fn final_reads(
        &mut self,
        engine: &mut Engine<'_>,
        generator: &mut dyn duress_workloads::Generator,
        clock: Clock,
    ) -> Result<(), Failure> {
        self.begin("final", clock)?;
        self.say(Stage::Final, "final reads");
        let until = clock.now() + u64::try_from(FINAL_WITHIN.as_nanos()).unwrap_or(u64::MAX);
        let driven = engine.drive(Drive { generator, until }, &mut self.stop).await;
        if clock.now() >= until {
            self.info.doubts.push(format!("the final reads took longer than {FINAL_WITHIN:?}"));
        }
        self.end(clock);
        driven
    }

    /// Gives a node a moment before the next one is started. Whether it takes it is for
    /// [`Self::await_healthy`] to judge.
    async fn await_started(&self, node: usize) {
        let patience = Instant::now() + STARTED_WITHIN;
        while Instant::now() < patience && self.plan.target.started(&self.nodes[node]).await.is_err() {
            tokio::time::sleep(START_POLL).await;
        }
    }

    /// Nodes that a fault left with something that no server has to be able to work with.
    fn may_be_ruined(&self) -> BTreeSet<usize> {
        let ruining = self.plan.schedule.iter().filter(|planned| planned.fault.may_ruin());
        let victims = ruining.flat_map(|planned| planned.fault.named().unwrap_or_default());
        victims.filter_map(|name| self.nodes.iter().position(|node| node.name == *name)).collect()
    }

    /// Waits until every node answers something that needs a quorum, unless the user wishes to
    /// stop as strongly as `enough`. Of nodes that may be ruined, a minority may have ended: an
    /// operator would replace them, and the others have to do without.
    async fn await_healthy(&mut self, enough: StopKind, ruined: &BTreeSet<usize>) -> Result<(), Failure> {
        let patience = Instant::now() + HEALTHY_WITHIN;
        let mut given_up = BTreeSet::new();
        for (at, node) in Arc::clone(&self.nodes).iter().enumerate() {
            loop {
                let asked = tokio::time::timeout(HEALTH_TIMEOUT, self.plan.target.healthy(node)).await;
                let why = match asked {
                    Ok(Ok(())) => break,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => format!("no answer within {HEALTH_TIMEOUT:?}"),
                };
                let exits = self.exits.as_ref().map_or_else(|| self.env.exits(), |exits| exits.note());
                let gone = |at: usize| !self.env.state(at).has_server();
                if ruined.contains(&at) && gone(at) && 2 * (given_up.len() + 1) < self.nodes.len() {
                    given_up.insert(at);
                    let told = "was left by a fault with what it cannot work with, and does not come back; the \
                                others do without it";
                    self.info.warnings.push(format!("{} {told}", node.name));
                    break;
                }
                let counts = |at: usize| gone(at) && !ruined.contains(&at);
                if let Some(exit) = exits.iter().find(|exit| exit.excuse.is_none() || counts(exit.node)) {
                    let name = &self.nodes[exit.node].name;
                    return Err(self.unhealthy(exit.node, format!("{name} ended by itself: {}", exit.status)));
                }
                // Its end may have been told to somebody else already.
                if gone(at) {
                    return Err(self.unhealthy(at, format!("{} has ended: {why}", node.name)));
                }
                if Instant::now() >= patience {
                    let why = format!("{} is not healthy after {HEALTHY_WITHIN:?}: {why}", node.name);
                    return Err(self.unhealthy(at, why));
                }
                tokio::select! {
                    () = tokio::time::sleep(HEALTH_POLL) => {}
                    () = self.stop.wait(enough) => return Err(interrupted()),
                }
            }
        }
        Ok(())
    }

    fn unhealthy(&self, node: usize, mut why: String) -> Failure {
        let log = self.info.nodes[node].log.as_ref().map(|log| self.dir.path().join(log));
        // Most of the time that says it all.
        if let Some(said) = log.as_deref().and_then(super::last_words::of) {
            why = format!("{why}; the last that it printed: {said}");
        }
        Failure::Run(RunFailure {
            what: "the cluster did not become healthy".to_owned(),
            why,
            fix: log.map_or_else(
                || "try again".to_owned(),
                |log| format!("look at the end of {}", log.display()),
            ),
        })
    }

    fn begin(&mut self, name: &str, clock: Clock) -> Result<(), Failure> {
        self.info.phases.push(Phase { name: name.to_owned(), start: clock.now(), end: None });
        Ok(self.dir.write_info(self.info)?)
    }

    fn end(&mut self, clock: Clock) {
        if let Some(phase) = self.info.phases.last_mut() {
            phase.end = Some(clock.now());
        }
    }

    pub(super) fn say(&self, stage: Stage, what: &str) {
        self.listener.event(&Event::Phase(stage, what));
    }
}

fn plural(n: usize, one: &str, many: &str) -> String {
    words::counted(n as u64, one, many)
}

fn interrupted() -> Failure {
    Failure::Run(RunFailure {
        what: "interrupted".to_owned(),
        why: "the cluster was not healthy yet, so nothing was tested".to_owned(),
        fix: "let it run".to_owned(),
    })
}

/// Who notices what the user should know.
#[derive(Clone)]
struct Talkers {
    target: Arc<dyn Target>,
    fleet: Option<Arc<Fleet>>,
}

/// Tells what clients notice, while they do.
async fn hear_clients(talkers: Talkers, listener: Arc<dyn Listener>, said: Arc<Mutex<Vec<String>>>) {
    loop {
        note_clients(&talkers, false, &*listener, &said);
        tokio::time::sleep(NOTES_POLL).await;
    }
}

fn note_clients(talkers: &Talkers, over: bool, listener: &dyn Listener, said: &Mutex<Vec<String>>) {
    let elsewhere = talkers.fleet.as_ref().map(|fleet| fleet.notes()).unwrap_or_default();
    for note in talkers.target.notes(over).into_iter().chain(elsewhere) {
        listener.event(&Event::Note(&note));
        said.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }
}
