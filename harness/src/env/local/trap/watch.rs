//! Answers the kernel: counts each call that it asks about, holds those that a snare is laid for,
//! and lets all others pass.
//!
//! One thread per server does it, for as long as one of the server's processes lives. While it
//! holds a call, further calls wait for their answer: nothing else becomes durable meanwhile.

use super::Traps;
use super::filter::numbers;
use crate::env::trap::{Call, Moment};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

/// Watches until the last process with this filter has ended.
pub(in super::super) fn watch(listener: OwnedFd, traps: Arc<Traps>) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("trap".into());
    thread.spawn(move || while answer(&listener, &traps) {}).map(drop)
}

/// Waits for one call and answers it; false when there will be none any more.
fn answer(listener: &OwnedFd, traps: &Traps) -> bool {
    let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::NONE) {
        Err(Errno::EINTR) => return true,
        Err(_) => return false,
        Ok(_) => {}
    }
    let seen = fds[0].revents().unwrap_or(PollFlags::POLLHUP);
    if !seen.contains(PollFlags::POLLIN) {
        return false;
    }
    let mut asked = notification();
    // SAFETY: the kernel fills in a structure of the size that its ioctl number says.
    let received = unsafe { ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) };
    if received.is_err() {
        // Its caller was killed before we looked.
        return true;
    }
    let mut answer = judge(&asked, traps);
    // It fails when the caller is gone by now: then nobody waits for it.
    // SAFETY: as above; the kernel only reads it.
    let _ = unsafe { ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
    true
}

/// What becomes of a call; blocks while it is held.
fn judge(asked: &libc::seccomp_notif, traps: &Traps) -> libc::seccomp_notif_resp {
    let pass = libc::seccomp_notif_resp {
        id: asked.id,
        val: 0,
        error: 0,
        flags: u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or_default(),
    };
    let Some(call) = kind(asked) else { return pass };
    let mut answer = pass;
    for (snare, catcher) in traps.count(call) {
        // Once is enough, however many wait for it.
        if snare.moment == Moment::After && answer.flags != 0 {
            answer = libc::seccomp_notif_resp { id: asked.id, val: 0, error: make(asked), flags: 0 };
        }
        catcher.hold();
    }
    answer
}

/// The kind of a call; `None` for a write that goes to no socket.
fn kind(asked: &libc::seccomp_notif) -> Option<Call> {
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
fn make(asked: &libc::seccomp_notif) -> i32 {
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
fn file(asked: &libc::seccomp_notif) -> String {
    format!("/proc/{}/fd/{}", asked.pid, asked.data.args[0])
}

/// An empty one: the kernel insists.
fn notification() -> libc::seccomp_notif {
    let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
    libc::seccomp_notif { id: 0, pid: 0, flags: 0, data }
}

/// SAFETY: `argument` points to what this request takes.
unsafe fn ioctl<T>(listener: &OwnedFd, request: libc::Ioctl, argument: *mut T) -> nix::Result<()> {
    // SAFETY: as the caller promises.
    Errno::result(unsafe { libc::ioctl(listener.as_raw_fd(), request, argument) }).map(drop)
}
