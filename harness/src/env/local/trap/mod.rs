//! Catches system calls of a node's processes, by seccomp's user notification (`seccomp_unotify(2)`):
//! the kernel stops the caller and asks us. Every process and thread that a server makes inherits
//! the filter, so calls are counted over the whole node; strace counts them per thread.
//!
//! Calls through `io_uring` are not seen.

#![expect(unsafe_code, reason = "seccomp and its ioctls have no safe wrapper")]

mod filter;
mod watch;

pub(super) use filter::Filter;
pub(super) use watch::Watch;

use super::asked::Asked;
use super::processes::namespace_of;
use crate::env::trap::{Call, Catcher, Snare, Trap};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of a node's calls, and the snares that are laid for them.
#[derive(Debug, Default)]
pub(super) struct Traps(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    seen: BTreeMap<Call, u64>,
    snares: Vec<(Snare, Catcher)>,
}

/// Catches a call of a thread of this process, which has the filter ever after. To be called where
/// that does no harm: in a child process that ends soon.
pub(super) fn try_out() -> io::Result<()> {
    let traps = Arc::new(Traps::default());
    let filter = Filter::new(&BTreeSet::from([Call::Sync]), false);
    let namespace =
        namespace_of(std::process::id()).ok_or_else(|| io::Error::other("it has no namespace"))?;
    let (tell, told) = sync_channel(1);
    let caller = std::thread::spawn(move || {
        let _ = tell.send(filter.put_on());
        // Whether this file can be made durable is not asked.
        let _ = File::open("/").and_then(|file| file.sync_all());
    });
    let listener = told.recv().map_err(io::Error::other)??;
    let _answers = Asked::answer(listener, [(namespace, Arc::clone(&traps))].into_iter(), None)?;
    caller.join().map_err(|_| io::Error::other("the thread that made a call ended"))?;
    match traps.seen(Call::Sync) {
        0 => Err(io::Error::other("a call was not caught")),
        _ => Ok(()),
    }
}

impl Traps {
    /// Lays a snare. It stays when the node's processes end and others begin.
    pub(super) fn lay(&self, snare: Snare) -> Trap {
        let (trap, catcher) = Trap::lay();
        self.state().snares.push((snare, catcher));
        trap
    }

    /// How many calls of this kind have been made so far.
    pub(super) fn seen(&self, call: Call) -> u64 {
        self.state().seen.get(&call).copied().unwrap_or_default()
    }

    /// Counts a call, and gives out the snares that it steps on.
    fn count(&self, call: Call) -> Vec<(Snare, Catcher)> {
        let mut state = self.state();
        *state.seen.entry(call).or_default() += 1;
        for (snare, _) in state.snares.iter_mut().filter(|(snare, _)| snare.call == call) {
            snare.nth = snare.nth.saturating_sub(1);
        }
        state.snares.extract_if(.., |(snare, _)| snare.call == call && snare.nth == 0).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
