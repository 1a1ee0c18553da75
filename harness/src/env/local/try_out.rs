//! Single abilities of the machine, each used the way a cluster uses it. To be called in a
//! child process that ends afterwards.

use super::host::{Host, Netns, Plan};
use super::network::Wiring;
use super::spawner::Spawner;
use super::switch::PRIORITY;
use super::{Data, Ports};
use std::io;
use std::sync::Arc;

/// Makes a network namespace.
pub(crate) fn network_namespace() -> io::Result<()> {
    Netns::create().map(drop)
}

/// Makes a whole host, with its mounts.
pub(crate) fn host() -> io::Result<()> {
    make_host().map(drop)
}

/// Makes a PID namespace with its init.
pub(crate) fn pid_namespace() -> io::Result<()> {
    Spawner::new(false).map(drop)
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
    Spawner::new(true)?;
    super::clock::try_out()
}

/// Mounts `/proc` of a new PID namespace on a host.
pub(crate) fn proc_mount() -> io::Result<()> {
    let host = Arc::new(make_host()?);
    Ok(Spawner::new(false)?.0.mount_proc(&host)?)
}

/// Catches a system call.
pub(crate) fn trap() -> io::Result<()> {
    super::trap::try_out()
}

fn make_host() -> io::Result<Host> {
    // Seen on the host only: outside, these two stay what they are.
    Host::create(&Plan {
        name: "doctor".into(),
        data_dir: "/tmp".into(),
        data: Data::Memory,
        hosts_file: "/etc/hosts".into(),
    })
}
