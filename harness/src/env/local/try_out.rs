//! Single abilities of the machine, each used the way a cluster uses it. To be called in a
//! child process that ends afterwards.

use super::disk::Disk;
use super::host::{Host, Netns, Plan};
use super::network::Wiring;
use super::spawner::Spawner;
use super::switch::PRIORITY;
use super::trap::Filter;
use super::{Data, Ports, Privilege, in_child};
use crate::env::EnvError;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// Makes a network namespace.
pub(crate) fn network_namespace() -> io::Result<()> {
    Netns::create().map(drop)
}

/// Makes a whole host, with its mounts.
pub(crate) fn host() -> io::Result<()> {
    make_host(false).map(drop)
}

/// What makes [`fuse`] possible.
pub(crate) const FUSE_FIX: &str = "modprobe fuse; chmod 0666 /dev/fuse; in a container: --device /dev/fuse";

/// Sees, before a run, whether its disks can be such that can be told to go wrong. Call it while the
/// process has one thread.
pub fn faulty_disks(_: Privilege) -> Result<(), EnvError> {
    in_child(|| fuse().map(|()| String::new()).map_err(|error| error.to_string())).map(drop).map_err(|why| {
        EnvError::Unable { what: "make disks that can go wrong".into(), why, fix: FUSE_FIX.into() }
    })
}

/// Mounts a disk of our own making on a host, and serves it.
pub(crate) fn fuse() -> io::Result<()> {
    // The mount lives as long as the host.
    let mut host = make_host(true)?;
    let mounted = host.disk.take().ok_or_else(|| io::Error::other("nothing was mounted"))?;
    Disk::serve(mounted, false).map(drop)
}

/// Makes a PID namespace with its init.
pub(crate) fn pid_namespace() -> io::Result<()> {
    Spawner::new(None).map(drop)
}

/// Connects a host by a TAP device.
pub(crate) fn tap() -> io::Result<()> {
    Wiring::begin(&Netns::create()?, 1, Ports::Tap).map(drop)
}

/// Connects a host by a veth pair and a packet socket.
pub(crate) fn packet_socket() -> io::Result<()> {
    Wiring::begin(&Netns::create()?, 1, Ports::Packet).map(drop)
}

/// Gives a thread the switch's priority.
pub(crate) fn realtime() -> io::Result<()> {
    Ok(super::realtime::enter(PRIORITY)?)
}

/// Skews the clocks of a process, and is told of new programs.
pub(crate) fn clocks() -> io::Result<()> {
    Spawner::new(Some(Filter::new(&BTreeSet::new(), true)))?;
    super::clock::try_out()
}

/// Mounts `/proc` of a new PID namespace on a host.
pub(crate) fn proc_mount() -> io::Result<()> {
    let host = Arc::new(make_host(false)?);
    Ok(Spawner::new(None)?.0.mount_proc(&host)?)
}

/// Catches a system call.
pub(crate) fn trap() -> io::Result<()> {
    super::trap::try_out()
}

fn make_host(faulty_disk: bool) -> io::Result<Host> {
    // Seen on the host only: outside, these two stay what they are.
    Host::create(&Plan {
        name: "doctor".into(),
        data_dir: "/tmp".into(),
        data: Data::Memory,
        faulty_disk,
        hosts_file: "/etc/hosts".into(),
    })
}
