//! The kernel's questions about a disk, answered: a FUSE file system over a [`Volume`].
//!
//! The kernel is told to remember no names and attributes (a time to live of nothing): a power failure
//! changes them behind its back. Pages it does cache, until a file is opened again. Extended
//! attributes, seeking holes and copying ranges it does itself or refuses, once told that we cannot.

use super::Disk;
use super::misdeeds::{Call, Fate};
use super::tree::{Attr, Body, Ino, Place};
use super::volume::{MAX_FILES, MAX_NAME, ROOM, Rename, Volume};
use crate::env::disk::Operation;
use fuser::{
    BsdFileFlags, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use nix::errno::Errno;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the kernel may believe what it was told.
const BELIEF: Duration = Duration::ZERO;

/// Most bytes of one write.
const MAX_WRITE: u32 = 1 << 20;

/// What is open, by the numbers that the kernel was given for it. Those of before a power failure are
/// not in it any more, so that nothing written through them reaches the disk after it.
#[derive(Default)]
pub(super) struct Handles {
    open: HashMap<u64, Handle>,
    last: u64,
}

enum Handle {
    File,
    /// What was in it when it was opened: a list that changes meanwhile would skip names.
    Directory(Vec<(Ino, FileType, OsString)>),
}

impl Handles {
    fn add(&mut self, handle: Handle) -> FileHandle {
        self.last += 1;
        self.open.insert(self.last, handle);
        FileHandle(self.last)
    }

    fn check(&self, handle: FileHandle) -> Result<(), Errno> {
        self.open.contains_key(&handle.0).then_some(()).ok_or(Errno::EIO)
    }

    pub(super) fn close_all(&mut self) {
        self.open.clear();
    }
}

/// Answers for one disk.
pub(super) struct Server(pub(super) Arc<Disk>);

impl Filesystem for Server {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Refused only by a kernel whose most is less: then that is it.
        let _ = config.set_max_write(MAX_WRITE);
        if self.0.direct {
            config.add_capabilities(InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP).map_err(|_| {
                io::Error::other("faults of reads need Linux 6.6 or later, to reach them past the cache")
            })?;
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, dir: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut state = self.0.state();
        let found = state.volume.find(dir.0, name);
        entry(&mut state.volume, found, reply);
    }

    fn forget(&self, _: &Request, ino: INodeNo, times: u64) {
        self.0.state().volume.forget(ino.0, times);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match attr(&self.0.state().volume, ino.0) {
            Ok(attr) => reply.attr(&BELIEF, &attr),
            Err(errno) => reply.error(told(errno)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let longer = |volume: &Volume| {
            let content = volume.now().content(ino.0);
            size.is_some_and(|size| content.is_some_and(|content| size > content.size()))
        };
        let fate = if longer(&self.0.state().volume) { self.0.fate_of_write(ino.0) } else { Fate::default() };
        let set = |volume: &mut Volume| {
            if let Some(size) = size {
                volume.resize(ino.0, size)?;
            }
            let mut attr = volume.inode(ino.0)?.attr;
            let old = attr;
            attr.mode = mode.map_or(attr.mode, permissions);
            attr.uid = uid.unwrap_or(attr.uid);
            attr.gid = gid.unwrap_or(attr.gid);
            attr.accessed = accessed.map_or(attr.accessed, time);
            attr.modified = modified.map_or(attr.modified, time);
            if attr != old {
                attr.changed = SystemTime::now();
                volume.set_attr(ino.0, attr)?;
            }
            Ok(())
        };
        let done = self.0.unless(&fate, set).and_then(|()| attr(&self.0.state().volume, ino.0));
        self.0.later.after(fate.delay, move || match done {
            Ok(attr) => reply.attr(&BELIEF, &attr),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.0.state().volume.inode(ino.0).map(|inode| &inode.body) {
            Ok(Body::Link(target)) => reply.data(target.as_encoded_bytes()),
            Ok(_) => reply.error(fuser::Errno::EINVAL),
            Err(errno) => reply.error(told(errno)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        dir: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        let body = match mode & libc::S_IFMT {
            libc::S_IFREG => Body::File(super::content::Content::default()),
            libc::S_IFIFO => Body::Special(FileType::NamedPipe, device),
            libc::S_IFSOCK => Body::Special(FileType::Socket, device),
            _ => return reply.error(fuser::Errno::EPERM),
        };
        self.make(request, (dir, name), mode, body, reply);
    }

    fn mkdir(&self, request: &Request, dir: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        self.make(request, (dir, name), mode, Body::Directory(Default::default()), reply);
    }

    fn symlink(&self, request: &Request, dir: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.make(request, (dir, name), 0o777, Body::Link(target.into()), reply);
    }

    fn link(&self, _: &Request, ino: INodeNo, dir: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let fate = self.0.fate_of_new(dir.0, name);
        let done = self.0.unless(&fate, |volume| volume.link(ino.0, place(dir, name)).map(|()| ino.0));
        let disk = Arc::clone(&self.0);
        self.0.later.after(fate.delay, move || entry(&mut disk.state().volume, done, reply));
    }

    fn unlink(&self, _: &Request, dir: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.0.state().volume.unlink(place(dir, name)));
    }

    fn rmdir(&self, _: &Request, dir: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.0.state().volume.remove_directory(place(dir, name)));
    }

    fn rename(
        &self,
        _: &Request,
        dir: INodeNo,
        name: &OsStr,
        new_dir: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let how = if flags.is_empty() {
            Rename::Replace
        } else if flags == RenameFlags::RENAME_NOREPLACE {
            Rename::ToFree
        } else if flags == RenameFlags::RENAME_EXCHANGE {
            Rename::Exchange
        } else {
            return reply.error(fuser::Errno::EINVAL);
        };
        let mut state = self.0.state();
        answer(reply, state.volume.rename(place(dir, name), place(new_dir, new_name), how));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let handle = self.0.state().handles.add(Handle::File);
        reply.opened(handle, self.open_flags());
    }

    fn create(
        &self,
        request: &Request,
        dir: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let fate = self.0.fate_of_new(dir.0, name);
        let made = self.0.unless(&fate, |volume| {
            let ino = volume.make(
                place(dir, name),
                owned(request, mode),
                Body::File(super::content::Content::default()),
            )?;
            volume.tell(ino);
            attr(volume, ino)
        });
        let flags = self.open_flags();
        let handle = self.0.state().handles.add(Handle::File);
        self.0.later.after(fate.delay, move || match made {
            Ok(attr) => reply.created(&BELIEF, &attr, Generation(0), handle, flags),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut state = self.0.state();
        state.counters.reads += 1;
        let read = state.handles.check(handle).and_then(|()| state.volume.read(ino.0, offset, size as usize));
        let bytes = read.as_ref().map_or(0, Vec::len);
        let fate = state.fate(
            // The kernel names an owner for a server's own read only, not to fill its page cache.
            Call { operation: Operation::Read, bytes, may_be_short: owner.is_some() },
            ino.0,
        );
        drop(state);
        let read = read.map(|mut bytes| {
            if let Some(bit) = fate.flip {
                flip(&mut bytes, bit);
            }
            bytes.truncate(if fate.short { bytes.len() / 2 } else { bytes.len() });
            bytes
        });
        let read = fate.error.map_or(read, Err);
        self.0.later.after(fate.delay, move || match read {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut state = self.0.state();
        state.counters.writes += 1;
        let fate = state.fate(Call::new(Operation::Write, bytes.len()), ino.0);
        let written = match (state.handles.check(handle), fate.error, fate.flip) {
            (Err(errno), _, _) | (Ok(()), Some(errno), _) => Err(errno),
            (Ok(()), None, None) => state.volume.write(ino.0, offset, bytes),
            (Ok(()), None, Some(bit)) => {
                let mut bytes = bytes.to_vec();
                flip(&mut bytes, bit);
                state.volume.write(ino.0, offset, &bytes)
            }
        };
        drop(state);
        // It is at most `MAX_WRITE`.
        let len = bytes.len() as u32;
        self.0.later.after(fate.delay, move || match written {
            Ok(()) => reply.written(len),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.0.state().handles.open.remove(&handle.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut state = self.0.state();
        state.counters.fsyncs += 1;
        let fate = state.fate(Call::new(Operation::Fsync, 0), ino.0);
        let checked = state.handles.check(handle);
        drop(state);
        let disk = Arc::clone(&self.0);
        self.0.later.after(fate.delay, move || {
            // Safe when it says so, and not before: the power may fail meanwhile.
            let fsync = |volume: &mut Volume| {
                volume.fsync(ino.0);
                Ok(())
            };
            let done = checked.and_then(|()| disk.unless(&fate, fsync));
            answer(reply, done);
        });
    }

    fn fsyncdir(&self, request: &Request, ino: INodeNo, handle: FileHandle, data: bool, reply: ReplyEmpty) {
        self.fsync(request, ino, handle, data, reply);
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let mut state = self.0.state();
        match listing(&state.volume, ino.0) {
            Ok(list) => {
                let handle = state.handles.add(Handle::Directory(list));
                reply.opened(handle, FopenFlags::empty());
            }
            Err(errno) => reply.error(told(errno)),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let state = self.0.state();
        let Some(Handle::Directory(list)) = state.handles.open.get(&handle.0) else {
            return reply.error(fuser::Errno::EIO);
        };
        for (next, (ino, kind, name)) in (1..).zip(list).skip(usize::try_from(offset).unwrap_or(usize::MAX)) {
            if reply.add(INodeNo(*ino), next, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.0.state().handles.open.remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let state = self.0.state();
        let (pages, files) = state.volume.now().usage();
        let free = if state.misdeeds.full() { 0 } else { ROOM.saturating_sub(pages) };
        let page = super::content::PAGE as u32;
        reply.statfs(
            ROOM,
            free,
            free,
            MAX_FILES,
            MAX_FILES.saturating_sub(files),
            page,
            MAX_NAME as u32,
            page,
        );
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let fate = self.0.fate_of_write(ino.0);
        let checked = self.0.state().handles.check(handle);
        let done = checked.and_then(|()| {
            self.0.unless(&fate, |volume| {
                let size = volume.now().content(ino.0).ok_or(Errno::ENODEV)?.size();
                let end = offset.checked_add(length).ok_or(Errno::EFBIG)?;
                let keep_size = mode & libc::FALLOC_FL_KEEP_SIZE != 0;
                match mode & !libc::FALLOC_FL_KEEP_SIZE {
                    0 => {}
                    libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_ZERO_RANGE => {
                        volume.zero(ino.0, offset, length)?;
                    }
                    _ => return Err(Errno::EOPNOTSUPP),
                }
                if keep_size || end <= size { Ok(()) } else { volume.resize(ino.0, end) }
            })
        });
        self.0.later.after(fate.delay, move || answer(reply, done));
    }
}

impl Server {
    fn make(
        &self,
        request: &Request,
        (dir, name): (INodeNo, &OsStr),
        mode: u32,
        body: Body,
        reply: ReplyEntry,
    ) {
        let fate = self.0.fate_of_new(dir.0, name);
        let attr = owned(request, mode);
        let made = self.0.unless(&fate, |volume| volume.make(place(dir, name), attr, body));
        let disk = Arc::clone(&self.0);
        self.0.later.after(fate.delay, move || entry(&mut disk.state().volume, made, reply));
    }

    fn open_flags(&self) -> FopenFlags {
        if self.0.direct { FopenFlags::FOPEN_DIRECT_IO } else { FopenFlags::empty() }
    }
}

fn place(dir: INodeNo, name: &OsStr) -> Place {
    (dir.0, name.to_owned())
}

fn owned(request: &Request, mode: u32) -> Attr {
    let now = SystemTime::now();
    Attr {
        mode: permissions(mode),
        uid: request.uid(),
        gid: request.gid(),
        accessed: now,
        modified: now,
        changed: now,
    }
}

fn permissions(mode: u32) -> u16 {
    (mode & 0o7777) as u16
}

fn time(time: TimeOrNow) -> SystemTime {
    match time {
        TimeOrNow::SpecificTime(time) => time,
        TimeOrNow::Now => SystemTime::now(),
    }
}

fn flip(bytes: &mut [u8], bit: u64) {
    let len = bytes.len() as u64;
    if len > 0 {
        let at = usize::try_from(bit / 8 % len).unwrap_or(0);
        bytes[at] ^= 1 << (bit % 8);
    }
}

fn told(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno as i32)
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(told(errno)),
    }
}

/// Tells the kernel of a file; from then on it may use its number.
fn entry(volume: &mut Volume, ino: Result<Ino, Errno>, reply: ReplyEntry) {
    match ino.and_then(|ino| attr(volume, ino)) {
        Ok(attr) => {
            volume.tell(attr.ino.0);
            reply.entry(&BELIEF, &attr, Generation(0));
        }
        Err(errno) => reply.error(told(errno)),
    }
}

fn kind(body: &Body) -> FileType {
    match body {
        Body::File(_) => FileType::RegularFile,
        Body::Directory(_) => FileType::Directory,
        Body::Link(_) => FileType::Symlink,
        Body::Special(kind, _) => *kind,
    }
}

fn attr(volume: &Volume, ino: Ino) -> Result<FileAttr, Errno> {
    let inode = volume.inode(ino)?;
    let is_dir = |ino: &Ino| matches!(volume.inode(*ino).map(kind_of), Ok(FileType::Directory));
    let (size, blocks, links, device) = match &inode.body {
        Body::File(content) => (content.size(), 8 * content.allocated(), inode.links, 0),
        Body::Directory(entries) => {
            let below = entries.values().filter(|ino| is_dir(ino)).count();
            (entries.len() as u64, 0, 2 + below as u32, 0)
        }
        Body::Link(target) => (target.len() as u64, 0, inode.links, 0),
        Body::Special(_, device) => (0, 0, inode.links, *device),
    };
    Ok(FileAttr {
        ino: INodeNo(ino),
        size,
        blocks,
        atime: inode.attr.accessed,
        mtime: inode.attr.modified,
        ctime: inode.attr.changed,
        crtime: UNIX_EPOCH,
        kind: kind(&inode.body),
        perm: inode.attr.mode,
        nlink: links,
        uid: inode.attr.uid,
        gid: inode.attr.gid,
        rdev: device,
        blksize: super::content::PAGE as u32,
        flags: 0,
    })
}

fn kind_of(inode: &super::tree::Inode) -> FileType {
    kind(&inode.body)
}

fn listing(volume: &Volume, dir: Ino) -> Result<Vec<(Ino, FileType, OsString)>, Errno> {
    let entries = volume.entries(dir)?;
    let own = [".", ".."].map(|name| (dir, FileType::Directory, OsString::from(name)));
    let below = entries.iter().filter_map(|(name, &ino)| {
        let inode = volume.inode(ino).ok()?;
        Some((ino, kind(&inode.body), name.clone()))
    });
    Ok(own.into_iter().chain(below).collect())
}
