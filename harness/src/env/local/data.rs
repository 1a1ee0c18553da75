//! Reads and replaces what is in a directory, through the names that a node's server has for it.
//!
//! What the nodes' data is on, memory, disk or a disk of our own making, makes no difference here.

use crate::env::data::{Entry, Files};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Most names in one data directory.
const MAX_ENTRIES: usize = 10_000;
/// Most bytes that are kept of one, what is all zeros not counted: 1 GiB.
pub(super) const MAX_BYTES: usize = 1 << 30;
/// Bytes that are read at once: a whole number of blocks.
const CHUNK: usize = 256 * Entry::BLOCK;

/// Reads all of a directory, unless it has more than so many bytes in it.
pub(super) fn read(dir: &Path, most: usize) -> io::Result<Files> {
    let mut files = Files::default();
    let mut blocks_left = most / Entry::BLOCK;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let metadata = path.symlink_metadata()?;
            let mode = metadata.permissions().mode() & 0o7777;
            let read = if metadata.is_dir() {
                folders.push(path.clone());
                Entry::Folder { mode }
            } else if metadata.is_file() {
                let (length, blocks) = read_file(&path, &mut blocks_left)?;
                Entry::File { mode, length, blocks }
            } else if metadata.file_type().is_socket() || metadata.file_type().is_fifo() {
                // It holds nothing, and whoever listens there makes it anew.
                continue;
            } else {
                return Err(io::Error::other(format!("{} is neither a file nor a folder", path.display())));
            };
            let name = path.strip_prefix(dir).map_err(io::Error::other)?;
            files.0.insert(name.to_owned(), read);
            if files.0.len() > MAX_ENTRIES {
                return Err(io::Error::other(format!("there are more than {MAX_ENTRIES} files")));
            }
        }
    }
    Ok(files)
}

/// Reads these files of a directory; links lead where they lead.
pub(in crate::env) fn read_some(dir: &Path, names: &BTreeSet<PathBuf>) -> io::Result<Files> {
    let mut files = Files::default();
    let mut blocks_left = MAX_BYTES / Entry::BLOCK;
    for name in names {
        let path = dir.join(name);
        let mode = fs::metadata(&path)?.permissions().mode() & 0o7777;
        let (length, blocks) = read_file(&path, &mut blocks_left)?;
        files.0.insert(name.clone(), Entry::File { mode, length, blocks });
        let folders = name.ancestors().skip(1).filter(|folder| *folder != Path::new(""));
        files.0.extend(folders.map(|folder| (folder.to_owned(), Entry::Folder { mode: 0o700 })));
    }
    Ok(files)
}

fn read_file(path: &Path, blocks_left: &mut usize) -> io::Result<(u64, BTreeMap<u64, Vec<u8>>)> {
    let mut file = File::open(path)?;
    let mut blocks = BTreeMap::new();
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut length = 0;
    loop {
        chunk.clear();
        file.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            return Ok((length, blocks));
        }
        let first = length / Entry::BLOCK as u64;
        let written = (first..).zip(chunk.chunks(Entry::BLOCK)).filter(|(_, block)| !is_zero(block));
        for (number, block) in written {
            *blocks_left = blocks_left
                .checked_sub(1)
                .ok_or_else(|| io::Error::other("there is more of it than may be kept in memory"))?;
            blocks.insert(number, block.to_vec());
        }
        length += chunk.len() as u64;
    }
}

/// Compared as memory: byte by byte it takes seconds for what etcd allocates.
fn is_zero(block: &[u8]) -> bool {
    *block == [0; Entry::BLOCK][..block.len()]
}

/// Replaces all of a directory. What is written is on its disk afterwards.
pub(in crate::env) fn replace(dir: &Path, files: &Files) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    // A folder sorts before what is in it.
    for (name, entry) in &files.0 {
        let path = dir.join(name);
        match entry {
            Entry::Folder { mode } => {
                fs::create_dir(&path)?;
                fs::set_permissions(&path, Permissions::from_mode(*mode))?;
            }
            Entry::File { mode, length, blocks } => {
                let file = OpenOptions::new().write(true).create_new(true).mode(*mode).open(&path)?;
                file.set_len(*length)?;
                for (number, block) in blocks {
                    file.write_all_at(block, number * Entry::BLOCK as u64)?;
                }
                file.sync_all()?;
            }
        }
    }
    for folder in files.0.iter().filter(|(_, entry)| matches!(entry, Entry::Folder { .. })) {
        File::open(dir.join(folder.0))?.sync_all()?;
    }
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_can_be_put_back_elsewhere() {
        let (here, there) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("another"));
        fs::create_dir_all(here.path().join("member/wal")).expect("folders");
        let mut log = vec![0_u8; CHUNK + Entry::BLOCK + 5];
        log[CHUNK + 1] = 7;
        fs::write(here.path().join("member/wal/0.wal"), &log).expect("a file");
        fs::write(here.path().join("empty"), "").expect("a file");
        fs::set_permissions(here.path().join("empty"), Permissions::from_mode(0o600)).expect("a mode");
        fs::write(there.path().join("other"), "x").expect("a file");
        let files = read(here.path(), MAX_BYTES).expect("read");
        assert_eq!(files.told(), "2 files, 4 KiB");
        replace(there.path(), &files).expect("replaced");
        assert_eq!(read(there.path(), MAX_BYTES).expect("read"), files);
        let error = read(here.path(), Entry::BLOCK - 1).expect_err("more than that");
        assert!(error.to_string().contains("more of it than may be kept"), "{error}");
        assert_eq!(fs::read(there.path().join("member/wal/0.wal")).expect("the file"), log);
        replace(there.path(), &Files::default()).expect("replaced");
        assert_eq!(fs::read_dir(there.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn some_files_are_read_with_the_folders_that_they_are_in() {
        let (here, there) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("another"));
        fs::create_dir_all(here.path().join("lib/deep")).expect("folders");
        for (name, mode) in [("client.py", 0o755), ("lib/deep/x.py", 0o644), ("secret", 0o600)] {
            fs::write(here.path().join(name), name).expect("a file");
            fs::set_permissions(here.path().join(name), Permissions::from_mode(mode)).expect("a mode");
        }
        let names = BTreeSet::from(["client.py", "lib/deep/x.py"].map(PathBuf::from));
        replace(there.path(), &read_some(here.path(), &names).expect("read")).expect("written");
        assert_eq!(fs::read(there.path().join("lib/deep/x.py")).expect("the file"), b"lib/deep/x.py");
        let program = fs::metadata(there.path().join("client.py")).expect("the program");
        assert_eq!(program.permissions().mode() & 0o777, 0o755);
        assert!(!there.path().join("secret").exists());
    }

    #[test]
    fn sockets_are_no_data() {
        let dir = tempfile::tempdir().expect("one");
        let _listens = std::os::unix::net::UnixListener::bind(dir.path().join("s")).expect("a socket");
        fs::write(dir.path().join("f"), "x").expect("a file");
        let files = read(dir.path(), MAX_BYTES).expect("read");
        assert_eq!(files.0.keys().collect::<Vec<_>>(), [Path::new("f")]);
        replace(dir.path(), &files).expect("replaced");
        assert!(!dir.path().join("s").exists());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().expect("one");
        std::os::unix::fs::symlink("/", dir.path().join("link")).expect("a link");
        let error = read(dir.path(), MAX_BYTES).expect_err("refused");
        assert!(error.to_string().contains("neither a file nor a folder"), "{error}");
    }
}
