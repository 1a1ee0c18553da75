//! The binary that becomes the agent on a host: this very one.

use crate::env::EnvError;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::Path;

/// A file that hosts get, and what it is known by there.
pub struct AgentBinary {
    /// All of it.
    pub bytes: Vec<u8>,
    /// In hexadecimal.
    pub sha256: String,
}

impl AgentBinary {
    /// The program that runs now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn own() -> Result<Self, EnvError> {
        // Not by its name: another one may have it by now.
        Self::read(Path::new("/proc/self/exe"))
    }

    /// Some other file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, EnvError> {
        let bytes = std::fs::read(path).map_err(|error| EnvError::Unable {
            what: format!("read {}", path.display()),
            why: error.to_string(),
            fix: "check the file".to_owned(),
        })?;
        let sha256 = hex(&Sha256::digest(&bytes));
        Ok(Self { bytes, sha256 })
    }
}

/// In hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
