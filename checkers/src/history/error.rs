//! Why something is not a history.

use super::Process;

/// Why a list of operations, or a file, is not a history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Two operations carry the same index, or they are out of order.
    #[error("operation {index} comes after operation {previous}: indices must increase from line to line")]
    Order {
        /// The offending index.
        index: u64,
        /// The one before it.
        previous: u64,
    },
    /// The clock went backwards.
    #[error(
        "operation {index} happened at {time} ns, after one at {previous} ns: time goes backwards; if the order of the lines is right nevertheless, `--repair` goes by it"
    )]
    Time {
        /// The offending operation.
        index: u64,
        /// Its time, in nanoseconds.
        time: u64,
        /// The latest time before it, in nanoseconds.
        previous: u64,
    },
    /// A process invoked while its previous operation was still open.
    #[error(
        "process {process} invokes operation {index} while its operation {open} is still open: a process does one thing at a time"
    )]
    Overlap {
        /// Who.
        process: Process,
        /// The second invocation.
        index: u64,
        /// The first.
        open: u64,
    },
    /// A completion without an invocation.
    #[error("operation {index} completes something that process {process} never invoked")]
    Orphan {
        /// Who.
        process: Process,
        /// The completion.
        index: u64,
    },
    /// The completion speaks of another function than its invocation.
    #[error("operation {index} completes `{got}`, but process {process} had invoked `{expected}`")]
    Mismatch {
        /// Who.
        process: Process,
        /// The completion.
        index: u64,
        /// Function of the invocation.
        expected: String,
        /// Function of the completion.
        got: String,
    },
    /// More operations than a 32-bit position can name.
    #[error("a history holds at most {} operations", u32::MAX - 1)]
    TooLong,
    /// A line is not an operation.
    #[error("line {line} is not an operation: {why} (column {column})")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What the parser says.
        why: String,
    },
    /// The operations in a file cannot have happened like this.
    #[error("line {line}: {source}")]
    At {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        source: Box<HistoryError>,
    },
    /// One of several files is no part of a history.
    #[error("{file}: {source}")]
    In {
        /// Which one.
        file: String,
        /// What is wrong in it.
        source: Box<HistoryError>,
    },
    /// Nothing known looks like this.
    #[error(
        "this looks like no history known here: it begins with `{head}`; known are {}; if it is one of these, name it with `--format`",
        super::Format::list()
    )]
    Format {
        /// The first characters.
        head: String,
    },
    /// The file could not be read.
    #[error("the history cannot be read: {0}")]
    Io(#[from] std::io::Error),
}
