//! Makes the cluster's PID namespace and starts processes in it, so that the kernel ends them
//! all when Duress ends, however it ends.
//!
//! One thread does it and lives as long as the cluster. It has unshared the PID namespace for
//! its children; the first of them is the namespace's init, with whose death the kernel kills
//! every other process in it, daemons in sessions of their own included. Init dies when its
//! lifeline, a pipe whose other end only this thread holds, hangs up, or when the thread does
//! (the parent-death signal follows the thread, not the process): starting servers from a pool's
//! thread, which may retire, would kill a healthy cluster.

#![expect(unsafe_code, reason = "fork, and code between fork and exec, have no safe wrapper")]

use super::host::Host;
use super::memory::Group;
use super::trap::Filter;
use super::user::User;
use super::{ServerCommand, core_file};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, chdir, fork, pipe2, read, setpgid, setsid};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Requests under way. Callers wait for their answers, so there is one per calling thread.
const REQUEST_QUEUE: usize = 16;

/// Longest wait for the namespace to end once its lifeline is cut. It takes about 10 ms.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// How often one looks whether it has ended.
const END_POLL: Duration = Duration::from_millis(2);

/// A cluster's PID namespace. All of its processes die with this value.
pub(super) struct Spawner {
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

/// A server to be started, or somebody who asks how it is.
pub(super) struct Start {
    pub(super) host: Arc<Host>,
    pub(super) command: ServerCommand,
    /// The working directory, as seen inside the host.
    pub(super) work_dir: PathBuf,
    /// What it prints.
    pub(super) stdout: File,
    /// What it complains about.
    pub(super) stderr: File,
    /// It serves nobody, and only asks how the node is.
    pub(super) visits: bool,
    /// The group that its memory counts for, if any.
    pub(super) memory: Option<Arc<Group>>,
    /// Whom it becomes, if it is not to be who we are.
    pub(super) user: Option<User>,
}

enum Request {
    MountProc { host: Arc<Host>, done: SyncSender<Result<(), Errno>> },
    Start { start: Start, done: SyncSender<io::Result<Child>> },
}

impl Spawner {
    /// Makes the namespace and its init. With a filter, none of the servers makes the calls that it
    /// asks about unless somebody answers at the file that is returned.
    pub(super) fn new(filter: Option<Filter>) -> io::Result<(Self, Option<OwnedFd>)> {
        let (requests, receive) = sync_channel(REQUEST_QUEUE);
        let (ready, is_ready) = sync_channel(1);
        let thread = std::thread::Builder::new().name("spawner".into()).spawn(move || {
            let made = make_namespace().map_err(io::Error::from);
            // Not sooner: init would have it, too.
            match made.and_then(|made| Ok((made, filter.map(|filter| filter.put_on()).transpose()?))) {
                Ok(((init, lifeline), listener)) => {
                    let _ = ready.send(Ok(listener));
                    serve(&receive);
                    drop(lifeline);
                    wait_for_end(init);
                }
                Err(error) => _ = ready.send(Err(error)),
            };
        })?;
        let listener = is_ready.recv().unwrap_or_else(|_| Err(Errno::ECANCELED.into()))?;
        Ok((Self { requests: Some(requests), thread: Some(thread) }, listener))
    }

    /// Gives the host a `/proc` of the cluster's processes. A container may forbid that.
    pub(super) fn mount_proc(&self, host: &Arc<Host>) -> Result<(), Errno> {
        self.ask(|done| Request::MountProc { host: Arc::clone(host), done }).unwrap_or(Err(Errno::ECANCELED))
    }

    /// Starts a server. An error means that its program did not begin to run.
    pub(super) fn start(&self, start: Start) -> io::Result<Child> {
        self.ask(|done| Request::Start { start, done })
            .unwrap_or_else(|| Err(io::Error::other("the thread that starts servers has ended")))
    }

    /// Lets go of the lifeline: the kernel kills all processes of the namespace at once. Who
    /// holds a [`Child`] has to wait for it; only then is the namespace gone.
    pub(super) fn kill_all(&mut self) {
        self.requests = None;
    }

    fn ask<T>(&self, request: impl FnOnce(SyncSender<T>) -> Request) -> Option<T> {
        let (done, wait) = sync_channel(1);
        self.requests.as_ref()?.send(request(done)).ok()?;
        wait.recv().ok()
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.kill_all();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed; here it must not become a second one.
            let _ = thread.join();
        }
    }
}

/// Unshares the PID namespace of this thread's children and forks its init. The pipe's end that
/// is returned keeps init alive.
fn make_namespace() -> Result<(Pid, OwnedFd), Errno> {
    // Close-on-exec: a server that inherited the lifeline would keep itself alive with it.
    let (watched, lifeline) = pipe2(OFlag::O_CLOEXEC)?;
    unshare(CloneFlags::CLONE_NEWPID)?;
    // SAFETY: the child makes system calls only (`init`).
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok((child, lifeline)),
        ForkResult::Child => init(&watched),
    }
}

/// The namespace's first process. It is a copy of one thread of many, so it may only make
/// system calls: any lock may have been held by a thread that does not exist here.
fn init(watched: &OwnedFd) -> ! {
    // SAFETY: ends this process without running anything of the process it is a copy of.
    let end = || unsafe { libc::_exit(1) };
    // The terminal's Ctrl-C is for Duress, which then ends the cluster in order.
    let set_up = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)
        .and_then(|()| prctl::set_pdeathsig(Signal::SIGKILL))
        .and_then(|()| setsid())
        .and_then(|_| prctl::set_name(c"duress-init"))
        // Orphans of the cluster become our children: the kernel reaps them for us.
        // SAFETY: no handler is installed.
        .and_then(|()| unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) })
        .and_then(|_| close_all_but(watched));
    if set_up.is_err() {
        end();
    }
    // Nobody writes: it returns when every copy of the other end is closed. All signals are
    // blocked, so it is not interrupted.
    let _ = read(watched, &mut [0]);
    end()
}

/// Also closes the lifeline's other end, and whatever another cluster of this process holds.
pub(super) fn close_all_but(kept: &OwnedFd) -> nix::Result<()> {
    let kept = kept.as_raw_fd().unsigned_abs();
    let close = |first: u32, last: u32| {
        // SAFETY: this copy of the process uses no file but the one that is kept.
        Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })
    };
    if kept > 0 {
        close(0, kept - 1)?;
    }
    close(kept + 1, u32::MAX)?;
    Ok(())
}

/// Does as it is asked until nobody can ask any more.
fn serve(requests: &Receiver<Request>) {
    while let Ok(request) = requests.recv() {
        // Whoever asked waits for the answer; if it does not, it has no use for it.
        match request {
            Request::MountProc { host, done } => _ = done.send(mount_proc(&host)),
            Request::Start { start, done } => _ = done.send(start_server(start)),
        }
    }
}

fn mount_proc(host: &Host) -> Result<(), Errno> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // In a child, because it shows the PID namespace of who mounts it.
    // SAFETY: the child makes system calls only.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let mounted = host
                .enter()
                .and_then(|()| mount(Some(c"proc"), c"/proc", Some(c"proc"), flags, None::<&std::ffi::CStr>));
            let code = mounted.map_or_else(|errno| errno as i32, |()| 0);
            // SAFETY: ends this copy without running anything of the original.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, code) => Err(Errno::from_raw(code)),
            _ => Err(Errno::ECANCELED),
        },
    }
}

fn start_server(start: Start) -> io::Result<Child> {
    let Start { host, command, work_dir, stdout, stderr, visits, memory, user } = start;
    let groups = user.as_ref().map(User::groups).unwrap_or_default();
    let work_dir = CString::new(work_dir.as_os_str().as_bytes())?;
    let core = core_file::limit();
    // This machine's search path means nothing in an image.
    let own_path = std::env::var_os("PATH").filter(|_| !host.has_own_root());
    let mut process = Command::new(&command.program);
    process
        .args(&command.args)
        .env_clear()
        .env("PATH", own_path.unwrap_or_else(|| DEFAULT_PATH.into()))
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr);
    // SAFETY: system calls only, on memory that was allocated before the fork.
    unsafe {
        process.pre_exec(move || {
            if let Some(group) = &memory {
                group.enter()?;
            }
            host.enter()?;
            // Not `current_dir`: that comes before, and entering the mounts undoes it.
            chdir(work_dir.as_c_str())?;
            // Who visits stays in our session, and is known by that: see `processes`.
            if visits {
                setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
            } else {
                setsid()?;
            }
            // After all that takes rights.
            if let Some(user) = &user {
                user.assume(&groups)?;
            }
            // In a user namespace, only who may be dumped may be traced, and so be given clocks. Exec
            // sets it anew.
            prctl::set_dumpable(true)?;
            if let Some(limit) = core {
                let (_, most) = getrlimit(Resource::RLIMIT_CORE)?;
                setrlimit(Resource::RLIMIT_CORE, limit.min(most), most)?;
            }
            Ok(())
        })
    };
    process.spawn()
}

/// Where servers look for programs in an image, and when Duress itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn wait_for_end(init: Pid) {
    let deadline = Instant::now() + END_TIMEOUT;
    while let Ok(WaitStatus::StillAlive) = waitpid(init, Some(WaitPidFlag::WNOHANG)) {
        if Instant::now() > deadline {
            return;
        }
        std::thread::sleep(END_POLL);
    }
}
