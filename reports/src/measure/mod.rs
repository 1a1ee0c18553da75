//! What a history says in numbers: counts, rates, latencies, errors, and what each fault did
//! to the clients. Not here: whether any of it is allowed (the checkers) or how it looks.

mod calls;
mod clocks;
mod effect;
mod errors;
mod flows;
mod latency;
mod quiet;

pub(crate) use calls::{Calls, Row};
pub(crate) use clocks::{Clock, Skewed, clocks};
pub use effect::{FaultEffect, FaultState, Reached};
pub(crate) use effect::{effects, outages, windows_in_effect};
pub use errors::ErrorRow;
pub(crate) use errors::errors;
pub(crate) use flows::{busiest, taken};
pub use latency::{LatencyRow, Quantiles};
pub(crate) use latency::{latency, quantile};
pub(crate) use quiet::{Quiet, merged};

/// Does a function read, change, or both? Decides which acknowledgements prove what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Its result tells what the system holds.
    pub(crate) reads: bool,
    /// Its success changes what the system holds.
    pub(crate) writes: bool,
}

/// By name. A function that is not known may do both.
pub(crate) fn access(f: &str) -> Access {
    match f {
        "read" | "get" | "scan" | "watch" | "contains" => Access { reads: true, writes: false },
        "write" | "put" | "cas" | "add" | "append" | "enqueue" | "delete" | "transfer" | "inc" | "remove"
        | "push" | "insert" | "acquire" | "release" => Access { reads: false, writes: true },
        // Among these `txn`, `fetch-add`, `dequeue`, `pop` and `delete-min`.
        _ => Access { reads: true, writes: true },
    }
}
