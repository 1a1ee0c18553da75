//! The directory in which etcd's robustness tests leave what their clients did: one history in
//! many files.

use super::CheckArgs;
use crate::failure::Failure;
use duress_checkers::history::{self, Format, Loaded};
use duress_checkers::model::Etcd;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What the directories of clients begin with.
const CLIENT: &str = "client-";

/// What a client did.
const OPERATIONS: &str = "operations.json";

/// The clients' files in a directory, by name; empty if it is no report.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let is_client = |path: &Path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(CLIENT))
    };
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| is_client(path));
    let mut files: Vec<PathBuf> =
        paths.map(|path| path.join(OPERATIONS)).filter(|file| file.is_file()).collect();
    files.sort();
    files
}

impl CheckArgs {
    /// Checks the history that all files of a report make up.
    pub(super) fn check_report(&self, dir: &Path, files: &[PathBuf]) -> Result<u8, Failure> {
        if let Some(format) = self.format.as_deref().filter(|format| *format != Format::EtcdReport.name()) {
            return Err(Failure::usage(
                format!("--format {format}"),
                format!("{} is a report of etcd's robustness tests", dir.display()),
                format!("leave it out, or say --format {}", Format::EtcdReport.name()),
            ));
        }
        let mut readers = Vec::new();
        for path in files {
            let file = File::open(path).map_err(|source| Failure::File {
                path: path.clone(),
                what: "read",
                source,
            })?;
            let name = path.strip_prefix(dir).unwrap_or(path).display().to_string();
            readers.push((name, file));
        }
        let loaded = history::read_report(readers)
            .map_err(|source| Failure::History { path: dir.to_owned(), source })?;
        self.say(&format!("{}: {} clients, one history", dir.display(), files.len()));
        self.check_loaded(&dir.display().to_string(), &loaded)
    }
}

/// Refuses what one of several clients did: what the others wrote would be missing, and its reads
/// would accuse whoever answered them.
pub(super) fn is_whole(path: &Path, loaded: &Loaded) -> Result<(), Failure> {
    if loaded.format != Format::EtcdReport {
        return Ok(());
    }
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let Some(dir) = path.parent().and_then(Path::parent) else { return Ok(()) };
    match files(dir) {
        all if all.len() > 1 && all.contains(&path) => Err(Failure::usage(
            path.display().to_string(),
            format!("it is what one of {} clients did, without what the others wrote", all.len()),
            format!("check the whole report, {}", dir.display()),
        )),
        _ => Ok(()),
    }
}

/// Refuses a store of which nothing shows that it was empty at first: what it held would be
/// missing, too.
pub(super) fn began_empty(name: &str, loaded: &Loaded) -> Result<(), Failure> {
    if Etcd::seen_empty(&loaded.history) {
        return Ok(());
    }
    Err(Failure::usage(
        name,
        "no answer came at revision 1, so nothing shows that the store was empty at first",
        "if it was, say so with --initial '[]'",
    ))
}
