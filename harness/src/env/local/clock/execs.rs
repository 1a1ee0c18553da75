//! Sees to it that every program which a node starts asks the node for the time from its first
//! instruction on: servers, and what they run themselves.
//!
//! A process that becomes another program gets a new vDSO from the kernel. So the thread that starts
//! servers has a seccomp filter, which all of its children inherit: whoever asks to become another
//! program waits until it has been noticed here, and is traced for the moment that it takes. To
//! trace servers all the time instead would stop them at every signal, and one that looks for new
//! processes now and then would be too late for their first instructions.

#![expect(unsafe_code, reason = "seccomp has no safe wrapper")]

use super::page::Page;
use super::tracee::Tracee;
use crate::env::local::host::NamespaceId;
use crate::env::local::processes::namespace_of;
use crate::env::local::realtime;
use crate::env::local::switch::PRIORITY;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a call may take before it is looked whether it has failed: programs look for others in
/// all directories of their `PATH`.
const EXEC_WITHIN: Duration = Duration::from_millis(3);

/// Different complaints kept, at most.
const MOST_COMPLAINTS: usize = 20;

/// A node's network namespace, and its clocks.
pub(super) type Nodes = Arc<[(NamespaceId, Page)]>;

/// The thread that is told of new programs.
pub(super) struct Execs {
    /// Dropped, it tells the thread to end.
    end: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    complaints: Arc<Mutex<BTreeSet<String>>>,
    /// Held while a program is led to its clocks.
    busy: Arc<Mutex<()>>,
}

/// Has the kernel ask before a child of the calling thread becomes another program. They wait for
/// ever if nobody answers at what is returned.
pub(in crate::env::local) fn watch() -> io::Result<OwnedFd> {
    let listener = libc::SECCOMP_RET_USER_NOTIF;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |at: usize| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at as u32);
    let equals = |k: u32, jt: u8, jf: u8| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k);
    let answer = |k: u32| step(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    /// `AUDIT_ARCH_X86_64` of linux/audit.h.
    const X86_64: u32 = 0xc000_003e;
    let mut program = [
        load(std::mem::offset_of!(libc::seccomp_data, arch)),
        // Programs of 32 bits count their calls otherwise, and have another vDSO.
        equals(X86_64, 0, 4),
        load(std::mem::offset_of!(libc::seccomp_data, nr)),
        equals(libc::SYS_execve as u32, 1, 0),
        equals(libc::SYS_execveat as u32, 0, 1),
        answer(listener),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the filter is valid for the call, which copies it; the file is owned at once.
    unsafe {
        let file = Errno::result(libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const filter,
        ))?;
        Ok(OwnedFd::from_raw_fd(i32::try_from(file).map_err(io::Error::other)?))
    }
}

impl Execs {
    /// Answers what [`watch`] returned: programs of these nodes get their clocks.
    pub(super) fn answer(listener: OwnedFd, nodes: Nodes) -> io::Result<Self> {
        let (watched, end) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let complaints = Arc::<Mutex<BTreeSet<String>>>::default();
        let busy = Arc::<Mutex<()>>::default();
        let (told, turn) = (Arc::clone(&complaints), Arc::clone(&busy));
        let thread = std::thread::Builder::new().name("execs".into()).spawn(move || {
            // Where it is not allowed, programs start later on a busy machine.
            let _ = realtime::enter(PRIORITY);
            while let Some(request) = next(&listener, &watched) {
                let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(why) = admit(&listener, &request, &nodes) {
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    if told.len() < MOST_COMPLAINTS {
                        told.insert(why);
                    }
                }
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread), complaints, busy })
    }

    /// Waits until programs that have been started already run: they stand still for a moment.
    pub(super) fn settle(&self) {
        drop(self.busy.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Why programs were left with the machine's clocks, if any were.
    pub(super) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Execs {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed; here it must not become a second one.
            let _ = thread.join();
        }
    }
}

/// The next one that wants to become another program; `None` at the end.
fn next(listener: &OwnedFd, end: &OwnedFd) -> Option<libc::seccomp_notif> {
    loop {
        let mut files =
            [PollFd::new(listener.as_fd(), PollFlags::POLLIN), PollFd::new(end.as_fd(), PollFlags::POLLIN)];
        match poll(&mut files, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(_) => return None,
            Ok(_) => {}
        }
        let [asked, ended] = files.map(|file| file.revents().unwrap_or(PollFlags::empty()));
        if !ended.is_empty() || asked.contains(PollFlags::POLLHUP) {
            return None;
        }
        // SAFETY: zeroes are valid, and demanded.
        let mut request: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: it is large enough for what this kernel was asked for, and outlives the call.
        match unsafe { control(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut request) } {
            Ok(_) => return Some(request),
            // Whoever asked has been killed or interrupted.
            Err(Errno::ENOENT | Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

/// Lets one become another program, and leads that to its node's clocks.
fn admit(listener: &OwnedFd, request: &libc::seccomp_notif, nodes: &Nodes) -> Result<(), String> {
    let id = namespace_of(request.pid);
    let Some((_, page)) = nodes.iter().find(|(node, _)| Some(*node) == id) else {
        return go_ahead(listener, request.id).map(drop);
    };
    let traced = Tracee::seize(request.pid)
        .and_then(|tracee| Ok((tracee, lend(listener, request.id, page).map_err(|e| e.to_string())?)));
    let (mut tracee, file) = match traced {
        Ok(traced) => traced,
        Err(why) => {
            return go_ahead(listener, request.id).and_then(|there| if there { Err(why) } else { Ok(()) });
        }
    };
    let went = go_ahead(listener, request.id).and_then(|_| tracee.await_exec(EXEC_WITHIN));
    let done = match went {
        Ok(true) => tracee.patch(file).map_err(|why| format!("{}: {why}", name_of(request.pid))),
        Ok(false) => tracee.close_file(file),
        Err(why) => Err(why),
    };
    let released = tracee.release();
    // The dead need no clocks.
    if namespace_of(request.pid).is_none() { Ok(()) } else { done.and(released) }
}

/// Lets the call go ahead; false when nobody makes it any more.
fn go_ahead(listener: &OwnedFd, id: u64) -> Result<bool, String> {
    let mut answer = libc::seccomp_notif_resp {
        id,
        val: 0,
        error: 0,
        flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
    };
    // SAFETY: it outlives the call.
    match unsafe { control(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) } {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(format!("cannot let a program start: {errno}")),
    }
}

/// Gives whoever asked the page as a file, which it keeps as another program; its number there.
fn lend(listener: &OwnedFd, id: u64, page: &Page) -> Result<i32, Errno> {
    let srcfd = page.as_fd().as_raw_fd().unsigned_abs();
    let mut file = libc::seccomp_notif_addfd { id, flags: 0, srcfd, newfd: 0, newfd_flags: 0 };
    // SAFETY: it outlives the call.
    unsafe { control(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw mut file) }
}

/// # Safety
/// `argument` is what `request` takes, and valid during the call.
unsafe fn control<T>(listener: &OwnedFd, request: libc::Ioctl, argument: *mut T) -> Result<i32, Errno> {
    // SAFETY: as the caller promises.
    Errno::result(unsafe { libc::ioctl(listener.as_raw_fd(), request, argument) })
}

fn name_of(pid: u32) -> String {
    std::fs::read_link(format!("/proc/{pid}/exe"))
        .map_or_else(|_| format!("process {pid}"), |path| path.display().to_string())
}
