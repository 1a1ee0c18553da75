//! A node that hardly gets any processor time: all its processes stand still for most of each period, as
//! those in a control group do that has used up its quota. Signals do the same for an ordinary user,
//! leave nothing behind, and hit a server that has little to do just as hard.

use super::host::NamespaceId;
use super::processes;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The period in which a share of the time is counted; that of Linux' quotas.
const PERIOD: Duration = Duration::from_millis(100);

/// Starves the processes of a node until it is dropped; then they run on.
pub(crate) struct Starving {
    end: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    periods: Arc<AtomicU64>,
}

impl Starving {
    /// They get so many percent of the time from now on, in each period.
    pub(crate) fn begin(id: NamespaceId, percent: u32) -> io::Result<Self> {
        let (end, ended) = sync_channel(0);
        let periods = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&periods);
        let run = PERIOD * percent / 100;
        let thread = std::thread::Builder::new().name("starve".into()).spawn(move || {
            let over = |wait| ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout);
            loop {
                // Who has no process is asked again: it may be started.
                let stopped = processes::pause_all(id).is_ok();
                let over = over(PERIOD - run) || {
                    let _ = processes::resume_all(id);
                    counter.fetch_add(u64::from(stopped), Ordering::Relaxed);
                    over(run)
                };
                if over {
                    let _ = processes::resume_all(id);
                    return;
                }
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread), periods })
    }

    /// In how many periods all their threads were seen to stand still.
    pub(crate) fn periods(&self) -> u64 {
        self.periods.load(Ordering::Relaxed)
    }
}

impl Drop for Starving {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed; here it must not become a second one.
            let _ = thread.join();
        }
    }
}
