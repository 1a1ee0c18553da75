//! Nodes whose memory can run out: their processes are in a control group of memory each, from their
//! start on, since memory counts for the group in which it was first touched.
//!
//! Nothing is limited until it is asked for. Then the kernel's OOM killer ends every process of the
//! group: version 2 does so when the limit is set below what is in use. Version 1 refuses such a limit,
//! and a server that is at its limit may live on by giving back what it had read; so there something
//! else in the group takes all that is left, and more. Groups are directories, which no kernel removes
//! by itself: the janitor does.

mod ballast;
mod hierarchy;
mod janitor;

use crate::env::memory::OutOfMemory;
use hierarchy::{Place, Version};
use janitor::Janitor;
use nix::errno::Errno;
use nix::unistd::{SysconfVar, sysconf, write};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// All groups of ours are called something that begins so.
pub(super) const PREFIX: &str = "duress-";

/// Attempts to find names that are free.
const MAX_NAMES: u32 = 100;

/// Attempts to set a limit above what is in use at that moment.
const LIMIT_ATTEMPTS: u32 = 50;

/// Room below the limit, in bytes, so that it can be set.
const ROOM: u64 = 16 << 20;

/// The groups of a cluster. They are removed when it is dropped, or when this process ends, however it
/// does; no process may be in them for longer than that.
pub(super) struct Groups {
    pub(super) of_nodes: Vec<Arc<Group>>,
    _janitor: Janitor,
}

/// The group of a node.
pub(super) struct Group {
    version: Version,
    dir: PathBuf,
    procs: File,
}

impl Groups {
    /// One for each of these, where this process may make any.
    pub(super) fn create(names: &[&str]) -> io::Result<Self> {
        let mut why = io::Error::new(ErrorKind::Unsupported, "no control groups limit memory here");
        for place in hierarchy::places()? {
            match make(&place, names) {
                Ok(groups) => {
                    let dirs: Vec<&Path> = groups.iter().map(|group| group.dir.as_path()).collect();
                    let _janitor = Janitor::start(&dirs).inspect_err(|_| remove(&groups))?;
                    return Ok(Self { of_nodes: groups.into_iter().map(Arc::new).collect(), _janitor });
                }
                Err(error) => why = io::Error::new(error.kind(), format!("{}: {error}", place.dir.display())),
            }
        }
        Err(why)
    }
}

fn make(place: &Place, names: &[&str]) -> io::Result<Vec<Group>> {
    static CLUSTERS: AtomicU32 = AtomicU32::new(0);
    for _ in 0..MAX_NAMES {
        let cluster = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let mut groups = Vec::new();
        let mut failed = None;
        for name in names {
            let dir = place.dir.join(format!("{PREFIX}{}-{cluster}-{name}", std::process::id()));
            match Group::make(place.version, &dir) {
                Ok(group) => groups.push(group),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            None => return Ok(groups),
            // What is left of a process that had our number.
            Some(error) if error.kind() == ErrorKind::AlreadyExists => remove(&groups),
            Some(error) => {
                remove(&groups);
                return Err(error);
            }
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Nobody is in them yet.
fn remove(groups: &[Group]) {
    for group in groups {
        // There is nothing else to do about one that stays.
        let _ = fs::remove_dir(&group.dir);
    }
}

impl Group {
    fn make(version: Version, dir: &Path) -> io::Result<Self> {
        fs::create_dir(dir)?;
        let procs = OpenOptions::new().write(true).open(dir.join("cgroup.procs"));
        let able = procs.and_then(|procs| {
            let group = Self { version, dir: dir.to_owned(), procs };
            group.kills().map(|_| group)
        });
        able.inspect_err(|_| _ = fs::remove_dir(dir))
    }

    /// Moves the calling process into it. A system call only: safe between fork and exec.
    pub(super) fn enter(&self) -> nix::Result<()> {
        write(&self.procs, b"0").map(drop)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Lets the kernel end all of its processes because they have no memory left. The limit is gone
    /// afterwards, and they may be still about to end.
    ///
    /// # Errors
    /// When that could not be done; then processes may have ended, or not.
    pub(super) fn exhaust(&self) -> io::Result<OutOfMemory> {
        let before = self.kills()?;
        self.offer()?;
        let pressed = match self.version {
            Version::One => self.fill(),
            Version::Two => self.deny(),
        };
        let lifted = self.lift();
        let (used, others) = pressed?;
        lifted?;
        let kills = self.kills()?.saturating_sub(before).saturating_sub(others);
        Ok(OutOfMemory { used, kills, end: None })
    }

    /// Makes its processes those that the kernel ends first, whatever they or we have set.
    fn offer(&self) -> io::Result<()> {
        const FIRST: &str = "1000";
        for pid in fs::read_to_string(self.dir.join("cgroup.procs"))?.lines() {
            match fs::write(format!("/proc/{pid}/oom_score_adj"), FIRST) {
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Version 1: how much it had, and how many of ours the kernel ended as well.
    fn fill(&self) -> io::Result<(u64, u64)> {
        for _ in 0..LIMIT_ATTEMPTS {
            let used = self.number("memory.usage_in_bytes")?;
            // What we have in memory ourselves must be small beside it: the kernel weighs the ballast with
            // its copy of that.
            let limit = page_aligned(used + own_memory()? + ROOM)?;
            match self.set("memory.limit_in_bytes", &limit.to_string()) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => continue,
                other => other?,
            }
            self.set_swap("memory.memsw.limit_in_bytes", &limit.to_string())?;
            return Ok((used, u64::from(ballast::drop_into(self, 2 * limit)?)));
        }
        Err(io::Error::other("it takes memory faster than a limit can be set"))
    }

    /// Version 2: the same.
    fn deny(&self) -> io::Result<(u64, u64)> {
        let used = self.number("memory.current")?;
        self.set_swap("memory.swap.max", "0")?;
        self.set("memory.max", "0")?;
        Ok((used, 0))
    }

    fn lift(&self) -> io::Result<()> {
        match self.version {
            Version::One => {
                self.set_swap("memory.memsw.limit_in_bytes", "-1")?;
                self.set("memory.limit_in_bytes", "-1")
            }
            Version::Two => {
                self.set("memory.max", "max")?;
                self.set_swap("memory.swap.max", "max")
            }
        }
    }

    /// Processes that the kernel has ended in it because there was no memory.
    fn kills(&self) -> io::Result<u64> {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(self.dir.join(file))?;
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        count.ok_or_else(|| io::Error::other(format!("the kernel counts no kills in {file}")))
    }

    fn number(&self, file: &str) -> io::Result<u64> {
        let text = fs::read_to_string(self.dir.join(file))?;
        text.trim().parse().map_err(|_| io::Error::other(format!("{file} says {text:?}")))
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.dir.join(file), value).map_err(|error| match error.raw_os_error() {
            Some(libc::EBUSY) => error,
            _ => io::Error::new(error.kind(), format!("{value} in {file}: {error}")),
        })
    }

    /// Where the kernel does not count swapped memory there is no such file.
    fn set_swap(&self, file: &str, value: &str) -> io::Result<()> {
        match self.set(file, value) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// How much of this process is in memory, in bytes.
fn own_memory() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    Ok(pages.ok_or_else(|| io::Error::other("/proc/self/statm is not as it should be"))? * page_size()?)
}

fn page_size() -> io::Result<u64> {
    let size = sysconf(SysconfVar::PAGE_SIZE)?.ok_or(Errno::EINVAL)?;
    Ok(size.unsigned_abs())
}

fn page_aligned(bytes: u64) -> io::Result<u64> {
    let size = page_size()?;
    Ok(bytes.div_ceil(size) * size)
}
