//! Answers that are given later, so that one slow call does not keep others waiting.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Answers that may wait to be taken; each belongs to a thread of the server that waits for it.
const QUEUE: usize = 1024;

/// Longest sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

type Answer = Box<dyn FnOnce() + Send>;

/// A thread that gives them. It ends with this value, once all are given.
pub(super) struct Later(SyncSender<(Instant, Answer)>);

impl Later {
    pub(super) fn start() -> io::Result<Self> {
        let (answers, receive) = sync_channel(QUEUE);
        std::thread::Builder::new().name("slow-disk".into()).spawn(move || give(&receive))?;
        Ok(Self(answers))
    }

    /// Gives an answer after a while; at once when that is nothing.
    pub(super) fn after(&self, delay: Duration, answer: impl FnOnce() + Send + 'static) {
        if delay.is_zero() {
            answer();
        } else {
            // The thread ends after this value only.
            let _ = self.0.send((Instant::now() + delay, Box::new(answer)));
        }
    }
}

fn give(receive: &Receiver<(Instant, Answer)>) {
    // By number as well: several may be due at once.
    let mut waiting: BTreeMap<(Instant, u64), Answer> = BTreeMap::new();
    for number in 0.. {
        let due = waiting.first_key_value().map(|(&(due, _), _)| due);
        let wait = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        match receive.recv_timeout(wait) {
            Ok((due, answer)) => _ = waiting.insert((due, number), answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if waiting.is_empty() => return,
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait),
        }
        let now = Instant::now();
        while let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= now) {
            first.remove()();
        }
    }
}
