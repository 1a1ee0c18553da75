//! A process that tells what a node's clocks show: a copy of this one whose clocks are led to the
//! node's page like a server's, and which then asks for the time as programs do.
//!
//! What stands in the page proves nothing. What it shows is compared with what the kernel says in
//! the same moment, so nothing rests on how fast this machine is.

#![expect(unsafe_code, reason = "fork has no safe wrapper")]

use super::page::Page;
use super::tracee::Tracee;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pipe2};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// Times that each clock is asked.
pub(super) const SAMPLES: usize = 32;

/// The clocks that are asked.
pub(super) const CLOCKS: [libc::clockid_t; 2] = [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC];

/// Seconds after which the kernel ends it in any case.
const LIFE: u32 = 30;

/// What a clock showed, between two readings of the true one; nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) before: i64,
    pub(super) shown: i64,
    pub(super) after: i64,
}

/// Of each of [`CLOCKS`], one after the other.
pub(super) type Samples = [[Sample; CLOCKS.len()]; SAMPLES];

const SAMPLE_BYTES: usize = 24;

/// What the clocks show, again and again during so long.
pub(super) fn ask(page: &Page, during: Duration) -> io::Result<Samples> {
    let (wait, go) = pipe2(OFlag::O_CLOEXEC)?;
    let (answer, tell) = pipe2(OFlag::O_CLOEXEC)?;
    let pause = libc::timespec {
        tv_sec: 0,
        // Below a second: callers look for a second at most.
        tv_nsec: i64::from((during / SAMPLES as u32).subsec_nanos()),
    };
    // SAFETY: the child makes system calls and asks for the time only.
    let child = match unsafe { fork() }? {
        ForkResult::Child => live(&wait, &tell, pause),
        ForkResult::Parent { child } => child,
    };
    drop((wait, tell));
    let answer = File::from(answer);
    let samples = lead(child, page, &answer).and_then(|()| hear(go, &answer));
    let _ = kill(child, Signal::SIGKILL);
    waitpid(child, None)?;
    samples
}

fn lead(child: Pid, page: &Page, mut answer: &File) -> io::Result<()> {
    answer.read_exact(&mut [0])?;
    let mut tracee = Tracee::seize(child.as_raw().unsigned_abs()).map_err(io::Error::other)?;
    // Files have the same numbers in a copy.
    let file = page.as_fd().as_raw_fd();
    let done = tracee.interrupt().and_then(|()| tracee.patch(file));
    let released = tracee.release();
    done.and(released).map_err(io::Error::other)
}

fn hear(go: OwnedFd, mut answer: &File) -> io::Result<Samples> {
    File::from(go).write_all(&[0])?;
    let mut bytes = [0; SAMPLE_BYTES * SAMPLES * CLOCKS.len()];
    answer.read_exact(&mut bytes)?;
    let mut values = bytes.chunks_exact(8).map(|value| i64::from_ne_bytes(std::array::from_fn(|n| value[n])));
    let mut next = || values.next().unwrap_or_default();
    let mut samples = Samples::default();
    for sample in samples.as_flattened_mut() {
        *sample = Sample { before: next(), shown: next(), after: next() };
    }
    Ok(samples)
}

/// The copy. Of many threads it has one, so it may take no lock.
fn live(wait: &OwnedFd, tell: &OwnedFd, pause: libc::timespec) -> ! {
    // In a user namespace, only who may be dumped may be traced.
    let ready = prctl::set_pdeathsig(Signal::SIGKILL).and_then(|()| prctl::set_dumpable(true));
    // SAFETY: no memory is involved.
    unsafe { libc::alarm(LIFE) };
    let mut samples = Samples::default();
    let ready = ready.and_then(|()| nix::unistd::write(tell, &[0]));
    if ready.is_ok() && nix::unistd::read(wait, &mut [0]) == Ok(1) {
        for moment in &mut samples {
            for (sample, clock) in moment.iter_mut().zip(CLOCKS) {
                *sample = Sample { before: kernel(clock), shown: shown(clock), after: kernel(clock) };
            }
            // SAFETY: a valid time, which is only read.
            unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
        }
        for sample in samples.as_flattened() {
            for value in [sample.before, sample.shown, sample.after] {
                let _ = nix::unistd::write(tell, &value.to_ne_bytes());
            }
        }
    }
    // SAFETY: ends this copy without running anything of the original.
    unsafe { libc::_exit(0) }
}

/// By the function that programs use.
fn shown(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel or the vDSO writes it.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    nanoseconds(time)
}

/// By the system call, past the vDSO.
fn kernel(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes it.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) };
    nanoseconds(time)
}

fn nanoseconds(time: libc::timespec) -> i64 {
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
