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
    /// What its runs belong to, by the label of that name: whether a finding is new is a question of nights. When
    /// it was begun; shards, which begin at different times, have the day and the seed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// So many trials, over all shards; absent where time decides.
    pub trials: Option<u64>,
    /// Milliseconds for each shard; absent where the number decides.
    pub budget_ms: Option<u64>,
    /// Stop after so many findings that are probably different bugs.
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
    /// A new one, of this version, that begins now and is not divided.
    pub fn new(matrix: Matrix, seed: u64) -> Self {
        Self {
            format: FORMAT,
            duress: env!("CARGO_PKG_VERSION").to_owned(),
            matrix,
            seed,
            session: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            trials: None,
            budget_ms: None,
            stop_after: None,
            of: 1,
            shards: BTreeSet::from([1]),
            merged: false,
        }
    }

    /// One of so many shards.
    #[must_use]
    pub fn shard(self, part: u64, of: u64) -> Self {
        let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
        let session = if of == 1 { self.session } else { format!("{day} seed {}", self.seed) };
        Self { session, of, shards: BTreeSet::from([part]), ..self }
    }

    /// The same for all shards of a soak, and for no other soak. How long it goes on is not in it: one that was
    /// too short is continued. Nor is when it began.
    pub fn hash(&self) -> String {
        let common = Self {
            session: String::new(),
            shards: BTreeSet::new(),
            merged: false,
            trials: None,
            budget_ms: None,
            stop_after: None,
            ..self.clone()
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::matrix::Combination;

    fn manifest() -> Manifest {
        let of = |at: u64| Combination {
            test: at.to_string(),
            faults: String::new(),
            weight: 1 + at % 2,
            args: Vec::new(),
        };
        let matrix = Matrix {
            combinations: (0..5).map(of).collect(),
            retries: 1,
            canary_every: 20,
            partial: false,
            thin: false,
            limit_ms: 1,
        };
        Manifest::new(matrix, 7)
    }

    #[test]
    fn shards_together_are_the_whole_and_overlap_nowhere() {
        for (trials, whole) in [(Some(14), 14), (None, 5)] {
            let shard = |part| Manifest { trials, ..manifest().shard(part, 3) };
            let mut all: Vec<u64> = (1..=3).flat_map(|part| shard(part).due()).collect();
            all.sort_unstable();
            assert_eq!(all, (1..=whole).collect::<Vec<_>>());
            // Joined, those that are not there are still due.
            assert_eq!(Manifest { merged: true, ..shard(2) }.due(), all);
            assert_eq!(shard(1).hash(), shard(3).hash());
        }
    }

    #[test]
    fn the_hash_is_of_the_trials_and_not_of_how_many() {
        let hash = manifest().hash();
        assert_eq!(Manifest { trials: Some(9), budget_ms: Some(1), ..manifest() }.hash(), hash);
        assert_eq!(Manifest { session: "yesterday".to_owned(), ..manifest() }.hash(), hash);
        assert_ne!(Manifest { seed: 8, ..manifest() }.hash(), hash);
        assert_ne!(Manifest { of: 2, ..manifest() }.hash(), hash);
        assert_ne!(Manifest { duress: "0.0.0".to_owned(), ..manifest() }.hash(), hash);
    }

    #[test]
    fn what_is_written_is_read_and_other_formats_are_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(Manifest::read(dir.path()).expect("none"), None);
        let one = manifest();
        one.write(dir.path()).expect("written");
        assert_eq!(Manifest::read(dir.path()).expect("one"), Some(one));
        Manifest { format: 2, ..manifest() }.write(dir.path()).expect("written");
        assert!(Manifest::read(dir.path()).is_err());
    }
}
