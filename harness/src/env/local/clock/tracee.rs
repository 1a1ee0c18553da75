//! A process that this thread traces while it leads the process' clocks elsewhere: long enough for
//! that, and no longer, since a traced process stops at every signal.

#![expect(unsafe_code, reason = "waitid without reaping has no safe wrapper")]

use super::page::LENGTH;
use super::vdso::{JUMP, Vdso};
use crate::env::local::processes;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::ffi::c_void;
use std::fs;
use std::time::{Duration, Instant};

/// How long a stop may take that has been asked for.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How often one looks.
const POLL: Duration = Duration::from_micros(50);

/// Looks after which it is asked whether the process still lives.
const POLLS_PER_LOOK: usize = 20;

/// Stops that are passed over while a call is made; each is a signal.
const MOST_STOPS: usize = 1_000;

/// `PTRACE_EVENT_STOP` of linux/ptrace.h: it was interrupted, or it is stopped like its whole group.
const EVENT_STOP: i32 = 128;

/// A traced process, or a thread of one that is about to become another program.
pub(in crate::env) struct Tracee {
    pid: Pid,
    /// Signals that came in between, and are for the process.
    owed: Vec<i32>,
}

/// Why a process stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is another program now, none of whose instructions ran.
    Exec,
    /// It was interrupted between two instructions of its own.
    Between,
    /// A signal came, of this number.
    Signal(i32),
}

impl Tracee {
    /// Begins to trace it; it runs on.
    pub(in crate::env) fn seize(pid: u32) -> Result<Self, String> {
        let pid = Pid::from_raw(i32::try_from(pid).map_err(|e| e.to_string())?);
        ptrace::seize(pid, Options::PTRACE_O_TRACEEXEC).map_err(|e| format!("cannot trace it: {e}"))?;
        Ok(Self { pid, owed: Vec::new() })
    }

    /// Waits until it becomes another program, or for so long; whether it did. In either case it stands
    /// still between two instructions, none of which a new program has run.
    pub(super) fn await_exec(&mut self, patience: Duration) -> Result<bool, String> {
        // A thread that is not the first takes the number of the first when it does.
        let leader = thread_group(self.pid).unwrap_or(self.pid);
        let stop = match self.wait(leader, Instant::now() + patience)? {
            Some(stop) => stop,
            None => self.interrupted(leader)?,
        };
        match stop {
            Stop::Exec => {
                self.pid = leader;
                // The call is not over: it would overwrite a register.
                ptrace::interrupt(self.pid)
                    .and_then(|()| ptrace::cont(self.pid, None))
                    .map_err(|e| told("stop it", e))?;
                let stop = self.wait(leader, Instant::now() + STOP_WITHIN)?;
                self.note(stop.ok_or_else(never_stops)?);
                Ok(true)
            }
            // It does not, or it will have to ask again.
            other => {
                self.note(other);
                Ok(false)
            }
        }
    }

    /// Makes it stand still between two instructions.
    pub(in crate::env) fn interrupt(&mut self) -> Result<(), String> {
        let stop = self.interrupted(self.pid)?;
        self.note(stop);
        Ok(())
    }

    fn interrupted(&self, leader: Pid) -> Result<Stop, String> {
        ptrace::interrupt(self.pid).map_err(|e| told("stop it", e))?;
        self.wait(leader, Instant::now() + STOP_WITHIN)?.ok_or_else(never_stops)
    }

    fn note(&mut self, stop: Stop) {
        if let Stop::Signal(number) = stop {
            self.owed.push(number);
        }
    }

    /// Leads its clocks to the page behind file number `file` of its own, and closes that. It has to
    /// stand still between two instructions of its own, none of them in the vDSO's functions.
    pub(super) fn patch(&mut self, file: i32) -> Result<(), String> {
        let number = u32::try_from(self.pid.as_raw()).unwrap_or(0);
        let vdso = Vdso::of(number).map_err(|e| e.to_string())?;
        let call = vdso.system_call().map_err(|e| e.to_string())?;
        let arguments = [
            0,
            LENGTH as u64,
            (libc::PROT_READ | libc::PROT_EXEC) as u64,
            libc::MAP_SHARED as u64,
            file as u64,
            0,
        ];
        let page = self.make_call(call, libc::SYS_mmap, arguments).map_err(|e| told("map its clocks", e))?;
        self.close(call, file)?;
        for (at, code) in vdso.detours(page) {
            self.write(at, code).map_err(|e| told("change its vDSO", e))?;
        }
        Ok(())
    }

    /// Closes a file of its own, of a program that it is still.
    pub(super) fn close_file(&mut self, file: i32) -> Result<(), String> {
        let number = u32::try_from(self.pid.as_raw()).unwrap_or(0);
        let call = Vdso::of(number).and_then(|vdso| vdso.system_call()).map_err(|e| e.to_string())?;
        self.close(call, file)
    }

    /// From now on the kernel kills its process when this thread ends, whatever protects it from signals of
    /// its own namespace.
    pub(in crate::env) fn condemn(&self) -> Result<(), String> {
        match ptrace::setoptions(self.pid, Options::PTRACE_O_EXITKILL) {
            // It has ended.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(told("tie its end to ours", error)),
        }
    }

    /// Lets it go, with the signals that it is owed.
    pub(in crate::env) fn release(self) -> Result<(), String> {
        for &number in &self.owed {
            // SAFETY: no memory is involved.
            unsafe { libc::kill(self.pid.as_raw(), number) };
        }
        let detach = || ptrace::detach(self.pid, None);
        match detach() {
            Err(Errno::ESRCH) => {}
            other => return other.map_err(|e| told("let it go", e)),
        }
        // It runs, and nobody would let it go at its next stop; or it has ended.
        if self.interrupted(self.pid).is_ok() && detach().is_ok() {
            return Ok(());
        }
        self.bury();
        Ok(())
    }

    /// The dead are kept for who traces them, and with them all of their PID namespace. Our own children
    /// are waited for by whoever started them.
    fn bury(&self) {
        if parent(self.pid) != Some(Pid::this()) {
            let flags = WaitPidFlag::WNOHANG | WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            let _ = waitpid(self.pid, Some(flags));
        }
    }

    fn close(&mut self, call: u64, file: i32) -> Result<(), String> {
        let arguments = [file as u64, 0, 0, 0, 0, 0];
        self.make_call(call, libc::SYS_close, arguments).map(drop).map_err(|e| told("close its clocks", e))
    }

    /// Has it make a system call by the instruction at `call`, as if nothing had been.
    fn make_call(&mut self, call: u64, number: i64, arguments: [u64; 6]) -> Result<u64, Errno> {
        /// The largest error that the kernel returns.
        const MAX_ERRNO: i64 = 4095;
        let before = ptrace::getregs(self.pid)?;
        let mut during = before;
        [during.rdi, during.rsi, during.rdx, during.r10, during.r8, during.r9] = arguments;
        during.rip = call;
        during.rax = number as u64;
        // It interrupted no call that would have to be made again.
        during.orig_rax = u64::MAX;
        ptrace::setregs(self.pid, during)?;
        for _ in 0..MOST_STOPS {
            ptrace::step(self.pid, None)?;
            let stop = self.wait(self.pid, Instant::now() + STOP_WITHIN).map_err(|_| Errno::ESRCH)?;
            match stop {
                Some(Stop::Signal(libc::SIGTRAP)) => {
                    let returned = ptrace::getregs(self.pid)?.rax;
                    ptrace::setregs(self.pid, before)?;
                    let error = -(returned as i64);
                    return match i32::try_from(error) {
                        Ok(errno) if (1..=MAX_ERRNO).contains(&error) => Err(Errno::from_raw(errno)),
                        _ => Ok(returned),
                    };
                }
                Some(Stop::Signal(other)) => self.owed.push(other),
                Some(Stop::Between) => {}
                Some(Stop::Exec) | None => return Err(Errno::ETIMEDOUT),
            }
        }
        Err(Errno::EINTR)
    }

    /// The kernel copies a page of the vDSO for the process when a tracer writes to it: other processes
    /// keep theirs.
    fn write(&self, at: u64, code: [u8; JUMP]) -> Result<(), Errno> {
        let word = |at: u64| ptrace::read(self.pid, at as *mut c_void);
        let mut last = word(at + 8)?.to_ne_bytes();
        last[..4].copy_from_slice(&code[8..]);
        let first: [u8; 8] = std::array::from_fn(|n| code[n]);
        for (at, bytes) in [(at, first), (at + 8, last)] {
            ptrace::write(self.pid, at as *mut c_void, i64::from_ne_bytes(bytes))?;
        }
        Ok(())
    }

    /// The next stop of it, or of the process that it becomes, until the deadline.
    fn wait(&self, leader: Pid, deadline: Instant) -> Result<Option<Stop>, String> {
        let mut looks = 0;
        loop {
            for pid in [self.pid, leader] {
                if let Some(stop) = stop_of(pid) {
                    return Ok(Some(stop));
                }
            }
            looks += 1;
            if looks % POLLS_PER_LOOK == 0
                && ![self.pid, leader].iter().any(|pid| lives(pid.as_raw().unsigned_abs()))
            {
                return Err("it has ended".into());
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            // A stop comes within microseconds, once the process has a processor.
            if looks < POLLS_PER_LOOK { std::thread::yield_now() } else { std::thread::sleep(POLL) }
        }
    }
}

/// Takes note of a stop, and never of an end: that is for whoever started the process.
fn stop_of(pid: Pid) -> Option<Stop> {
    let number = libc::id_t::try_from(pid.as_raw()).ok()?;
    let flags = libc::WSTOPPED | libc::WNOHANG | libc::__WALL | libc::__WNOTHREAD;
    // SAFETY: zeroes are a valid `siginfo`, which the kernel fills in.
    let (code, status) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        if libc::waitid(libc::P_PID, number, &raw mut info, flags) != 0 || info.si_pid() == 0 {
            return None;
        }
        (info.si_code, info.si_status())
    };
    if code != libc::CLD_TRAPPED {
        return None;
    }
    Some(match status >> 8 {
        libc::PTRACE_EVENT_EXEC => Stop::Exec,
        EVENT_STOP => Stop::Between,
        _ => Stop::Signal(status & 0x7f),
    })
}

fn thread_group(pid: Pid) -> Option<Pid> {
    status(pid, "Tgid:")
}

fn parent(pid: Pid) -> Option<Pid> {
    status(pid, "PPid:")
}

fn status(pid: Pid, name: &str) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = status.lines().find_map(|line| line.strip_prefix(name))?;
    number.trim().parse().ok().map(Pid::from_raw)
}

/// Has it any thread that has not ended?
pub(super) fn lives(pid: u32) -> bool {
    processes::thread_states(pid).iter().any(|state| !matches!(state, 'Z' | 'X'))
}

fn never_stops() -> String {
    format!("it does not stop within {STOP_WITHIN:?}")
}

fn told(what: &str, errno: Errno) -> String {
    format!("cannot {what}: {errno}")
}
