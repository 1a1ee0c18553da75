//! A client: one attempt, on one connection, to one node.

use async_trait::async_trait;
use duress_workloads::Invocation;
use serde_json::Value;
use std::sync::Arc;

/// A live connection to one node.
///
/// A client never retries, never redirects, and sets no deadline of its own: the engine does.
/// Its future may be dropped in the middle of an operation; the engine then records `info`
/// and drops the client with it.
#[async_trait]
pub trait Client: Send {
    /// Performs one operation, once.
    async fn invoke(&mut self, invocation: &Invocation) -> Completion;

    /// What acts for this client and can be made to stand still: the engine does so in the middle of an
    /// operation. `None` for clients in this process, which stand still when nobody polls them.
    fn stoppable(&self) -> Option<Arc<dyn Stoppable>> {
        None
    }
}

/// A program that acts for a client.
pub trait Stoppable: Send + Sync {
    /// It stands still until it is told to go on. Does nothing when it has ended.
    fn stop(&self);

    /// It goes on. Does nothing when it does not stand still.
    fn go_on(&self);
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Completion {
    /// It happened, with this result.
    Ok(Value),
    /// It certainly did not happen. Needs a reason in the code that says so.
    Fail(ClientError),
    /// It may have happened.
    Info(ClientError),
}

/// What went wrong, for the history and the table of errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {message}")]
pub struct ClientError {
    /// A short stable word to count by: `refused`, `timeout`, `leader-changed`, …; those of
    /// [`duress_checkers::history::class`] mean more than themselves.
    pub class: &'static str,
    /// What the system said.
    pub message: String,
}

impl ClientError {
    /// Nobody listens there. The engine rests a thread after it, so that a dead node, which
    /// refuses in microseconds, does not take most of the operations.
    pub const REFUSED: &'static str = "refused";

    /// The program that was to act for a client could not be started, or ended before it was asked for
    /// anything. The engine rests a thread after it, too.
    pub const UNSTARTED: &'static str = "unstarted";

    /// An error of a class.
    pub fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }

    /// One that was told by somebody else, who may have any number of classes: so many of them are kept, and
    /// the others are `error`.
    pub fn told(class: &str, message: impl Into<String>) -> Self {
        Self::new(crate::exec::known_class(class), message)
    }
}
