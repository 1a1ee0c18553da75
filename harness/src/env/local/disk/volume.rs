//! A disk with a page cache: what the server sees, and what a power failure would leave of it.
//!
//! Both are whole states ([`Tree`]). What is written changes the first; fsync of a file brings its
//! pages, its length and *all* earlier changes of names, lengths and rights into the second. That is
//! what ext4 does with its journal, and less than POSIX lets a file system lose: a server that
//! forgets to fsync a directory, but fsyncs another file later, is not caught. A crash makes the
//! second state the first, with some of what was on its way if asked for.
//!
//! Not here: FUSE (`serve`), and what goes wrong while the power is on (`misdeeds`).

use super::content::{self, Content, PAGE, SECTOR};
use super::tree::{Attr, Body, Change, Ino, Inode, Place, ROOT, Tree};
use crate::env::disk::{Keep, Loss};
use duress_workloads::Rng;
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant, SystemTime};

/// Pages of one disk: 4 GiB.
pub(super) const ROOM: u64 = 1 << 20;

/// Files of one disk.
pub(super) const MAX_FILES: u64 = 1 << 20;

/// Longest name.
pub(super) const MAX_NAME: usize = 255;

/// Most changes of metadata that wait for an fsync; then they are made durable, as a kernel does
/// after a few seconds.
const MAX_PENDING: usize = 100_000;

/// Most pages that wait for an fsync, 512 MiB; then they are made durable, as a kernel under memory
/// pressure does.
const MAX_DIRTY: u64 = 1 << 17;

/// Snapshots to roll back to, and how far apart they are at least.
const SNAPSHOTS: usize = 2;
const SNAPSHOT_EVERY: Duration = Duration::from_secs(2);

/// Why something cannot be done, as the server is told.
type Result<T> = std::result::Result<T, Errno>;

/// A disk.
pub(super) struct Volume {
    /// As the server sees it.
    now: Tree,
    /// As it would be after a power failure.
    durable: Tree,
    /// Changes of metadata that only `now` has, in their order.
    pending: Vec<Change>,
    /// Pages that only `now` has.
    dirty: BTreeMap<Ino, BTreeSet<u64>>,
    dirty_pages: u64,
    /// Fsync does nothing.
    lies: bool,
    /// Files whose fsync did nothing.
    betrayed: BTreeSet<Ino>,
    next: Ino,
    /// How often the kernel was told of a file: it may use it until it has forgotten it as often.
    known: HashMap<Ino, u64>,
    /// An upper bound of the pages in use.
    used: u64,
    /// Durable states of the past, the newest last.
    snapshots: VecDeque<(Instant, Tree)>,
}

impl Volume {
    /// An empty one.
    pub(super) fn new(root: Attr) -> Self {
        let tree = Tree::new(root);
        Self {
            now: tree.clone(),
            snapshots: VecDeque::from([(Instant::now(), tree.clone())]),
            durable: tree,
            pending: Vec::new(),
            dirty: BTreeMap::new(),
            dirty_pages: 0,
            lies: false,
            betrayed: BTreeSet::new(),
            next: ROOT + 1,
            known: HashMap::new(),
            used: 0,
        }
    }

    /// What the server sees.
    pub(super) fn now(&self) -> &Tree {
        &self.now
    }

    pub(super) fn dirty_pages(&self) -> u64 {
        self.dirty_pages
    }

    pub(super) fn inode(&self, ino: Ino) -> Result<&Inode> {
        self.now.get(ino).ok_or(Errno::ENOENT)
    }

    pub(super) fn find(&self, dir: Ino, name: &OsStr) -> Result<Ino> {
        if name.len() > MAX_NAME {
            return Err(Errno::ENAMETOOLONG);
        }
        self.entries(dir)?.get(name).copied().ok_or(Errno::ENOENT)
    }

    /// The kernel is told of a file once more.
    pub(super) fn tell(&mut self, ino: Ino) {
        *self.known.entry(ino).or_default() += 1;
    }

    /// The kernel has forgotten a file so many times.
    pub(super) fn forget(&mut self, ino: Ino, times: u64) {
        let Some(known) = self.known.get_mut(&ino) else { return };
        *known = known.saturating_sub(times);
        if *known == 0 {
            self.known.remove(&ino);
            self.sweep(ino);
        }
    }

    // ---- names ----

    /// Makes something new.
    pub(super) fn make(&mut self, at: Place, attr: Attr, body: Body) -> Result<Ino> {
        self.must_be_free(&at)?;
        let ino = self.next;
        self.next += 1;
        let inode = Box::new(Inode { attr, links: 1, body });
        self.change_in(&[at.0], Change::Make { at, ino, inode });
        Ok(ino)
    }

    pub(super) fn link(&mut self, ino: Ino, at: Place) -> Result<()> {
        self.inode(ino)?;
        self.must_be_free(&at)?;
        self.change_in(&[at.0], Change::Link { at, ino });
        Ok(())
    }

    pub(super) fn unlink(&mut self, at: Place) -> Result<()> {
        let ino = self.find(at.0, &at.1)?;
        if self.now.entries(ino).is_some() {
            return Err(Errno::EISDIR);
        }
        self.change_in(&[at.0], Change::Unlink { at });
        Ok(())
    }

    pub(super) fn remove_directory(&mut self, at: Place) -> Result<()> {
        let ino = self.find(at.0, &at.1)?;
        if !self.entries(ino)?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.change_in(&[at.0], Change::Unlink { at });
        Ok(())
    }

    /// The kernel has seen to it that no directory is moved into itself.
    pub(super) fn rename(&mut self, from: Place, to: Place, how: Rename) -> Result<()> {
        let ino = self.find(from.0, &from.1)?;
        self.entries(to.0)?;
        if to.1.len() > MAX_NAME {
            return Err(Errno::ENAMETOOLONG);
        }
        let there = self.now.find(to.0, &to.1);
        let dirs = [from.0, to.0];
        match (how, there) {
            (Rename::Exchange, None) => return Err(Errno::ENOENT),
            (Rename::Exchange, Some(_)) => {
                self.change_in(&dirs, Change::Exchange { one: from, other: to });
                return Ok(());
            }
            (Rename::ToFree, Some(_)) => return Err(Errno::EEXIST),
            (Rename::Replace, Some(there)) => match (self.now.entries(ino), self.now.entries(there)) {
                (Some(_), None) => return Err(Errno::ENOTDIR),
                (None, Some(_)) => return Err(Errno::EISDIR),
                (Some(_), Some(entries)) if !entries.is_empty() => return Err(Errno::ENOTEMPTY),
                _ => {}
            },
            (_, None) => {}
        }
        self.change_in(&dirs, Change::Rename { from, to });
        Ok(())
    }

    pub(super) fn entries(&self, dir: Ino) -> Result<&BTreeMap<OsString, Ino>> {
        self.inode(dir)?;
        self.now.entries(dir).ok_or(Errno::ENOTDIR)
    }

    fn must_be_free(&self, (dir, name): &Place) -> Result<()> {
        if name.len() > MAX_NAME {
            return Err(Errno::ENAMETOOLONG);
        }
        if self.entries(*dir)?.contains_key(name) { Err(Errno::EEXIST) } else { Ok(()) }
    }

    // ---- attributes and data ----

    pub(super) fn set_attr(&mut self, ino: Ino, attr: Attr) -> Result<()> {
        self.inode(ino)?;
        self.change(Change::Attr { ino, attr });
        Ok(())
    }

    pub(super) fn resize(&mut self, ino: Ino, size: u64) -> Result<()> {
        self.content(ino)?;
        self.change(Change::Resize { ino, size });
        if let Some(dirty) = self.dirty.get_mut(&ino) {
            let behind = dirty.split_off(&size.div_ceil(PAGE as u64));
            self.dirty_pages -= behind.len() as u64;
        }
        self.touch(ino);
        Ok(())
    }

    pub(super) fn read(&self, ino: Ino, offset: u64, len: usize) -> Result<Vec<u8>> {
        Ok(self.content(ino)?.read(offset, len))
    }

    pub(super) fn write(&mut self, ino: Ino, offset: u64, bytes: &[u8]) -> Result<()> {
        let before = self.content(ino)?.allocated();
        if self.used + bytes.len().div_ceil(PAGE) as u64 + 1 > ROOM {
            self.used = self.now.usage().0;
            if self.used + bytes.len().div_ceil(PAGE) as u64 + 1 > ROOM {
                return Err(Errno::ENOSPC);
            }
        }
        let content = self.now.content_mut(ino).ok_or(Errno::EISDIR)?;
        content.write(offset, bytes);
        self.used += content.allocated() - before;
        let dirty = self.dirty.entry(ino).or_default();
        for page in content::pages(offset, bytes.len() as u64) {
            self.dirty_pages += u64::from(dirty.insert(page));
        }
        self.touch(ino);
        if self.dirty_pages > MAX_DIRTY {
            self.write_back();
        }
        Ok(())
    }

    /// Fills a part of the file that is there with zeros.
    pub(super) fn zero(&mut self, ino: Ino, offset: u64, len: u64) -> Result<()> {
        let size = self.content(ino)?.size();
        let end = offset.saturating_add(len).min(size);
        let page = PAGE as u64;
        let mut at = offset;
        while at < end {
            let next = ((at / page + 1) * page).min(end);
            self.write(ino, at, &vec![0; usize::try_from(next - at).unwrap_or(PAGE)])?;
            at = next;
        }
        Ok(())
    }

    /// Makes a file, and all metadata, durable; unless the disk lies.
    pub(super) fn fsync(&mut self, ino: Ino) {
        if self.lies {
            self.betrayed.insert(ino);
        } else {
            self.commit();
            self.write_out(ino);
            self.take_snapshot();
        }
    }

    /// Begins to lie, or stops: then what it said is made true.
    pub(super) fn set_lies(&mut self, lies: bool) {
        if self.lies && !lies {
            self.write_back();
        }
        self.lies = lies;
    }

    // ---- power failure ----

    /// Loses what is not durable. No server may use it meanwhile.
    pub(super) fn crash(&mut self, keep: Keep, rng: &Rng) -> Loss {
        let mut rng = rng.split("crash");
        let (percent, tears) = match keep {
            Keep::None => (0, false),
            Keep::Random { percent } => (percent, false),
            Keep::Torn { percent } => (percent, true),
        };
        let changes = self.pending.len();
        let kept_changes = if percent == 0 { 0 } else { rng.index(changes + 1) };
        let undone = self.pending.split_off(kept_changes);
        self.commit();
        // A page is never written where a length that was lost had put it.
        let resized: BTreeSet<Ino> = undone.iter().filter_map(Change::resizes).collect();
        let mut loss = Loss { changes: undone.len() as u64, ..Loss::default() };
        let mut lost_from = resized.clone();
        for (ino, pages) in std::mem::take(&mut self.dirty) {
            let there = !resized.contains(&ino) && self.durable.content(ino).is_some();
            for page in pages {
                if there && rng.below(100) < u64::from(percent) {
                    loss.kept += 1;
                    loss.torn += u64::from(self.keep_page(ino, page, tears, &mut rng));
                } else {
                    loss.pages += 1;
                    lost_from.insert(ino);
                }
            }
        }
        lost_from.extend(undone.iter().filter_map(Change::makes));
        loss.betrayed = self.betrayed.intersection(&lost_from).count() as u64;
        self.restart_from(self.durable.clone());
        loss
    }

    /// Brings a dirty page into the durable state, wholly or in part. Was it torn?
    fn keep_page(&mut self, ino: Ino, page: u64, tears: bool, rng: &mut Rng) -> bool {
        let (Some(from), Some(to)) = (self.now.content(ino), self.durable.content_mut(ino)) else {
            return false;
        };
        let end = ((page + 1) * PAGE as u64).min(from.size());
        if to.size() < end {
            to.resize(end);
        }
        let torn = tears && rng.below(2) == 0;
        if torn {
            for sector in (0..PAGE / SECTOR).filter(|_| rng.below(2) == 0) {
                to.take_sector(page, sector, from);
            }
        } else {
            to.take_page(page, from);
        }
        torn
    }

    // ---- offline ----

    /// The state of the disk a while ago, durable as it was then; the oldest there is.
    pub(super) fn snapshot(&self) -> &Tree {
        &self.snapshots[0].1
    }

    /// Becomes this. No server may use it meanwhile. What the kernel was told of it will forget in its
    /// own time.
    pub(super) fn restart_from(&mut self, tree: Tree) {
        self.now = tree.clone();
        self.durable = tree;
        self.used = self.now.usage().0;
        self.pending.clear();
        self.dirty.clear();
        self.dirty_pages = 0;
        self.betrayed.clear();
    }

    /// Makes everything durable.
    pub(super) fn write_back(&mut self) {
        self.commit();
        for ino in self.dirty.keys().copied().collect::<Vec<_>>() {
            self.write_out(ino);
        }
        self.betrayed.clear();
    }

    // ---- help ----

    /// Makes a change that touches these directories.
    fn change_in(&mut self, dirs: &[Ino], change: Change) {
        self.change(change);
        dirs.iter().for_each(|&dir| self.touch(dir));
    }

    fn change(&mut self, change: Change) {
        if let Some(nameless) = self.now.apply(change.clone()) {
            self.sweep(nameless);
        }
        self.pending.push(change);
        if self.pending.len() > MAX_PENDING {
            self.commit();
        }
    }

    /// Forgets a file that has no name and that nobody has open.
    fn sweep(&mut self, ino: Ino) {
        if !self.known.contains_key(&ino) {
            self.now.sweep(ino);
            if self.now.get(ino).is_none() {
                let pages = self.dirty.remove(&ino).map_or(0, |pages| pages.len());
                self.dirty_pages -= pages as u64;
            }
        }
    }

    fn touch(&mut self, ino: Ino) {
        if let Some(inode) = self.now.get_mut(ino) {
            inode.attr.modified = SystemTime::now();
            inode.attr.changed = inode.attr.modified;
        }
    }

    fn content(&self, ino: Ino) -> Result<&Content> {
        self.inode(ino)?;
        self.now.content(ino).ok_or(Errno::EISDIR)
    }

    fn commit(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            if let Some(nameless) = self.durable.apply(change) {
                self.durable.sweep(nameless);
            }
        }
    }

    /// Makes what a file holds durable.
    fn write_out(&mut self, ino: Ino) {
        let pages = self.dirty.remove(&ino).unwrap_or_default();
        self.dirty_pages -= pages.len() as u64;
        if let (Some(from), Some(to)) = (self.now.get(ino), self.durable.get_mut(ino)) {
            to.attr = from.attr;
        }
        if let (Some(from), Some(to)) = (self.now.content(ino), self.durable.content_mut(ino)) {
            to.resize(from.size());
            pages.into_iter().for_each(|page| to.take_page(page, from));
        }
    }

    fn take_snapshot(&mut self) {
        if self.snapshots.back().is_none_or(|(taken, _)| taken.elapsed() >= SNAPSHOT_EVERY) {
            self.snapshots.push_back((Instant::now(), self.durable.clone()));
            if self.snapshots.len() > SNAPSHOTS {
                self.snapshots.pop_front();
            }
        }
    }
}

/// What happens to that which has the new name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rename {
    /// It is gone.
    Replace,
    /// There must be none.
    ToFree,
    /// It gets the old name.
    Exchange,
}

impl Change {
    fn resizes(&self) -> Option<Ino> {
        match self {
            Self::Resize { ino, .. } => Some(*ino),
            _ => None,
        }
    }

    fn makes(&self) -> Option<Ino> {
        match self {
            Self::Make { ino, .. } => Some(*ino),
            _ => None,
        }
    }
}
