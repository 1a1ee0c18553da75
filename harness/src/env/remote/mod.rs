//! Real hosts, each with an agent that does to it what it is told: the same binary, put there.

pub mod binary;
pub mod capability;
pub mod ssh;
pub mod transport;
pub mod wire;
