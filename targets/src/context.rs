//! What the clients of a target that is described in a file, and not in Rust, are told of the run
//! that they work in, and where they leave what they have to say besides answers.

use crate::{Node, Numbers, Surroundings};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One target's, for one run. Its clones are the same.
#[derive(Clone, Debug)]
pub struct Context {
    /// `register`, `set`, …
    pub workload: String,
    /// `--set name=value`, whatever the target makes of it.
    pub settings: BTreeMap<String, String>,
    /// By name: `client` → 6379.
    pub ports: BTreeMap<String, u16>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    run: OnceLock<Surroundings>,
    connections: AtomicU64,
    notes: Mutex<Notes>,
}

/// What is to be told to the user, each kind of it so often and then counted.
#[derive(Debug, Default)]
struct Notes {
    untold: Vec<String>,
    /// By kind: how many there were.
    counts: BTreeMap<&'static str, u64>,
}

/// So many notes of one kind are told in full.
const TOLD: u64 = 3;

impl Context {
    /// Of a target whose cluster is not there yet.
    pub fn new(
        workload: impl Into<String>,
        settings: BTreeMap<String, String>,
        ports: BTreeMap<String, u16>,
    ) -> Self {
        Self { workload: workload.into(), settings, ports, shared: Arc::default() }
    }

    /// The cluster is there. Whoever comes second changes nothing.
    pub fn enter(&self, run: &Surroundings) {
        let _ = self.shared.run.set(run.clone());
    }

    /// What should be told and has not been told yet; when all is over, how much more there was, too. A target
    /// hands it on as [`crate::Target::notes`].
    pub fn notes(&self, over: bool) -> Vec<String> {
        let mut notes = self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = std::mem::take(&mut notes.untold);
        if over {
            let more = notes.counts.iter().filter(|(_, count)| **count > TOLD);
            told.extend(more.map(|(kind, count)| format!("{kind}: {count} times in all")));
        }
        told
    }

    /// Those that there are, once the cluster is.
    pub(crate) fn nodes(&self) -> &[Node] {
        self.shared.run.get().map_or(&[], |run| &run.nodes)
    }

    /// A file for what a client says that is no answer.
    pub(crate) fn log(&self, connection: u64) -> Option<PathBuf> {
        self.shared.run.get().map(|run| run.logs.join(format!("{connection}.log")))
    }

    /// The number of the next connection.
    pub(crate) fn next_connection(&self) -> u64 {
        let Numbers { first, step } = self.shared.run.get().map(|run| run.numbers).unwrap_or_default();
        first + step * self.shared.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells the user; `kind` is the same for what is alike.
    pub(crate) fn note(&self, kind: &'static str, what: &str) {
        let mut notes = self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = notes.counts.entry(kind).or_default();
        *count += 1;
        if *count <= TOLD {
            notes.untold.push(format!("{kind}: {what}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_told_a_few_times_and_then_counted() {
        let context = Context::new("register", BTreeMap::new(), BTreeMap::new());
        (0..5).for_each(|n| context.note("R4, the id of an answer", &format!("{n}")));
        context.note("R2, nothing but messages", "a banner");
        let told = context.clone().notes(false);
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[0], "R4, the id of an answer: 0");
        assert!(context.notes(false).is_empty());
        assert_eq!(context.notes(true), ["R4, the id of an answer: 5 times in all"]);
    }
}
