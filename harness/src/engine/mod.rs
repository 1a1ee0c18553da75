//! Runs generators against clients and records what happens.
//!
//! One thread: the scheduler and all clients share an async runtime of one thread, so that
//! the order in which things are recorded is the order in which they were seen.

mod clients;
mod clock;
pub mod fleet;
mod open;
mod perform;
mod recorder;
mod scheduler;
mod stop;
#[cfg(test)]
mod tests;

pub use clients::{ClientFault, Clients};
pub use clock::Clock;
pub use fleet::Fleet;
pub use open::{Opened, open};
pub use recorder::{OpBody, Recorder};
pub use scheduler::{Drive, Engine};
pub use stop::{Stop, StopKind, Stopper};
