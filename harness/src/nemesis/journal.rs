//! The journal: on disk before a fault is applied, so that whatever happens to us, what may
//! have to be undone is known.

use crate::engine::Clock;
use crate::failure::Failure;
use duress_reports::artifact::{JournalEntry, JournalEvent};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// `faults.jsonl`.
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
    clock: Clock,
}

impl Journal {
    /// Creates the file.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path, clock: Clock) -> Result<Self, Failure> {
        let file = File::create_new(path).map_err(|source| Failure::File {
            path: path.to_owned(),
            what: "created",
            source,
        })?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), clock })
    }

    /// Writes an entry and waits until it is on disk. Blocks for a disk flush.
    ///
    /// # Errors
    /// When the disk refuses: the fault must then not be applied.
    pub fn write(&self, fault: u32, event: JournalEvent) -> Result<JournalEntry, Failure> {
        let entry = JournalEntry { fault, time: self.clock.now(), event };
        let mut line = serde_json::to_vec(&entry).unwrap_or_default();
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).and_then(|()| file.sync_data()).map_err(|source| Failure::File {
            path: self.path.clone(),
            what: "written",
            source,
        })?;
        Ok(entry)
    }
}
