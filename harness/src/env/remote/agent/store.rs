//! Files that an agent has been sent, by what is in them. They stay for the next run.

use super::{Trouble, trouble};
use crate::env::remote::binary::hex;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Files that are being sent at a time.
const MOST: usize = 16;

/// A folder of them.
pub(super) struct Store {
    dir: PathBuf,
    coming: Mutex<BTreeMap<String, (File, Sha256)>>,
}

impl Store {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.join("files"), coming: Mutex::default() }
    }

    /// Where one is.
    pub(super) fn path(&self, sha256: &str) -> PathBuf {
        self.dir.join(sha256)
    }

    pub(super) fn has(&self, sha256: &str) -> bool {
        is_hash(sha256) && self.path(sha256).is_file()
    }

    /// Takes the next part of one. It has its name when all of it is there and is what it should be.
    pub(super) fn add(&self, sha256: &str, part: &[u8], last: bool) -> Result<(), Trouble> {
        self.try_add(sha256, part, last)
            .map_err(|error| trouble(&format!("keep a file in {}", self.dir.display()), error.to_string()))
    }

    fn try_add(&self, sha256: &str, part: &[u8], last: bool) -> io::Result<()> {
        if !is_hash(sha256) {
            return Err(no_hash());
        }
        let coming = self.dir.join(format!(".{sha256}-{}", std::process::id()));
        let mut files = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.contains_key(sha256) {
            if files.len() >= MOST {
                return Err(io::Error::other("too many files come at a time"));
            }
            fs::create_dir_all(&self.dir)?;
            files.insert(sha256.to_owned(), (File::create(&coming)?, Sha256::new()));
        }
        if let Some((file, hash)) = files.get_mut(sha256) {
            file.write_all(part)?;
            hash.update(part);
        }
        if !last {
            return Ok(());
        }
        let Some((file, hash)) = files.remove(sha256) else { return Ok(()) };
        if hex(&hash.finalize()) != sha256 {
            fs::remove_file(&coming)?;
            return Err(io::Error::other("it is not what was announced"));
        }
        file.set_permissions(Permissions::from_mode(0o755))?;
        file.sync_all()?;
        fs::rename(&coming, self.path(sha256))
    }
}

impl Store {
    /// Gives files their names in a folder of this name; where that is. It stays, as the files do, for the next
    /// run. These are copies: programs ask a link where it leads, and may write to what they find.
    pub(super) fn arrange(&self, name: &str, files: &[(PathBuf, String)]) -> Result<PathBuf, Trouble> {
        let folder = self.dir.with_file_name("folders").join(name);
        let arranged = if is_hash(name) { self.try_arrange(&folder, files) } else { Err(no_hash()) };
        arranged
            .map_err(|error| trouble(&format!("keep files in {}", folder.display()), error.to_string()))?;
        Ok(folder)
    }

    fn try_arrange(&self, folder: &Path, files: &[(PathBuf, String)]) -> io::Result<()> {
        let is_whole = || files.iter().all(|(path, sha256)| is(&folder.join(path), sha256));
        if is_whole() {
            return Ok(());
        }
        let coming = folder.with_extension(std::process::id().to_string());
        for (path, sha256) in files {
            let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
            if !plain || !self.has(sha256) {
                return Err(io::Error::other(format!("{} has not been sent", path.display())));
            }
            let path = coming.join(path);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::copy(self.path(sha256), path)?;
        }
        // Another agent that shares the folder may have been faster; what is there otherwise has been changed.
        if is_whole() {
            return fs::remove_dir_all(&coming);
        }
        let _ = fs::remove_dir_all(folder);
        match fs::rename(&coming, folder) {
            Err(_) if is_whole() => fs::remove_dir_all(&coming),
            renamed => renamed,
        }
    }
}

/// Has a file this content?
fn is(path: &Path, sha256: &str) -> bool {
    fs::read(path).is_ok_and(|bytes| hex(&Sha256::digest(&bytes)) == sha256)
}

fn no_hash() -> io::Error {
    io::Error::other("that is no hash")
}

/// A name that leads nowhere else.
fn is_hash(sha256: &str) -> bool {
    sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_when_all_of_it_is_and_is_what_was_announced() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::new(dir.path());
        let hash = hex(&Sha256::digest(b"one two"));
        store.add(&hash, b"one ", false).expect("kept");
        assert!(!store.has(&hash));
        store.add(&hash, b"two", true).expect("kept");
        assert!(store.has(&hash));
        assert_eq!(fs::read(store.path(&hash)).expect("there"), b"one two");
        let files = [(PathBuf::from("a/b"), hash.clone())];
        let folder = store.arrange(&hash, &files).expect("arranged");
        // What was changed is put in order again.
        fs::write(folder.join("a/b"), "else").expect("written");
        assert_eq!(store.arrange(&hash, &files).expect("arranged"), folder);
        assert_eq!(fs::read(folder.join("a/b")).expect("there"), b"one two");
        assert!(store.arrange(&hash, &[(PathBuf::from("../x"), hash.clone())]).is_err());
        let other = hex(&Sha256::digest(b"three"));
        assert!(store.add(&other, b"four", true).is_err() && !store.has(&other));
        assert!(store.add("../x", b"", true).is_err() && !store.has("../x"));
        assert_eq!(fs::read_dir(dir.path().join("files")).expect("there").count(), 1);
    }
}
