//! What servers on hosts print, brought here: when the run is over, or while they print it, where a fault
//! waits for that.

use super::RemoteNode;
use super::connection::Connection;
use super::wire::Ask;
use crate::env::EnvError;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most of a log that is brought here, bytes.
const LONGEST: u64 = 64 << 20;
/// How often one asks for more.
const POLL: Duration = Duration::from_millis(20);

/// A log that is elsewhere, and as much of it as is here.
pub(super) struct Log {
    path: PathBuf,
    /// Bytes that are here.
    fetched: Mutex<u64>,
}

impl Log {
    /// Nothing of it is here yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, fetched: Mutex::new(0) }
    }

    /// Where it is here.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings here what is new of it.
    pub(super) fn fetch(&self, agent: &Connection) -> Result<(), String> {
        let failed = |error: io::Error| error.to_string();
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.path.parent().ok_or("it has no folder")?;
        fs::create_dir_all(folder).map_err(failed)?;
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(failed)?;
        while *fetched < LONGEST {
            let (_, part) = agent.ask(Ask::Log { from: *fetched }).map_err(|trouble| trouble.why)?;
            if part.is_empty() {
                break;
            }
            file.write_all(&part).map_err(failed)?;
            *fetched += part.len() as u64;
        }
        Ok(())
    }
}

/// Brings logs here while they are written, until it is dropped.
pub(super) struct Follower {
    end: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Those of the nodes with these names; none where there are none.
    pub(super) fn begin(
        nodes: &Arc<[RemoteNode]>,
        names: &BTreeSet<String>,
    ) -> Result<Option<Self>, EnvError> {
        if names.is_empty() {
            return Ok(None);
        }
        let (end, ended) = sync_channel::<()>(0);
        let (nodes, names) = (Arc::clone(nodes), names.clone());
        let follow = move || {
            while ended.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                for node in nodes.iter().filter(|node| names.contains(&node.node.name)) {
                    // What cannot be had now is asked for again, and missed at the end.
                    let _ = node.log.fetch(&node.agent);
                }
            }
        };
        let thread = std::thread::Builder::new().name("follow".into()).spawn(follow);
        let thread = thread.map_err(|error| EnvError::Unable {
            what: "follow the logs of hosts".to_owned(),
            why: error.to_string(),
            fix: "raise the limit of processes (ulimit -u)".to_owned(),
        })?;
        Ok(Some(Self { end: Some(end), thread: Some(thread) }))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed; here it must not become a second one.
            let _ = thread.join();
        }
    }
}
