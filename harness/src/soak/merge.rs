//! Joins shards that ran elsewhere into one soak.

use super::account::Account;
use super::ledger::{self, Ledger, Record};
use super::manifest::Manifest;
use super::{Came, RUNS, failed, finish, is_alive, lock};
use crate::failure::Failure;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories below a run that are copied.
const DEPTH: usize = 8;

/// Joins the soaks in these directories into a new one, and judges that. Shards that are not among them are
/// missing.
///
/// # Errors
/// When one is no soak, is still at work, belongs to another soak, or is there twice; or the new directory
/// holds anything.
pub fn merge(dirs: &[PathBuf], into: &Path) -> Result<Came, Failure> {
    let mut parts = Vec::new();
    for dir in dirs {
        let refused = |why: &str, fix: &str| Failure::usage(dir.display().to_string(), why, fix);
        let manifest = Manifest::read(dir)?.ok_or_else(|| {
            refused("it holds no soak: there is no manifest.json", "name directories of shards")
        })?;
        if is_alive(dir) {
            return Err(refused("it is still at work", "wait for its end"));
        }
        parts.push((dir, manifest, ledger::look(dir)?));
    }
    let Some((_, first, _)) = parts.first() else {
        return Err(Failure::usage("merge", "there is nothing to join", "name directories of shards"));
    };
    let mut joined = Manifest { shards: BTreeSet::new(), merged: true, ..first.clone() };
    for (dir, manifest, _) in &parts {
        let refused = |why: String| Failure::usage(dir.display().to_string(), why, "leave it out");
        if manifest.hash() != joined.hash() || manifest.trials != joined.trials {
            return Err(refused(format!("it is no shard of the soak in {}", dirs[0].display())));
        }
        if let Some(twice) = manifest.shards.intersection(&joined.shards).next() {
            return Err(refused(format!("shard {twice} is there twice")));
        }
        joined.shards.extend(&manifest.shards);
    }
    if into.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let what = format!("--dir {}", into.display());
        return Err(Failure::usage(what, "it is not empty", "give a new directory, or empty this one"));
    }
    let _lock = lock(into)?;
    joined.write(into)?;
    let (mut ledger, _) = Ledger::open(into)?;
    let (mut record, mut elapsed_ms) = (Record::default(), 0_u64);
    let runs = into.join(RUNS);
    fs::create_dir_all(&runs).map_err(failed(&runs, "created"))?;
    for (dir, _, part) in parts {
        elapsed_ms += part.elapsed_ms;
        for line in part.lines {
            ledger.add(&line)?;
            record.take(line);
        }
        copy(&dir.join(RUNS), &runs, DEPTH)?;
    }
    let account = Account { manifest: &joined, record: &record, stopped: None, elapsed_ms };
    Ok(finish(into, &account))
}

/// Files, without a second copy of their bytes where that can be. What is there otherwise (links, pipes) is
/// no part of a run.
fn copy(from: &Path, to: &Path, depth: usize) -> Result<(), Failure> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(from, "read")(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed(from, "read"))?;
        let (path, new) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(failed(&path, "read"))?;
        if kind.is_dir() && depth > 0 {
            fs::create_dir_all(&new).map_err(failed(&new, "created"))?;
            copy(&path, &new, depth - 1)?;
        } else if kind.is_file() && fs::hard_link(&path, &new).is_err() {
            fs::copy(&path, &new).map_err(failed(&path, "read"))?;
        }
    }
    Ok(())
}
