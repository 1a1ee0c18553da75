//! A history: operations in order, each invocation paired with its completion.

use super::{Kind, Op, Process};
use std::collections::HashMap;

/// A well-formed history: indices increase, and every process does one thing at a time.
#[derive(Clone, Debug, Default)]
pub struct History {
    ops: Vec<Op>,
    /// For each position the position of its partner, or `ALONE`.
    partner: Vec<u32>,
}

const ALONE: u32 = u32::MAX;

/// An invocation and, unless it never returned, how it ended.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The invocation.
    pub invoke: &'a Op,
    /// `None` when the history ends first: the outcome is then in doubt, as with `info`.
    pub completion: Option<&'a Op>,
}

impl<'a> Call<'a> {
    /// How it ended; an operation that never returned counts as `Info`.
    pub fn kind(&self) -> Kind {
        self.completion.map_or(Kind::Info, |op| op.kind)
    }

    /// The completion, if it is one that bounds the operation in time (`ok` or `fail`).
    pub fn returned(&self) -> Option<&'a Op> {
        self.completion.filter(|op| op.kind != Kind::Info)
    }
}

/// Why a list of operations is not a history.
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
    #[error("line {line} is not an operation: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        why: String,
    },
    /// The file could not be read.
    #[error("the history cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

impl History {
    /// Pairs invocations with completions.
    ///
    /// # Errors
    /// When the operations are not a history; see [`HistoryError`].
    pub fn new(ops: Vec<Op>) -> Result<Self, HistoryError> {
        if ops.len() >= ALONE as usize {
            return Err(HistoryError::TooLong);
        }
        let mut partner = vec![ALONE; ops.len()];
        let mut open: HashMap<Process, usize> = HashMap::new();
        for (at, op) in ops.iter().enumerate() {
            if at > 0 && op.index <= ops[at - 1].index {
                return Err(HistoryError::Order { index: op.index, previous: ops[at - 1].index });
            }
            // The nemesis logs single events; nothing pairs there.
            if !op.process.is_client() {
                continue;
            }
            if op.kind == Kind::Invoke {
                if let Some(first) = open.insert(op.process, at) {
                    return Err(HistoryError::Overlap {
                        process: op.process,
                        index: op.index,
                        open: ops[first].index,
                    });
                }
                continue;
            }
            let Some(invoked) = open.remove(&op.process) else {
                return Err(HistoryError::Orphan { process: op.process, index: op.index });
            };
            if ops[invoked].f != op.f {
                return Err(HistoryError::Mismatch {
                    process: op.process,
                    index: op.index,
                    expected: ops[invoked].f.clone(),
                    got: op.f.clone(),
                });
            }
            partner[invoked] = position(at);
            partner[at] = position(invoked);
        }
        Ok(Self { ops, partner })
    }

    /// All operations, in order.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// How many operations (events, not calls).
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// The clients' calls, in the order of their invocations.
    pub fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        self.ops
            .iter()
            .enumerate()
            .filter(|(_, op)| op.process.is_client() && op.kind == Kind::Invoke)
            .map(|(at, invoke)| Call { invoke, completion: self.ops.get(self.partner[at] as usize) })
    }
}

fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(ALONE)
}
