//! Looks at calls that the kernel asks about: counts each, holds those that a snare is laid for, and lets
//! all others pass.
//!
//! One thread per node does it. While it holds a call, further calls of the node wait for their answer:
//! nothing else becomes durable meanwhile.

use super::Traps;
use super::filter::numbers;
use crate::env::local::asked::{Listener, Question};
use crate::env::trap::{Call, Moment};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Questions of one node that wait: each is of another thread, which stands still.
const QUEUE: usize = 4_096;

/// A node's calls, looked at one after the other.
pub(in super::super) struct Watch(SyncSender<Question>);

impl Watch {
    /// Looks at calls until it is dropped.
    pub(in super::super) fn begin(listener: Listener, traps: Arc<Traps>) -> io::Result<Self> {
        let (ask, asked) = sync_channel::<Question>(QUEUE);
        let thread = std::thread::Builder::new().name("trap".into());
        thread.spawn(move || {
            for question in asked {
                // Whoever was killed meanwhile made no call.
                if listener.is_open(question.id) {
                    judge(&listener, &question, &traps);
                }
            }
        })?;
        Ok(Self(ask))
    }

    /// Its caller waits until it was its turn.
    pub(in super::super) fn look_at(&self, question: Question) {
        // The thread ends after this does.
        let _ = self.0.send(question);
    }
}

/// Counts a call, holds it where a snare is laid for it, and answers. An answer fails when the caller is
/// gone by now: then nobody waits for it.
fn judge(listener: &Listener, question: &Question, traps: &Traps) {
    let mut made = None;
    for (snare, catcher) in kind(question).map(|call| traps.count(call)).unwrap_or_default() {
        // Once is enough, however many wait for it.
        if snare.moment == Moment::After && made.is_none() {
            made = Some(make(question));
        }
        catcher.hold();
    }
    let _ = match made {
        Some(result) => listener.give(question.id, result),
        None => listener.let_pass(question.id),
    };
}

/// The kind of a call; `None` for a write that goes to no socket.
fn kind(asked: &Question) -> Option<Call> {
    let number = libc::c_long::from(asked.data.nr);
    if let Some(call) = [Call::Sync, Call::Rename].into_iter().find(|&call| numbers(call).contains(&number)) {
        return Some(call);
    }
    if ![libc::SYS_write, libc::SYS_writev].contains(&number) {
        return Some(Call::Send);
    }
    let to = fs::read_link(file(asked)).ok()?;
    to.to_str()?.starts_with("socket:").then_some(Call::Send)
}

/// Makes the call in the caller's place, on the same file: 0, or the negative error.
fn make(asked: &Question) -> i32 {
    let data_only = libc::c_long::from(asked.data.nr) == libc::SYS_fdatasync;
    // Opening a pipe would wait for its other end.
    let made = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(file(asked))
        .and_then(|file| if data_only { file.sync_data() } else { file.sync_all() });
    made.map_or_else(|error| -error.raw_os_error().unwrap_or(libc::EIO), |()| 0)
}

/// The file that the call's first argument means.
fn file(asked: &Question) -> String {
    format!("/proc/{}/fd/{}", asked.pid, asked.data.args[0])
}
