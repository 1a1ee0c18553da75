//! Clients that are programs of the user's, in any language: they speak JSON lines on their standard input
//! and output, one process per connection.
//!
//! `protocol` is what is said and which rules that has, `lines` how it gets through pipes, `process`
//! the program's life and end, `talk` one conversation, `client` one connection of the engine's. The
//! user's page about it is `targets/docs/client-protocol.md`. Not here: what a system's servers are.

mod class;
mod client;
mod lines;
mod process;
mod protocol;
pub mod skeletons;
mod talk;
#[cfg(test)]
mod tests;

pub(crate) use class::known as known_class;
pub use protocol::{Answer, Broken, Rule};
pub use talk::Talk;

use crate::{Client, ClientError, Context, Node};
use client::ExecClient;
use process::{Program, Started};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How long what a program has said may take to be read when it has ended.
const LOG_WITHIN: Duration = Duration::from_secs(1);

/// How client programs are started.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// The program and its arguments.
    #[serde(deserialize_with = "command")]
    pub command: Vec<String>,
    /// Environment variables besides those of Duress, of which it gets all but proxies.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Its working directory; that of Duress when absent.
    pub dir: Option<PathBuf>,
    /// How long it may take until it says that it is ready.
    #[serde(default = "start_timeout", deserialize_with = "duration")]
    pub start_timeout: Duration,
}

impl Spec {
    /// A program, started as usual.
    pub fn new(command: Vec<String>) -> Self {
        Self { command, env: BTreeMap::new(), dir: None, start_timeout: start_timeout() }
    }

    /// Starts the program as one client of one node, and waits until it is ready. It runs where the calling
    /// thread is, in the same network namespace, and ends at the latest with that thread.
    ///
    /// # Errors
    /// When it could not be started, ended, or said something else: certain, as it was asked for nothing.
    pub async fn connect(&self, node: &Node, cx: &Context) -> Result<Box<dyn Client>, ClientError> {
        let workload = duress_workloads::registry::find(&cx.workload).ok_or_else(|| {
            ClientError::new(ClientError::UNSTARTED, format!("there is no workload `{}`", cx.workload))
        })?;
        match Talk::start(self, node, cx).await {
            Ok(talk) => Ok(Box::new(ExecClient::new(talk, (workload.make)(), cx.clone()))),
            Err(NotStarted::Refused(error)) => Err(error),
            Err(NotStarted::Broken(broken)) => {
                cx.note(broken.rule.title(), &broken.told());
                Err(ClientError::new(ClientError::UNSTARTED, broken.to_string()))
            }
        }
    }

    /// After how long [`connect`](Self::connect) has ended in any case: the start, a look at whether the answer
    /// was there and not flushed, and a moment.
    pub fn opens_within(&self) -> Duration {
        self.start_timeout + 2 * talk::CLOSE_WITHIN
    }

    /// Starts the program, tells it nothing, and waits for its end: with which status that was, 0 as rule 11
    /// has it, or `None` when it takes too long for that. What it says on standard error goes into this file.
    ///
    /// # Errors
    /// When it could not be started.
    pub async fn told_nothing(&self, log: Option<PathBuf>) -> io::Result<Option<i32>> {
        let Started { program, input, output: _output, log } = Program::start(self, log)?;
        drop(input);
        let ended = tokio::time::timeout(self.start_timeout, program.ends()).await.ok();
        program.end(Duration::ZERO);
        // Some of what it has started may hold it open.
        let _ = tokio::time::timeout(LOG_WITHIN, log).await;
        Ok(ended)
    }

    /// Lets one program make what operations need, once per run.
    ///
    /// # Errors
    /// When it could not, or did not say so.
    pub async fn set_up(&self, node: &Node, cx: &Context) -> Result<(), ClientError> {
        let unstarted = |broken: Broken| ClientError::new(ClientError::UNSTARTED, broken.to_string());
        let mut talk = Talk::start(self, node, cx).await.map_err(|error| match error {
            NotStarted::Refused(error) => error,
            NotStarted::Broken(broken) => unstarted(broken),
        })?;
        let limit = self.start_timeout;
        match tokio::time::timeout(limit, talk.set_up()).await {
            Ok(Ok(done)) => done,
            Ok(Err(broken)) => Err(unstarted(broken)),
            Err(_) => {
                Err(ClientError::new("timeout", format!("its `setup` was not answered within {limit:?}")))
            }
        }
    }
}

/// Why a program is not ready for operations.
#[derive(Debug)]
pub enum NotStarted {
    /// It says so itself.
    Refused(ClientError),
    /// It could not be started, or does not keep to the protocol.
    Broken(Broken),
}

/// Interpreters and virtual machines take a while on a machine with other things to do.
fn start_timeout() -> Duration {
    Duration::from_secs(10)
}

fn command<'de, D: Deserializer<'de>>(words: D) -> Result<Vec<String>, D::Error> {
    let words = Vec::<String>::deserialize(words)?;
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(D::Error::custom("a command begins with the name of a program")),
    }
}

fn duration<'de, D: Deserializer<'de>>(text: D) -> Result<Duration, D::Error> {
    crate::problem::length(&String::deserialize(text)?).map_err(D::Error::custom)
}
