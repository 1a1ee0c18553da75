//! One layer of an image, applied over what the layers below it have left.
//!
//! An archive is somebody else's: whatever it names is looked up inside the root, links included, as the
//! container itself would see it, and nothing outside is ever touched. Devices are left out (hosts have
//! their own), so are owners where only root could set them, and the bits by which a program becomes
//! another user: the cache may be open to all users of this machine.
//! Rules for whiteouts: OCI image specification, "Image Layer Filesystem Changeset".

use super::bundle::inner;
use super::program::parts;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tar::{Entry, EntryType};

/// A name that begins so hides another of a lower layer.
const WHITEOUT: &[u8] = b".wh.";
/// A name that begins so is about the folder that it is in.
const MARK: &[u8] = b".wh..wh.";
/// Hides all that lower layers have in this folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Links that are followed on the way to one file, as the kernel's limit.
const MAX_LINKS: usize = 40;

/// What an image may still take.
pub(super) struct Room {
    entries: u64,
    bytes: u64,
}

impl Default for Room {
    /// Larger than images are: 16 GiB, and two million names.
    fn default() -> Self {
        Self { entries: 2_000_000, bytes: 16 << 30 }
    }
}

/// Applies a layer.
pub(super) fn apply(layer: impl Read, root: &Path, room: &mut Room) -> Result<(), String> {
    let mut archive = tar::Archive::new(layer);
    let mut unpacking = Unpacking { root, own: BTreeSet::new(), is_root: is_root(root) };
    let broken = |e: io::Error| format!("it is not a whole archive: {e}");
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.into_owned();
        let left = room.bytes.checked_sub(entry.size());
        let (Some(entries), Some(bytes)) = (room.entries.checked_sub(1), left) else {
            return Err("it is larger than any image: more than 16 GiB, or two million files".to_owned());
        };
        *room = Room { entries, bytes };
        unpacking.take(&mut entry, &name).map_err(|e| format!("{}: {e}", name.display()))?;
    }
    Ok(())
}

/// May we give files to others? Tried on a folder that is ours.
fn is_root(root: &Path) -> bool {
    lchown(root, Some(0), Some(0)).is_ok()
}

struct Unpacking<'a> {
    root: &'a Path,
    /// What this layer has brought, and the folders above: whiteouts hide lower layers only.
    own: BTreeSet<PathBuf>,
    is_root: bool,
}

impl Unpacking<'_> {
    fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>, name: &Path) -> io::Result<()> {
        let Some(name) = inner(name) else { return Err(io::Error::other("it leads out of the image")) };
        let Some(base) = name.file_name().map(OsStr::to_owned) else { return Ok(()) };
        let parent = self.folder(name.parent().unwrap_or(Path::new("")))?;
        if base.as_bytes() == OPAQUE {
            return self.hide_below(&parent);
        }
        if base.as_bytes().starts_with(MARK) {
            return Ok(());
        }
        if let Some(hidden) = base.as_bytes().strip_prefix(WHITEOUT) {
            return self.hide(&parent, OsStr::from_bytes(hidden));
        }
        let at = parent.join(&base);
        let header = entry.header();
        // Readable and removable by whom the cache belongs to, and nobody's other self.
        let least = if header.entry_type().is_dir() { 0o700 } else { 0o400 };
        let mode = header.mode()? & 0o1777 | least;
        let owner = (header.uid()?, header.gid()?);
        match header.entry_type() {
            EntryType::Directory => {
                self.make_folder(&at)?;
                fs::set_permissions(&at, Permissions::from_mode(mode))?;
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                remove(&at)?;
                let changed = UNIX_EPOCH + Duration::from_secs(header.mtime()?);
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&at)?;
                io::copy(entry, &mut file)?;
                // Programs compare it: byte code, for one, counts only if it is as old as its source.
                file.set_modified(changed)?;
                file.set_permissions(Permissions::from_mode(mode))?;
            }
            EntryType::Symlink => {
                remove(&at)?;
                symlink(target(entry)?, &at)?;
            }
            EntryType::Link => {
                let target = target(entry)?;
                let to = inner(&target).ok_or_else(|| io::Error::other("it links out of the image"))?;
                let base = to.file_name().ok_or_else(|| io::Error::other("it links to the root"))?.to_owned();
                let to = self.folder(to.parent().unwrap_or(Path::new("")))?.join(base);
                if to != at {
                    remove(&at)?;
                    fs::hard_link(to, &at)?;
                }
            }
            // Devices, pipes, and what only speaks of other entries.
            _ => return Ok(()),
        }
        if self.is_root && !header_is_link(entry) {
            let owner = (u32::try_from(owner.0).ok(), u32::try_from(owner.1).ok());
            lchown(&at, owner.0, owner.1)?;
        }
        self.keep(&at);
        Ok(())
    }

    fn keep(&mut self, at: &Path) {
        let below = at.ancestors().take_while(|&above| above != self.root);
        self.own.extend(below.map(Path::to_owned));
    }

    /// A folder of the image, made if it is not there; links on the way are followed as the container
    /// would, inside the root.
    fn folder(&self, name: &Path) -> io::Result<PathBuf> {
        let mut at = self.root.to_owned();
        let mut todo: Vec<OsString> = parts(name);
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                if at != self.root {
                    at.pop();
                }
                continue;
            }
            at.push(part);
            match at.symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(found) if found.is_symlink() && links < MAX_LINKS => {
                    links += 1;
                    let to = fs::read_link(&at)?;
                    at.pop();
                    if to.is_absolute() {
                        at = self.root.to_owned();
                    }
                    todo.extend(parts(&to));
                }
                Ok(_) => return Err(io::Error::other("a folder above it is none")),
                Err(e) if e.kind() == io::ErrorKind::NotFound => fs::create_dir(&at)?,
                Err(e) => return Err(e),
            }
        }
        Ok(at)
    }

    /// What is there and is no folder goes.
    fn make_folder(&self, at: &Path) -> io::Result<()> {
        if at.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return Ok(());
        }
        remove(at)?;
        fs::create_dir(at)
    }

    fn hide(&self, parent: &Path, name: &OsStr) -> io::Result<()> {
        let is_name = Path::new(name).components().eq([Component::Normal(name)]);
        if !is_name {
            return Err(io::Error::other("it hides what is no name"));
        }
        let at = parent.join(name);
        if !self.own.contains(&at) {
            return remove(&at);
        }
        if at.symlink_metadata()?.is_dir() { self.hide_below(&at) } else { Ok(()) }
    }

    /// Removes what this layer has not brought. As deep as paths can be long.
    fn hide_below(&self, folder: &Path) -> io::Result<()> {
        for child in fs::read_dir(folder)? {
            let child = child?;
            if !self.own.contains(&child.path()) {
                remove(&child.path())?;
            } else if child.file_type()?.is_dir() {
                self.hide_below(&child.path())?;
            }
        }
        Ok(())
    }
}

fn header_is_link<R: Read>(entry: &Entry<'_, R>) -> bool {
    entry.header().entry_type() == EntryType::Link
}

fn target<R: Read>(entry: &Entry<'_, R>) -> io::Result<PathBuf> {
    let target = entry.link_name()?.ok_or_else(|| io::Error::other("it is a link to nothing"))?;
    Ok(target.into_owned())
}

/// Whatever it is, if it is there. No link is followed.
fn remove(at: &Path) -> io::Result<()> {
    match at.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(at),
        Ok(_) => fs::remove_file(at),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}
