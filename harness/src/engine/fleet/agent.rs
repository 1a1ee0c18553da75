//! `duress agent --load`: holds the clients of some threads, and performs what a controller asks them for.
//!
//! One thread for all clients, as in a run here; they end with it, at the latest when nothing has been heard
//! of the controller for a while. It touches nothing of the machine but a folder of its own, which goes with it.

use super::ready::Ready;
use super::wire::{Answer, Ask, Call, End, FromLoad, Hello, Outcome, PROTOCOL, QUEUE, ToLoad, pack};
use crate::engine::Clients;
use crate::engine::perform::{Attempt, Performed};
use crate::env::remote::lines;
use crate::env::remote::{Here, Origin as _};
use duress_checkers::history::class;
use duress_targets::{Client, ClientError, Completion, Registry, Target};
use duress_workloads::Invocation;
use std::collections::HashMap;
use std::io::{self, BufReader, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

/// How often clients are asked for what they noticed.
const NOTES_POLL: Duration = Duration::from_millis(100);

/// Serves the controller at the standard input and output until it is gone.
pub(crate) fn serve(registry: &Registry) -> ExitCode {
    let mut input = BufReader::new(io::stdin());
    let Ok(Some((ToLoad::Hello(hello), files))) = lines::read(&mut input) else { return ExitCode::from(254) };
    let say = |message: &FromLoad| lines::write(&mut io::stdout(), message, &[]);
    let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let made = made.map_err(|error| (error.to_string(), "raise the limit of open files there".to_owned()));
    let made = made.and_then(|runtime| Ok((Ready::new(registry, (&hello, &files), &runtime)?, runtime)));
    let (ready, runtime) = match made {
        Ok(made) => made,
        Err((why, fix)) => {
            let told = say(&FromLoad::Refused { why, fix });
            return ExitCode::from(if told.is_ok() { 0 } else { 3 });
        }
    };
    drop(files);
    if say(&FromLoad::Welcome { protocol: PROTOCOL }).is_err() {
        return ExitCode::from(3);
    }
    let (hear, heard) = mpsc::channel(QUEUE);
    let (tell, told) = sync_channel(QUEUE);
    let reader = std::thread::Builder::new().name("reader".into()).spawn(move || {
        while let Ok(Some((message, _))) = lines::read::<ToLoad>(&mut input) {
            if hear.blocking_send(message).is_err() {
                return;
            }
        }
    });
    let writer = std::thread::Builder::new().name("writer".into()).spawn(move || write(&told));
    let (Ok(_), Ok(writer)) = (reader, writer) else { return ExitCode::from(3) };
    let dismissed = runtime.block_on(Agent::new(&ready, *hello, tell.clone()).obey(heard));
    // All clients are gone with it.
    drop(runtime);
    for log in ready.logs() {
        let _ = tell.try_send(log);
    }
    drop(ready);
    // Where nobody hears, a word might wait for ever.
    if dismissed {
        let _ = tell.try_send(FromLoad::Bye);
        drop(tell);
        let _ = writer.join();
    }
    ExitCode::SUCCESS
}

/// Says all that there is to be said, much of it at once.
fn write(told: &Receiver<FromLoad>) {
    let mut out = io::stdout().lock();
    let mut piece = Vec::new();
    while let Ok(first) = told.recv() {
        let packed = pack(&mut piece, first, || told.try_recv().ok(), too_long);
        if packed.and_then(|()| out.write_all(&piece)).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// In doubt: whatever was answered is not in the history.
fn too_long(message: &FromLoad, length: usize) -> Option<FromLoad> {
    let FromLoad::Outcome(outcome) = message else { return None };
    let why = format!("an answer of {length} bytes is more than a load machine can hand on");
    let end = End::Info(class::PROTOCOL.to_owned(), why);
    Some(FromLoad::Outcome(Outcome { end, ..outcome.clone() }))
}

/// All that it has to do with.
struct Agent {
    target: Arc<dyn Target>,
    /// The same with the run's keys: clients are of this one.
    apart: Arc<dyn Target>,
    hello: Hello,
    out: SyncSender<FromLoad>,
    clients: Arc<Clients>,
    origin: Arc<Here>,
    /// By thread.
    connected: Vec<Option<Box<dyn Client>>>,
    /// The last operation that each thread has begun.
    last: Vec<u64>,
    flights: JoinSet<Flown>,
    owners: HashMap<Id, (usize, u64)>,
}

/// An operation that is over: whose, what came of it, and after how long.
type Flown = ((usize, u64), Performed, Duration);

impl Agent {
    fn new(ready: &Ready, hello: Hello, out: SyncSender<FromLoad>) -> Self {
        let told = out.clone();
        // Of a controller that is gone, or does not listen, one hears soon enough.
        let clients = Clients::away(move |fault| _ = told.try_send(FromLoad::Hit { fault }));
        Self {
            target: Arc::clone(&ready.target),
            apart: Arc::clone(&ready.apart),
            out,
            clients: Arc::new(clients),
            origin: Arc::default(),
            connected: (0..hello.threads).map(|_| None).collect(),
            last: vec![0; hello.threads],
            flights: JoinSet::new(),
            owners: HashMap::new(),
            hello,
        }
    }

    /// Does what comes, until the controller says goodbye, goes away or falls silent; did it say so?
    async fn obey(mut self, mut heard: mpsc::Receiver<ToLoad>) -> bool {
        let dismissed = loop {
            let silence = Instant::now() + self.hello.dead_man;
            let Some(message) = self.work_until(silence, &mut heard).await else { break false };
            let said = match message {
                ToLoad::Call(call) => self.begin(call),
                ToLoad::Struck(struck) => {
                    self.clients.set(struck);
                    true
                }
                ToLoad::Beat { at } => self.say(FromLoad::Beat { at }),
                ToLoad::Ask { id, what } => {
                    self.ask(id, what);
                    true
                }
                ToLoad::Bye => break true,
                ToLoad::Hello(_) => true,
            };
            if !said {
                break false;
            }
        };
        for text in self.target.notes(true) {
            self.say(FromLoad::Note { text });
        }
        dismissed
    }

    /// Lets clients work until the next message; `None` when there is none before that time, or nobody to be
    /// answered.
    async fn work_until(&mut self, silence: Instant, heard: &mut mpsc::Receiver<ToLoad>) -> Option<ToLoad> {
        let mut notes = Instant::now() + NOTES_POLL;
        loop {
            tokio::select! {
                biased;
                Some(flown) = self.flights.join_next_with_id() => if !self.end(flown) {
                    return None;
                },
                message = heard.recv() => return message,
                () = tokio::time::sleep_until(notes.min(silence)) => {
                    if Instant::now() >= silence {
                        return None;
                    }
                    for text in self.target.notes(false) {
                        self.say(FromLoad::Note { text });
                    }
                    notes = Instant::now() + NOTES_POLL;
                }
            }
        }
    }

    /// `false` when nobody hears.
    fn say(&self, message: FromLoad) -> bool {
        self.out.try_send(message).is_ok()
    }

    fn begin(&mut self, call: Call) -> bool {
        let Call { thread, node, f, value, nth, usual_steps, fresh } = call;
        let (Some(slot), Some(node)) = (self.connected.get_mut(thread), self.hello.nodes.get(node)) else {
            return false;
        };
        let client = slot.take().filter(|_| !fresh);
        self.last[thread] = nth;
        let attempt = Attempt {
            target: Arc::clone(&self.apart),
            node: node.clone(),
            invocation: Invocation { f, value },
            timeout: self.hello.op_timeout,
            clients: Arc::clone(&self.clients),
            thread,
            nth,
            usual_steps,
        };
        let begun = Instant::now();
        let flight = async move { ((thread, nth), attempt.perform(client).await, begun.elapsed()) };
        let handle = self.flights.spawn(flight);
        self.owners.insert(handle.id(), (thread, nth));
        true
    }

    /// Keeps the client, unless its process never acts again, or its outcome came so late that the thread has gone
    /// on without it: it would take the place of the next one, with all that this holds. One that panicked may
    /// have sent its operation.
    fn end(&mut self, flown: Result<(Id, Flown), JoinError>) -> bool {
        let ((thread, nth), performed, took) = match flown {
            Ok((id, flown)) => {
                self.owners.remove(&id);
                flown
            }
            Err(error) => {
                let Some(owner) = self.owners.remove(&error.id()) else { return true };
                let error = ClientError::new(class::PANIC, error.to_string());
                (owner, Performed::without_client(Completion::Info(error)), Duration::ZERO)
            }
        };
        let Performed { client, completion, steps } = performed;
        let is_last = self.last[thread] == nth;
        let client = client.filter(|_| is_last && !matches!(completion, Completion::Info(_)));
        let kept = client.is_some();
        if is_last {
            self.connected[thread] = client;
        }
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.say(FromLoad::Outcome(Outcome { thread, nth, end: completion.into(), steps, kept, took }))
    }

    /// Answers on a thread of its own: it may wait.
    fn ask(&self, id: u64, what: Ask) {
        let (origin, out) = (Arc::clone(&self.origin), self.out.clone());
        tokio::task::spawn_blocking(move || {
            let answer = match what {
                Ask::Acquaint { to, port, nonce } => {
                    origin.acquaint((to, port), nonce).map(|()| Answer::Begun)
                }
                Ask::Send { to, port, nonce, how } => origin.send((to, port), nonce, how).map(Answer::Sent),
                Ask::Hear { like, port } => origin.hear(like, port).map(Answer::Port),
                Ask::Heard { nonce, patience } => origin.heard(nonce, patience).map(Answer::Heard),
            };
            let answer = answer.map_err(|error| error.to_string());
            // To nobody, when the controller is gone.
            let _ = out.try_send(FromLoad::Answer { id, answer });
        });
    }
}
