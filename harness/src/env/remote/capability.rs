//! What a host allows, as its agent has tried it.

use serde::{Deserialize, Serialize};

/// One thing that faults need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// Which.
    pub name: Ability,
    /// Why not, if not.
    pub missing: Option<String>,
}

/// What faults need of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ability {
    /// Rules of our own in the network, of nftables or iptables: for partitions.
    Cuts,
    /// The same with answers to whom is cut off: for `partition-reject`.
    Rejects,
    /// Rules of nftables that know which connections began when: for `partition-established` and `partition-new`.
    Connections,
    /// Programs that get clocks of their own: for faults of clocks.
    Clocks,
    /// A way for packets over an interface of our own: for faults of packets.
    Packets,
    /// A file system of our own over a server's data: for faults of disks.
    Disks,
    /// A control group that limits memory: for `oom`.
    Memory,
    /// System calls that are caught: for faults that wait for one.
    Calls,
}

impl Ability {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Cuts,
        Self::Rejects,
        Self::Connections,
        Self::Clocks,
        Self::Packets,
        Self::Disks,
        Self::Memory,
        Self::Calls,
    ];

    /// The word for it in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cuts => "cuts",
            Self::Rejects => "cuts that refuse",
            Self::Connections => "cuts by connection",
            Self::Clocks => "clocks",
            Self::Packets => "packets",
            Self::Disks => "disks",
            Self::Memory => "memory",
            Self::Calls => "system calls",
        }
    }

    /// Is it of a network, rather than of processes?
    pub const fn is_of_links(self) -> bool {
        matches!(self, Self::Cuts | Self::Rejects)
    }

    /// Does it change a host's own network? That takes root there.
    pub const fn is_of_networks(self) -> bool {
        self.is_of_links() || matches!(self, Self::Connections | Self::Packets)
    }

    /// Faults that need it.
    pub const fn needed_for(self) -> &'static str {
        match self {
            Self::Cuts => "partitions",
            Self::Rejects => "partitions that refuse",
            Self::Connections => "partitions of established or new connections",
            Self::Clocks => "faults of clocks",
            Self::Packets => "faults of packets, over IPv4",
            Self::Disks => "faults of disks",
            Self::Memory => "oom",
            Self::Calls => "faults that wait for a system call",
        }
    }
}
