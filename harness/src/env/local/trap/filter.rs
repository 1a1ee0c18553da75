//! The filter: which system calls the kernel asks us about, and how it is put on the thread that starts
//! servers.

use crate::env::trap::Call;
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// A program for the kernel's packet filter, which seccomp uses.
#[derive(Clone, Debug)]
pub(in super::super) struct Filter(Vec<libc::sock_filter>);

/// Where `seccomp_data` has the number of the call, the architecture, and the third argument's
/// lower half.
const NUMBER_AT: u32 = 0;
const ARCH_AT: u32 = 4;
const LENGTH_AT: u32 = 32;

/// What threads write to wake each other.
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
    /// Asks about these kinds of calls, and before a program becomes another one if told so; lets all
    /// others pass.
    pub(in super::super) fn new(calls: &BTreeSet<Call>, execs: bool) -> Self {
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
        let execs: &[libc::c_long] = if execs { &[libc::SYS_execve, libc::SYS_execveat] } else { &[] };
        for &number in calls.iter().flat_map(|&call| numbers(call)).chain(execs) {
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

    /// Puts the filter on the calling thread and all that it will execute or fork; where the kernel asks.
    /// Callers wait for ever if nobody answers there.
    pub(in super::super) fn put_on(&self) -> io::Result<OwnedFd> {
        let program = libc::sock_fprog {
            len: u16::try_from(self.0.len()).map_err(io::Error::other)?,
            filter: self.0.as_ptr().cast_mut(),
        };
        let install = |flags: libc::c_ulong| {
            // SAFETY: the program outlives the call, which copies it; the file is new, so nobody else
            // owns it.
            unsafe {
                let fd = Errno::result(libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_SET_MODE_FILTER,
                    flags,
                    &raw const program,
                ))?;
                Ok(OwnedFd::from_raw_fd(RawFd::try_from(fd).map_err(|_| Errno::EMFILE)?))
            }
        };
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        // Without it, a signal makes the caller ask again, and one call counts twice. Kernels before
        // 5.19 do not know it.
        match install(flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
            Err(Errno::EINVAL) => Ok(install(flags)?),
            done => Ok(done?),
        }
    }
}

fn nr(number: libc::c_long) -> u32 {
    u32::try_from(number).unwrap_or_default()
}
