//! A workload: generators, and the checker that judges what came of them.

use crate::{Generator, Rng};
use duress_checkers::{Checker, Keys, Watch};
use serde_json::Value;
use std::time::Duration;

/// One kind of client behaviour.
pub trait Workload: Send + Sync {
    /// The generators of one run. Equal options and seed give equal operations.
    fn generators(&self, options: &WorkloadOptions, rng: &Rng) -> Generators;

    /// Judges a history. Our own are keyed; those of others may not be. A workload without keys
    /// does not look at `keys`.
    fn checker(&self, keys: Keys) -> Box<dyn Checker>;

    /// What an operation was answered with, if that can be an answer to what was asked. A client that is not
    /// ours may leave out what is as it was asked.
    ///
    /// # Errors
    /// In words, when there is no such operation, or its answer has another shape.
    fn answer(&self, f: &str, asked: &Value, answered: Option<&Value>) -> Result<Value, String>;

    /// Judges one of our own while it happens.
    fn watch(&self) -> Box<dyn Watch>;
}

/// The two parts of a run.
pub struct Generators {
    /// Runs under faults, until the time limit.
    pub main: Box<dyn Generator>,
    /// Runs after everything is healed: final reads. Asked only after `main` has been dropped
    /// or is done, and may know what `main` handed out.
    pub last: Box<dyn Generator>,
}

/// What a user can turn.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadOptions {
    /// Client threads.
    pub concurrency: usize,
    /// Operations per second over all threads; 0 means as fast as the clients answer.
    pub rate: u64,
    /// Operations on a key before it is retired.
    pub ops_per_key: u64,
    /// Keys in use at the same time.
    pub keys: usize,
}

impl Default for WorkloadOptions {
    /// Ten threads as fast as they can, on five keys of 120 operations.
    ///
    /// Two threads per key on average make operations on it concurrent, but not so many that
    /// most orders are allowed and little can be ruled out. With 120 operations, some 60 of
    /// them updates, a key sees the beginning or the end of a fault at any usual speed, and
    /// what a fault leaves in doubt on it stays a number that a checker can handle.
    fn default() -> Self {
        Self { concurrency: 10, rate: 0, ops_per_key: 120, keys: 5 }
    }
}

/// A workload in the registry: the single source for `duress list`, help and plans.
#[derive(Clone, Copy)]
pub struct WorkloadEntry {
    /// As given to `--workload`.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// The functions it invokes.
    pub fs: &'static [&'static str],
    /// How long a client waits for an answer, unless told otherwise.
    pub op_timeout: Duration,
    /// Makes it.
    pub make: fn() -> Box<dyn Workload>,
}

impl WorkloadEntry {
    /// Enough for an operation of a few requests that nothing holds up.
    pub const USUAL_TIMEOUT: Duration = Duration::from_secs(2);
}
