//! Workloads on many independent objects of one kind.
//!
//! What an object is and what clients ask of it is one file per kind. What all of them share is
//! here: a few objects live at a time, each for so many operations, because the time to check one
//! grows quickly with its history; once the cluster is healed, every one is looked at once more.

mod answer;
mod final_reads;
#[cfg(test)]
mod laws;
mod live;

use crate::generator::{Arrivals, GeneratorExt as _};
use crate::{Generators, Invocation, Rng, Workload, WorkloadOptions};
use duress_checkers::{Checker, Keys, Linearizable, Model, Online, Watch};
use final_reads::FinalReads;
use live::Live;
use serde_json::Value;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A kind of object, and one of it while clients use it.
pub(crate) trait Object: Default + Send + Sync + 'static {
    /// What it may do.
    type Model: Model + 'static;

    /// A new one, as the checker sees it.
    fn model() -> Self::Model;

    /// The next operation on it, without the key. What it draws and what it does depend on its own
    /// earlier operations alone, not on what became of them.
    fn next(&mut self, rng: &mut Rng) -> Invocation;

    /// The operation that shows what it holds, without the key.
    fn look() -> Invocation {
        Invocation::new("read", Value::Null)
    }

    /// Does a read of all of it show a list, and not one value?
    const IS_LIST: bool = false;

    /// Has a look with this answer shown all, or is there more behind it?
    fn shows_all(_answered: &Value) -> bool {
        true
    }
}

/// The workload on objects of one kind; values are `[key, what the model knows]`.
pub(crate) struct Objects<O>(PhantomData<O>);

/// For the registry.
pub(crate) fn workload<O: Object>() -> Box<dyn Workload> {
    Box::new(Objects::<O>(PhantomData))
}

impl<O: Object> Workload for Objects<O> {
    fn generators(&self, options: &WorkloadOptions, rng: &Rng) -> Generators {
        let n_keys = Arc::new(AtomicU64::new(0));
        let main = Live::<O>::new(options, rng.split("values"), Arc::clone(&n_keys));
        let main = match 1_000_000_000_u64.checked_div(options.rate) {
            Some(mean) => main.stagger(mean, Arrivals::Exponential(rng.split("arrivals"))).boxed(),
            None => main.boxed(),
        };
        Generators { main, last: FinalReads::<O>::new(n_keys, options.ops_per_key).boxed() }
    }

    fn checker(&self, keys: Keys) -> Box<dyn Checker> {
        Box::new(Linearizable::new(O::model(), keys))
    }

    fn answer(&self, f: &str, asked: &Value, answered: Option<&Value>) -> Result<Value, String> {
        answer::read(&O::model(), O::IS_LIST, f, asked, answered)
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(Online::keyed(O::model()))
    }
}
