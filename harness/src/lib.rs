//! Duress: runs a real cluster under faults, and says whether what its clients saw was allowed.
//!
//! The binary `duress` is [`cli::main`]. Reading order: [`plan`] (what was asked), [`run`] (one
//! run from end to end), [`engine`] (clients), [`nemesis`] (faults), [`env`](mod@env) (hosts).

pub mod checking;
pub mod cli;
mod data_archive;
pub mod engine;
pub mod env;
pub mod event;
pub mod failure;
pub mod index;
pub mod known;
pub mod machine;
pub mod nemesis;
pub mod observing;
pub mod plan;
pub mod retention;
pub mod run;
pub mod serve;
pub mod soak;
pub mod store;
pub mod sweep;
pub mod triage;
pub mod trial;
pub mod watching;
