//! All targets: the single source for `duress list`, help and plans.

use crate::{TargetEntry, etcd, sim};

/// Every target, in the order in which they are listed.
pub static TARGETS: [&TargetEntry; 2] = [&etcd::ENTRY, &sim::ENTRY];

/// The target of that name.
pub fn find(name: &str) -> Option<&'static TargetEntry> {
    TARGETS.into_iter().find(|entry| entry.name == name)
}
