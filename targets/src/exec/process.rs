//! A client program's life: started where its thread is, with everything that it starts itself, and gone
//! with it.
//!
//! Between Duress and the program stands a copy of Duress that does nothing but wait. It has made a PID
//! namespace, whose first process the program is: when that ends, the kernel ends whatever it has started,
//! daemons in sessions of their own included. When the thread that started it ends, so does the copy, and
//! with the copy the program (the parent-death signal). Without the right to make a PID namespace, what a
//! program has started ends only if it stays in its session's process group.

#![expect(unsafe_code, reason = "fork, and code between fork and exec, have no safe wrapper")]

use super::Spec;
use crate::Stoppable;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, pipe2, setsid};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver as Queue, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::task::JoinHandle;

/// What is kept of what one program says on standard error.
const MAX_LOG: u64 = 64 << 10;
/// Of the end of it, so much is looked at for the last line.
const MAX_END: usize = 1 << 10;
/// How many programs have a log; those that say nothing need none.
const MAX_LOGS: usize = 256;
/// Variables that would put a proxy between a program and the cluster.
const PROXIES: [&str; 6] =
    ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
/// Programs that are about to end. Whoever finds it full ends its own by itself.
const MAX_ENDING: usize = 1_024;
/// How often one looks whether they have.
const END_POLL: Duration = Duration::from_millis(2);
/// How long one looks whether a program that has closed its output has ended, too.
const EXIT_WITHIN: Duration = Duration::from_millis(300);

/// A program that runs, or has run.
#[derive(Debug)]
pub(super) struct Program {
    child: Mutex<Life>,
}

#[derive(Debug)]
enum Life {
    Runs(Child),
    /// With its status; 128 and more for signals, as shells have it.
    Over(i32),
}

/// A program that has just begun.
pub(super) struct Started {
    pub(super) program: Arc<Program>,
    pub(super) input: Sender,
    pub(super) output: Receiver,
    /// Ends when all that it says on standard error has been kept, with the last line of it.
    pub(super) log: JoinHandle<String>,
}

impl Program {
    /// Starts it; what it says on standard error goes into this file.
    pub(super) fn start(spec: &Spec, log: Option<PathBuf>) -> io::Result<Started> {
        let (program, arguments) = spec.command.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut command = Command::new(program);
        command.args(arguments).envs(&spec.env);
        for proxy in PROXIES.iter().filter(|proxy| !spec.env.contains_key(**proxy)) {
            command.env_remove(proxy);
        }
        if let Some(dir) = &spec.dir {
            command.current_dir(dir);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let duress = getpid();
        // SAFETY: system calls only, on memory that was there before the fork.
        unsafe { command.pre_exec(move || Ok(stand_between(duress)?)) };
        let mut child = command.spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let program = Arc::new(Self { child: Mutex::new(Life::Runs(child)) });
        let (Some(input), Some(output), Some(error)) = pipes else { unreachable!("all three are piped") };
        let opened = (|| {
            let log = tokio::spawn(keep_log(Receiver::from_owned_fd(error.into())?, log));
            Ok((Sender::from_owned_fd(input.into())?, Receiver::from_owned_fd(output.into())?, log))
        })();
        match opened {
            Ok((input, output, log)) => Ok(Started { program, input, output, log }),
            Err(error) => {
                program.end(Duration::ZERO);
                Err(error)
            }
        }
    }

    /// With which status it has ended, if it has: 128 and the number of the signal that ended it.
    pub(super) fn ended(&self) -> Option<i32> {
        let mut life = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Life::Runs(child) = &mut *life {
            use std::os::unix::process::ExitStatusExt as _;
            let status = child.try_wait().ok()??;
            *life = Life::Over(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()));
        }
        match *life {
            Life::Over(status) => Some(status),
            Life::Runs(_) => None,
        }
    }

    /// The same, when it has. Whoever waits has to know how long.
    pub(super) async fn ends(&self) -> i32 {
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            tokio::time::sleep(END_POLL).await;
        }
    }

    /// The same for one that is about to end: a moment later than its output.
    pub(super) async fn ended_soon(&self) -> Option<i32> {
        tokio::time::timeout(EXIT_WITHIN, self.ends()).await.ok()
    }

    /// Lets it end by itself for so long, and then ends it. Does not wait for that.
    pub(super) fn end(self: &Arc<Self>, grace: Duration) {
        if grace.is_zero() {
            self.signal(Signal::SIGKILL);
        }
        if self.ended().is_none() && !hand_over(Arc::clone(self), Instant::now() + grace) {
            self.kill();
        }
    }

    /// Ends it, and waits until it is gone.
    fn kill(&self) {
        self.signal(Signal::SIGKILL);
        let mut life = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Life::Runs(child) = &mut *life {
            let _ = child.wait();
            *life = Life::Over(128 + Signal::SIGKILL as i32);
        }
    }

    /// To it and to what it has started in its group, if it has not been waited for: the number could be
    /// another's by then.
    fn signal(&self, signal: Signal) {
        let life = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Life::Runs(child) = &*life {
            // Who is gone already needs no signal.
            let _ = kill(Pid::from_raw(-child.id().cast_signed()), signal);
        }
    }
}

impl Stoppable for Program {
    fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }
}

/// A program that may take until then to end by itself.
type Ending = (Arc<Program>, Instant);

/// Hands a program to the thread that waits for ends; `false` when that has too many already.
fn hand_over(program: Arc<Program>, until: Instant) -> bool {
    static ENDING: OnceLock<Option<SyncSender<Ending>>> = OnceLock::new();
    let ending = ENDING.get_or_init(|| {
        let (send, receive) = sync_channel(MAX_ENDING);
        let thread = std::thread::Builder::new().name("client-ends".to_owned());
        thread.spawn(move || wait_for_ends(&receive)).ok().map(|_| send)
    });
    ending.as_ref().is_some_and(|ending| ending.try_send((program, until)).is_ok())
}

fn wait_for_ends(new: &Queue<Ending>) {
    let mut ending: Vec<Ending> = Vec::new();
    loop {
        let received = if ending.is_empty() {
            new.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            new.recv_timeout(END_POLL)
        };
        match received {
            Ok(program) => ending.push(program),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        ending.retain(|(program, until)| {
            let over = program.ended().is_some();
            if !over && Instant::now() >= *until {
                program.signal(Signal::SIGKILL);
            }
            !over
        });
    }
}

/// Between fork and exec: forks again, and lets only the copy of the copy go on to the program.
fn stand_between(duress: Pid) -> nix::Result<()> {
    // A group of its own, without a terminal: Ctrl-C is for Duress.
    setsid()?;
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != duress {
        return Err(Errno::ESRCH);
    }
    match unshare(CloneFlags::CLONE_NEWPID) {
        Ok(()) => {}
        Err(Errno::EPERM | Errno::EINVAL | Errno::ENOSYS | Errno::ENOSPC) => return Ok(()),
        Err(errno) => return Err(errno),
    }
    let (watched, lifeline) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: both sides make system calls only.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => wait_for(child, &lifeline),
        ForkResult::Child => {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            drop(lifeline);
            // Who stands between may have ended before that was said: then nobody holds the other end.
            let mut hung_up = [PollFd::new(watched.as_fd(), PollFlags::POLLIN)];
            match poll(&mut hung_up, PollTimeout::ZERO)? {
                0 => Ok(()),
                _ => Err(Errno::ESRCH),
            }
        }
    }
}

/// Does nothing but wait for the program, and ends as it did. A copy of one thread of many may only make
/// system calls.
fn wait_for(program: Pid, lifeline: &OwnedFd) -> ! {
    let _ = prctl::set_name(c"duress-client");
    // It would keep the program's pipes open, and the one by which std hears of exec.
    let kept = lifeline.as_raw_fd().unsigned_abs();
    // SAFETY: this copy of the process uses no file but the one that is kept.
    unsafe {
        if kept > 0 {
            libc::syscall(libc::SYS_close_range, 0, kept - 1, 0);
        }
        libc::syscall(libc::SYS_close_range, kept + 1, u32::MAX, 0);
    }
    let code = loop {
        match waitpid(program, None) {
            Ok(WaitStatus::Exited(_, code)) => break code,
            Ok(WaitStatus::Signaled(_, signal, _)) => break 128 + signal as i32,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => break 127,
        }
    };
    // SAFETY: ends this copy without running anything of the original.
    unsafe { libc::_exit(code) }
}

/// Reads what a program says besides answers, to its end, and keeps the beginning; the last line that is not empty.
async fn keep_log(pipe: Receiver, path: Option<PathBuf>) -> String {
    let mut room = [0; 4_096];
    let mut file: Option<File> = None;
    let mut left = MAX_LOG;
    let mut end = Vec::new();
    while pipe.readable().await.is_ok() {
        let n = match pipe.try_read(&mut room) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        };
        end.extend_from_slice(&room[..n]);
        end.drain(..end.len().saturating_sub(MAX_END));
        if file.is_none() && left == MAX_LOG {
            file = path.as_ref().and_then(create);
        }
        let kept = n.min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= kept as u64;
        if let Some(log) = &mut file
            && log.write_all(&room[..kept]).is_err()
        {
            // A log that cannot be written is no reason to end a client.
            file = None;
        }
    }
    let end = String::from_utf8_lossy(&end);
    end.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

fn create(path: &PathBuf) -> Option<File> {
    let dir = path.parent()?;
    fs::create_dir_all(dir).ok()?;
    let logs = fs::read_dir(dir).ok()?.take(MAX_LOGS).count();
    if logs < MAX_LOGS { File::create(path).ok() } else { None }
}
