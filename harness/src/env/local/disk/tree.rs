//! One state of a disk: files, directories, and the changes of metadata that lead from one state
//! to the next. Nothing here fails; whether a change is allowed is decided before (`volume`).

use super::content::Content;
use fuser::FileType;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::time::SystemTime;

/// Names a file, whatever it is called. Never given away twice.
pub(super) type Ino = u64;

/// The directory that everything is in, as FUSE has it.
pub(super) const ROOT: Ino = 1;

/// A name in a directory.
pub(super) type Place = (Ino, OsString);

/// A state.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    inodes: HashMap<Ino, Inode>,
}

/// A file, directory or what else has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) attr: Attr,
    /// Names of a file; a directory has one.
    pub(super) links: u32,
    pub(super) body: Body,
}

/// What is known of a file besides what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attr {
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) accessed: SystemTime,
    pub(super) modified: SystemTime,
    pub(super) changed: SystemTime,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    File(Content),
    Directory(BTreeMap<OsString, Ino>),
    Link(OsString),
    /// A socket, pipe or device: the kernel does all but the naming.
    Special(FileType, u32),
}

/// A change of metadata. Each happens wholly or not at all.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Make {
        at: Place,
        ino: Ino,
        inode: Box<Inode>,
    },
    Link {
        at: Place,
        ino: Ino,
    },
    Unlink {
        at: Place,
    },
    /// Replaces what has the new name.
    Rename {
        from: Place,
        to: Place,
    },
    Exchange {
        one: Place,
        other: Place,
    },
    Attr {
        ino: Ino,
        attr: Attr,
    },
    Resize {
        ino: Ino,
        size: u64,
    },
}

impl Tree {
    /// An empty disk.
    pub(super) fn new(root: Attr) -> Self {
        let root = Inode { attr: root, links: 1, body: Body::Directory(BTreeMap::new()) };
        Self { inodes: HashMap::from([(ROOT, root)]) }
    }

    pub(super) fn get(&self, ino: Ino) -> Option<&Inode> {
        self.inodes.get(&ino)
    }

    pub(super) fn get_mut(&mut self, ino: Ino) -> Option<&mut Inode> {
        self.inodes.get_mut(&ino)
    }

    pub(super) fn content(&self, ino: Ino) -> Option<&Content> {
        match &self.get(ino)?.body {
            Body::File(content) => Some(content),
            _ => None,
        }
    }

    pub(super) fn content_mut(&mut self, ino: Ino) -> Option<&mut Content> {
        match &mut self.get_mut(ino)?.body {
            Body::File(content) => Some(content),
            _ => None,
        }
    }

    pub(super) fn entries(&self, dir: Ino) -> Option<&BTreeMap<OsString, Ino>> {
        match &self.get(dir)?.body {
            Body::Directory(entries) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn find(&self, dir: Ino, name: &OsStr) -> Option<Ino> {
        self.entries(dir)?.get(name).copied()
    }

    /// Forgets a file if it has no name any more.
    pub(super) fn sweep(&mut self, ino: Ino) {
        if self.get(ino).is_some_and(|inode| inode.links == 0) {
            self.inodes.remove(&ino);
        }
    }

    /// Every file with its path from the root, `member/wal/0.wal`, in order.
    pub(super) fn files(&self) -> Vec<(String, Ino)> {
        let mut files: Vec<(String, Ino)> =
            self.paths().into_iter().filter(|&(_, ino)| self.content(ino).is_some()).collect();
        files.sort();
        files
    }

    /// One of the paths that lead to it; `None` when it has no name any more.
    pub(super) fn path_of(&self, ino: Ino) -> Option<String> {
        self.paths().into_iter().find_map(|(path, found)| (found == ino).then_some(path))
    }

    /// Everything with its path from the root.
    fn paths(&self) -> Vec<(String, Ino)> {
        let mut found = vec![(String::new(), ROOT)];
        let mut at = 0;
        while at < found.len() {
            let (path, dir) = found[at].clone();
            for (name, &ino) in self.entries(dir).into_iter().flatten() {
                let name = name.to_string_lossy();
                found.push((if path.is_empty() { name.into() } else { format!("{path}/{name}") }, ino));
            }
            at += 1;
        }
        found
    }

    /// Pages that take room, and files.
    pub(super) fn usage(&self) -> (u64, u64) {
        let pages = self.inodes.keys().filter_map(|&ino| self.content(ino)).map(Content::allocated).sum();
        (pages, self.inodes.len() as u64)
    }

    /// Makes a change. Gives back the file that has lost its last name by that.
    pub(super) fn apply(&mut self, change: Change) -> Option<Ino> {
        match change {
            Change::Make { at, ino, inode } => {
                self.inodes.insert(ino, *inode);
                self.name(at, ino)
            }
            Change::Link { at, ino } => {
                if let Some(inode) = self.get_mut(ino) {
                    inode.links += 1;
                }
                self.name(at, ino)
            }
            Change::Unlink { at } => {
                let ino = self.unname(&at)?;
                self.lose(ino)
            }
            Change::Rename { from, to } => {
                let ino = self.unname(&from)?;
                self.name(to, ino)
            }
            Change::Exchange { one, other } => {
                let (a, b) = (self.unname(&one)?, self.unname(&other)?);
                self.name(one, b).or(self.name(other, a))
            }
            Change::Attr { ino, attr } => {
                self.get_mut(ino)?.attr = attr;
                None
            }
            Change::Resize { ino, size } => {
                self.content_mut(ino)?.resize(size);
                None
            }
        }
    }

    /// Gives a file a name, and takes that from whatever had it.
    fn name(&mut self, (dir, name): Place, ino: Ino) -> Option<Ino> {
        let Some(Inode { body: Body::Directory(entries), .. }) = self.get_mut(dir) else { return None };
        let before = entries.insert(name, ino)?;
        self.lose(before)
    }

    fn unname(&mut self, (dir, name): &Place) -> Option<Ino> {
        match &mut self.get_mut(*dir)?.body {
            Body::Directory(entries) => entries.remove(name),
            _ => None,
        }
    }

    fn lose(&mut self, ino: Ino) -> Option<Ino> {
        let inode = self.get_mut(ino)?;
        inode.links = inode.links.saturating_sub(1);
        (inode.links == 0).then_some(ino)
    }
}
