//! What is done to a cluster by its own means, as an operator would.
//!
//! Not here: how (the target's [`duress_targets::Lifecycle`]), and with what patience.

use serde::{Deserialize, Serialize};

/// One act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The node is removed from the cluster, and ended; added again, as a new member without data, when
    /// healed.
    MemberRemove,
    /// The same at once.
    MemberReplace,
    /// The node, which leads, hands over to another.
    LeaderTransfer,
    /// History is thrown away, and the node's storage written anew without it.
    Defragment,
    /// The node is told to have all history before the present thrown away.
    Compact,
    /// The node is started again with the other version, for good.
    Upgrade,
    /// The same, and with the version that it had when healed.
    UpgradeAndBack,
    /// All of the nodes are ended while no client reaches them, and started as a new cluster on what a
    /// snapshot of one of them holds when healed.
    SnapshotRestore,
}

/// How long a node takes to serve with another version, in milliseconds.
const RESTART_MS: u64 = 2_000;

/// How long a node takes to come back as a new member, in milliseconds: it is added once the cluster
/// has been whole for 5 seconds, and has its vote once it has caught up.
const JOIN_MS: u64 = 6_000;

impl Act {
    /// The word for it in journals and tables.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::MemberRemove => "member-remove",
            Self::MemberReplace => "member-replace",
            Self::LeaderTransfer => "leader-transfer",
            Self::Defragment => "defragment",
            Self::Compact => "compact",
            Self::Upgrade => "upgrade",
            Self::UpgradeAndBack => "upgrade-and-back",
            Self::SnapshotRestore => "snapshot-restore",
        }
    }

    /// `remove n1 from the cluster`.
    pub fn told(self, nodes: &str) -> String {
        match self {
            Self::MemberRemove => format!("remove {nodes} from the cluster"),
            Self::MemberReplace => format!("replace {nodes} by a new member without data"),
            Self::LeaderTransfer => format!("have {nodes} hand over leadership"),
            Self::Defragment => format!("defragment the storage of {nodes}"),
            Self::Compact => format!("compact all history, asking {nodes}"),
            Self::Upgrade => format!("start {nodes} with the other version"),
            Self::UpgradeAndBack => format!("start {nodes} with the other version for a while"),
            Self::SnapshotRestore => format!("restore {nodes} from a snapshot, as a new cluster"),
        }
    }

    /// Does it change who is a member?
    pub const fn changes_members(self) -> bool {
        matches!(self, Self::MemberRemove | Self::MemberReplace)
    }

    /// Does it need a second version of the server?
    pub const fn changes_version(self) -> bool {
        matches!(self, Self::Upgrade | Self::UpgradeAndBack)
    }

    /// Does it need the operators' own program, and all of the nodes?
    pub const fn restores(self) -> bool {
        matches!(self, Self::SnapshotRestore)
    }

    /// Does the node go on as if nothing was?
    pub const fn is_bearable(self) -> bool {
        matches!(self, Self::Compact)
    }

    /// How long the node may be missing after the fault's own end, in milliseconds.
    pub const fn settles_ms(self) -> u64 {
        match self {
            Self::MemberRemove | Self::MemberReplace => JOIN_MS,
            Self::UpgradeAndBack => RESTART_MS,
            Self::SnapshotRestore => RESTART_MS,
            Self::LeaderTransfer | Self::Defragment | Self::Compact | Self::Upgrade => 0,
        }
    }

    /// Fewest nodes that it makes sense for.
    pub const fn min_nodes(self) -> usize {
        if self.changes_members() || matches!(self, Self::LeaderTransfer) { 2 } else { 1 }
    }
}
