//! Locks: who may be inside.

mod fenced;
mod mutex;
mod reentrant;
mod semaphore;
mod split;

pub use fenced::{FencedLock, FencedOp, Fencing};
pub use mutex::{Mutex, MutexOp};
pub use reentrant::{OwnedOp, ReentrantMutex};
pub use semaphore::{Semaphore, SemaphoreOp};

use super::Refusal;
use crate::history::Process;
use serde_json::Value;

/// Did somebody record a lock that was not got as one that was?
fn was_got(f: &str, answered: Option<&Value>) -> Result<(), String> {
    match answered {
        Some(Value::Bool(false)) => {
            Err(format!("{f} was answered with false; one that had no effect has to be recorded as fail"))
        }
        _ => Ok(()),
    }
}

/// Who has a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// This process.
    Process(Process),
    /// A process that does nothing else that matters.
    Other,
}

impl Holder {
    fn word(self) -> String {
        match self {
            Self::Nobody => "free".to_owned(),
            Self::Process(process) => format!("held by process {process}"),
            Self::Other => "held by another process".to_owned(),
        }
    }

    fn refuses(self, what: &str) -> Refusal {
        Refusal::Other(format!("{what} while it was {}", self.word()))
    }
}
