//! The real binary, from the outside.

mod bad_input;
mod browser;
mod check;
mod ci;
mod client_programs;
mod clusters;
mod common;
mod cuts;
mod demo;
mod disks;
mod docker;
mod fleet;
mod gates;
mod lifecycle;
mod nightly;
mod observing;
mod over_runs;
mod own;
mod processes;
mod redis;
mod remote;
mod remote_own;
mod soak;
mod terminal;
mod triage;
