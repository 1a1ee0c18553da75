//! What do the clients do?
//!
//! A [`Generator`] answers one question, again and again: *this thread is free now, what
//! should it do?* A [`Workload`] bundles the generators with the checker that judges what
//! came of them. Nothing here performs an operation, sleeps or reads a clock.

pub mod generator;
mod object;
mod register;
pub mod registry;
mod rng;
mod workload;

pub use generator::{Context, Generator, Invocation, Next};
pub use rng::Rng;
pub use workload::{Generators, Workload, WorkloadEntry, WorkloadOptions};
