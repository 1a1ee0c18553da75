//! Classes of errors that mean something to whoever reads a history. Clients have others, which
//! are only counted.

/// A comparison was made and failed: an answer, and not what reports count as an error.
pub const PRECONDITION: &str = "precondition";

/// An answer that does not fit the question: what the system said is not in the history.
pub const PROTOCOL: &str = "protocol";

/// The client broke down, likewise.
pub const PANIC: &str = "panic";
