//! The loop: asks the generator for every free thread, hands operations to clients, records.
//!
//! Completions are taken before anything is invoked, because waiting with them would invent
//! concurrency that was not there. Both are stamped here, on one thread: a completion is
//! stamped when it is taken, which can only widen its interval. A wider interval may hide a
//! violation; a narrower one would invent it.

use super::fleet::{Call, Fleet};
use super::perform::{Attempt, Performed};
use super::{Clients, Clock, OpBody, Opened, Recorder, Stop, StopKind};
use crate::event::{Counts, Event, Listener};
use crate::failure::Failure;
use duress_checkers::{Kind, Op, Process};
use duress_targets::{Client, ClientError, Completion, Node, Target};
use duress_workloads::{Context, Generator, Invocation, Next};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinSet};

/// After a connection is refused, the thread rests: a dead node answers in microseconds, and
/// its threads would otherwise take most of the operations (Jepsen's spin on a dead node). Likewise when a
/// client's program does not even start.
const REST_AFTER_REFUSAL: Duration = Duration::from_millis(50);
/// A generator that answers `Pending` although nothing is in flight is asked again after this.
const PENDING_POLL: Duration = Duration::from_millis(10);

/// Client threads, and all they need.
pub struct Engine<'a> {
    target: Arc<dyn Target>,
    nodes: &'a [Node],
    recorder: &'a Recorder,
    clock: Clock,
    op_timeout: Duration,
    listener: &'a dyn Listener,
    threads: Vec<Thread>,
    clients: Arc<Clients>,
    /// Where clients are, if not here.
    fleet: Option<Arc<Fleet>>,
    /// What happened so far.
    pub counts: Counts,
}

/// One logical client. It talks to the same node for the whole run.
struct Thread {
    process: u64,
    client: Option<Held>,
    busy: Option<Flight>,
    /// Nanoseconds: nothing before.
    rests_until: u64,
    done: bool,
    /// Operations so far.
    invoked: u64,
    /// How many steps the last one took that came to its end.
    steps: u64,
}

/// A client that is connected.
enum Held {
    Here(Box<dyn Client>),
    /// On the load machine of this number.
    There(usize),
}

struct Flight {
    invoked: u64,
    f: String,
    value: serde_json::Value,
}

/// What a client task hands back.
type Landed = (usize, Performed<Held>);

/// One call of [`Engine::drive`].
pub struct Drive<'g> {
    /// Asked for operations.
    pub generator: &'g mut dyn Generator,
    /// Nanoseconds on the run's clock: no invocation from then on.
    pub until: u64,
}

impl<'a> Engine<'a> {
    /// `concurrency` threads, spread over the nodes round robin.
    pub fn new(
        target: Arc<dyn Target>,
        nodes: &'a [Node],
        recorder: &'a Recorder,
        clock: Clock,
        options: (usize, Duration),
        listener: &'a dyn Listener,
    ) -> Self {
        let (concurrency, op_timeout) = options;
        let threads = (0..concurrency)
            .map(|n| Thread {
                process: n as u64,
                client: None,
                busy: None,
                rests_until: 0,
                done: false,
                invoked: 0,
                steps: 1,
            })
            .collect();
        let clients = Arc::new(Clients::new(concurrency, nodes.len()));
        Self {
            target,
            nodes,
            recorder,
            clock,
            op_timeout,
            listener,
            threads,
            clients,
            fleet: None,
            counts: Counts::default(),
        }
    }

    /// Its clients are on load machines.
    #[must_use]
    pub fn on(mut self, fleet: Option<Arc<Fleet>>) -> Self {
        if let Some(fleet) = &fleet {
            fleet.follow(&self.clients, self.clock);
        }
        self.fleet = fleet;
        self
    }

    /// Its threads begin with these clients.
    #[must_use]
    pub fn with(mut self, opened: Opened) -> Self {
        for (thread, client) in self.threads.iter_mut().zip(opened) {
            thread.client = client.map(Held::Here);
        }
        self
    }

    /// For the nemesis.
    pub fn clients(&self) -> Arc<Clients> {
        Arc::clone(&self.clients)
    }

    /// Runs the generator to its end, to the time limit, or until the user stops it. Ends
    /// when nothing is in flight any more: at most as long after the last invocation as a client takes to be
    /// opened, and an operation to time out.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub async fn drive(&mut self, drive: Drive<'_>, stop: &mut Stop) -> Result<(), Failure> {
        let Drive { generator, until } = drive;
        let mut flights: JoinSet<Landed> = JoinSet::new();
        let mut owners: HashMap<Id, usize> = HashMap::new();
        let mut first = 0;
        self.threads.iter_mut().for_each(|thread| thread.done = false);
        loop {
            while let Some(landed) = flights.try_join_next_with_id() {
                self.land(landed, &mut owners, generator);
            }
            self.recorder.check()?;
            let open = self.clock.now() < until && stop.wished() == StopKind::No;
            let mut wake = if open { until } else { u64::MAX };
            if !open {
                self.clients.let_go();
            }
            if open {
                first = (first + 1) % self.threads.len().max(1);
                wake = wake.min(self.ask(generator, first, &mut flights, &mut owners));
            }
            if flights.is_empty() && (!open || self.threads.iter().all(|thread| thread.done)) {
                return Ok(());
            }
            if wake == u64::MAX && flights.is_empty() {
                wake = self.clock.now() + nanos(PENDING_POLL);
            }
            tokio::select! {
                biased;
                Some(landed) = flights.join_next_with_id() => self.land(landed, &mut owners, generator),
                () = tokio::time::sleep_until(self.clock.at(wake.min(until.max(self.clock.now() + 1))).into()),
                    if wake != u64::MAX => {}
                () = stop.wait(StopKind::Soon), if open => {}
            }
        }
    }

    /// Asks for every free thread, starting with `first`, until no operation is handed out any
    /// more: one that was may have changed the generator's mind. Returns when to ask again.
    fn ask(
        &mut self,
        generator: &mut dyn Generator,
        first: usize,
        flights: &mut JoinSet<Landed>,
        owners: &mut HashMap<Id, usize>,
    ) -> u64 {
        // Every round but the last makes a thread busy, so there are at most n + 1.
        loop {
            let in_flight = flights.len();
            let wake = self.ask_once(generator, first, flights, owners);
            if flights.len() == in_flight {
                return wake;
            }
        }
    }

    fn ask_once(
        &mut self,
        generator: &mut dyn Generator,
        first: usize,
        flights: &mut JoinSet<Landed>,
        owners: &mut HashMap<Id, usize>,
    ) -> u64 {
        let n = self.threads.len();
        let mut wake = u64::MAX;
        for thread in (0..n).map(|k| (first + k) % n) {
            let now = self.clock.now();
            let slot = &self.threads[thread];
            if slot.busy.is_some() || slot.done {
                continue;
            }
            if slot.rests_until > now {
                wake = wake.min(slot.rests_until);
                continue;
            }
            match generator.next(&self.context(thread, now)) {
                Next::Op(invocation) => self.invoke(thread, invocation, generator, flights, owners),
                Next::Wait(time) => wake = wake.min(time.max(now + 1)),
                Next::Pending => {}
                Next::Done => self.threads[thread].done = true,
            }
        }
        wake
    }

    fn invoke(
        &mut self,
        thread: usize,
        invocation: Invocation,
        generator: &mut dyn Generator,
        flights: &mut JoinSet<Landed>,
        owners: &mut HashMap<Id, usize>,
    ) {
        let node = self.nodes[thread % self.nodes.len()].clone();
        let slot = &mut self.threads[thread];
        let client = slot.client.take().filter(|_| !self.clients.is_churned(thread));
        let op = self.recorder.record(
            Process::Client(slot.process),
            Kind::Invoke,
            OpBody {
                f: invocation.f.clone(),
                value: invocation.value.clone(),
                error: None,
                node: Some(node.name.clone()),
            },
        );
        self.listener.event(&Event::Invoked);
        slot.busy = Some(Flight { invoked: op.time, f: op.f.to_string(), value: op.value.clone() });
        let cx = self.context(thread, op.time);
        generator.update(&cx, &op);
        let Thread { invoked: nth, steps: usual_steps, .. } = self.threads[thread];
        self.threads[thread].invoked += 1;
        let handle = if let Some(fleet) = &self.fleet {
            let Invocation { f, value } = invocation;
            let node = thread % self.nodes.len();
            let fleet = Arc::clone(fleet);
            let had = match client {
                Some(Held::There(machine)) => Some(machine),
                _ => None,
            };
            let call = Call { thread, node, f, value, nth, usual_steps, fresh: had.is_none() };
            flights.spawn(async move { (thread, fleet.perform(call, had).await.map(Held::There)) })
        } else {
            let attempt = Attempt {
                target: Arc::clone(&self.target),
                node,
                invocation,
                timeout: self.op_timeout,
                clients: Arc::clone(&self.clients),
                thread,
                nth,
                usual_steps,
            };
            let client = match client {
                Some(Held::Here(client)) => Some(client),
                _ => None,
            };
            flights.spawn(async move { (thread, attempt.perform(client).await.map(Held::Here)) })
        };
        owners.insert(handle.id(), thread);
    }

    /// Records a completion. A client that panicked may have sent its operation: `info`.
    fn land(
        &mut self,
        landed: Result<(Id, Landed), tokio::task::JoinError>,
        owners: &mut HashMap<Id, usize>,
        generator: &mut dyn Generator,
    ) {
        let (thread, Performed { client, completion, steps }) = match landed {
            Ok((id, landed)) => {
                owners.remove(&id);
                landed
            }
            Err(error) => {
                let Some(thread) = owners.remove(&error.id()) else { return };
                let error = ClientError::new(duress_checkers::history::class::PANIC, error.to_string());
                (thread, Performed::without_client(Completion::Info(error)))
            }
        };
        let Some(flight) = self.threads[thread].busy.take() else { return };
        let (kind, value, error) = match completion {
            Completion::Ok(value) => (Kind::Ok, value, None),
            Completion::Fail(error) => (Kind::Fail, flight.value, Some(error)),
            Completion::Info(error) => (Kind::Info, flight.value, Some(error)),
        };
        let slot = &mut self.threads[thread];
        slot.steps = steps.unwrap_or(slot.steps);
        let process = slot.process;
        let op = self.recorder.record(
            Process::Client(process),
            kind,
            OpBody {
                f: flight.f,
                value,
                error: error.as_ref().map(ToString::to_string),
                node: Some(self.nodes[thread % self.nodes.len()].name.clone()),
            },
        );
        self.retire(thread, client, &op, error.as_ref());
        self.counts.count(kind);
        let cx = self.context(thread, op.time);
        generator.update(&cx, &op);
        let latency = Duration::from_nanos(op.time - flight.invoked);
        self.listener.event(&Event::Completed { op: &op, latency });
    }

    /// After `info` the process never acts again: its thread goes on as a new one, on a new connection.
    fn retire(&mut self, thread: usize, client: Option<Held>, op: &Op, error: Option<&ClientError>) {
        let n = self.threads.len() as u64;
        let slot = &mut self.threads[thread];
        if op.kind == Kind::Info {
            slot.process += n;
        } else {
            slot.client = client;
        }
        let rests = [ClientError::REFUSED, ClientError::UNSTARTED];
        if error.is_some_and(|error| rests.contains(&error.class)) {
            slot.rests_until = op.time + nanos(REST_AFTER_REFUSAL);
        }
    }

    fn context(&self, thread: usize, time: u64) -> Context {
        let n_busy = self.threads.iter().filter(|thread| thread.busy.is_some()).count();
        Context { time, thread, n_threads: self.threads.len(), n_busy }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
