//! The process that was started for a node: which it is, and how it ended.
//!
//! Not here: what it has started itself (`processes`), and how it is started (`spawner`).

use super::ServerCommand;
use super::disk::NodeDisk;
use crate::env::Stop;
use duress_targets::{ServerFiles, Stopping};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// Longest wait for a killed server's exit status.
pub(super) const REAP_TIMEOUT: Duration = Duration::from_secs(10);

/// How often one looks for it.
const REAP_POLL: Duration = Duration::from_millis(1);

/// The process that was started for a node.
pub(super) struct Server {
    /// How it is started the next time.
    pub(super) command: ServerCommand,
    pub(super) child: Option<Child>,
    /// It ended, nobody had asked it to, and nobody has been told yet; with its excuse.
    pub(super) ended: Vec<(ExitStatus, Option<&'static str>)>,
    /// Why it may end by itself.
    pub(super) excuse: Option<&'static str>,
    /// How it is asked to end.
    pub(super) stopping: Stopping,
    /// Where it works, and what it writes logs into.
    pub(super) files: ServerFiles,
    /// The numbers of all that were started, and how they ended, the last of them.
    pub(super) past: Past,
}

/// What became of a node's servers.
#[derive(Default)]
pub(super) struct Past {
    pub(super) pids: VecDeque<u32>,
    pub(super) exits: VecDeque<String>,
}

/// Servers of one node whose end is remembered.
const MAX_PAST: usize = 1_000;

impl Past {
    fn started(&mut self, pid: u32) {
        while self.pids.len() >= MAX_PAST {
            self.pids.pop_front();
        }
        self.pids.push_back(pid);
    }

    fn ended(&mut self, pid: u32, status: ExitStatus, how: &str) {
        while self.exits.len() >= MAX_PAST {
            self.exits.pop_front();
        }
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let core = if status.core_dumped() { ", with a core file" } else { "" };
        self.exits.push_back(format!("{now} process {pid}: {status}{core}, {how}"));
    }
}

/// Which of a node's processes is its server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Main {
    /// The first, if there is one: it is being started.
    First,
    /// The one with this number that was born then: a child may get its number after it.
    Is { pid: u32, born: Option<u64> },
}

impl Server {
    pub(super) fn new(command: ServerCommand) -> Self {
        Self {
            command,
            child: None,
            ended: Vec::new(),
            excuse: None,
            stopping: Stopping::default(),
            files: ServerFiles::default(),
            past: Past::default(),
        }
    }

    /// It has been started.
    pub(super) fn begin(&mut self, child: Child) {
        self.past.started(child.id());
        self.child = Some(child);
    }

    /// Notes it if the server has ended by itself.
    pub(super) fn reap(&mut self, disk: Option<&NodeDisk>) {
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = ended(child)
        {
            self.past.ended(child.id(), status, "by itself");
            self.ended.push((status, self.excuse(disk)));
            self.child = None;
        }
    }

    /// Waits for a server that is in no namespace any more: the kernel may have to close its files, a core
    /// file among them, before one can hear how it ended.
    pub(super) fn wait_by_itself(&mut self, disk: Option<&NodeDisk>) -> Result<(), String> {
        if let Some(child) = &mut self.child
            && wait_until(child, Instant::now() + REAP_TIMEOUT).is_none()
        {
            return Err(format!("process {} is not in the node's namespaces and does not end", child.id()));
        }
        self.reap(disk);
        Ok(())
    }

    fn excuse(&self, disk: Option<&NodeDisk>) -> Option<&'static str> {
        let disk = disk.filter(|disk| disk.is_to_blame());
        disk.map(|_| "its disk had failed it").or(self.excuse)
    }

    /// How it ended, if it does within this time; then nobody else is told of it.
    pub(super) fn end_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        let status = wait_until(child, Instant::now() + patience)?;
        self.past.ended(child.id(), status, "as its memory ran out");
        self.child = None;
        Some(status)
    }

    /// Waits for a server that has been stopped, all of whose processes are gone.
    pub(super) fn wait(&mut self, how: Stop, disk: Option<&NodeDisk>) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let Some(status) = wait_until(&mut child, Instant::now() + REAP_TIMEOUT) else {
            let pid = child.id();
            self.child = Some(child);
            return Err(format!("process {pid} is not in the node's namespaces and does not end"));
        };
        // It crashed or ended in the moment before the signal.
        let early = how == Stop::Kill && status.signal() != Some(libc::SIGKILL);
        self.past.ended(child.id(), status, if early { "by itself" } else { "as asked" });
        if early {
            self.ended.push((status, self.excuse(disk)));
        }
        Ok(())
    }
}

/// How it ended, if it has. To ask the child alone would take a stop of it for its end, and away from
/// the thread that traces it for a moment when it becomes another program.
fn ended(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let pid = Pid::from_raw(child.id().cast_signed());
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::Pid(pid), look) {
        Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => child.try_wait(),
        // Stops of who is traced are told to whoever asks.
        Ok(_) => Ok(None),
    }
}

pub(super) fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match ended(child) {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(REAP_POLL),
            Ok(None) | Err(_) => return None,
        }
    }
}
