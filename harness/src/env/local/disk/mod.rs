//! A node's data directory on a disk of our own making: it forgets what was not fsynced when its power
//! fails, and does wrong what it is told to.
//!
//! A FUSE file system that this process serves from memory. It is mounted in the node's mount
//! namespace only, and gone with that; when this process dies, by any signal, every call on it
//! fails. Its state outlives the server, not the cluster.

mod content;
mod damage;
mod ext4;
mod later;
mod misdeeds;
mod of_node;
mod serve;
#[cfg(test)]
mod tests;
mod tree;
mod volume;

use crate::env::disk::{Counters, Damage, FaultyDisk, Keep, Loss, Misdeed, Operation};
use duress_workloads::Rng;
pub(super) use ext4::Ext4;
use fuser::{Config, Session, SessionACL};
use later::Later;
use misdeeds::{Call, Fate, Misdeeds};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::unistd::{Gid, Uid};
pub(super) use of_node::NodeDisk;
use serve::{Handles, Server};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tree::{Attr, Ino};
use volume::Volume;

/// A disk.
pub(super) struct Disk {
    state: Mutex<State>,
    later: Later,
    /// Reads go past the kernel's page cache.
    direct: bool,
}

struct State {
    volume: Volume,
    misdeeds: Misdeeds,
    handles: Handles,
    counters: Counters,
    harm: Harm,
}

/// What a server on this disk can blame it for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Harm {
    /// Calls of the server that runs now, or of the last one, failed or gave something wrong.
    calls: bool,
    /// Files lost what had been fsynced, or were damaged. Nothing mends that.
    files: bool,
}

/// The FUSE connection of a file system that has been mounted, and that nobody serves yet.
pub(super) struct Mounted(OwnedFd);

impl Mounted {
    /// Mounts over this directory, in the mount namespace of the calling thread.
    pub(super) fn over(at: &Path) -> io::Result<Self> {
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse")?;
        let options = format!(
            "fd={},rootmode=40000,user_id={},group_id={},default_permissions,allow_other",
            device.as_raw_fd(),
            Uid::effective(),
            Gid::effective()
        );
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("duress"), at, Some("fuse"), flags, Some(options.as_str()))?;
        Ok(Self(device.into()))
    }
}

impl Disk {
    /// An empty disk, served from now on. `direct`: every read reaches it, for faults of reads; it is
    /// slower.
    pub(super) fn serve(mounted: Mounted, direct: bool) -> io::Result<Arc<Self>> {
        let now = SystemTime::now();
        let root = Attr {
            mode: 0o700,
            uid: Uid::effective().as_raw(),
            gid: Gid::effective().as_raw(),
            accessed: now,
            modified: now,
            changed: now,
        };
        let disk = Arc::new(Self {
            state: Mutex::new(State {
                volume: Volume::new(root),
                misdeeds: Misdeeds::default(),
                handles: Handles::default(),
                counters: Counters::default(),
                harm: Harm::default(),
            }),
            later: Later::start()?,
            direct,
        });
        let server = Server(Arc::clone(&disk));
        // It ends when the kernel has unmounted it, with the node's mount namespace.
        Session::from_fd(server, mounted.0, SessionACL::All, Config::default())?.spawn()?;
        Ok(disk)
    }

    /// A server begins on it: what befell the last one's calls is past.
    pub(super) fn begins_anew(&self) {
        self.state().harm.calls = false;
    }

    /// Has a server a reason to end that is the disk's, not its own?
    pub(super) fn is_to_blame(&self) -> bool {
        let Harm { calls, files } = self.state().harm;
        calls || files
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What befalls a call that makes a file longer.
    fn fate_of_write(&self, ino: Ino) -> Fate {
        self.state().fate(Call::new(Operation::Write, 0), ino)
    }

    /// What befalls a call that makes something new.
    fn fate_of_new(&self, dir: Ino, name: &OsStr) -> Fate {
        let mut state = self.state();
        let State { misdeeds, volume, .. } = &mut *state;
        let fate = misdeeds.fate(Call::new(Operation::Write, 0), || {
            let dir = volume.now().path_of(dir)?;
            let name = name.to_string_lossy();
            Some(if dir.is_empty() { name.into() } else { format!("{dir}/{name}") })
        });
        state.harm.calls |= fate.harms();
        fate
    }

    /// Does it, if that is its fate.
    fn unless<T>(&self, fate: &Fate, act: impl FnOnce(&mut Volume) -> Result<T, Errno>) -> Result<T, Errno> {
        match fate.error {
            Some(errno) => Err(errno),
            None => act(&mut self.state().volume),
        }
    }
}

impl FaultyDisk for Disk {
    fn misbehave(&self, fault: u32, how: &Misdeed) {
        let mut state = self.state();
        state.misdeeds.begin(fault, how);
        state.keep_faith();
    }

    fn behave(&self, fault: Option<u32>) -> u64 {
        let mut state = self.state();
        let hits = match fault {
            Some(fault) => state.misdeeds.end(fault),
            None => {
                state.misdeeds.end_all();
                0
            }
        };
        state.keep_faith();
        hits
    }

    fn hits(&self, fault: u32) -> u64 {
        self.state().misdeeds.hits(fault)
    }

    fn crash(&self, keep: Keep, seed: u64) -> Loss {
        let mut state = self.state();
        state.handles.close_all();
        let loss = state.volume.crash(keep, &Rng::new(seed));
        state.harm.files |= loss.betrayed > 0;
        loss
    }

    fn damage(&self, damage: &Damage, seed: u64) -> Result<String, String> {
        let mut state = self.state();
        state.handles.close_all();
        let done = damage::inflict(&mut state.volume, damage, &Rng::new(seed));
        state.harm.files |= done.is_ok();
        done
    }

    fn counters(&self) -> Counters {
        let state = self.state();
        Counters { dirty_pages: state.volume.dirty_pages(), ..state.counters }
    }
}

impl State {
    fn fate(&mut self, call: Call, ino: Ino) -> Fate {
        let Self { misdeeds, volume, .. } = self;
        let fate = misdeeds.fate(call, || volume.now().path_of(ino));
        self.harm.calls |= fate.harms();
        fate
    }

    fn keep_faith(&mut self) {
        self.volume.set_lies(self.misdeeds.lies());
    }
}
