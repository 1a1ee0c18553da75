//! Memory that is taken in a group until the kernel has ended everything else there.
//!
//! It is taken by a copy of this process, in a file in memory that nobody maps: it counts for the group
//! and not for the copy. The kernel ends whoever has most, so a copy that had it as its own would be
//! the first to go; and to be spared by the kernel takes a right that root in a container does not have.

#![expect(unsafe_code, reason = "fork has no safe wrapper")]

use super::super::spawner::close_all_but;
use super::Group;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use std::io;
use std::time::{Duration, Instant};

/// Longest wait for the kernel to have ended everything. It takes a fraction of a second.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How often one looks.
const POLL: Duration = Duration::from_millis(1);

/// Takes so many bytes, more than the group can have. Did the kernel end the ballast as well, last of
/// all?
pub(super) fn drop_into(group: &Group, bytes: u64) -> io::Result<bool> {
    // SAFETY: the child makes system calls only.
    let ballast = match unsafe { fork() }? {
        ForkResult::Child => {
            let code = take(group, bytes.cast_signed()).map_or_else(|errno| errno as i32, |()| 0);
            // SAFETY: ends this copy without running anything of the original.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => child,
    };
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match waitpid(ballast, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive if Instant::now() < deadline => std::thread::sleep(POLL),
            WaitStatus::StillAlive => {
                kill(ballast, Signal::SIGKILL)?;
                waitpid(ballast, None)?;
                return Err(io::Error::other(format!("memory did not run out within {TIMEOUT:?}")));
            }
            WaitStatus::Signaled(_, Signal::SIGKILL, _) => return Ok(true),
            WaitStatus::Exited(_, code) if code == Errno::ENOMEM as i32 => return Ok(false),
            WaitStatus::Exited(_, 0) => return Err(io::Error::other("the limit of memory is none")),
            WaitStatus::Exited(_, code) => return Err(Errno::from_raw(code).into()),
            other => return Err(io::Error::other(format!("the ballast ended: {other:?}"))),
        }
    }
}

fn take(group: &Group, bytes: i64) -> nix::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    group.enter()?;
    let file = memfd_create(c"duress-ballast", MFdFlags::MFD_CLOEXEC)?;
    close_all_but(&file)?;
    fallocate(&file, FallocateFlags::empty(), 0, bytes)
}
