//! The controller's end of the line to one agent: asks, and hears what comes back.
//!
//! A line that breaks stays broken: by then the agent heals its host and ends its server, so there is
//! nothing to come back to.

use super::capability::Capability;
use super::lines;
use super::transport::{Leash, Stream, Transport};
use super::wire::{Answer, Ask, FromAgent, Hello, PROTOCOL, ToAgent, Trouble};
use crate::env::EnvError;
use crate::env::trap::{Catcher, Snare, Trap};
use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::IpAddr;
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for an answer: what takes long on a host is bounded there.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Longest wait for an agent's last word: by then its host is healed.
const WORD_WITHIN: Duration = Duration::from_secs(30);
/// How often one looks whether it has come.
const WORD_POLL: Duration = Duration::from_millis(5);
/// So many signs of life within the time after which an agent heals its host.
const BEATS: u32 = 5;
/// Ends of servers that nobody has asked about.
const MOST_EXITS: usize = 1_000;

/// An agent, and the line to it. It is told that the run is over when this is dropped.
pub(in crate::env) struct Connection {
    line: Arc<Line>,
    beat: Option<(SyncSender<()>, JoinHandle<()>)>,
    reader: Option<JoinHandle<()>>,
    /// What the host can do.
    pub(super) capabilities: Vec<Capability>,
    /// By which others may know it.
    pub(super) addresses: Vec<IpAddr>,
    process: Leash,
}

struct Line {
    host: String,
    /// Absent when the run is over.
    input: Mutex<Option<ChildStdin>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    waiting: BTreeMap<u64, SyncSender<Told>>,
    /// Traps that have caught nothing yet.
    traps: BTreeMap<u64, Catcher>,
    exits: Vec<(String, bool)>,
    /// Why nothing comes any more.
    lost: Option<String>,
    told_of_loss: bool,
}

type Told = Result<(Answer, Vec<u8>), Trouble>;

/// An answer that is still to come.
pub(in crate::env) struct Pending<'a>(&'a Line, Receiver<Told>);

impl Connection {
    /// Speaks the first word to an agent that has just been started.
    ///
    /// # Errors
    /// When the agent refuses.
    pub(in crate::env) fn begin(
        transport: &dyn Transport,
        mut stream: Stream,
        hello: &Hello,
    ) -> Result<Self, EnvError> {
        let what = format!("use {}", transport.host());
        let hello_word = (&ToAgent::Hello(hello.clone()), &[][..]);
        let (capabilities, addresses) = stream.greet((transport, &what), hello_word, |word| match word {
            FromAgent::Welcome { protocol: PROTOCOL, capabilities, addresses } => {
                Some(Ok((capabilities, addresses)))
            }
            FromAgent::Refused(Trouble { what, why }) => Some(Err((what, why))),
            _ => None,
        })?;
        let Stream { input, output, process } = stream;
        let line = Arc::new(Line {
            host: transport.host().to_owned(),
            input: Mutex::new(Some(input)),
            state: Mutex::default(),
        });
        let no_thread = |error: std::io::Error| EnvError::Unable {
            what: what.clone(),
            why: error.to_string(),
            fix: "raise the limit of processes (ulimit -u)".to_owned(),
        };
        let heard = Arc::clone(&line);
        let reader = std::thread::Builder::new().name("agent".into()).spawn(move || {
            let why = heard.hear(output);
            heard.lose(why);
        });
        let beat = beat(Arc::clone(&line), hello.dead_man / BEATS).map_err(no_thread)?;
        let reader = Some(reader.map_err(no_thread)?);
        Ok(Self { line, beat: Some(beat), reader, capabilities, addresses, process })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What the agent could not do, or why it cannot be asked.
    pub(in crate::env) fn ask(&self, what: Ask) -> Told {
        self.send(what, &[])?.wait()
    }

    /// Asks, and does not wait.
    ///
    /// # Errors
    /// Why it cannot be asked.
    pub(in crate::env) fn send(&self, what: Ask, body: &[u8]) -> Result<Pending<'_>, Trouble> {
        let (tell, told) = sync_channel(1);
        let id = {
            let mut state = self.line.state();
            if let Some(why) = &state.lost {
                return Err(self.line.trouble(why));
            }
            state.next += 1;
            let id = state.next;
            state.waiting.insert(id, tell);
            id
        };
        self.line.say(&ToAgent::Ask { id, what }, body).map_err(|why| {
            self.line.state().waiting.remove(&id);
            self.line.trouble(&why)
        })?;
        Ok(Pending(&self.line, told))
    }

    /// Has it broken, or the agent ended?
    pub(in crate::env) fn is_lost(&self) -> bool {
        self.line.state().lost.is_some()
    }

    /// Lays a snare on the host. The call that it catches waits there until the trap is dropped here.
    ///
    /// # Errors
    /// What the agent could not do, or why it cannot be asked.
    pub(super) fn trap(&self, snare: Snare) -> Result<Trap, Trouble> {
        let (trap, catcher) = Trap::lay();
        let id = {
            let mut state = self.line.state();
            state.next += 1;
            let id = state.next;
            state.traps.insert(id, catcher);
            id
        };
        let laid = self.ask(Ask::Trap { id, snare });
        if laid.is_err() {
            self.line.state().traps.remove(&id);
        }
        laid.map(|_| trap)
    }

    /// Ends of the server that nobody asked for, since the last call; with whether its disk had failed it. When the line breaks, the agent
    /// kills it: that is somebody else's doing, and no crash.
    pub(super) fn exits(&self) -> Vec<(String, bool)> {
        let mut state = self.line.state();
        let mut exits = std::mem::take(&mut state.exits);
        if let (Some(why), false) = (&state.lost, state.told_of_loss) {
            let by_whom = format!("by its agent, since the line to {} broke: {why}", self.line.host);
            exits.push((format!("signal: 9 (SIGKILL) {by_whom}"), false));
            state.told_of_loss = true;
        }
        exits
    }
}

impl Pending<'_> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// What the agent could not do, or that it does not answer.
    pub(in crate::env) fn wait(self) -> Told {
        let Self(line, told) = self;
        match told.recv_timeout(ANSWER_WITHIN) {
            Ok(told) => told,
            Err(RecvTimeoutError::Timeout) => {
                Err(line.trouble(&format!("it did not answer within {ANSWER_WITHIN:?}")))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let why = line.state().lost.clone();
                Err(line.trouble(&why.unwrap_or_else(|| "it has ended".to_owned())))
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.beat.take() {
            drop(end);
            let _ = thread.join();
        }
        let told = self.line.say(&ToAgent::Bye, &[]).is_ok();
        // The end of its input is the same word.
        *self.line.input.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let patience = Instant::now() + WORD_WITHIN;
        while told && self.line.state().lost.is_none() && Instant::now() < patience {
            std::thread::sleep(WORD_POLL);
        }
        // Its output ends with it, and so does the thread that reads it.
        self.process.last_words();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, what: &ToAgent, body: &[u8]) -> Result<(), String> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let input = input.as_mut().ok_or("the run is over")?;
        lines::write(input, what, body).map_err(|error| error.to_string())
    }

    fn trouble(&self, why: &str) -> Trouble {
        Trouble { what: format!("speak with its agent on {}", self.host), why: why.to_owned() }
    }

    /// Hands on what the agent says, until it says nothing more; why.
    fn hear(self: &Arc<Self>, mut output: BufReader<ChildStdout>) -> String {
        loop {
            match lines::read(&mut output) {
                Ok(Some((FromAgent::Answer { id, answer }, body))) => {
                    let waiting = self.state().waiting.remove(&id);
                    // Who has given up waiting does not want to know.
                    if let Some(tell) = waiting {
                        let _ = tell.send(answer.map(|answer| (answer, body)));
                    }
                }
                Ok(Some((FromAgent::Exited { status, disk }, _))) => {
                    let mut state = self.state();
                    if state.exits.len() < MOST_EXITS {
                        state.exits.push((status, disk));
                    }
                }
                Ok(Some((FromAgent::Caught { trap }, _))) => self.hold(trap),
                Ok(Some((FromAgent::Bye, _))) => return "it has healed its host and ended".to_owned(),
                Ok(Some((FromAgent::Welcome { .. } | FromAgent::Refused(_), _))) => {}
                Ok(None) => return "it has ended".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }

    /// Holds a call that has been caught until its trap is dropped. Without a thread for that it goes on
    /// when the agent has waited long enough.
    fn hold(self: &Arc<Self>, trap: u64) {
        let Some(catcher) = self.state().traps.remove(&trap) else { return };
        let line = Arc::clone(self);
        let _ = std::thread::Builder::new().name("trap".into()).spawn(move || {
            catcher.hold();
            let id = {
                let mut state = line.state();
                state.next += 1;
                state.next
            };
            // Nobody waits for the answer. Where the line has broken, the server is being ended.
            let _ = line.say(&ToAgent::Ask { id, what: Ask::Release { id: trap } }, &[]);
        });
    }

    /// Whoever waits, waits no longer.
    fn lose(&self, why: String) {
        let mut state = self.state();
        state.lost = Some(why);
        state.waiting.clear();
        state.traps.clear();
    }
}

/// Tells the agent again and again that somebody is there.
fn beat(line: Arc<Line>, every: Duration) -> std::io::Result<(SyncSender<()>, JoinHandle<()>)> {
    let (end, ended) = sync_channel::<()>(0);
    let thread = std::thread::Builder::new().name("beat".into()).spawn(move || {
        while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            if line.say(&ToAgent::Beat, &[]).is_err() {
                return;
            }
        }
    })?;
    Ok((end, thread))
}
