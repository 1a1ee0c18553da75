//! A folder of one run's own on a machine that nobody breaks. It goes with the process that has made it, however
//! that ends: by its own hand, by its watchdog's, or by the next one's that comes.

use super::trace::Trace;
use super::{heal, watchdog};
use crate::env::local;
use crate::env::remote::files;
use crate::env::remote::transport::run_dir;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// It is removed when this is dropped.
pub(crate) struct Folder(Trace);

impl Folder {
    /// Makes it in this one, and removes what dead processes have left there.
    ///
    /// # Errors
    /// When it cannot be made, or nobody would remove it after a kill.
    pub(crate) fn make(dir: &Path, run: &str, name: &str) -> io::Result<Self> {
        heal(dir);
        let folder = Self(Trace::leave(run_dir(dir, run, name), None)?);
        watchdog::start(&folder.0.file)?;
        Ok(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0.dir
    }

    /// Puts files that were packed into a folder in it; where that is.
    ///
    /// # Errors
    /// When they are none, or do not fit.
    pub(crate) fn fill(&self, name: &str, packed: &[u8]) -> Result<PathBuf, String> {
        let files = files::read(packed)?;
        let folder = self.path().join(name);
        fs::create_dir(&folder)
            .and_then(|()| local::replace_files(&folder, &files))
            .map_err(|error| error.to_string())?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.0.clear();
    }
}
