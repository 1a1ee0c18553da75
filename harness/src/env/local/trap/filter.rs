//! The filter: which system calls the kernel asks us about, and how it is put on a process that is
//! about to be executed.

use crate::env::trap::Call;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read, write};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A program for the kernel's packet filter, which seccomp uses.
#[derive(Clone, Debug)]
pub(in super::super) struct Filter(Vec<libc::sock_filter>);

/// Where calls are announced, on its way from the process that has the filter to us.
pub(in super::super) struct Listener {
    number: OwnedFd,
}

/// The end of a [`Listener`] that the process has before it is executed.
pub(in super::super) struct Announcer {
    number: OwnedFd,
}

/// Where `seccomp_data` has the number of the call, the architecture, and the third argument's
/// lower half.
const NUMBER_AT: u32 = 0;
const ARCH_AT: u32 = 4;
const LENGTH_AT: u32 = 32;

/// What threads write to wake each other, and what [`Announcer::put_on`] writes.
const WAKE_UP: u32 = 8;

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xC000_00B7;

/// The numbers of these calls that are always asked about.
pub(super) fn numbers(call: Call) -> &'static [libc::c_long] {
    match call {
        Call::Sync => &[libc::SYS_fsync, libc::SYS_fdatasync],
        #[cfg(target_arch = "x86_64")]
        Call::Rename => &[libc::SYS_rename, libc::SYS_renameat, libc::SYS_renameat2],
        #[cfg(target_arch = "aarch64")]
        Call::Rename => &[libc::SYS_renameat, libc::SYS_renameat2],
        Call::Send => &[libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_sendmmsg, libc::SYS_writev],
    }
}

impl Filter {
    /// Asks about these kinds of calls, and lets all others pass.
    pub(in super::super) fn new(calls: &BTreeSet<Call>) -> Self {
        const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
        let step = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
            code: u16::try_from(code).unwrap_or_default(),
            jt,
            jf,
            k,
        };
        let ask = step(RETURN, libc::SECCOMP_RET_USER_NOTIF, 0, 0);
        let pass = step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0);
        let mut program = vec![step(LOAD, ARCH_AT, 0, 0), step(EQUAL, ARCH, 1, 0), pass];
        program.push(step(LOAD, NUMBER_AT, 0, 0));
        for &number in calls.iter().flat_map(|&call| numbers(call)) {
            program.extend([step(EQUAL, nr(number), 0, 1), ask]);
        }
        if calls.contains(&Call::Send) {
            program.extend([
                step(EQUAL, nr(libc::SYS_write), 0, 3),
                step(LOAD, LENGTH_AT, 0, 0),
                step(EQUAL, WAKE_UP, 1, 0),
                ask,
            ]);
        }
        program.push(pass);
        Self(program)
    }

    /// A way for the listener's number to come to us.
    pub(in super::super) fn announce() -> io::Result<(Announcer, Listener)> {
        let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
        Ok((Announcer { number: theirs }, Listener { number: ours }))
    }
}

impl Announcer {
    /// Puts the filter on the calling thread and all that it will execute or fork. System calls
    /// only: safe between fork and exec.
    pub(in super::super) fn put_on(&self, filter: &Filter) -> Result<(), Errno> {
        let listener = install(filter)?;
        // It comes without close-on-exec from here: the process that it was made in would close
        // it by its own exec, before we have it, and the calls would fail.
        // SAFETY: no pointers.
        let kept = Errno::result(unsafe { libc::fcntl(listener, libc::F_DUPFD, 0) })?;
        // Exactly as long as the writes that the filter lets pass.
        write(&self.number, &i64::from(kept).to_ne_bytes())?;
        Ok(())
    }
}

impl Listener {
    /// Takes the listener out of the process, which runs by now.
    pub(in super::super) fn take_from(self, pid: u32) -> io::Result<OwnedFd> {
        let mut number = [0; 8];
        if read(&self.number, &mut number)? != number.len() {
            return Err(io::Error::other("no filter was put on the process"));
        }
        let number = i64::from_ne_bytes(number);
        // SAFETY: no pointers; the results are checked and owned at once.
        unsafe {
            let process = owned(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
            owned(libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0))
        }
    }
}

/// Puts the filter on the calling thread, and gives the number of its listener.
pub(super) fn install(filter: &Filter) -> Result<RawFd, Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.0.len()).map_err(|_| Errno::E2BIG)?,
        filter: filter.0.as_ptr().cast_mut(),
    };
    // SAFETY: no pointers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let install = |flags: libc::c_ulong| {
        // SAFETY: the program outlives the call, which copies it.
        let fd = Errno::result(unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        })?;
        i32::try_from(fd).map_err(|_| Errno::EMFILE)
    };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // Without it, a signal makes the caller ask again, and one call counts twice. Kernels before
    // 5.19 do not know it.
    match install(flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno::EINVAL) => install(flags),
        done => done,
    }
}

/// SAFETY: `fd` is the result of a system call that gives a new descriptor.
unsafe fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = Errno::result(fd)?;
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: it is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn nr(number: libc::c_long) -> u32 {
    u32::try_from(number).unwrap_or_default()
}
