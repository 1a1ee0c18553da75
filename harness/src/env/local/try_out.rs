//! Single abilities of the machine, each used the way a cluster uses it. To be called in a
//! child process that ends afterwards.

use super::disk::NodeDisk;
use super::host::{Host, Netns, Plan};
use super::memory::Groups;
use super::network::Wiring;
use super::spawner::{Spawner, Start};
use super::switch::PRIORITY;
use super::trap::Filter;
use super::{Data, Disks, Ports, Privilege, Rootfs, ServerCommand, in_child};
use crate::env::EnvError;
use crate::env::disk::Keep;
use crate::env::memory::OutOfMemory;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Over which directory things are mounted, on a host only.
const DATA: &str = "/tmp";

/// Makes a network namespace.
pub(crate) fn network_namespace() -> io::Result<()> {
    Netns::create().map(drop)
}

/// Makes a whole host, with its mounts.
pub(crate) fn host() -> io::Result<()> {
    make_host(Disks::Plain).map(drop)
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
    let disks = Disks::Faulty { direct_reads: false };
    // The mount lives as long as the host.
    let mut host = make_host(disks)?;
    let disk = NodeDisk::create(&mut host, Path::new(DATA), disks)?;
    disk.map(drop).ok_or_else(|| io::Error::other("nothing was mounted"))
}

/// What makes [`ext4`] possible.
pub(crate) const EXT4_FIX: &str =
    "run as root, with e2fsprogs (mke2fs) installed; modprobe loop ext4; in a container: --privileged";

/// Sees, before a run, whether its nodes can have an ext4 each. Call it while the process has one
/// thread.
pub fn ext4_disks(privilege: Privilege) -> Result<(), EnvError> {
    let tried = match privilege {
        Privilege::Root => in_child(|| ext4().map(|()| String::new()).map_err(|error| error.to_string())),
        Privilege::UserNamespace => Err("only root may mount an ext4".to_owned()),
    };
    tried.map(drop).map_err(|why| EnvError::Unable {
        what: "make ext4 disks whose power can fail".into(),
        why,
        fix: format!("{EXT4_FIX}; or leave out --disks ext4"),
    })
}

/// Mounts an ext4 on a host, and lets its power fail.
pub(crate) fn ext4() -> io::Result<()> {
    let mut host = make_host(Disks::Ext4)?;
    let disk = NodeDisk::create(&mut host, Path::new(DATA), Disks::Ext4)?;
    let disk = disk.ok_or_else(|| io::Error::other("nothing was mounted"))?;
    disk.power_failure(&host, (Keep::None, 0)).map(drop).map_err(io::Error::other)
}

/// What makes [`memory`] possible.
pub(crate) const MEMORY_FIX: &str = "run as root; as an ordinary user with control groups of version 2: \
     systemd-run --user --scope duress ...; in a container: --privileged";

/// Sees, before a run, whether the memory of its nodes can run out. Call it while the process has one
/// thread.
pub fn limited_memory(_: Privilege) -> Result<(), EnvError> {
    in_child(|| memory().map(|()| String::new()).map_err(|error| error.to_string())).map(drop).map_err(
        |why| EnvError::Unable { what: "limit the memory of nodes".into(), why, fix: MEMORY_FIX.into() },
    )
}

/// Lets the memory of a group run out with a server in it.
pub(crate) fn memory() -> io::Result<()> {
    let host = Arc::new(make_host(Disks::Plain)?);
    let groups = Groups::create(&["doctor"])?;
    let (spawner, _) = Spawner::new(None)?;
    let group = Arc::clone(&groups.of_nodes[0]);
    let server = Start {
        host,
        command: ServerCommand {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), "exec sleep 1000".into()],
            env: Vec::new(),
            user: None,
        },
        work_dir: "/".into(),
        stdout: silence()?,
        stderr: silence()?,
        visits: false,
        memory: Some(Arc::clone(&group)),
        user: None,
    };
    let mut server = spawner.start(server)?;
    let seen = group.exhaust()?;
    if seen.kills == 0 {
        server.kill()?;
    }
    let seen = OutOfMemory { end: Some(server.wait()?), ..seen };
    if seen.bit() { Ok(()) } else { Err(io::Error::other(seen.to_string())) }
}

/// Makes a host whose root is an image's: here, of files that every machine has.
pub(crate) fn rootfs() -> io::Result<()> {
    let rootfs = Rootfs { root: "/usr".into(), work_dir: "/".into() };
    let plan = Plan { data: Data::Disk, root: Some((rootfs, "/mnt".into())), ..plan(Disks::Plain) };
    Host::create(&plan).map(drop)
}

/// What makes [`rootfs`] possible.
pub(crate) const ROOTFS_FIX: &str = super::root::FIX;

fn silence() -> io::Result<File> {
    OpenOptions::new().write(true).open("/dev/null")
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
    let host = Arc::new(make_host(Disks::Plain)?);
    Ok(Spawner::new(None)?.0.mount_proc(&host)?)
}

/// Catches a system call.
pub(crate) fn trap() -> io::Result<()> {
    super::trap::try_out()
}

fn make_host(disks: Disks) -> io::Result<Host> {
    Host::create(&plan(disks))
}

/// Seen on the host only: outside, these folders stay what they are.
fn plan(disks: Disks) -> Plan {
    Plan {
        name: "doctor".into(),
        own_network: true,
        data_dir: DATA.into(),
        data: Data::Memory,
        disks,
        hosts_file: "/etc/hosts".into(),
        root: None,
    }
}
