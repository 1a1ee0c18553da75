//! What do the clients do?
//!
//! A [`Generator`] answers one question, again and again: *this thread is free now, what
//! should it do?* A [`Workload`] bundles the generators with the checker that judges what
//! came of them. Nothing here performs an operation, sleeps or reads a clock.

mod counter;
pub mod generator;
mod lock;
mod log;
mod multi_register;
mod object;
mod queue;
mod register;
pub mod registry;
mod rng;
mod set;
mod workload;

pub use generator::{Context, Generator, Invocation, Next};
pub use rng::Rng;
pub use workload::{Generators, Workload, WorkloadEntry, WorkloadOptions};
