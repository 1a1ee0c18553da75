//! Tries something in a child process, so that whatever it does to itself ends with it.

#![expect(unsafe_code, reason = "fork has no safe wrapper")]

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe2};
use std::fs::File;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Longest answer taken from the child, bytes.
const MAX_ANSWER: u64 = 4096;

/// Runs `what` in a copy of this process and gives back what it said.
///
/// For a process with a single thread only: in the copy of another one, locks held by threads
/// that were not copied (the allocator's, the standard output's) would never be released. The
/// answer in that case is an error, not a hang.
pub(crate) fn in_child(what: impl FnOnce() -> Result<String, String>) -> Result<String, String> {
    if threads()? != 1 {
        return Err("tried too late: this process has more than one thread by now".into());
    }
    let (answer, give) =
        pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|e| format!("cannot make a pipe: {e}"))?;
    // SAFETY: this process has one thread, so its copy is as good as itself.
    match unsafe { fork() }.map_err(|e| format!("cannot fork: {e}"))? {
        ForkResult::Child => {
            drop(answer);
            let result = catch_unwind(AssertUnwindSafe(what)).unwrap_or_else(|_| Err("it panicked".into()));
            let (mark, text) = match result {
                Ok(text) => ('+', text),
                Err(text) => ('-', text),
            };
            let written = File::from(give).write_all(format!("{mark}{text}").as_bytes());
            // SAFETY: ends this copy at once; the original's destructors and buffers are not ours.
            unsafe { libc::_exit(i32::from(written.is_err())) }
        }
        ForkResult::Parent { child } => {
            drop(give);
            let mut said = String::new();
            let read = File::from(answer).take(MAX_ANSWER).read_to_string(&mut said);
            let status = waitpid(child, None).map_err(|e| format!("cannot wait for a child: {e}"))?;
            match (read, said.split_at_checked(1)) {
                (Ok(_), Some(("+", text))) => Ok(text.into()),
                (Ok(_), Some(("-", text))) => Err(text.into()),
                _ => Err(format!("the attempt ended without an answer: {status:?}")),
            }
        }
    }
}

fn threads() -> Result<usize, String> {
    let tasks =
        std::fs::read_dir("/proc/self/task").map_err(|e| format!("cannot read /proc/self/task: {e}"))?;
    Ok(tasks.count())
}
