//! Writes the history as it happens.
//!
//! The one place that gives out indices. Writing and fsync run on a thread of their own, so
//! that a slow disk cannot delay an operation; the queue between is bounded, and when it is
//! full the engine waits rather than lose an operation.

use super::Clock;
use crate::failure::Failure;
use crate::watching::Feed;
use duress_checkers::{Kind, Op, Process};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Operations waiting to be written.
const QUEUE: usize = 65_536;
/// An operation is on disk this long after it was recorded, at the latest (when the disk keeps up).
const SYNC_EVERY: Duration = Duration::from_millis(100);

/// Stamps, numbers and writes operations.
pub struct Recorder {
    clock: Clock,
    path: PathBuf,
    state: Mutex<State>,
    broken: Arc<Mutex<Option<std::io::Error>>>,
}

struct State {
    next: u64,
    queue: Option<SyncSender<Op>>,
    writer: Option<JoinHandle<()>>,
    awaited: Vec<Awaited>,
}

/// An invocation that somebody waits for.
struct Awaited {
    f: String,
    left: u64,
    tell: oneshot::Sender<()>,
}

impl State {
    fn tell(&mut self, op: &Op) {
        for awaited in self.awaited.iter_mut().filter(|awaited| awaited.f == op.f) {
            awaited.left = awaited.left.saturating_sub(1);
        }
        for awaited in self.awaited.extract_if(.., |awaited| awaited.left == 0) {
            // Whoever waited may have given up.
            let _ = awaited.tell.send(());
        }
    }
}

impl Recorder {
    /// Creates the file and the thread that writes it, and then offers each operation to `feed`.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, clock: Clock, feed: Feed) -> Result<Self, Failure> {
        let file = File::create_new(path).map_err(|source| Failure::File {
            path: path.to_owned(),
            what: "created",
            source,
        })?;
        let broken = Arc::new(Mutex::new(None));
        let (queue, ops) = sync_channel(QUEUE);
        let seen = Arc::clone(&broken);
        let writer = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                if let Err(error) = write(&file, &ops, &feed) {
                    *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            })
            .map_err(|source| Failure::File { path: path.to_owned(), what: "written", source })?;
        Ok(Self {
            clock,
            path: path.to_owned(),
            state: Mutex::new(State {
                next: 0,
                queue: Some(queue),
                writer: Some(writer),
                awaited: Vec::new(),
            }),
            broken,
        })
    }

    /// Records an operation now. The index order is the order of these calls.
    pub fn record(&self, process: Process, kind: Kind, body: OpBody) -> Op {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let op = Op {
            index: state.next,
            time: self.clock.now(),
            process,
            kind,
            f: body.f.into(),
            value: body.value,
            error: body.error,
            node: body.node.map(Into::into),
        };
        state.next += 1;
        if kind == Kind::Invoke {
            state.tell(&op);
        }
        if let Some(queue) = &state.queue {
            // Fails only when the writer has ended; it has then left its error for `check`.
            let _ = queue.send(op.clone());
        }
        op
    }

    /// Waits until the n-th operation with this function from now on is invoked.
    pub async fn invoked(&self, f: &str, nth: u64) {
        let (tell, told) = oneshot::channel();
        self.state.lock().unwrap_or_else(PoisonError::into_inner).awaited.push(Awaited {
            f: f.to_owned(),
            left: nth,
            tell,
        });
        if told.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Is the history still being written?
    ///
    /// # Errors
    /// When the disk refused; nothing after that is recorded.
    pub fn check(&self) -> Result<(), Failure> {
        match self.broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(source) => Err(Failure::File { path: self.path.clone(), what: "written", source }),
            None => Ok(()),
        }
    }

    /// Waits until everything is on disk, and ends.
    ///
    /// # Errors
    /// As [`Recorder::check`].
    pub fn close(&self) -> Result<(), Failure> {
        let writer = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.queue = None;
            state.writer.take()
        };
        if let Some(writer) = writer {
            let _ = writer.join();
        }
        self.check()
    }
}

/// What is not known to the recorder itself.
#[derive(Clone, Debug)]
pub struct OpBody {
    /// The function.
    pub f: String,
    /// Argument or result.
    pub value: serde_json::Value,
    /// Why not `ok`.
    pub error: Option<String>,
    /// The node.
    pub node: Option<String>,
}

fn write(file: &File, ops: &Receiver<Op>, feed: &Feed) -> std::io::Result<()> {
    let mut out = BufWriter::new(file);
    let mut dirty_since: Option<Instant> = None;
    loop {
        let wait = dirty_since.map_or(SYNC_EVERY, |since| SYNC_EVERY.saturating_sub(since.elapsed()));
        match ops.recv_timeout(wait) {
            Ok(op) => {
                serde_json::to_writer(&mut out, &op)?;
                out.write_all(b"\n")?;
                dirty_since.get_or_insert_with(Instant::now);
                feed.offer(op);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                out.flush()?;
                return file.sync_data();
            }
        }
        if dirty_since.is_some_and(|since| since.elapsed() >= SYNC_EVERY) {
            out.flush()?;
            file.sync_data()?;
            dirty_since = None;
        }
    }
}
