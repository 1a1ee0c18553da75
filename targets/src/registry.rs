//! All targets: the single source for `duress list`, help and plans.
//!
//! It is a value, so that a program of somebody else can have more of them than we do.

use crate::obtain::Recipe;
use crate::{TargetEntry, etcd, redis, sim};
use std::sync::Arc;

/// The targets that a program knows.
#[derive(Clone, Default)]
pub struct Registry {
    targets: Vec<Arc<TargetEntry>>,
}

impl Registry {
    /// Those that Duress brings.
    pub fn builtin() -> Self {
        Self::default().with(etcd::entry()).with(redis::entry()).with(sim::entry())
    }

    /// One more; in place of another that has its name.
    #[must_use]
    pub fn with(mut self, entry: TargetEntry) -> Self {
        self.targets.retain(|other| other.name != entry.name);
        self.targets.push(Arc::new(entry));
        self
    }

    /// The target of that name.
    pub fn find(&self, name: &str) -> Option<&Arc<TargetEntry>> {
        self.targets.iter().find(|entry| entry.name == name)
    }

    /// Every target, in the order in which they are listed.
    pub fn targets(&self) -> &[Arc<TargetEntry>] {
        &self.targets
    }
}

/// How the server of this name is obtained, if somebody here knows.
pub(crate) fn recipe(server: &str) -> Option<&'static Recipe> {
    [&etcd::RECIPE, &redis::RECIPE].into_iter().find(|recipe| recipe.server == server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_of_ones_own_may_take_the_place_of_another() {
        let mut own = sim::entry();
        own.doc = "mine".to_owned();
        let registry = Registry::builtin().with(own);
        assert_eq!(registry.targets().len(), Registry::builtin().targets().len());
        assert_eq!(registry.find("sim").expect("it is there").doc, "mine");
        assert!(registry.find("no such").is_none());
    }
}
