//! Removes the groups of a cluster when nobody needs them any more, also when this process was killed:
//! a process of its own, that waits for this one to let go of a pipe.
//!
//! The init of the cluster's PID namespace cannot do it: it dies with this process, and before the
//! last of those who are in the groups.

#![expect(unsafe_code, reason = "fork has no safe wrapper, and what follows it may not allocate")]

use super::super::spawner::close_all_but;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2, read, setsid};
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Rounds in which it is tried: the last processes end a moment after their cluster.
const ROUNDS: u32 = 5_000;

/// Between two of them.
const POLL: Duration = Duration::from_millis(2);

/// Longest wait for the janitor: its rounds, and a while for a busy machine.
const END_TIMEOUT: Duration = Duration::from_secs(15);

/// The janitor of some directories. It removes them when this is dropped.
pub(super) struct Janitor {
    lifeline: Option<OwnedFd>,
    process: Pid,
}

impl Janitor {
    pub(super) fn start(dirs: &[&Path]) -> io::Result<Self> {
        let dirs: Vec<CString> =
            dirs.iter().map(|dir| CString::new(dir.as_os_str().as_bytes())).collect::<Result<_, _>>()?;
        // Close-on-exec: a server that inherited the lifeline would keep the janitor waiting.
        let (watched, lifeline) = pipe2(OFlag::O_CLOEXEC)?;
        // SAFETY: the child makes system calls only (`wait_and_remove`).
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self { lifeline: Some(lifeline), process: child }),
            ForkResult::Child => wait_and_remove(&watched, &dirs),
        }
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        self.lifeline = None;
        let deadline = Instant::now() + END_TIMEOUT;
        while let Ok(WaitStatus::StillAlive) = waitpid(self.process, Some(WaitPidFlag::WNOHANG)) {
            if Instant::now() > deadline {
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// A copy of one thread of many may only make system calls.
fn wait_and_remove(watched: &OwnedFd, dirs: &[CString]) -> ! {
    // The terminal's Ctrl-C is for Duress, which then ends the cluster in order.
    let set_up = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)
        .and_then(|()| setsid())
        .and_then(|_| prctl::set_name(c"duress-janitor"))
        .and_then(|()| close_all_but(watched));
    if set_up.is_ok() {
        // Nobody writes: it returns when every copy of the other end is closed.
        let _ = read(watched, &mut [0]);
    }
    for _ in 0..ROUNDS {
        let mut left = false;
        for dir in dirs {
            // SAFETY: a string that ends in zero.
            let removed = Errno::result(unsafe { libc::rmdir(dir.as_ptr()) });
            left |= !matches!(removed, Ok(_) | Err(Errno::ENOENT));
        }
        if !left {
            break;
        }
        std::thread::sleep(POLL);
    }
    // SAFETY: ends this copy without running anything of the original.
    unsafe { libc::_exit(0) }
}
