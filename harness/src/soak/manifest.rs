//! `manifest.json`: all that decides which trials there are. Written before the first of them.

use super::matrix::Matrix;
use super::rotation::Rotation;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Version of the file and of what is derived from it; others are refused.
const FORMAT: u32 = 1;
/// The file, in the directory of the soak.
pub const FILE: &str = "manifest.json";
/// Most shards.
pub const MAX_SHARDS: u64 = 10_000;
/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// What a soak is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the file.
    pub format: u32,
    /// Version of Duress: another one may make other runs of the same trial.
    pub duress: String,
    /// What is combined.
    pub matrix: Matrix,
    /// All seeds are derived from it.
    pub seed: u64,
    /// So many trials, over all shards; absent where time decides.
    pub trials: Option<u64>,
    /// Milliseconds for each shard; absent where the number decides.
    pub budget_ms: Option<u64>,
    /// Stop after so many findings of different fingerprints.
    pub stop_after: Option<u64>,
    /// Into how many shards it is divided.
    pub of: u64,
    /// Which of them are here, from 1.
    pub shards: BTreeSet<u64>,
    /// They were joined: those that are not here are missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub merged: bool,
}

impl Manifest {
    /// A new one, of this version.
    pub fn new(matrix: Matrix, seed: u64) -> Self {
        Self {
            format: FORMAT,
            duress: env!("CARGO_PKG_VERSION").to_owned(),
            matrix,
            seed,
            trials: None,
            budget_ms: None,
            stop_after: None,
            of: 1,
            shards: BTreeSet::from([1]),
            merged: false,
        }
    }

    /// The same for all shards of a soak, and for no other soak. How long it goes on is not in it: one that was
    /// too short is continued.
    pub fn hash(&self) -> String {
        let shards = BTreeSet::new();
        let common =
            Self { shards, merged: false, trials: None, budget_ms: None, stop_after: None, ..self.clone() };
        let bytes = serde_json::to_vec(&common).unwrap_or_default();
        Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// `2 of 16`, or nothing where it is not divided.
    pub fn told(&self) -> String {
        if self.of == 1 {
            return String::new();
        }
        let shards: Vec<String> = self.shards.iter().map(u64::to_string).collect();
        format!("{} of {}", shards.join(" + "), self.of)
    }

    /// Is this trial one of these shards?
    pub fn is_ours(&self, number: u64) -> bool {
        self.shards.contains(&((number - 1) % self.of + 1))
    }

    /// Trials that have to be run whatever the time, by number: all of them, or the first round.
    pub fn due(&self) -> Vec<u64> {
        let round = self.matrix.combinations.len() as u64;
        let last = self.trials.unwrap_or(if self.matrix.partial { 0 } else { round });
        (1..=last).filter(|number| self.merged || self.is_ours(*number)).collect()
    }

    /// The trials.
    pub fn rotation(&self) -> Rotation<'_> {
        Rotation::new(&self.matrix.combinations, self.seed)
    }

    /// Writes it, and waits until it is on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), Failure> {
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        Ok(duress_reports::artifact::write_whole(&dir.join(FILE), &bytes)?)
    }

    /// That of a directory; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is none of this version.
    pub fn read(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = dir.join(FILE);
        let failed = |source| Failure::File { path: path.clone(), what: "read", source };
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(data) if data.len() > MAX_BYTES => {
                return Err(refused(&path, format!("it has {} bytes", data.len())));
            }
            Ok(_) => {}
        }
        let bytes = fs::read(&path).map_err(failed)?;
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| refused(&path, error.to_string()))?;
        if manifest.format != FORMAT {
            let why = format!("its format is {}, and this version reads {FORMAT}", manifest.format);
            return Err(refused(&path, why));
        }
        Ok(Some(manifest))
    }
}

fn refused(path: &Path, why: String) -> Failure {
    Failure::usage(
        path.display().to_string(),
        why,
        "use the version of Duress that wrote it, or another --dir",
    )
}
