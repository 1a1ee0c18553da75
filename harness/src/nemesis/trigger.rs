//! What a fault can wait for: something that happens in the cluster, instead of a time.
//!
//! A trigger that does not come within its time leaves the fault out, and the journal says so. Where
//! it is a system call, the call waits until the fault is in effect.

use super::Nemesis;
use super::fault::PlannedFault;
use crate::env::EnvError;
use crate::env::trap::{Call, Moment, Snare, Trap};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often a log or the leader is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Longest line of a log in which a text is looked for.
const MAX_LINE: usize = 64 << 10;
/// Most that is read of a log at once.
const MAX_READ: u64 = 1 << 20;

/// What a fault waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// At most so many milliseconds.
    #[serde(rename = "within", with = "super::length")]
    pub within_ms: u64,
    /// For this.
    #[serde(flatten)]
    pub event: Happening,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Happening {
    /// A node makes a system call, and waits in it until the fault is in effect.
    Call {
        /// The node's name.
        node: String,
        /// What kind of call.
        call: Call,
        /// The n-th of them from now on; from 1.
        nth: u64,
        /// Before the call is made, or after it and before its caller knows.
        #[serde(default)]
        moment: Moment,
    },
    /// A client invokes an operation.
    Op {
        /// Its function: `write`.
        f: String,
        /// The n-th of them from now on; from 1.
        nth: u64,
    },
    /// A node writes a line to its log.
    Log {
        /// The node's name.
        node: String,
        /// A text in that line.
        contains: String,
    },
    /// Another node leads than at first.
    LeaderChange,
}

impl Trigger {
    /// The kind of system call that has to be watched for it.
    pub fn call(&self) -> Option<Call> {
        match self.event {
            Happening::Call { call, .. } => Some(call),
            _ => None,
        }
    }

    /// The node that it names.
    pub fn node(&self) -> Option<&String> {
        match &self.event {
            Happening::Call { node, .. } | Happening::Log { node, .. } => Some(node),
            Happening::Op { .. } | Happening::LeaderChange => None,
        }
    }

    /// Does it look at processes or their logs?
    pub fn needs_processes(&self) -> bool {
        self.node().is_some()
    }

    /// Why it makes no sense, if it does not.
    pub fn nonsense(&self) -> Option<&'static str> {
        match &self.event {
            _ if self.within_ms == 0 => Some("it waits for no time"),
            Happening::Call { nth: 0, .. } | Happening::Op { nth: 0, .. } => {
                Some("the first is number 1, there is no number 0")
            }
            Happening::Call { call: Call::Rename | Call::Send, moment: Moment::After, .. } => {
                Some("only sync calls can be made in their caller's place")
            }
            Happening::Log { contains, .. } if contains.is_empty() => Some("every line contains nothing"),
            _ => None,
        }
    }

    /// `before the 3rd sync of n1`.
    pub fn told(&self) -> String {
        match &self.event {
            Happening::Call { node, call, nth, moment } => {
                let moment = if *moment == Moment::Before { "before" } else { "after" };
                format!("{moment} the {} {call} of {node}", ordinal(*nth))
            }
            Happening::Op { f, nth } => format!("at the {} {f}", ordinal(*nth)),
            Happening::Log { node, contains } => format!("when {node} logs {contains:?}"),
            Happening::LeaderChange => "when the leader changes".to_owned(),
        }
    }
}

fn ordinal(n: u64) -> String {
    let suffix = match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{n}{suffix}")
}

/// A planned fault, and the trap that is laid for it already.
#[derive(Debug)]
pub struct Armed {
    pub(super) planned: PlannedFault,
    pub(super) trap: Option<Trap>,
}

/// What came of waiting.
pub(super) enum Came {
    /// It happened. What waits for the fault goes on when this is dropped.
    Yes(Option<Trap>),
    /// It did not, for this reason.
    No(String),
    /// The run was over first.
    Over,
}

impl Nemesis {
    /// Lays the traps of what is due at once. To be done before the clients begin: otherwise the
    /// first calls would be over before anybody counts.
    ///
    /// # Errors
    /// When the environment cannot.
    pub fn arm(&self, schedule: &[PlannedFault]) -> Result<Vec<Armed>, EnvError> {
        let arm = |planned: &PlannedFault| {
            let due = planned.on.as_ref().filter(|_| planned.at_ms == 0);
            let trap = due.map_or(Ok(None), |trigger| self.lay(&trigger.event))?;
            Ok(Armed { planned: planned.clone(), trap })
        };
        schedule.iter().map(arm).collect()
    }

    /// `None`: it waits for no call.
    fn lay(&self, event: &Happening) -> Result<Option<Trap>, EnvError> {
        self.snare(event).map(|(node, snare)| self.env.trap(node, snare)).transpose()
    }

    /// The call that it waits for, and whose; `None`: it waits for none.
    fn snare(&self, event: &Happening) -> Option<(usize, Snare)> {
        let Happening::Call { node, call, nth, moment } = event else { return None };
        Some((self.position(node), Snare { call: *call, nth: *nth, moment: *moment }))
    }

    /// Waits for a trigger, but not longer than it says.
    pub(super) async fn await_trigger(
        &self,
        trigger: &Trigger,
        trap: Option<Trap>,
        over: &mut watch::Receiver<bool>,
    ) -> Came {
        let node = trigger.node().map_or(0, |name| self.position(name));
        let before = self.seen(trigger, node).await;
        let waited = tokio::select! {
            waited = self.happens(&trigger.event, node, trap) => Some(waited),
            () = tokio::time::sleep(Duration::from_millis(trigger.within_ms)) => None,
            _ = over.wait_for(|over| *over) => return Came::Over,
        };
        let Some(waited) = waited else {
            let calls = self.seen(trigger, node).await.zip(before);
            let calls = calls.map(|(now, before)| format!(", but {} calls", now.saturating_sub(before)));
            return Came::No(format!(
                "nothing to strike at {} within {} ms{}",
                trigger.told(),
                trigger.within_ms,
                calls.unwrap_or_default()
            ));
        };
        waited.map_or_else(|error| Came::No(error.to_string()), Came::Yes)
    }

    async fn happens(
        &self,
        event: &Happening,
        node: usize,
        trap: Option<Trap>,
    ) -> Result<Option<Trap>, EnvError> {
        match event {
            Happening::Call { .. } => {
                let laid = match trap {
                    Some(trap) => Some(trap),
                    None => self.lay_now(event).await?,
                };
                let Some(mut trap) = laid else { return Ok(None) };
                trap.caught().await;
                return Ok(Some(trap));
            }
            Happening::Op { f, nth } => self.recorder.invoked(f, *nth).await,
            Happening::Log { contains, .. } => match self.env.log(node) {
                Some(log) => logged(log, contains).await,
                None => std::future::pending().await,
            },
            Happening::LeaderChange => self.leader_changed().await,
        }
        Ok(None)
    }

    /// As [`Self::lay`], where a host may have to be asked for it.
    async fn lay_now(&self, event: &Happening) -> Result<Option<Trap>, EnvError> {
        let Some((node, snare)) = self.snare(event) else { return Ok(None) };
        let env = Arc::clone(&self.env);
        self.blocking(move || env.trap(node, snare).map(Some)).await
    }

    /// System calls so far of those that it waits for.
    async fn seen(&self, trigger: &Trigger, node: usize) -> Option<u64> {
        let call = trigger.call()?;
        let env = Arc::clone(&self.env);
        Some(self.blocking(move || env.calls(node, call)).await)
    }

    async fn leader_changed(&self) {
        let mut first = None;
        loop {
            if let Some(leader) = self.asker.leader(super::LEADER_WAIT).await
                && *first.get_or_insert(leader) != leader
            {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn position(&self, name: &str) -> usize {
        self.nodes.iter().position(|node| node.name == name).unwrap_or(0)
    }
}

/// Waits until a line with this text is appended to a log.
async fn logged(log: &Path, contains: &str) {
    let mut tail = Tail::at_end(log);
    while !tail.finds(log, contains) {
        tokio::time::sleep(POLL).await;
    }
}

/// The end of a file that grows.
struct Tail {
    at: u64,
    /// The last line, as far as it has come.
    line: Vec<u8>,
}

impl Tail {
    fn at_end(log: &Path) -> Self {
        Self { at: std::fs::metadata(log).map_or(0, |file| file.len()), line: Vec::new() }
    }

    /// A file that cannot be read yet has no lines yet.
    fn finds(&mut self, log: &Path, contains: &str) -> bool {
        let mut new = Vec::new();
        let read = File::open(log).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.at))?;
            file.take(MAX_READ).read_to_end(&mut new)
        });
        self.at += read.unwrap_or_default() as u64;
        self.line.extend(new);
        let found = String::from_utf8_lossy(&self.line).lines().any(|line| line.contains(contains));
        let complete = self.line.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.line.drain(..complete.max(self.line.len().saturating_sub(MAX_LINE)));
        found
    }
}
