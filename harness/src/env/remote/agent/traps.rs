//! Snares for system calls of the node, laid for somebody elsewhere: who is told when a call is in one, and
//! lets it go.
//!
//! Not here: how calls are caught (`env::local`), and how long one waits at most (`env::trap`).

use crate::env::trap::Trap;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

/// Traps that wait for their call.
const MOST: usize = 4_096;
/// Traps that have been laid a moment ago.
const QUEUE: usize = 64;

/// All of them.
#[derive(Default)]
pub(super) struct Traps {
    /// Absent until there is one.
    laid: Mutex<Option<Sender<Laid>>>,
    held: Arc<Held>,
}

/// A trap, its number, and who is told.
type Laid = (u64, Trap, Box<dyn FnOnce(u64) + Send>);

/// Traps with a call in them. It goes on when its trap is dropped.
#[derive(Default)]
struct Held(Mutex<BTreeMap<u64, Trap>>);

impl Held {
    fn traps(&self) -> MutexGuard<'_, BTreeMap<u64, Trap>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traps {
    /// Waits, for as long as this process lives, until there is a call in this one, holds it, and tells so.
    pub(super) fn lay(
        &self,
        id: u64,
        trap: Trap,
        tell: impl FnOnce(u64) + Send + 'static,
    ) -> Result<(), String> {
        let mut laid = self.laid.lock().unwrap_or_else(PoisonError::into_inner);
        if laid.is_none() {
            *laid = Some(begin(Arc::clone(&self.held)).map_err(|error| error.to_string())?);
        }
        let sender = laid.as_ref().ok_or("nobody waits for them")?;
        sender
            .blocking_send((id, trap, Box::new(tell)))
            .map_err(|_| "nobody waits for them any more".to_owned())
    }

    /// Lets the call in a trap go on. Does nothing when there is none.
    pub(super) fn release(&self, id: u64) {
        self.held.traps().remove(&id);
    }
}

fn begin(held: Arc<Held>) -> io::Result<Sender<Laid>> {
    let (send, receive) = channel(QUEUE);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    std::thread::Builder::new().name("traps".into()).spawn(move || runtime.block_on(wait(receive, &held)))?;
    Ok(send)
}

async fn wait(mut laid: Receiver<Laid>, held: &Held) {
    let mut waiting = JoinSet::new();
    loop {
        tokio::select! {
            one = laid.recv(), if waiting.len() < MOST => {
                let Some((id, mut trap, tell)) = one else { return };
                waiting.spawn(async move {
                    trap.caught().await;
                    (id, trap, tell)
                });
            }
            Some(Ok((id, trap, tell))) = waiting.join_next() => {
                // First here: whoever is told may let it go at once.
                held.traps().insert(id, trap);
                tell(id);
            }
        }
    }
}
