//! What the kernel writes of a server that crashed, where it writes it into a file of its own choice
//! in the server's working directory.
//!
//! Where it hands it to a program instead (`systemd-coredump`, `apport`) or writes it elsewhere, nothing
//! is changed: it would outlive Duress.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

/// Longest core file; a longer one breaks off.
const MAX_BYTES: u64 = 256 << 20;
/// Most of one node that are kept.
const MAX_FILES: usize = 4;
/// Names that are looked at in one folder.
const MAX_NAMES: usize = 10_000;
/// `e_type` of a core file, behind the marks that every ELF file begins with.
const ET_CORE: u8 = 4;

/// How long a server's may be; `None` where it is not for us to say.
pub(super) fn limit() -> Option<u64> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    let pattern = pattern.trim();
    let in_working_dir = !pattern.is_empty() && !pattern.starts_with(['|', '/', '@']);
    in_working_dir.then_some(MAX_BYTES)
}

/// Opens those that are in these folders, with their names.
pub(super) fn open_all(folders: &[&Path]) -> Vec<(String, File)> {
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok());
    let entries = entries.flat_map(|entries| entries.take(MAX_NAMES).flatten());
    let core = |entry: fs::DirEntry| {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let file = is_file.then(|| open(&entry.path()).ok().flatten()).flatten()?;
        Some((entry.file_name().to_string_lossy().into_owned(), file))
    };
    entries.filter_map(core).take(MAX_FILES).collect()
}

/// `None` when it is another file.
fn open(path: &Path) -> io::Result<Option<File>> {
    let mut file = File::open(path)?;
    let mut head = [0; 18];
    file.read_exact(&mut head)?;
    file.rewind()?;
    Ok((head.starts_with(b"\x7fELF") && head[16..].contains(&ET_CORE)).then_some(file))
}
