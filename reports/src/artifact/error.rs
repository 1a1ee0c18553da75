//! What can be wrong with a run directory.

use duress_checkers::HistoryError;
use std::io;
use std::path::PathBuf;

/// Why a run directory cannot be read or written. Each says what, why and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Nothing there.
    #[error("there is no directory {}: give the path of a run, as `duress run` prints it at its end", path.display())]
    NoSuchDirectory {
        /// As asked for.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{} is not a run directory: it has no run.json; give the directory that holds report.html", path.display())]
    NotARun {
        /// As asked for.
        path: PathBuf,
    },
    /// There is something in the way.
    #[error("{} is not empty: a run never overwrites another; give a new directory", path.display())]
    Occupied {
        /// As asked for.
        path: PathBuf,
    },
    /// Written by a later version.
    #[error("{} has format {format}, and this version reads up to {known}: use the version of Duress that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it says.
        format: u64,
        /// [`super::FORMAT`].
        known: u32,
    },
    /// A file does not hold what it should.
    #[error("{}, line {line}: {why}; the file was changed or damaged after the run", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        why: String,
    },
    /// The run says that it finished, but a file that it must have written is gone.
    #[error("{} is missing, although the run finished: restore it, without it there is nothing to check", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// `history.jsonl` is not a history.
    #[error("{}: {source}", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// Why, with the line.
        source: HistoryError,
    },
    /// The file system said no.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, `create`.
        what: &'static str,
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ArtifactError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
