//! A host: the namespaces in which a node's processes live. Nothing of it has a name on the
//! file system; it exists as long as its files are open or a process is in it.

use super::disk::Mounted;
use super::{Data, Disks, Rootfs, root};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::fstat;
use nix::unistd::sethostname;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

/// A network namespace.
pub(crate) struct Netns(OwnedFd);

/// What tells one namespace from all others at one time: device and inode of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamespaceId(pub(super) u64, pub(super) u64);

/// A node's host.
pub(super) struct Host {
    pub(super) net: Netns,
    mount: OwnedFd,
    uts: OwnedFd,
    ipc: OwnedFd,
    /// What lies over the data directory, if that is to be a disk of our own making.
    pub(super) disk: Option<Mounted>,
    own_root: bool,
    own_network: bool,
}

/// What a host is to look like inside.
pub(super) struct Plan {
    /// Its host name.
    pub(super) name: String,
    /// It has a network of its own, with that name; otherwise it is on this machine's.
    pub(super) own_network: bool,
    /// The node's data directory. It exists.
    pub(super) data_dir: PathBuf,
    /// What lies under the data directory.
    pub(super) data: Data,
    /// What lies over that.
    pub(super) disks: Disks,
    /// A file to see instead of `/etc/hosts`.
    pub(super) hosts_file: PathBuf,
    /// A root file system to see instead of this machine's, and an empty folder in which it is made.
    pub(super) root: Option<(Rootfs, PathBuf)>,
}

impl Netns {
    /// Makes a new one, with its loopback still down.
    pub(crate) fn create() -> io::Result<Self> {
        on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(Self(open_own("net")?))
        })
    }

    /// The same one.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Runs `f` on a thread inside it. Sockets opened there stay in it for ever.
    pub(crate) fn run<T: Send>(&self, f: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_own_thread(|| {
            self.enter()?;
            f()
        })
    }

    /// Moves the calling thread into it.
    pub(super) fn enter(&self) -> nix::Result<()> {
        setns(&self.0, CloneFlags::CLONE_NEWNET)
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Host {
    /// Makes one. A thread can unshare all of this for itself and use ordinary code, where a
    /// forked child of a program with many threads could only make system calls.
    pub(super) fn create(plan: &Plan) -> io::Result<Self> {
        on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)?;
            if plan.own_network {
                unshare(CloneFlags::CLONE_NEWNET)?;
            }
            // Before any other mount: otherwise that one would appear outside as well.
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
                .map_err(|e| step("make mounts private", e))?;
            if plan.data == Data::Memory && plan.disks == Disks::Plain {
                mount_memory(&plan.data_dir).map_err(|e| step("mount a tmpfs for the data", e))?;
            }
            let own = matches!(plan.disks, Disks::Faulty { .. });
            let disk = own.then(|| Mounted::over(&plan.data_dir)).transpose();
            let disk = disk.map_err(|e| step("mount a FUSE file system for the data", e))?;
            let hosts = Path::new("/etc/hosts");
            match &plan.root {
                None if !plan.own_network => {}
                None => bind(&plan.hosts_file, hosts).map_err(|e| step("mount over /etc/hosts", e))?,
                Some((rootfs, staging)) => {
                    root::enter(rootfs, staging, &plan.data_dir, &plan.hosts_file)?;
                }
            }
            if plan.own_network {
                sethostname(&plan.name).map_err(|e| step("set the host name", e))?;
            }
            Ok(Self {
                net: Netns(open_own("net")?),
                mount: open_own("mnt")?,
                uts: open_own("uts")?,
                ipc: open_own("ipc")?,
                disk,
                own_root: plan.root.is_some(),
                own_network: plan.own_network,
            })
        })
    }

    /// Whose processes are its own.
    pub(super) fn id(&self) -> io::Result<NamespaceId> {
        let stat = fstat(&self.ipc)?;
        Ok(NamespaceId(stat.st_dev, stat.st_ino))
    }

    /// Is its root file system another than this machine's?
    pub(super) const fn has_own_root(&self) -> bool {
        self.own_root
    }

    /// Runs `f` on a thread that sees its files.
    pub(super) fn among_its_files<T: Send>(&self, f: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_own_thread(|| {
            // A thread that shares its root and working directory with others may not move.
            unshare(CloneFlags::CLONE_FS)?;
            setns(&self.mount, CloneFlags::CLONE_NEWNS)?;
            f()
        })
    }

    /// Moves the calling process, of one thread, into it. The working directory becomes `/`.
    /// System calls only: safe between fork and exec.
    pub(super) fn enter(&self) -> nix::Result<()> {
        // Who is not root may not enter the machine's own, which it is in.
        if self.own_network {
            self.net.enter()?;
        }
        setns(&self.uts, CloneFlags::CLONE_NEWUTS)?;
        setns(&self.ipc, CloneFlags::CLONE_NEWIPC)?;
        setns(&self.mount, CloneFlags::CLONE_NEWNS)
    }
}

fn mount_memory(at: &Path) -> nix::Result<()> {
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0700"))
}

/// Does nothing on a system without the file: then nothing resolves names by it either.
fn bind(source: &Path, at: &Path) -> nix::Result<()> {
    if !at.exists() {
        return Ok(());
    }
    mount(Some(source), at, None::<&str>, MsFlags::MS_BIND, None::<&str>)
}

fn open_own(kind: &str) -> io::Result<OwnedFd> {
    let path = format!("/proc/thread-self/ns/{kind}");
    File::open(&path).map(OwnedFd::from).map_err(|e| step(&format!("open {path}"), e))
}

fn step(what: &str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("cannot {what}: {error}"))
}

/// A namespace is a thread's: what is changed here ends with this thread.
fn on_own_thread<T: Send>(f: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("host".into()).spawn_scoped(scope, f)?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Writes a hosts file that names these addresses.
pub(super) fn write_hosts_file<'a>(
    at: &Path,
    hosts: impl Iterator<Item = (&'a str, std::net::IpAddr)>,
) -> io::Result<()> {
    let mut text = String::from("127.0.0.1 localhost\n");
    for (name, address) in hosts {
        text += &format!("{address} {name}\n");
    }
    fs::write(at, text)
}
