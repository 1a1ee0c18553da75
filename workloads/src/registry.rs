//! All workloads there are.

use crate::{WorkloadEntry, counter, lock, log, multi_register, queue, register, set};

/// In the order in which they are listed.
pub const WORKLOADS: &[WorkloadEntry] = &[
    register::ENTRY,
    set::ENTRY,
    counter::ENTRY,
    multi_register::ENTRY,
    queue::ENTRY,
    log::ENTRY,
    lock::ENTRY,
];

/// The workload of this name.
pub fn find(name: &str) -> Option<&'static WorkloadEntry> {
    WORKLOADS.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::GeneratorExt as _;
    use crate::generator::simulate::Simulation;
    use crate::{Rng, WorkloadOptions};
    use std::collections::BTreeSet;

    #[test]
    fn names_are_found_and_unique() {
        let names: BTreeSet<_> = WORKLOADS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), WORKLOADS.len());
        assert!(names.iter().all(|name| find(name).is_some_and(|entry| entry.name == *name)));
        assert!(find("no such").is_none());
    }

    #[test]
    fn an_entry_lists_exactly_the_functions_that_are_invoked() {
        for entry in WORKLOADS {
            let generators = (entry.make)().generators(&WorkloadOptions::default(), &Rng::new(1));
            let main = Simulation::perfect(3).run(&mut generators.main.limit(1_000));
            let invoked: BTreeSet<_> = main.operations().into_iter().map(|op| op.f).collect();
            assert_eq!(invoked, entry.fs.iter().map(ToString::to_string).collect(), "{}", entry.name);
        }
    }
}
