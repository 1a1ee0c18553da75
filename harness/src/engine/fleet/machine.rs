//! The controller's end of the line to one load machine: sends calls, and hears how they ended.
//!
//! Two threads, so that neither the scheduler nor a beat ever waits for a pipe. A line that breaks, or on which
//! nothing is heard for too long, stays broken: the agent ends its clients by then, and what was open is in
//! doubt.

use super::super::{Clients, Clock};
use super::wire::{Answer, Ask, Call, FromLoad, Hello, Outcome, PROTOCOL, QUEUE, ToLoad, pack};
use crate::engine::clients::ClientFault;
use crate::engine::perform::Performed;
use crate::env::EnvError;
use crate::env::remote::Origin;
use crate::env::remote::binary::AgentBinary;
use crate::env::remote::lines;
use crate::env::remote::transport::{Leash, Stream, Transport, open_load};
use crate::env::remote::wire::{How, Sent};
use duress_reports::artifact::LoadMachine;
use duress_targets::{ClientError, Completion};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::HashMap;
use std::fs;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// So many signs of life within the time after which the clients there end.
const BEATS: u32 = 5;
/// Bytes that are read at once.
const PIECE: usize = 1 << 16;
/// Longest wait for an answer about the network, beyond what that may take itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Notes that nobody has asked for.
const MOST_NOTES: usize = 1_000;

/// A load machine, and the line to it. Its clients are told to end when this is dropped.
pub(super) struct Machine {
    line: Arc<Line>,
    threads: Vec<JoinHandle<()>>,
}

struct Line {
    host: String,
    /// As other machines reach it, as far as anybody here knows.
    address: Option<IpAddr>,
    dead_man: Duration,
    /// After so long an outcome has been lost.
    patience: Duration,
    /// Of client programs.
    logs: PathBuf,
    begun: Instant,
    process: Mutex<Leash>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Absent when nothing is to be said any more.
    queue: Option<SyncSender<ToLoad>>,
    /// By thread.
    calls: HashMap<usize, Open>,
    asked: u64,
    answers: HashMap<u64, SyncSender<Result<Answer, String>>>,
    /// Whom hits are told.
    run: Option<(Arc<Clients>, Clock)>,
    notes: Vec<String>,
    figures: Figures,
    /// The run is over.
    dismissed: bool,
    /// Why nothing comes any more, and when that was seen.
    lost: Option<(String, Option<u64>)>,
    told_of_loss: bool,
}

/// A call that has been sent.
struct Open {
    nth: u64,
    sent: Instant,
    tell: oneshot::Sender<Outcome>,
}

#[derive(Default)]
struct Figures {
    calls: u64,
    /// What they took there, and here beyond that.
    there: Duration,
    line: Duration,
    /// The fastest way there and back.
    round_trip: Option<Duration>,
}

impl Machine {
    /// Puts the agent there, and speaks the first word, with the files that clients need; their logs come into
    /// this folder in the end. After so long an outcome has been lost.
    ///
    /// # Errors
    /// When it cannot be reached, or will not work.
    pub(super) fn begin(
        transport: &dyn Transport,
        binary: &AgentBinary,
        (hello, files): (&Hello, &[u8]),
        (logs, patience): (&Path, Duration),
    ) -> Result<Self, EnvError> {
        let mut stream = open_load(transport, binary)?;
        let what = format!("use the load machine {}", transport.host());
        let hello_word = (&ToLoad::Hello(Box::new(hello.clone())), files);
        stream.greet((transport, &what), hello_word, |word| match word {
            FromLoad::Welcome { protocol: PROTOCOL } => Some(Ok(())),
            FromLoad::Refused { why, fix } => Some(Err((why, fix))),
            _ => None,
        })?;
        let Stream { input, output, process } = stream;
        let (queue, waiting) = sync_channel(QUEUE);
        let line = Arc::new(Line {
            host: transport.host().to_owned(),
            address: transport.address().ok(),
            dead_man: hello.dead_man,
            patience,
            logs: logs.to_owned(),
            begun: Instant::now(),
            process: Mutex::new(process),
            state: Mutex::new(State { queue: Some(queue), ..State::default() }),
        });
        // From here on it is told to end when something fails.
        let mut machine = Self { line: Arc::clone(&line), threads: Vec::new() };
        let speaking = Arc::clone(&line);
        machine
            .start("load-out", move || speaking.speak(input, &waiting))
            .map_err(|error| no_thread(&error))?;
        machine
            .start("load-in", move || {
                let why = line.hear(output);
                line.lose(why);
            })
            .map_err(|error| no_thread(&error))?;
        Ok(machine)
    }

    fn start(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }

    pub(super) fn host(&self) -> &str {
        &self.line.host
    }

    /// Its clients are these, and this is the run's clock.
    pub(super) fn belong(&self, clients: &Arc<Clients>, clock: Clock) {
        self.line.state().run = Some((Arc::clone(clients), clock));
    }

    /// Tells it something that is not answered.
    pub(super) fn say(&self, what: ToLoad) {
        // One that cannot be told is lost, which shows by itself.
        let _ = self.line.state().send(what);
    }

    /// Has an operation performed there. There it has its time limits; here one waits until its outcome, the
    /// loss of the machine, or the time when both should have been noticed.
    pub(super) async fn perform(&self, call: Call) -> Performed<()> {
        let (tell, told) = oneshot::channel();
        let (thread, nth) = (call.thread, call.nth);
        let sent = {
            let mut state = self.line.state();
            let run = state.run.as_ref().map(|(clients, _)| Arc::clone(clients));
            let clients = run.ok_or_else(|| "no run has begun".to_owned());
            let sent = clients.and_then(|clients| state.send(ToLoad::Call(call)).map(|()| clients));
            if sent.is_ok() {
                state.calls.insert(thread, Open { nth, sent: Instant::now(), tell });
            }
            sent
        };
        let clients = match sent {
            Ok(clients) => clients,
            // Certain: it has not been sent.
            Err(why) => {
                let error = ClientError::new(ClientError::UNSTARTED, self.line.trouble(&why));
                return Performed::without_client(Completion::Fail(error));
            }
        };
        // In doubt where there is none: it may be on its way, and may be done at any time.
        match self.outcome(told, thread, &clients).await {
            Ok(Outcome { end, steps, kept, .. }) => {
                Performed { client: kept.then_some(()), completion: end.into(), steps }
            }
            Err(class) => {
                let why = self.lost().unwrap_or_else(|| "it did not answer".to_owned());
                let error = ClientError::new(class, self.line.trouble(&why));
                Performed::without_client(Completion::Info(error))
            }
        }
    }

    /// What comes of a call; or the class of the error when that is nothing. A client that stands still may do so
    /// for as long as its fault lasts.
    async fn outcome(
        &self,
        mut told: oneshot::Receiver<Outcome>,
        thread: usize,
        clients: &Clients,
    ) -> Result<Outcome, &'static str> {
        let mut seen = clients.watch();
        loop {
            let stands = matches!(seen.borrow_and_update().on(thread), Some((_, ClientFault::Pause)));
            tokio::select! {
                biased;
                outcome = &mut told => return outcome.map_err(|_| "load-machine-lost"),
                // The sender is in `clients`: it cannot close.
                _ = seen.changed() => {}
                () = tokio::time::sleep(self.line.patience), if !stands => return Err("outcome-lost"),
            }
        }
    }

    /// Why it is lost, if it is.
    pub(super) fn lost(&self) -> Option<String> {
        self.line.state().lost.as_ref().map(|(why, _)| why.clone())
    }

    /// The same, once, with the time.
    pub(super) fn loss(&self) -> Option<(String, Option<u64>)> {
        let mut state = self.line.state();
        if state.told_of_loss {
            return None;
        }
        state.told_of_loss = state.lost.is_some();
        state.lost.clone()
    }

    /// What its clients noticed since the last call.
    pub(super) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.line.state().notes)
    }

    pub(super) fn told(&self, clients: Vec<u64>) -> LoadMachine {
        let state = self.line.state();
        let Figures { calls, there, line, round_trip } = &state.figures;
        let mean = |sum: &Duration| micros(*sum).checked_div(*calls).unwrap_or(0);
        LoadMachine {
            host: self.line.host.clone(),
            clients,
            calls: *calls,
            there_us: mean(there),
            line_us: mean(line),
            round_trip_us: round_trip.map(micros),
            lost: state.lost.as_ref().map(|(why, _)| why.clone()),
        }
    }

    /// Asks about the network, and waits for the answer.
    fn ask(&self, what: Ask, takes: Duration) -> io::Result<Answer> {
        let (tell, told) = sync_channel(1);
        {
            let mut state = self.line.state();
            state.asked += 1;
            let id = state.asked;
            let trouble = |why: &str| io::Error::other(self.line.trouble(why));
            state.send(ToLoad::Ask { id, what }).map_err(|why| trouble(&why))?;
            state.answers.insert(id, tell);
        }
        match told.recv_timeout(takes + ANSWER_WITHIN) {
            Ok(answer) => answer.map_err(io::Error::other),
            Err(_) => {
                let why = self.lost().unwrap_or_else(|| "it does not answer".to_owned());
                Err(io::Error::other(self.line.trouble(&why)))
            }
        }
    }
}

impl Origin for Machine {
    fn name(&self) -> &str {
        &self.line.host
    }

    fn address(&self, _: IpAddr) -> io::Result<IpAddr> {
        self.line.address.ok_or_else(|| io::Error::other(self.line.trouble("nobody knows its address")))
    }

    fn acquaint(&self, (to, port): (IpAddr, u16), nonce: u64) -> io::Result<()> {
        match self.ask(Ask::Acquaint { to, port, nonce }, Duration::ZERO)? {
            Answer::Begun => Ok(()),
            other => Err(confused(other)),
        }
    }

    fn send(&self, (to, port): (IpAddr, u16), nonce: u64, how: How) -> io::Result<Sent> {
        match self.ask(Ask::Send { to, port, nonce, how }, Duration::ZERO)? {
            Answer::Sent(sent) => Ok(sent),
            other => Err(confused(other)),
        }
    }

    fn hear(&self, like: IpAddr, port: u16) -> io::Result<u16> {
        match self.ask(Ask::Hear { like, port }, Duration::ZERO)? {
            Answer::Port(port) => Ok(port),
            other => Err(confused(other)),
        }
    }

    fn heard(&self, nonce: u64, patience: Duration) -> io::Result<bool> {
        match self.ask(Ask::Heard { nonce, patience }, patience)? {
            Answer::Heard(heard) => Ok(heard),
            other => Err(confused(other)),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        {
            let mut state = self.line.state();
            state.dismissed = true;
            let _ = state.send(ToLoad::Bye);
            state.queue = None;
        }
        // The last word or silence ends one of them, and both together the other.
        for thread in self.threads.drain(..).rev() {
            let _ = thread.join();
        }
    }
}

impl State {
    /// To be sent with what else there is; `Err` when nothing of it ever will be.
    fn send(&mut self, what: ToLoad) -> Result<(), String> {
        let Some(queue) = &self.queue else {
            return Err(self.lost.as_ref().map_or("the run is over".to_owned(), |(why, _)| why.clone()));
        };
        queue.try_send(what).map_err(|error| match error {
            TrySendError::Full(_) => "it does not keep up".to_owned(),
            TrySendError::Disconnected(_) => "it has ended".to_owned(),
        })
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self, why: &str) -> String {
        format!("the load machine {}: {why}", self.host)
    }

    /// Sends what there is, all of it at once, and a beat when there is nothing.
    fn speak(&self, mut input: ChildStdin, waiting: &Receiver<ToLoad>) {
        let beat = || ToLoad::Beat { at: u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX) };
        let mut first = beat();
        let mut piece = Vec::new();
        loop {
            // Nothing here is as long as that; a line that is would be refused, and break.
            let packed = pack(&mut piece, first, || waiting.try_recv().ok(), |_, _| None);
            if packed.and_then(|()| input.write_all(&piece)).is_err() {
                return;
            }
            first = match waiting.recv_timeout(self.dead_man / BEATS) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => beat(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
        }
    }

    /// Hands on what the agent says, until it says nothing more; why.
    fn hear(&self, output: BufReader<ChildStdout>) -> String {
        let mut text = output.buffer().to_vec();
        let mut output = output.into_inner();
        loop {
            let mut lines = &text[..];
            while lines.contains(&b'\n') {
                match lines::read::<FromLoad>(&mut lines) {
                    Ok(Some((FromLoad::Bye, _))) => return "it has ended its clients".to_owned(),
                    Ok(Some((message, _))) => self.take(message),
                    Ok(None) => break,
                    Err(error) => return error.to_string(),
                }
            }
            let over = text.len() - lines.len();
            text.drain(..over);
            if text.len() as u64 > lines::LONGEST_LINE {
                return "it talks of other things".to_owned();
            }
            match self.more(&mut output, &mut text) {
                Ok(true) => {}
                Ok(false) => return "it has ended".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }

    /// Reads what comes next; `false` at the end.
    fn more(&self, output: &mut ChildStdout, text: &mut Vec<u8>) -> io::Result<bool> {
        let limit = PollTimeout::try_from(self.dead_man).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLIN)], limit) {
            Ok(0) => return Err(io::Error::other(format!("it has been silent for {:?}", self.dead_man))),
            Err(Errno::EINTR) => return Ok(true),
            ready => ready?,
        };
        let before = text.len();
        text.resize(before + PIECE, 0);
        let length = output.read(&mut text[before..])?;
        text.truncate(before + length);
        Ok(length > 0)
    }

    fn take(&self, message: FromLoad) {
        let mut state = self.state();
        match message {
            FromLoad::Outcome(outcome) => {
                let Some(open) = state.calls.remove(&outcome.thread) else { return };
                if open.nth != outcome.nth {
                    state.calls.insert(outcome.thread, open);
                    return;
                }
                let there = Duration::from_nanos(outcome.took);
                state.figures.calls += 1;
                state.figures.there += there;
                state.figures.line += open.sent.elapsed().saturating_sub(there);
                // Who has given up waiting does not want to know.
                let _ = open.tell.send(outcome);
            }
            FromLoad::Hit { fault } => {
                let run = state.run.as_ref().map(|(clients, _)| Arc::clone(clients));
                drop(state);
                if let Some(clients) = run {
                    clients.hit(fault);
                }
            }
            FromLoad::Beat { at } => {
                let took = self.begun.elapsed().saturating_sub(Duration::from_nanos(at));
                let least = state.figures.round_trip.map_or(took, |least| least.min(took));
                state.figures.round_trip = Some(least);
            }
            FromLoad::Note { text } if state.notes.len() < MOST_NOTES => {
                state.notes.push(format!("{}: {text}", self.host));
            }
            FromLoad::Log { connection, text } => {
                drop(state);
                self.keep_log(connection, &text);
            }
            FromLoad::Answer { id, answer } => {
                if let Some(tell) = state.answers.remove(&id) {
                    let _ = tell.send(answer);
                }
            }
            FromLoad::Note { .. } | FromLoad::Welcome { .. } | FromLoad::Refused { .. } | FromLoad::Bye => {}
        }
    }

    /// What cannot be written down is no reason to end anything.
    fn keep_log(&self, connection: u64, text: &str) {
        let _ = fs::create_dir_all(&self.logs)
            .and_then(|()| fs::write(self.logs.join(format!("{connection}.log")), text));
    }

    /// Whoever waits, waits no longer.
    fn lose(&self, why: String) {
        let words = self.process.lock().unwrap_or_else(PoisonError::into_inner).last_words();
        let mut state = self.state();
        let when = state.run.as_ref().map(|(_, clock)| clock.now());
        let why = if words.is_empty() { why } else { format!("{why}: {words}") };
        if !state.dismissed {
            state.lost = Some((why, when));
        }
        state.queue = None;
        state.calls.clear();
        state.answers.clear();
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn confused(answer: Answer) -> io::Error {
    io::Error::other(format!("it answered {answer:?}"))
}

fn no_thread(error: &io::Error) -> EnvError {
    EnvError::Unable {
        what: "start a thread".to_owned(),
        why: error.to_string(),
        fix: "raise the limit of processes (ulimit -u)".to_owned(),
    }
}
