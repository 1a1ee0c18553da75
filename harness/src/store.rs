//! Where runs are kept: names, the `latest` links, and who is still alive.

use crate::failure::Failure;
use duress_reports::artifact::RunDir;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Attempts to find a free name for a run directory.
const MAX_NAMES: u32 = 100;
/// Directories below `runs/` that are looked into: target-workload-faults, then the run. Below a directory of
/// nights: the night, its `runs/`, then the run.
const DEPTH: usize = 3;

/// Held by the process that works in a directory.
pub const LOCK: &str = "lock";

/// A run directory that is ours as long as this lives.
pub struct Claim {
    /// The directory.
    pub dir: RunDir,
    /// `20261121-031415-1f2e`.
    pub id: String,
    /// Held until we end, however we end: the kernel lets go of it.
    _lock: Flock<File>,
}

/// Makes the directory of a new run: `<out>/<name>/<id>`, or `exact`.
///
/// # Errors
/// When it cannot be made, or is occupied.
pub fn claim(out: &Path, name: &str, exact: Option<&Path>) -> Result<Claim, Failure> {
    if let Some(exact) = exact {
        let dir = RunDir::create(exact)?;
        let id =
            exact.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
        return lock(dir, id);
    }
    let parent = out.join(name);
    fs::create_dir_all(&parent).map_err(file_error(&parent, "created"))?;
    let stamp = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    for attempt in 0..MAX_NAMES {
        let id = format!("{stamp}-{:04x}", (std::process::id().wrapping_add(attempt * 7919)) & 0xffff);
        let path = parent.join(&id);
        // `create_dir` is atomic: of two runs that start at once, one takes another name.
        match fs::create_dir(&path) {
            Ok(()) => {
                link(&parent.join("latest"), Path::new(&id));
                link(&out.join("latest"), &Path::new(name).join(&id));
                return lock(RunDir::create(path)?, id);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(file_error(&path, "created")(error)),
        }
    }
    Err(file_error(&parent, "created")(ErrorKind::AlreadyExists.into()))
}

/// All run directories below a directory.
pub fn runs(out: &Path) -> Vec<RunDir> {
    let mut level = vec![out.to_owned()];
    let mut found = Vec::new();
    for _ in 0..=DEPTH {
        let mut next = Vec::new();
        for path in level {
            match RunDir::open(&path) {
                Ok(dir) => found.push(dir),
                Err(_) => next.extend(directories(&path)),
            }
        }
        level = next;
    }
    found.sort_by(|a, b| a.path().cmp(b.path()));
    found
}

/// Makes a directory, and works in it alone, as long as what this gives lives.
///
/// # Errors
/// When it cannot be made, or somebody else is at work in it.
pub fn sole(dir: &Path, who: &str) -> Result<Flock<File>, Failure> {
    fs::create_dir_all(dir).map_err(file_error(dir, "created"))?;
    let path = dir.join(LOCK);
    let file = File::create(&path).map_err(file_error(&path, "created"))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        let why = format!("another {who} is at work in it");
        Failure::usage(dir.display().to_string(), why, "wait for its end")
    })
}

/// Is somebody still running this run?
pub fn is_alive(dir: &RunDir) -> bool {
    let Ok(file) = File::open(lock_file(dir)) else { return false };
    Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
}

fn lock(dir: RunDir, id: String) -> Result<Claim, Failure> {
    let path = lock_file(&dir);
    let file = File::create(&path).map_err(file_error(&path, "created"))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Claim { dir, id, _lock: lock }),
        Err((_, errno)) => Err(file_error(&path, "locked")(errno.into())),
    }
}

fn lock_file(dir: &RunDir) -> PathBuf {
    dir.path().join("lock")
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    // `file_type` does not follow links: `latest` is not a second run.
    let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.flatten().filter(is_dir).map(|entry| entry.path()).collect()
}

/// Points `latest` somewhere else. A convenience: its failure fails nothing.
fn link(link: &Path, target: &Path) {
    let temporary = link.with_extension(format!("{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    if std::os::unix::fs::symlink(target, &temporary).is_ok() && fs::rename(&temporary, link).is_err() {
        let _ = fs::remove_file(&temporary);
    }
}

fn file_error(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::File { path, what, source }
}
