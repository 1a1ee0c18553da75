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
    /// Rules of nftables in a table of our own: for partitions.
    Cuts,
    /// The same with answers to whom is cut off: for `partition-reject`.
    Rejects,
    /// Programs that get clocks of their own: for faults of clocks.
    Clocks,
}

impl Ability {
    /// The word for it in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cuts => "nftables",
            Self::Rejects => "nftables reject",
            Self::Clocks => "clocks",
        }
    }

    /// Is it of a network, rather than of processes?
    pub const fn is_of_links(self) -> bool {
        matches!(self, Self::Cuts | Self::Rejects)
    }

    /// Faults that need it.
    pub const fn needed_for(self) -> &'static str {
        match self {
            Self::Cuts => "partitions",
            Self::Rejects => "partitions that refuse",
            Self::Clocks => "faults of clocks",
        }
    }
}
