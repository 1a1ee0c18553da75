//! What a measurement took of the processor.

use std::time::Duration;

/// How long this thread has been running on a processor; zero where nobody says. The clock on the
/// wall also counts what everybody else does.
pub(crate) fn worked() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split_whitespace().next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or_default())
}
