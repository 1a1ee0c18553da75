//! What load machines are sent of a target that a file declares: the file's text, and what its clients need of the
//! files beside it.
//!
//! Not here: what becomes of it there (`ready`).

use super::wire::Declared;
use crate::env::EnvError;
use crate::env::remote::pack;
use duress_targets::declared::Declaration;
use std::path::{Path, PathBuf};

/// The same for all load machines.
pub struct Parcel {
    pub(super) declared: Declared,
    pub(super) files: Vec<u8>,
}

impl Parcel {
    /// Of a file, and of these files of a folder, with all that is in those that are folders themselves.
    /// `told_nothing` is the status with which the client program ends on this machine when it is told nothing,
    /// where that is known: on another machine it is to be the same.
    ///
    /// # Errors
    /// When a file cannot be read, or there is more than load machines are sent.
    pub fn pack(
        declaration: &Declaration,
        (folder, files): (&Path, &[PathBuf]),
        told_nothing: Option<i32>,
    ) -> Result<Self, EnvError> {
        let files = pack(folder, files).map_err(|trouble| EnvError::Unable {
            what: trouble.what,
            why: trouble.why,
            fix: "let [client] name only what its program needs".to_owned(),
        })?;
        let Declaration { path, text } = declaration.clone();
        Ok(Self { declared: Declared { path, text, told_nothing }, files })
    }
}
