//! A node's data directory on a real ext4, whose power can fail: the kernel's own file system then shows
//! what of it survives, not our idea of one.
//!
//! Its image is a file in memory without a name, behind a loop device that lets go of it when it is
//! unmounted; the mount is in the node's mount namespace only. So all of it goes with this process and
//! the node's, however they end. A power failure is the file system's own shutdown (`EXT4_IOC_SHUTDOWN`
//! without a flush of the journal): nothing gets as far as the image any more. The loop device is given
//! up as well, and with it every block in the kernel's cache; what is mounted again is the image alone,
//! after ext4 has replayed its journal. Only root may do this.

#![expect(unsafe_code, reason = "ioctls have no safe wrapper")]

use super::super::host::Host;
use crate::env::disk::Keep;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Size of a disk. It takes as much memory as was written.
const SIZE: i64 = 4 << 30;

/// How it is formatted: nothing but what is needed is written, since that takes memory.
const FORMAT: [&str; 12] = [
    "-q",
    "-F",
    "-t",
    "ext4",
    "-m",
    "0",
    "-N",
    "65536",
    "-J",
    "size=32",
    "-E",
    "nodiscard,lazy_itable_init=1",
];

/// Attempts to get a loop device before somebody else does.
const LOOP_ATTEMPTS: u32 = 50;

/// How long what was killed may take to let go of its files.
const UNMOUNT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is tried.
const UNMOUNT_POLL: Duration = Duration::from_millis(2);

/// Gives out loop devices.
const CONTROL: &str = "/dev/loop-control";

/// A file of ours, there while a disk is tried out.
const TRIAL: &str = ".duress-trial";

/// A disk.
pub(in super::super) struct Ext4 {
    image: OwnedFd,
    at: PathBuf,
    power: Mutex<Power>,
}

/// The state of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    /// Mounted.
    On,
    /// Mounted, and every call on it fails.
    Failed,
    /// Not mounted.
    Off,
}

impl Ext4 {
    /// An empty one, mounted over this directory of the host.
    pub(in super::super) fn create(host: &Host, at: &Path) -> io::Result<Self> {
        // Who may not is told so, and not how far it gets with an image.
        open(CONTROL)?;
        // Whoever looks at loop devices sees whose it is.
        let name = format!("duress-disk-{}", std::process::id());
        let image = memfd_create(name.as_str(), MFdFlags::MFD_CLOEXEC)?;
        ftruncate(&image, SIZE)?;
        format(&image)?;
        let disk = Self { image, at: at.to_owned(), power: Mutex::new(Power::Off) };
        disk.power_on(host)?;
        host.among_its_files(|| {
            // No database expects it in its data directory.
            fs::remove_dir(at.join("lost+found"))?;
            fs::set_permissions(at, Permissions::from_mode(0o700))?;
            File::open(at)?.sync_all()
        })?;
        Ok(disk)
    }

    /// Mounts what is on the image. Does nothing when it is.
    pub(in super::super) fn power_on(&self, host: &Host) -> io::Result<()> {
        self.come_back(&mut self.power(), host)
    }

    fn come_back(&self, power: &mut Power, host: &Host) -> io::Result<()> {
        if *power == Power::Failed {
            host.among_its_files(|| unmount(&self.at))?;
            *power = Power::Off;
        }
        if *power == Power::Off {
            host.among_its_files(|| self.mount())?;
            *power = Power::On;
        }
        Ok(())
    }

    fn mount(&self) -> io::Result<()> {
        let (_device, name) = attach(&self.image)?;
        // When this returns the device is closed: what could not be mounted lets go of the image.
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        let mounted = mount(Some(name.as_str()), &self.at, Some("ext4"), flags, Some("noinit_itable"));
        mounted.map_err(|error| step("mount it", error))
    }

    /// The power fails and comes back: in words what was seen of it. No process of the node may be left.
    ///
    /// # Errors
    /// When that was not seen. A disk that did not come back stays off until [`Self::power_on`].
    pub(in super::super) fn power_failure(&self, host: &Host, keep: Keep) -> Result<String, String> {
        if keep != Keep::None {
            return Err("which unsynced pages are kept is for ext4 to say".to_owned());
        }
        let (at, mut power) = (&self.at, self.power());
        host.among_its_files(|| shut_down(&File::open(at)?))
            .map_err(|error| format!("its ext4 was not shut down: {error}"))?;
        *power = Power::Failed;
        let write = host.among_its_files(|| try_to_write(at));
        self.come_back(&mut power, host).map_err(|error| format!("its ext4 did not come back: {error}"))?;
        match write {
            Err(error) if error.raw_os_error() == Some(libc::EIO) => {}
            Err(error) => {
                return Err(format!("a write after the shutdown failed with {error}, not with EIO"));
            }
            Ok(()) => return Err("a write went through after the shutdown".to_owned()),
        }
        host.among_its_files(|| try_to_write(at))
            .map_err(|error| format!("its ext4 came back, and cannot be written: {error}"))?;
        Ok("its ext4 was shut down, a write failed with EIO; mounted again, it can be written".to_owned())
    }

    fn power(&self) -> MutexGuard<'_, Power> {
        self.power.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes something, as a server would, and removes it again.
fn try_to_write(at: &Path) -> io::Result<()> {
    let path = at.join(TRIAL);
    let mut file = File::create(&path)?;
    file.write_all(b"written")?;
    file.sync_all()?;
    fs::remove_file(&path)?;
    File::open(at)?.sync_all()
}

/// Names of programs that make file systems are in directories that not every user's `PATH` has.
fn format(image: &OwnedFd) -> io::Result<()> {
    const PROGRAM: &str = "mke2fs";
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    let program = std::env::split_paths(&path).map(|dir| dir.join(PROGRAM)).find(|file| file.is_file());
    let program = program.ok_or_else(|| io::Error::other(format!("there is no {PROGRAM}")))?;
    let target = format!("/proc/{}/fd/{}", std::process::id(), image.as_raw_fd());
    let ran = Command::new(program).args(FORMAT).arg(target).stdin(Stdio::null()).output()?;
    if ran.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&ran.stderr);
    Err(io::Error::other(format!("{PROGRAM}: {}: {}", ran.status, told.trim())))
}

/// Processes that were killed close their files a moment after they are gone.
fn unmount(at: &Path) -> io::Result<()> {
    let deadline = Instant::now() + UNMOUNT_TIMEOUT;
    loop {
        match umount2(at, MntFlags::empty()) {
            Ok(()) => return Ok(()),
            Err(Errno::EBUSY) if Instant::now() < deadline => thread::sleep(UNMOUNT_POLL),
            Err(error) => return Err(step("unmount it", error)),
        }
    }
}

/// A loop device with this image, that lets go of it when nobody has it open or mounted any more; with
/// its name.
fn attach(image: &OwnedFd) -> io::Result<(File, String)> {
    let control = open(CONTROL)?;
    for _ in 0..LOOP_ATTEMPTS {
        // SAFETY: it takes no argument.
        let free = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        let number = Errno::result(free).map_err(|error| step("find a loop device", error))?;
        let name = format!("/dev/loop{number}");
        let device = open(&name)?;
        let config = LoopConfig {
            file: image.as_raw_fd().unsigned_abs(),
            block_size: 0,
            info: LoopInfo { places: [0; 5], numbers: [0; 3], flags: LO_FLAGS_AUTOCLEAR, rest: [0; 176] },
            reserved: [0; 8],
        };
        // SAFETY: it reads one such structure.
        let configured = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
        match Errno::result(configured) {
            Ok(_) => return Ok((device, name)),
            // Somebody else was faster.
            Err(Errno::EBUSY) => {}
            Err(error) => return Err(step(&format!("set up {name}"), error)),
        }
    }
    Err(io::Error::other("every loop device that was free was taken at once"))
}

fn open(device: &str) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(device);
    file.map_err(|error| step(&format!("open {device}"), error))
}

fn shut_down(dir: &File) -> io::Result<()> {
    let how: u32 = SHUTDOWN_WITHOUT_LOG_FLUSH;
    // SAFETY: it reads one such number.
    let done = unsafe { libc::ioctl(dir.as_raw_fd(), EXT4_IOC_SHUTDOWN, &raw const how) };
    Errno::result(done).map_err(|error| step("shut it down", error))?;
    Ok(())
}

fn step(what: &str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("cannot {what}: {error}"))
}

/// `linux/loop.h`.
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `fs/ext4/ext4.h`: `_IOR('X', 125, __u32)`, and what it takes.
const EXT4_IOC_SHUTDOWN: libc::Ioctl = 0x8004_587D_u32 as libc::Ioctl;
const SHUTDOWN_WITHOUT_LOG_FLUSH: u32 = 2;

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    file: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `struct loop_info64`: of what is not named here, all is zero.
#[repr(C)]
struct LoopInfo {
    /// Devices, inode, offset and size limit.
    places: [u64; 5],
    /// The device's number, and two about encryption.
    numbers: [u32; 3],
    flags: u32,
    /// Names and keys.
    rest: [u8; 176],
}
