//! The run's clock: one monotonic clock for operations, faults and phases.

use std::time::{Duration, Instant};

/// Counts nanoseconds from the moment it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts at zero, now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the start; enough for 584 years.
    pub fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// When the clock will show `ns`.
    pub fn at(&self, ns: u64) -> Instant {
        self.0 + Duration::from_nanos(ns)
    }
}
