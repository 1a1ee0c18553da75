//! `duress agent`: does to its own host what a controller asks for, and heals it when the controller is
//! gone, however it went.
//!
//! The node is a cluster of one on this machine's own network (`env::local`), so its processes end with
//! the agent by the kernel's doing. Rules of the network would stay: the `watchdog`, a process of its
//! own, removes them, and the `trace` says to whoever comes later what may have been left.

#[cfg(target_arch = "x86_64")]
mod container;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_container.rs"]
mod container;
mod ears;
mod firewall;
mod folder;
mod found;
mod line;
mod node;
mod packets;
mod sample;
mod store;
#[cfg(test)]
mod tests;
mod tools;
mod trace;
mod traps;
mod watchdog;

use super::capability::{Ability, Capability};
use super::lines;
use super::transport::run_dir;
use super::wire::{Answer, Ask, Charge, FromAgent, Hello, How, PROTOCOL, ToAgent, Trouble};
use crate::env::Environment as _;
use crate::env::cut::{Connections, Cut};
use crate::env::disk;
use crate::env::local::PROBE_PORT;
use crate::env::local::{self, try_out};
use ears::Ears;
pub(in crate::env) use ears::{await_probe, bind_everywhere, unspecified};
pub(in crate::env) use firewall::{Firewall, Tool, remove as remove_rules, tables};
pub(crate) use folder::Folder;
use node::Placed;
use packets::Packets;
use std::io::{self, BufReader, Stdout};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::Store;
pub use trace::heal;
use trace::{Trace, table_of};
use traps::Traps;
pub use watchdog::watch;

/// Requests that are worked on at a time: the nemesis asks for a few.
const MOST_AT_ONCE: usize = 64;
/// Messages that have been read and not looked at.
const QUEUE: usize = 64;
/// How often one looks whether the server has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a probe may take.
const HEARD_WITHIN: Duration = Duration::from_millis(400);
/// What to do where somebody else was reached.
const BE_ROOT: &str = "log in as root, or set become-root = \"sudo -n\"";
/// How long requests that are worked on may keep an agent from its end.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

/// All that an agent has to do with.
struct Agent {
    hello: Hello,
    out: Mutex<Stdout>,
    store: Store,
    firewall: Firewall,
    packets: Packets,
    traps: Traps,
    /// Absent where nothing is to be proven.
    ears: Option<Ears>,
    placed: Mutex<Option<Arc<Placed>>>,
    busy: AtomicUsize,
}

type Did = Result<(Answer, Vec<u8>), Trouble>;

/// Serves the controller at the standard input and output until it is gone.
pub fn serve() -> ExitCode {
    let mut input = BufReader::new(io::stdin());
    let hello = match lines::read(&mut input) {
        Ok(Some((ToAgent::Hello(hello), _))) => hello,
        _ => return ExitCode::from(254),
    };
    if let Charge::Container { id } = &hello.charge {
        return container::serve(&hello, id, input);
    }
    let say = |message: &FromAgent| lines::write(&mut io::stdout(), message, &[]);
    let (trace, table, capabilities) = match prepare(&hello) {
        Ok(prepared) => prepared,
        Err(trouble) => {
            let told = say(&FromAgent::Refused(trouble));
            return ExitCode::from(if told.is_ok() { 0 } else { 3 });
        }
    };
    let made = Agent::new(hello, &trace, &table, &capabilities);
    let agent = match made {
        Ok(agent) => Arc::new(agent),
        Err(trouble) => {
            trace.clear();
            let told = say(&FromAgent::Refused(trouble));
            return ExitCode::from(if told.is_ok() { 0 } else { 3 });
        }
    };
    let addresses = found::addresses();
    agent.say(&FromAgent::Welcome { protocol: PROTOCOL, capabilities, addresses }, &[]);
    let (hear, heard) = sync_channel(QUEUE);
    let reader = std::thread::Builder::new().name("reader".into()).spawn(move || {
        while let Ok(Some(message)) = lines::read(&mut input) {
            if hear.send(message).is_err() {
                return;
            }
        }
    });
    let dismissed = reader.is_ok() && agent.obey(&heard);
    agent.finish();
    trace.clear();
    // Where nobody hears, a word might wait for ever.
    if dismissed {
        agent.say(&FromAgent::Bye, &[]);
    }
    ExitCode::SUCCESS
}

/// Sees that the host may be used and can be, removes what dead agents have left, and notes that this
/// one is there.
fn prepare(hello: &Hello) -> Result<(Trace, String, Vec<Capability>), Trouble> {
    let refuse = |what: &str, why: &str| Trouble { what: what.to_owned(), why: why.to_owned() };
    if hello.protocol != PROTOCOL {
        return Err(refuse("its agent is of another version", "remove it there"));
    }
    if let Some(file) = hello.consent.as_ref().filter(|file| !file.exists()) {
        let what = format!("nobody has agreed to its being broken: it has no file {}", file.display());
        return Err(Trouble {
            what,
            why: format!("if it may be, say so there as root: touch {}", file.display()),
        });
    }
    // Rules are tried one by one, and nothing else is to be done to a network.
    let is_root = hello.charge != Charge::Host || local::missing_capabilities().is_empty();
    if !is_root {
        // Processes of one's own are anybody's right, where the kernel lets them be apart from others.
        local::acquire().map_err(|error| refuse(&format!("its agent is not root, and {error}"), BE_ROOT))?;
    }
    heal(&hello.dir);
    let own = run_dir(&hello.dir, &hello.run, &hello.node.name);
    let table = table_of(&own);
    let trace = Trace::leave(own, is_root.then(|| table.clone())).map_err(|error| {
        refuse(&format!("it cannot write to {}", hello.dir.display()), &error.to_string())
    })?;
    // From here on nothing that is done to the host outlives this process.
    if let Err(error) = watchdog::start(&trace.file) {
        trace.clear();
        return Err(refuse("it cannot start a watchdog", &error.to_string()));
    }
    let missing = |ability: Ability| {
        if ability.is_of_networks() && !is_root {
            return Some(format!("its agent is not root there: {BE_ROOT}"));
        }
        try_it(ability, trace.tool, &table).err()
    };
    let capabilities = hello.tries.iter().map(|&name| Capability { name, missing: missing(name) }).collect();
    Ok((trace, table, capabilities))
}

/// Uses one ability as a fault would. Whether programs will get clocks of their own is tried when the
/// node is made.
fn try_it(ability: Ability, tool: Tool, table: &str) -> Result<(), String> {
    let in_child = |what: fn() -> io::Result<()>| {
        local::in_child(|| what().map(|()| String::new()).map_err(|error| error.to_string())).map(drop)
    };
    match ability {
        Ability::Cuts => firewall::try_out(tool, table, Cut::default()),
        Ability::Rejects => firewall::try_out(tool, table, Cut { reject: true, ..Cut::default() }),
        Ability::Connections => {
            firewall::try_out(tool, table, Cut { connections: Connections::New, ..Cut::default() })
        }
        Ability::Clocks if cfg!(target_arch = "x86_64") => Ok(()),
        Ability::Clocks => Err("clocks are skewed on x86-64 only".to_owned()),
        // It makes threads, in whose presence nothing can be tried in a child any more.
        Ability::Packets => in_child_with(table),
        Ability::Disks => in_child(try_out::fuse),
        Ability::Memory => in_child(try_out::memory),
        Ability::Calls => in_child(try_out::trap),
    }
}

/// What the network of the calling thread allows, tried with rules that go again at once.
pub(in crate::env) fn firewall_capabilities(tool: Tool, table: &str) -> [Capability; 2] {
    [Ability::Cuts, Ability::Rejects]
        .map(|name| Capability { name, missing: try_it(name, tool, table).err() })
}

fn in_child_with(table: &str) -> Result<(), String> {
    let tried = local::in_child(|| packets::try_out(table).map(|()| String::new())).map(drop);
    // What it was too late to remove itself.
    packets::remove(table);
    tried
}

impl Agent {
    fn new(hello: Hello, trace: &Trace, table: &str, capabilities: &[Capability]) -> Result<Self, Trouble> {
        let probed =
            |capability: &Capability| capability.name.is_of_networks() && capability.missing.is_none();
        let ears = capabilities.iter().any(probed).then(Ears::open).transpose();
        let ears = ears.map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    format!(
                        "somebody listens at its UDP port {PROBE_PORT}: does another run break it already?"
                    )
                }
                _ => error.to_string(),
            };
            trouble("it cannot hear probes", why)
        })?;
        Ok(Self {
            out: Mutex::new(io::stdout()),
            store: Store::new(&hello.dir),
            firewall: Firewall::new(trace.tool, table.to_owned()),
            packets: Packets::new(table),
            traps: Traps::default(),
            ears,
            placed: Mutex::new(None),
            busy: AtomicUsize::new(0),
            hello,
        })
    }

    /// Does what comes, until the controller says goodbye, goes away or falls silent; did it say so?
    fn obey(self: &Arc<Self>, heard: &Receiver<(ToAgent, Vec<u8>)>) -> bool {
        // Dropped, it tells the thread to end, which may be stuck with a word that nobody hears.
        let (_end, ended) = sync_channel::<()>(0);
        let watcher = Arc::clone(self);
        let exits = std::thread::Builder::new().name("exits".into());
        let Ok(_) = exits.spawn(move || watcher.tell_exits(&ended)) else { return false };
        while let Ok((message, body)) = heard.recv_timeout(self.hello.dead_man) {
            match message {
                ToAgent::Ask { id, what } => self.work(id, what, body),
                ToAgent::Bye => return true,
                ToAgent::Beat | ToAgent::Hello(_) => {}
            }
        }
        false
    }

    /// Answers a request on a thread of its own; a file's parts one after the other.
    fn work(self: &Arc<Self>, id: u64, what: Ask, body: Vec<u8>) {
        if let Ask::File { sha256, last } = &what {
            let kept = self.store.add(sha256, &body, *last);
            return self.answer(id, kept.map(|()| (Answer::Done, Vec::new())));
        }
        if self.busy.fetch_add(1, Ordering::AcqRel) >= MOST_AT_ONCE {
            self.busy.fetch_sub(1, Ordering::AcqRel);
            return self.answer(id, Err(trouble("do more at a time", "too much is asked of it".to_owned())));
        }
        let agent = Arc::clone(self);
        let worker = std::thread::Builder::new().name("worker".into()).spawn(move || {
            let did = agent.act(what, &body);
            // Done: to be heard may take for ever, and whoever heals does not wait for that.
            agent.busy.fetch_sub(1, Ordering::AcqRel);
            agent.answer(id, did);
        });
        if let Err(error) = worker {
            self.busy.fetch_sub(1, Ordering::AcqRel);
            self.answer(id, Err(trouble("start a thread", error.to_string())));
        }
    }

    fn act(self: &Arc<Self>, what: Ask, body: &[u8]) -> Did {
        let done = |answer: Answer| Ok((answer, Vec::new()));
        match what {
            Ask::HasFile { sha256 } => done(if self.store.has(&sha256) { Answer::Yes } else { Answer::No }),
            Ask::File { .. } => unreachable!("it is kept where it is heard"),
            Ask::Arrange { name, files } => done(Answer::At(self.store.arrange(&name, &files)?)),
            Ask::Find { program } => done(found::program(&program)),
            Ask::Busy { ports } => done(Answer::Busy(found::busy(self.hello.node.addr, &ports))),
            Ask::Make(server) => {
                let dir = run_dir(&self.hello.dir, &self.hello.run, &self.hello.node.name);
                let placed = Placed::make(&self.hello.node, &dir, &server, &self.store)?;
                *self.placed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(placed));
                done(Answer::Done)
            }
            Ask::Cut { rules } => {
                let cut = self.firewall.set(&rules);
                cut.map(|()| (Answer::Done, Vec::new())).map_err(|why| trouble("change its rules", why))
            }
            Ask::Taken { fault } => {
                let here = self.packets.taken(fault);
                self.count("counters", self.firewall.taken(fault).map(|taken| taken + here))
            }
            Ask::ProbesTaken => self.count("counters", self.firewall.probes_taken()),
            Ask::Listen { port } => self.ears()?.listen(port).map(|()| (Answer::Done, Vec::new())),
            Ask::Deaf { port } => {
                self.ears()?.close(port);
                done(Answer::Done)
            }
            Ask::Know { peers } => {
                let known = self.firewall.know(peers);
                known.map(|()| (Answer::Done, Vec::new())).map_err(|why| trouble("change its rules", why))
            }
            Ask::Acquaint { to, port, nonce } => {
                self.ears()?.acquaint((to, port), nonce).map(|()| (Answer::Done, Vec::new()))
            }
            Ask::Send { to, port, nonce, how } => {
                // What befalls packets here is none of the cut's that it is to prove.
                let past = self.packets.way_past(to);
                Ok((Answer::Sent(self.ears()?.send((to, port), nonce, (how, past))?), Vec::new()))
            }
            Ask::Mistreat { peers, behaviors } => {
                let set = self.packets.set(&peers, &behaviors);
                set.map(|()| (Answer::Done, Vec::new())).map_err(|why| trouble("mistreat packets", why))
            }
            Ask::Sample { to, behavior, nonce, most } => done(self.sample(to, &behavior, (nonce, most))?),
            Ask::SendPast { to, nonce } => {
                let past = self.packets.way_past(to);
                Ok((
                    Answer::Sent(self.ears()?.send((to, PROBE_PORT), nonce, (How::default(), past))?),
                    Vec::new(),
                ))
            }
            Ask::Missed { nonce, witness } => {
                done(match self.ears()?.missed(nonce, witness, HEARD_WITHIN)? {
                    Some(true) => Answer::Yes,
                    Some(false) => Answer::No,
                    None => Answer::Done,
                })
            }
            Ask::Traffic { to } => match self.packets.traffic(to) {
                Ok(traffic) => done(Answer::Traffic(traffic)),
                Err(why) => Err(trouble("count packets", why)),
            },
            Ask::Trap { id, snare } => {
                let trap = self.placed()?.lay(snare)?;
                let agent = Arc::clone(self);
                let laid = self.traps.lay(id, trap, move |trap| agent.say(&FromAgent::Caught { trap }, &[]));
                laid.map(|()| (Answer::Done, Vec::new())).map_err(|why| trouble("watch system calls", why))
            }
            Ask::Release { id } => {
                self.traps.release(id);
                done(Answer::Done)
            }
            Ask::Heard { port, nonce, taken } => done(self.hear((port, nonce), taken)?),
            other => self.placed()?.act(other, body, &self.store),
        }
    }

    /// What became of a probe: whichever shows first.
    fn hear(&self, (port, nonce): (u16, u64), before: u64) -> Result<Answer, Trouble> {
        let patience = Instant::now() + HEARD_WITHIN;
        loop {
            if let Some(from) = self.ears()?.heard(port, nonce)? {
                return Ok(Answer::From(from));
            }
            let taken = self.firewall.probes_taken().map_err(|why| trouble("read its counters", why))?;
            if taken > before {
                return Ok(Answer::Count(taken));
            }
            if Instant::now() >= patience {
                return Ok(Answer::No);
            }
        }
    }

    fn count(&self, what: &str, counted: Result<u64, String>) -> Did {
        counted
            .map(|count| (Answer::Count(count), Vec::new()))
            .map_err(|why| trouble(&format!("read its {what}"), why))
    }

    fn ears(&self) -> Result<&Ears, Trouble> {
        self.ears.as_ref().ok_or_else(|| trouble("hear probes", "it was to break no link".to_owned()))
    }

    fn placed(&self) -> Result<Arc<Placed>, Trouble> {
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        placed.ok_or_else(|| trouble("work on its server", "it has none yet".to_owned()))
    }

    fn tell_exits(&self, ended: &Receiver<()>) {
        while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            // Not kept while they are told: where nobody hears, that takes for ever, and the server would go on.
            let Ok(exits) = self.placed().map(|placed| placed.cluster.exits()) else { continue };
            for exit in exits {
                let disk = exit.excuse == Some(disk::EXCUSE);
                self.say(&FromAgent::Exited { status: exit.status, disk }, &[]);
            }
        }
    }

    fn answer(&self, id: u64, did: Did) {
        let (answer, body) = match did {
            Ok((answer, body)) => (Ok(answer), body),
            Err(trouble) => (Err(trouble), Vec::new()),
        };
        self.say(&FromAgent::Answer { id, answer }, &body);
    }

    /// To nobody, when the controller is gone.
    fn say(&self, message: &FromAgent, body: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = lines::write(&mut *out, message, body);
    }

    /// Heals, and ends the server; what is still being done is given a while, so that it is undone, too.
    fn finish(&self) {
        // What waits goes on.
        let _ = self.packets.set(&[], &[]);
        self.firewall.remove();
        self.packets.end();
        let patience = Instant::now() + FINISH_WITHIN;
        while self.busy.load(Ordering::Acquire) > 0 && Instant::now() < patience {
            std::thread::sleep(LOOK_EVERY);
        }
        *self.placed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn trouble(what: &str, why: String) -> Trouble {
    Trouble { what: what.to_owned(), why }
}
