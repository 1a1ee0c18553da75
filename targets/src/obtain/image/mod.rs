//! A container image's root file system, unpacked into the cache: servers run in it without any
//! container engine.
//!
//! Not here: how a node gets it (the harness), and downloads; an image is a file or a folder that the user
//! has: what `docker save`, `podman save`, `docker export` or `skopeo copy` writes.

mod bundle;
mod layer;
mod program;
#[cfg(test)]
mod tests;

pub use program::program;

use super::cache::{Cache, Lock};
use super::{ObtainError, binary};
use bundle::{Bundle, Kind};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// What images are called in the cache.
const ENTRIES: &str = "rootfs";
/// The root file system of an entry.
const ROOT: &str = "root";
/// The [`Defaults`] of an entry: the last to be written.
const DEFAULTS: &str = "image.json";

/// A root file system, and how its image would start what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The folder; absolute. Nobody may change what is in it: the runs of all targets share it.
    pub root: PathBuf,
    /// What the image says.
    pub defaults: Defaults,
}

/// What an image says of its own start. Nothing for a plain root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// The beginning of every command line.
    pub entrypoint: Vec<String>,
    /// The rest of it, where the user names none.
    pub cmd: Vec<String>,
    /// The working directory; `/` when it names none.
    pub working_dir: Option<PathBuf>,
    /// Whom it runs as: a name or a number, perhaps with a group; empty for root.
    pub user: String,
}

impl Defaults {
    /// The command line, program first: these arguments behind the image's entry point, or its own.
    pub fn command(&self, args: Option<&[String]>) -> Vec<String> {
        [&*self.entrypoint, args.unwrap_or(&self.cmd)].concat()
    }
}

/// The root file system at `path`: a folder that is one, or an image (`docker save`, OCI layout, as a
/// `.tar`, `.tar.gz` or folder) or a plain root (`docker export`, `debootstrap`, as a `.tar` or `.tar.gz`),
/// which is unpacked into the cache, once per content.
///
/// # Errors
/// When it is none of these, would write outside of its root, is larger than an image can be, or
/// cannot be kept.
pub fn unpack(path: &Path, cache: &Path, talk: &mut dyn FnMut(&str)) -> Result<Image, ObtainError> {
    let unfit = |why: String| ObtainError::Image { path: path.to_owned(), why };
    let path = &std::path::absolute(path).map_err(|e| unfit(e.to_string()))?;
    let found = path.metadata().map_err(|e| unfit(e.to_string()))?;
    if found.is_dir() && !bundle::is_layout(path) {
        return Ok(Image { root: path.clone(), defaults: Defaults::default() });
    }
    let digest = binary::sha256(&bundle::identity(path)).map_err(|e| unfit(e.to_string()))?;
    let cache = Cache::open(cache, ENTRIES).map_err(|why| unfit(format!("the cache: {why}")))?;
    let entry = cache.dir().join(&digest);
    if let Some(image) = kept(&entry) {
        return Ok(image);
    }
    let lock = cache.lock(talk).map_err(|why| unfit(format!("the cache: {why}")))?;
    // Another run may have unpacked it while we waited.
    if let Some(image) = kept(&entry) {
        return Ok(image);
    }
    talk(&format!("unpacking {} into {}", path.display(), entry.display()));
    unpack_into(path, &cache, &entry, &lock).map_err(unfit)?;
    kept(&entry).ok_or_else(|| unfit(format!("it was unpacked, and is not in {}", entry.display())))
}

/// An entry appears by renaming, and the file is the last of it.
fn kept(entry: &Path) -> Option<Image> {
    let defaults = serde_json::from_slice(&fs::read(entry.join(DEFAULTS)).ok()?).ok()?;
    Some(Image { root: entry.join(ROOT), defaults })
}

/// Makes an entry of an image. Who holds the lock is alone with the cache.
fn unpack_into(path: &Path, cache: &Cache, entry: &Path, _: &Lock) -> Result<(), String> {
    let scratch = cache.scratch()?;
    let fresh = scratch.path().join("entry");
    let root = fresh.join(ROOT);
    fs::create_dir_all(&root).map_err(|e| e.to_string())?;
    let mut bundle = Bundle::open(path, scratch.path())?;
    let mut room = layer::Room::default();
    let defaults = match bundle.kind()? {
        Kind::Root => {
            layer::apply(bundle.whole()?, &root, &mut room)?;
            Defaults::default()
        }
        Kind::Image { layers, defaults } => {
            for name in &layers {
                layer::apply(bundle.layer(name)?, &root, &mut room)
                    .map_err(|e| format!("layer {name}: {e}"))?;
            }
            defaults
        }
    };
    let empty = fs::read_dir(&root).map_err(|e| e.to_string())?.next().is_none();
    if empty {
        return Err("there is nothing in it".to_owned());
    }
    let stored = || -> std::io::Result<()> {
        fs::write(fresh.join(DEFAULTS), serde_json::to_vec_pretty(&defaults)?)?;
        if entry.exists() {
            fs::rename(entry, scratch.path().join("damaged"))?;
        }
        fs::rename(&fresh, entry)
    };
    stored().map_err(|e| format!("it cannot be kept in {}: {e}", entry.display()))
}
