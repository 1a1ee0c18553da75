//! The kernel asks before certain calls of the servers' processes (`seccomp_unotify(2)`). It does so at one
//! file for all of them, since a process can have one that asks and no more; here each question goes to
//! whom it concerns: a program that is about to become another one to the clocks, any other call to the
//! traps of its node.

#![expect(unsafe_code, reason = "seccomp's ioctls have no safe wrapper")]

use super::clock::NodeClocks;
use super::host::NamespaceId;
use super::processes::namespace_of;
use super::realtime;
use super::switch::PRIORITY;
use super::trap::{Traps, Watch};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Where the kernel asks, and is answered.
#[derive(Clone)]
pub(super) struct Listener(Arc<OwnedFd>);

/// A call that the kernel asks about; its caller waits.
pub(super) type Question = libc::seccomp_notif;

/// Answers until it is dropped.
pub(super) struct Asked {
    /// Dropped, it tells the thread to end.
    end: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Asked {
    /// Answers for these nodes, by their namespaces.
    pub(super) fn answer(
        listener: OwnedFd,
        nodes: impl Iterator<Item = (NamespaceId, Arc<Traps>)>,
        clocks: Option<Arc<NodeClocks>>,
    ) -> io::Result<Self> {
        let listener = Listener(Arc::new(listener));
        let watches: Vec<(NamespaceId, Watch)> = nodes
            .map(|(id, traps)| Ok((id, Watch::begin(listener.clone(), traps)?)))
            .collect::<io::Result<_>>()?;
        let (watched, end) = pipe2(OFlag::O_CLOEXEC)?;
        let thread = std::thread::Builder::new().name("asked".into()).spawn(move || {
            // Where it is not allowed, programs start later on a busy machine.
            let _ = realtime::enter(PRIORITY);
            while let Some(question) = listener.next(&watched) {
                if [libc::SYS_execve, libc::SYS_execveat].contains(&question.data.nr.into()) {
                    match &clocks {
                        Some(clocks) => clocks.admit(&listener, &question),
                        None => _ = listener.let_pass(question.id),
                    }
                    continue;
                }
                let id = namespace_of(question.pid);
                match watches.iter().find(|(node, _)| Some(*node) == id) {
                    Some((_, watch)) => watch.look_at(question),
                    None => _ = listener.let_pass(question.id),
                }
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed; here it must not become a second one.
            let _ = thread.join();
        }
    }
}

impl Listener {
    /// The next question; `None` at the end.
    fn next(&self, end: &OwnedFd) -> Option<Question> {
        loop {
            let mut files =
                [PollFd::new(self.0.as_fd(), PollFlags::POLLIN), PollFd::new(end.as_fd(), PollFlags::POLLIN)];
            match poll(&mut files, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                Err(_) => return None,
                Ok(_) => {}
            }
            let [asked, ended] = files.map(|file| file.revents().unwrap_or(PollFlags::empty()));
            if !ended.is_empty() || asked.contains(PollFlags::POLLHUP) {
                return None;
            }
            let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
            // Empty: the kernel insists.
            let mut question = Question { id: 0, pid: 0, flags: 0, data };
            // SAFETY: it is large enough for what the kernel was asked for, and outlives the call.
            match unsafe { self.control(libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut question) } {
                Ok(_) => return Some(question),
                // Whoever asked has been killed or interrupted.
                Err(Errno::ENOENT | Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }

    /// Does its caller still wait?
    pub(super) fn is_open(&self, question: u64) -> bool {
        let mut id = question;
        // SAFETY: the kernel only reads it.
        unsafe { self.control(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw mut id) }.is_ok()
    }

    /// Lets the call go ahead; false when nobody makes it any more.
    pub(super) fn let_pass(&self, question: u64) -> Result<bool, Errno> {
        let flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or_default();
        self.send(libc::seccomp_notif_resp { id: question, val: 0, error: 0, flags })
    }

    /// Has the caller get this result, 0 or a negative error, of a call that is not made; false when
    /// nobody waits for it any more.
    pub(super) fn give(&self, question: u64, error: i32) -> Result<bool, Errno> {
        self.send(libc::seccomp_notif_resp { id: question, val: 0, error, flags: 0 })
    }

    fn send(&self, mut answer: libc::seccomp_notif_resp) -> Result<bool, Errno> {
        // SAFETY: the kernel only reads it.
        match unsafe { self.control(libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) } {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Gives the caller a file of ours; its number there.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn lend(&self, question: u64, file: std::os::fd::BorrowedFd<'_>) -> Result<i32, Errno> {
        let srcfd = file.as_raw_fd().unsigned_abs();
        let mut file = libc::seccomp_notif_addfd { id: question, flags: 0, srcfd, newfd: 0, newfd_flags: 0 };
        // SAFETY: it outlives the call.
        unsafe { self.control(libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw mut file) }
    }

    /// # Safety
    /// `argument` is what `request` takes, and valid during the call.
    unsafe fn control<T>(&self, request: libc::Ioctl, argument: *mut T) -> Result<i32, Errno> {
        // SAFETY: as the caller promises.
        Errno::result(unsafe { libc::ioctl(self.0.as_raw_fd(), request, argument) })
    }
}
