//! What lies over a node's data directory: a disk of our own making, or a real ext4.
//!
//! Not here: what either does.

use super::super::Disks;
use super::super::host::Host;
use super::{Disk, Ext4};
use crate::env::disk::{FaultyDisk as _, Keep};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A node's disk.
pub(in super::super) enum NodeDisk {
    /// It does wrong what it is told to.
    Own(Arc<Disk>),
    /// Its power can fail.
    Ext4(Ext4),
}

impl NodeDisk {
    /// What is asked for, over the data directory of a host; for a disk of our own making it has been
    /// mounted there.
    pub(in super::super) fn create(host: &mut Host, at: &Path, disks: Disks) -> io::Result<Option<Self>> {
        match (disks, host.disk.take()) {
            (Disks::Faulty { direct_reads }, Some(mounted)) => {
                Disk::serve(mounted, direct_reads).map(|disk| Some(Self::Own(disk)))
            }
            (Disks::Ext4, _) => Ext4::create(host, at).map(|disk| Some(Self::Ext4(disk))),
            (Disks::Plain | Disks::Faulty { .. }, _) => Ok(None),
        }
    }

    /// A server begins on it.
    ///
    /// # Errors
    /// When it is off: below it is an empty directory, and the server would work with that.
    pub(in super::super) fn begins_anew(&self, host: &Host) -> io::Result<()> {
        match self {
            Self::Own(disk) => disk.begins_anew(),
            Self::Ext4(disk) => disk.power_on(host)?,
        }
        Ok(())
    }

    /// Has a server a reason to end that is the disk's, not its own?
    pub(in super::super) fn is_to_blame(&self) -> bool {
        match self {
            Self::Own(disk) => disk.is_to_blame(),
            Self::Ext4(_) => false,
        }
    }

    /// The power fails and comes back; in words what it did.
    ///
    /// # Errors
    /// When that was not seen.
    pub(in super::super) fn power_failure(
        &self,
        host: &Host,
        (keep, seed): (Keep, u64),
    ) -> Result<String, String> {
        match self {
            Self::Own(disk) => Ok(disk.crash(keep, seed).to_string()),
            Self::Ext4(disk) => disk.power_failure(host, keep),
        }
    }
}
