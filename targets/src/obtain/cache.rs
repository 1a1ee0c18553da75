//! Duress's cache: binaries that were fetched once, `<cache>/<server>/<version>-<source>/`.
//!
//! An entry is a folder with the program, the libraries that came with it in `lib`, and
//! `origin.json`. It appears whole, by renaming, and all digests are compared on every use, so a
//! crash or a full disk cannot make it lie.

use super::{Fetched, ObtainError, Obtained, binary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long we wait for another run that is fetching the same server: longer than all
/// limits of all sources together.
const LOCK_LIMIT: Duration = Duration::from_secs(1800);
/// How often we look.
const LOCK_POLL: Duration = Duration::from_millis(200);
const ORIGIN: &str = "origin.json";
const LIBRARIES: &str = "lib";
const SCRATCH: &str = ".scratch-";

/// `$DURESS_CACHE`, else `$XDG_CACHE_HOME/duress`, else `~/.cache/duress`.
///
/// # Errors
/// [`ObtainError::NoCache`] when none of the variables holds an absolute path.
pub fn default_cache() -> Result<PathBuf, ObtainError> {
    cache_of(|name| std::env::var_os(name))
}

fn cache_of(var: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, ObtainError> {
    let dir = |name| var(name).map(PathBuf::from).filter(|path| path.is_absolute());
    dir("DURESS_CACHE")
        .or_else(|| dir("XDG_CACHE_HOME").map(|path| path.join("duress")))
        .or_else(|| dir("HOME").map(|path| path.join(".cache/duress")))
        .ok_or(ObtainError::NoCache)
}

/// Where an entry came from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Origin {
    pub(super) version: String,
    pub(super) sha256: String,
    pub(super) source: String,
    /// SHA-256 of the libraries that came with it, by file name.
    #[serde(default)]
    libraries: BTreeMap<String, String>,
}

impl Origin {
    /// Of what was fetched and is of this version.
    pub(super) fn of(fetched: &Fetched, version: String, sha256: String) -> std::io::Result<Self> {
        let libraries = match &fetched.libraries {
            Some(folder) => digests(folder)?,
            None => BTreeMap::new(),
        };
        Ok(Self { version, sha256, source: fetched.source.clone(), libraries })
    }

    /// The entry in this folder, which is of this origin.
    fn obtained(self, folder: &Path, server: &str) -> Obtained {
        let Self { version, sha256, source, libraries } = self;
        let libraries = (!libraries.is_empty()).then(|| folder.join(LIBRARIES));
        Obtained { path: folder.join(server), libraries, version, sha256, source }
    }
}

/// SHA-256 of the files of a folder, by name.
fn digests(folder: &Path) -> std::io::Result<BTreeMap<String, String>> {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), binary::sha256(&entry.path())?))
    };
    fs::read_dir(folder)?.map(file).collect()
}

/// The cache of one server.
pub(super) struct Cache {
    dir: PathBuf,
    server: &'static str,
}

impl Cache {
    pub(super) fn open(cache: &Path, server: &'static str) -> Result<Self, String> {
        // Nodes are started elsewhere, so the path must not depend on our directory.
        let dir = std::path::absolute(cache).map_err(|e| e.to_string())?.join(server);
        fs::create_dir_all(&dir).map_err(|e| format!("it cannot be made: {e}"))?;
        Ok(Self { dir, server })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The entry of the first of these sources, of this version, or else of its newest.
    pub(super) fn find(&self, version: Option<&str>, labels: &[String]) -> Option<Obtained> {
        labels.iter().find_map(|label| {
            let mut versions: Vec<_> = match version {
                Some(version) => vec![version.to_owned()],
                None => self.versions(label),
            };
            versions.sort_by_cached_key(|version| std::cmp::Reverse(parts(version)));
            versions.iter().find_map(|version| self.entry(version, label))
        })
    }

    fn versions(&self, label: &str) -> Vec<String> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_suffix(label)?.strip_suffix('-')?.to_owned()))
            .collect()
    }

    /// `None` also when the entry is damaged: it is then fetched anew, and replaced.
    fn entry(&self, version: &str, label: &str) -> Option<Obtained> {
        let folder = self.dir.join(format!("{version}-{label}"));
        let origin: Origin = serde_json::from_slice(&fs::read(folder.join(ORIGIN)).ok()?).ok()?;
        let program = binary::sha256(&folder.join(self.server)).ok()? == origin.sha256;
        let libraries =
            origin.libraries.is_empty() || digests(&folder.join(LIBRARIES)).ok()? == origin.libraries;
        let intact = origin.version == version && program && libraries;
        intact.then(|| origin.obtained(&folder, self.server))
    }

    /// Keeps other runs from fetching the same server at the same time, until it is dropped
    /// or this process ends.
    pub(super) fn lock(&self, talk: &mut dyn FnMut(&str)) -> Result<Lock, String> {
        let lost = |e: std::io::Error| format!("it cannot be locked: {e}");
        let file = File::create(self.dir.join(".lock")).map_err(lost)?;
        let end = Instant::now() + LOCK_LIMIT;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(lost(e)),
                Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                    return Err(format!("another run has kept it locked for {} s", LOCK_LIMIT.as_secs()));
                }
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        talk(&format!("waiting for another run that is fetching {}", self.server));
                        told = true;
                    }
                    std::thread::sleep(LOCK_POLL);
                }
            }
        }
        self.sweep();
        Ok(Lock { _file: file })
    }

    /// Removes what a run left behind that was killed while it fetched. Only the holder of
    /// the lock makes such folders, so none of them is in use.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
                // What cannot be removed costs space and is tried again next time.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// An empty directory on the cache's own disk, so that entries can be renamed out of it.
    pub(super) fn scratch(&self) -> Result<TempDir, String> {
        tempfile::Builder::new()
            .prefix(SCRATCH)
            .tempdir_in(&self.dir)
            .map_err(|e| format!("nothing can be written to {}: {e}", self.dir.display()))
    }

    /// Makes an entry of what was fetched into the scratch directory.
    pub(super) fn store(
        &self,
        scratch: &TempDir,
        fetched: &Fetched,
        label: &str,
        origin: Origin,
    ) -> Result<Obtained, String> {
        let folder = self.dir.join(format!("{}-{label}", origin.version));
        let kept = || -> std::io::Result<()> {
            let fresh = scratch.path().join("entry");
            fs::create_dir(&fresh)?;
            fs::rename(&fetched.program, fresh.join(self.server))?;
            if let Some(libraries) = &fetched.libraries {
                fs::rename(libraries, fresh.join(LIBRARIES))?;
            }
            fs::write(fresh.join(ORIGIN), serde_json::to_vec_pretty(&origin)?)?;
            if folder.exists() {
                fs::rename(&folder, scratch.path().join("damaged"))?;
            }
            fs::rename(&fresh, &folder)
        };
        kept().map_err(|e| format!("it cannot be kept in {}: {e}", folder.display()))?;
        Ok(origin.obtained(&folder, self.server))
    }
}

/// The right to fetch; see [`Cache::lock`].
pub(super) struct Lock {
    _file: File,
}

/// A version's numbers, for comparing: 3.10 is newer than 3.9.
fn parts(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vars: &[(&str, &str)]) -> Option<PathBuf> {
        cache_of(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v))).ok()
    }

    #[test]
    fn the_cache_is_where_the_environment_says() {
        let (duress, xdg, home) = (("DURESS_CACHE", "/d"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h"));
        assert_eq!(of(&[duress, xdg, home]), Some("/d".into()));
        assert_eq!(of(&[xdg, home]), Some("/x/duress".into()));
        assert_eq!(of(&[home]), Some("/h/.cache/duress".into()));
        // The XDG rules: a relative path is as good as none.
        assert_eq!(of(&[("XDG_CACHE_HOME", "x"), home]), Some("/h/.cache/duress".into()));
        assert_eq!(of(&[("XDG_CACHE_HOME", "")]), None);
    }

    #[test]
    fn newer_means_by_number() {
        assert!(parts("3.10.0") > parts("3.9.30"));
        assert!(parts("3.5.1") > parts("3.4.23"));
    }
}
