//! The processes of a node: all whose IPC namespace is the node's, however they were started and
//! whatever session or parent they have. Its network may be the machine's own, so it would not do.
//!
//! Commands that somebody runs on the node's host to ask how it is are none of them: those stay in the
//! session of Duress, and servers have sessions of their own.
//!
//! The process that Duress started would not do: servers fork helpers, and a fault that leaves
//! one of them running is not the fault that the report claims. Signals go through pidfds, so
//! that a number which the kernel has given away again is never hit.

#![expect(unsafe_code, reason = "pidfd calls have no wrapper in nix or std")]

use super::host::NamespaceId;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// Longest wait for processes to be gone after SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for every thread to stand still after SIGSTOP.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often one looks again meanwhile.
const POLL: Duration = Duration::from_millis(1);

/// One process, held so that it cannot be mistaken for another.
pub(super) struct Process {
    pub(super) pid: u32,
    handle: OwnedFd,
}

/// What all processes of a node are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// At least one thread is not stopped.
    Running,
    /// All threads of all processes are, or will be before they run on.
    Stopped,
    /// There is none.
    None,
}

/// The processes of a node, in order of their numbers.
pub(super) fn in_namespace(id: NamespaceId) -> Vec<Process> {
    let own = std::process::id();
    let visiting = session("/proc/self/stat");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<Process> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != own && namespace_of(pid) == Some(id))
        .filter(|&pid| visiting.is_none() || session(&format!("/proc/{pid}/stat")) != visiting)
        .filter_map(|pid| Process::open(pid, id))
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// Kills all processes of a node and waits until they are gone. Those born
/// meanwhile are killed as well.
pub(super) fn kill_all(id: NamespaceId) -> Result<(), String> {
    let deadline = Instant::now() + KILL_TIMEOUT;
    loop {
        let processes = in_namespace(id);
        if processes.is_empty() {
            return Ok(());
        }
        for process in &processes {
            process
                .signal(Signal::SIGKILL)
                .map_err(|e| format!("cannot kill process {}: {e}", process.pid))?;
        }
        for process in &processes {
            if !process.wait_until(deadline) {
                return Err(format!("process {} is still there {KILL_TIMEOUT:?} after SIGKILL", process.pid));
            }
        }
    }
}

/// Kills one process of a node and waits until it is gone.
pub(super) fn kill(id: NamespaceId, pid: u32) -> Result<(), String> {
    let deadline = Instant::now() + KILL_TIMEOUT;
    let Some(process) = in_namespace(id).into_iter().find(|process| process.pid == pid) else {
        return Ok(());
    };
    process.signal(Signal::SIGKILL).map_err(|e| format!("cannot kill process {pid}: {e}"))?;
    if process.wait_until(deadline) {
        Ok(())
    } else {
        Err(format!("process {pid} is still there {KILL_TIMEOUT:?} after SIGKILL"))
    }
}

/// Sends one process of a node a signal that asks it to end, and waits for it no longer than
/// this.
pub(super) fn terminate(id: NamespaceId, pid: u32, signal: i32, grace: Duration) -> Result<(), String> {
    let signal = Signal::try_from(signal).map_err(|e| format!("{signal} is no signal: {e}"))?;
    let deadline = Instant::now() + grace;
    let Some(process) = in_namespace(id).into_iter().find(|process| process.pid == pid) else {
        return Ok(());
    };
    process.signal(signal).map_err(|e| format!("cannot terminate process {pid}: {e}"))?;
    // A stopped one hears it only when it goes on, and may wait for others before it obeys.
    resume_all(id)?;
    process.wait_until(deadline);
    Ok(())
}

/// Waits for one process of a node to end, no longer than this.
pub(super) fn await_end(id: NamespaceId, pid: u32, grace: Duration) {
    let deadline = Instant::now() + grace;
    if let Some(process) = in_namespace(id).into_iter().find(|process| process.pid == pid) {
        process.wait_until(deadline);
    }
}

/// Stops all threads of all processes of a node, and sees that they stand still.
/// When it cannot, it lets them go on and says why.
pub(super) fn pause_all(id: NamespaceId) -> Result<(), String> {
    let result = try_pause_all(id);
    if result.is_err() {
        let _ = resume_all(id);
    }
    result
}

fn try_pause_all(id: NamespaceId) -> Result<(), String> {
    let deadline = Instant::now() + PAUSE_TIMEOUT;
    loop {
        let processes = in_namespace(id);
        if processes.is_empty() {
            return Err("it has no process".into());
        }
        for process in &processes {
            process
                .signal(Signal::SIGSTOP)
                .map_err(|e| format!("cannot stop process {}: {e}", process.pid))?;
        }
        while activity(&processes) == Activity::Running {
            if Instant::now() > deadline {
                return Err(format!("a thread still runs {PAUSE_TIMEOUT:?} after SIGSTOP"));
            }
            std::thread::sleep(POLL);
        }
        // A process may have been born between the look and the signal to its parent.
        if activity(&in_namespace(id)) == Activity::Stopped {
            return Ok(());
        }
    }
}

/// Lets all processes of a node go on.
pub(crate) fn resume_all(id: NamespaceId) -> Result<(), String> {
    for process in in_namespace(id) {
        process.signal(Signal::SIGCONT).map_err(|e| format!("cannot resume process {}: {e}", process.pid))?;
    }
    Ok(())
}

/// What these processes are doing, as `/proc` says.
pub(super) fn activity(processes: &[Process]) -> Activity {
    let (mut stopped, mut alive) = (false, false);
    for state in processes.iter().flat_map(|process| thread_states(process.pid)) {
        match state {
            'T' | 't' => stopped = true,
            // Ended threads do nothing.
            'Z' | 'X' => {}
            // In the kernel, and stops before it runs another instruction of its own. Not to be
            // waited for: the parent in a vfork stays here while its stopped child does.
            'D' => alive = true,
            _ => return Activity::Running,
        }
    }
    match (stopped, alive) {
        (true, _) => Activity::Stopped,
        // All of them in the kernel: they are alive, and nothing says that they will stand still.
        (false, true) => Activity::Running,
        (false, false) => Activity::None,
    }
}

/// The session of a process, by its stat file, as we number it; 0 where that is of no concern to us.
fn session(stat: &str) -> Option<u32> {
    const SESSION: usize = 6;
    const FIRST_AFTER_NAME: usize = 3;
    stat_after_name(stat)?.split_whitespace().nth(SESSION - FIRST_AFTER_NAME)?.parse().ok()
}

/// When a process started, in clock ticks since the machine did: with its number, its identity.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    const STARTTIME: usize = 22;
    const FIRST_AFTER_NAME: usize = 3;
    stat_after_name(&format!("/proc/{pid}/stat"))?
        .split_whitespace()
        .nth(STARTTIME - FIRST_AFTER_NAME)?
        .parse()
        .ok()
}

impl Process {
    fn open(pid: u32, id: NamespaceId) -> Option<Self> {
        // SAFETY: no pointers; the result is checked and owned at once.
        let handle = unsafe {
            let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0)).ok()?;
            OwnedFd::from_raw_fd(i32::try_from(fd).ok()?)
        };
        // Again, now that the handle holds it: the number may have changed its owner before.
        (namespace_of(pid) == Some(id)).then_some(Self { pid, handle })
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.wait_until(Instant::now())
    }

    /// Does nothing when the process has ended.
    fn signal(&self, signal: Signal) -> Result<(), Errno> {
        let (fd, number) = (self.handle.as_raw_fd(), signal as libc::c_int);
        // SAFETY: a null `siginfo` asks for what kill(2) would send.
        let sent = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, fd, number, std::ptr::null::<libc::siginfo_t>(), 0)
        };
        match Errno::result(sent) {
            Ok(_) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits until it has ended; did it, in time?
    fn wait_until(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.handle.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) if left.is_zero() => return false,
                Ok(0) | Err(_) => {}
                Ok(_) => return true,
            }
        }
    }
}

/// The namespace by which one sees whose a process, or a thread, is.
pub(crate) fn namespace_of(pid: u32) -> Option<NamespaceId> {
    let id = |path: &str| fs::metadata(path).map(|file| NamespaceId(file.dev(), file.ino()));
    match id(&format!("/proc/{pid}/ns/ipc")) {
        Ok(id) => Some(id),
        // The first thread has ended, and with it its namespaces; others may go on.
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::read_dir(format!("/proc/{pid}/task"))
            .ok()?
            .find_map(|task| id(task.ok()?.path().join("ns/ipc").to_str()?).ok()),
        Err(_) => None,
    }
}

/// What each thread of a process is doing, as the kernel's letter for it.
pub(super) fn thread_states(pid: u32) -> Vec<char> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .filter_map(|task| {
            stat_after_name(task.ok()?.path().join("stat").to_str()?)?.trim_start().chars().next()
        })
        .collect()
}

/// The fields of a stat file from the third on. The second, the name, may contain anything.
fn stat_after_name(path: &str) -> Option<String> {
    let stat = fs::read_to_string(path).ok()?;
    stat.rsplit_once(')').map(|(_, fields)| fields.to_owned())
}
