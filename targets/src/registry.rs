//! All targets: the single source for `duress list`, help and plans.

use crate::{TargetEntry, etcd, redis, sim};

/// Every target, in the order in which they are listed.
pub static TARGETS: [&TargetEntry; 3] = [&etcd::ENTRY, &redis::ENTRY, &sim::ENTRY];

/// The target of that name.
pub fn find(name: &str) -> Option<&'static TargetEntry> {
    TARGETS.into_iter().find(|entry| entry.name == name)
}
