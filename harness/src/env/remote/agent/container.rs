//! An agent for processes that somebody else has started: those of one container, among which it runs itself.
//! It ends them, holds them and lets them go on, and does nothing else.
//!
//! It ends when they do, and with them: the first process of a container takes all of its PID namespace
//! along. The kernel forbids whoever lives in a PID namespace to kill or stop its first process by a signal,
//! so they are traced: who traces may let the kernel kill them at the tracer's own end. What is held goes on
//! when this process ends, however it does, so there is nothing for a watchdog to remove.

use super::{Did, trouble};
use crate::env::local::{Tracee, thread_states};
use crate::env::remote::lines;
use crate::env::remote::wire::{Answer, Ask, FromAgent, Hello, PROTOCOL, ToAgent, Trouble};
use crate::env::{ProcessState, Stop};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Messages that have been read and not looked at.
const QUEUE: usize = 64;
/// How often one looks whether the container has ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long it may take until all threads stand still.
const HELD_WITHIN: Duration = Duration::from_secs(5);
/// What a server has to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// How long ends may take that the kernel brings about.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// How often one looks whether they have come.
const POLL: Duration = Duration::from_millis(5);

/// Serves the controller until it is gone, or the container is.
pub(super) fn serve(hello: &Hello, container: &str, mut input: impl BufRead + Send + 'static) -> ExitCode {
    let say = |message: &FromAgent| lines::write(&mut io::stdout(), message, &[]).is_ok();
    let mut found = Container { id: container.to_owned(), held: None };
    if found.processes().is_empty() {
        let why = "of the processes that can be seen none has its identity in its control group".to_owned();
        let told = say(&FromAgent::Refused(trouble("find the processes of its container", why)));
        return ExitCode::from(if told { 0 } else { 3 });
    }
    let (hear, heard) = sync_channel(QUEUE);
    let reader = Builder::new().name("reader".into()).spawn(move || {
        while let Ok(Some(message)) = lines::read::<ToAgent>(&mut input) {
            if hear.send(message).is_err() {
                return;
            }
        }
    });
    let welcome = FromAgent::Welcome { protocol: PROTOCOL, capabilities: Vec::new(), addresses: Vec::new() };
    if reader.is_err() || !say(&welcome) {
        return ExitCode::from(3);
    }
    let mut last_word = Instant::now();
    while last_word.elapsed() < hello.dead_man {
        match heard.recv_timeout(LOOK_EVERY) {
            Ok((ToAgent::Ask { id, what }, _)) => {
                let answer = found.act(what).map(|(answer, _)| answer);
                say(&FromAgent::Answer { id, answer });
                last_word = Instant::now();
            }
            Ok((ToAgent::Bye, _)) => {
                drop(found);
                say(&FromAgent::Bye);
                return ExitCode::SUCCESS;
            }
            Ok((ToAgent::Beat | ToAgent::Hello(_), _)) => last_word = Instant::now(),
            // Processes that come when the container is started again are none of these.
            Err(RecvTimeoutError::Timeout) if found.processes().is_empty() => break,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    ExitCode::SUCCESS
}

/// The processes of a container.
struct Container {
    /// Its identity.
    id: String,
    held: Option<Held>,
}

impl Container {
    fn processes(&self) -> Vec<u32> {
        processes(&self.id)
    }

    fn act(&mut self, what: Ask) -> Did {
        let (what, done) = match what {
            Ask::State => return Ok((Answer::State(self.state()), Vec::new())),
            Ask::Pause => ("hold its processes", self.hold()),
            Ask::Resume => ("let its processes go on", self.release()),
            Ask::Stop { how: Stop::Kill } | Ask::StopMain { how: Stop::Kill } => {
                ("kill its processes", self.kill())
            }
            Ask::Stop { how: Stop::Terminate } | Ask::StopMain { how: Stop::Terminate } => {
                ("end its processes", self.terminate())
            }
            other => return Err(trouble("do what it is asked", format!("{other:?} is not for a container"))),
        };
        done.map(|()| (Answer::Done, Vec::new())).map_err(|why| Trouble { what: what.to_owned(), why })
    }

    fn state(&self) -> ProcessState {
        let processes = self.processes();
        let mut states = processes.iter().flat_map(|&pid| thread_states(pid)).peekable();
        match processes.first() {
            Some(&pid) if states.peek().is_some() => {
                // Ended threads do nothing.
                let still = states.all(|state| matches!(state, 't' | 'T' | 'Z' | 'X'));
                if still { ProcessState::Paused { pid } } else { ProcessState::Running { pid } }
            }
            _ => ProcessState::Gone,
        }
    }

    fn hold(&mut self) -> Result<(), String> {
        if self.held.is_none() {
            self.held = Some(Held::begin(self.id.clone())?);
        }
        Ok(())
    }

    fn release(&mut self) -> Result<(), String> {
        self.held.take().map_or(Ok(()), |held| held.end(End::GoOn))
    }

    /// All at once: none of them does anything after another one's end.
    fn kill(&mut self) -> Result<(), String> {
        self.hold()?;
        self.held.take().map_or(Ok(()), |held| held.end(End::Die))?;
        self.await_end(GONE_WITHIN)
            .then_some(())
            .ok_or_else(|| format!("it is still there {GONE_WITHIN:?} after SIGKILL"))
    }

    /// As a kubelet would: a first process that takes no notice of the signal is killed in the end.
    fn terminate(&mut self) -> Result<(), String> {
        self.release()?;
        let main = self.processes().first().and_then(|&pid| i32::try_from(pid).ok());
        let Some(main) = main else { return Ok(()) };
        // Whoever has ended meanwhile need not be told.
        let _ = kill(Pid::from_raw(main), Signal::SIGTERM);
        if self.await_end(GRACE) { Ok(()) } else { self.kill() }
    }

    fn await_end(&self, within: Duration) -> bool {
        let patience = Instant::now() + within;
        while self.state() != ProcessState::Gone {
            if Instant::now() > patience {
                return false;
            }
            sleep(POLL);
        }
        true
    }
}

/// Processes that stand still, traced by a thread that does nothing else: the kernel lets go of them when it
/// ends.
struct Held {
    tell: SyncSender<End>,
    thread: JoinHandle<Result<(), String>>,
}

/// What becomes of them.
enum End {
    GoOn,
    Die,
}

impl Held {
    fn begin(container: String) -> Result<Self, String> {
        let (tell, told) = sync_channel(1);
        let (ready, made) = sync_channel(1);
        let trace = move || {
            let threads = match hold_all(&container) {
                Ok(threads) => threads,
                Err(why) => {
                    let _ = ready.send(Err(why));
                    return Ok(());
                }
            };
            let _ = ready.send(Ok(()));
            match told.recv() {
                Ok(End::Die) => threads.values().try_for_each(Tracee::condemn),
                // Nobody is there who could tell.
                Ok(End::GoOn) | Err(_) => release_all(threads),
            }
        };
        let thread = Builder::new().name("tracer".into()).spawn(trace).map_err(|error| error.to_string())?;
        made.recv().map_err(|_| "the tracer has ended".to_owned())??;
        Ok(Self { tell, thread })
    }

    fn end(self, how: End) -> Result<(), String> {
        let _ = self.tell.send(how);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Holds all threads of all processes, those that are born meanwhile, too.
fn hold_all(container: &str) -> Result<BTreeMap<u32, Tracee>, String> {
    let patience = Instant::now() + HELD_WITHIN;
    let mut held = BTreeMap::new();
    loop {
        let running = |thread: &u32| !held.contains_key(thread) && !has_ended(*thread);
        let fresh: Vec<u32> = processes(container).into_iter().flat_map(threads).filter(running).collect();
        if fresh.is_empty() {
            return Ok(held);
        }
        for thread in fresh {
            let traced = Tracee::seize(thread).and_then(|mut tracee| tracee.interrupt().map(|()| tracee));
            match traced {
                Ok(tracee) => drop(held.insert(thread, tracee)),
                Err(_) if has_ended(thread) => {}
                Err(why) => {
                    let _ = release_all(held);
                    return Err(format!("thread {thread}: {why}"));
                }
            }
        }
        if Instant::now() > patience {
            let _ = release_all(held);
            return Err(format!("new threads still come after {HELD_WITHIN:?}"));
        }
    }
}

fn release_all(held: BTreeMap<u32, Tracee>) -> Result<(), String> {
    let released: Vec<_> = held.into_values().map(Tracee::release).collect();
    released.into_iter().collect()
}

/// The container's processes, in order of their numbers. Its identity is a part of the name of their control
/// group, as far as that can be seen from here.
fn processes(container: &str) -> Vec<u32> {
    let of = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains(container))
    };
    let lives = |pid: &u32| thread_states(*pid).iter().any(|state| !matches!(state, 'Z' | 'X'));
    let mut found: Vec<u32> = numbers("/proc").into_iter().filter(of).filter(lives).collect();
    found.sort_unstable();
    found
}

fn threads(pid: u32) -> Vec<u32> {
    numbers(&format!("/proc/{pid}/task"))
}

fn numbers(folder: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Has this thread ended, or is it about to?
fn has_ended(thread: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_none_or(|state| state.trim_start().starts_with(['Z', 'X']))
}
