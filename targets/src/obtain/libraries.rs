//! Shared libraries that a fetched program needs and this system lacks.
//!
//! Only those that the loader does not find are taken out of their packages: a folder of all of
//! them would put another C library in front of the system's, which its loader does not fit.

use super::Job;
use super::tools::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ASK_LIMIT: Duration = Duration::from_secs(10);
/// A library may lack others in its turn. No chain is longer.
const MAX_ROUNDS: usize = 16;
/// Folders within folders in a package, at most.
const MAX_DEPTH: usize = 12;

/// Environment variables that make a program find its own libraries.
pub(super) fn env(folder: Option<&Path>) -> Vec<(String, String)> {
    folder.map(|folder| ("LD_LIBRARY_PATH".to_owned(), folder.display().to_string())).into_iter().collect()
}

/// Names of the libraries that the loader does not find, though it looks into `folder` too. None
/// where nobody can tell: the program will, when it is started.
pub(super) fn missing(program: &Path, folder: Option<&Path>, job: &Job<'_>) -> Vec<String> {
    let Ok(mut ldd) = job.tools.command(&["ldd"]) else { return Vec::new() };
    let printed = run(ldd.envs(env(folder)).arg(program), ASK_LIMIT).unwrap_or_default();
    let name = |line: &str| Some(line.trim().strip_suffix("=> not found")?.trim_end().to_owned());
    printed.lines().filter_map(name).collect()
}

/// Takes what the program lacks out of unpacked packages, and what that lacks in its turn. Returns
/// the folder.
pub(super) fn gather(program: &Path, root: &Path, job: &Job<'_>) -> Result<PathBuf, String> {
    let folder = job.scratch.join("libraries");
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    fs::create_dir(&folder).map_err(failed)?;
    for _ in 0..MAX_ROUNDS {
        let missing = missing(program, Some(&folder), job);
        if missing.is_empty() {
            return Ok(folder);
        }
        for name in missing {
            let file = find(root, &name, MAX_DEPTH).ok_or_else(|| format!("no package of it has {name}"))?;
            // Follows links: the name is often one to a file with a longer one.
            fs::copy(file, folder.join(name)).map_err(failed)?;
        }
    }
    Err(format!("its libraries still lack others after {MAX_ROUNDS} rounds"))
}

fn find(dir: &Path, name: &str, depth: usize) -> Option<PathBuf> {
    let file = dir.join(name);
    if file.is_file() {
        return Some(file);
    }
    let entries = fs::read_dir(dir).ok()?.flatten();
    let mut dirs: Vec<_> = entries.filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir())).collect();
    dirs.sort_by_key(fs::DirEntry::file_name);
    dirs.iter().filter(|_| depth > 0).find_map(|dir| find(&dir.path(), name, depth - 1))
}
