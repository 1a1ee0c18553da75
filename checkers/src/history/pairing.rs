//! A history: operations in order, each invocation paired with its completion.

use super::{HistoryError, Kind, Op, Process};
use std::collections::HashMap;

/// A well-formed history: indices increase, and every process does one thing at a time.
#[derive(Clone, Debug, Default)]
pub struct History {
    ops: Vec<Op>,
    /// For each position the position of its partner, or `ALONE`.
    partner: Vec<u32>,
}

pub(super) const ALONE: u32 = u32::MAX;

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
    #[inline]
    pub fn kind(&self) -> Kind {
        self.completion.map_or(Kind::Info, |op| op.kind)
    }

    /// The completion, if it is one that bounds the operation in time (`ok` or `fail`).
    pub fn returned(&self) -> Option<&'a Op> {
        self.completion.filter(|op| op.kind != Kind::Info)
    }
}

impl History {
    /// Pairs invocations with completions.
    ///
    /// # Errors
    /// When the operations are not a history; see [`HistoryError`].
    pub fn new(ops: Vec<Op>) -> Result<Self, HistoryError> {
        match pair(&ops) {
            Ok(partner) => Ok(Self { ops, partner }),
            Err((_, why)) => Err(why),
        }
    }

    /// Of operations that somebody else has paired.
    pub(super) fn paired(ops: Vec<Op>, partner: Vec<u32>) -> Self {
        Self { ops, partner }
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
        self.positions().map(|(invoke, _)| self.call_at(invoke as usize))
    }

    /// The call whose invocation is at this position.
    #[inline]
    pub(crate) fn call_at(&self, at: usize) -> Call<'_> {
        Call { invoke: &self.ops[at], completion: self.ops.get(self.partner[at] as usize) }
    }

    /// The clients' calls by the positions of invocation and completion.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (u32, Option<u32>)> {
        let is_call = |op: &Op| op.process.is_client() && op.kind == Kind::Invoke;
        (0_u32..)
            .zip(&self.ops)
            .zip(&self.partner)
            .filter(move |((_, op), _)| is_call(op))
            .map(|((at, _), &partner)| (at, (partner != ALONE).then_some(partner)))
    }
}

/// For each operation the position of its partner, or `ALONE`.
///
/// # Errors
/// With the position of the offending operation.
pub(super) fn pair(ops: &[Op]) -> Result<Vec<u32>, (usize, HistoryError)> {
    if ops.len() >= ALONE as usize {
        return Err((ops.len() - 1, HistoryError::TooLong));
    }
    let mut partner = vec![ALONE; ops.len()];
    let mut open: HashMap<Process, usize> = HashMap::new();
    for (at, op) in ops.iter().enumerate() {
        if at > 0 && op.index <= ops[at - 1].index {
            return Err((at, HistoryError::Order { index: op.index, previous: ops[at - 1].index }));
        }
        // The nemesis logs single events; nothing pairs there.
        if !op.process.is_client() {
            continue;
        }
        let (process, index) = (op.process, op.index);
        if op.kind == Kind::Invoke {
            if let Some(first) = open.insert(process, at) {
                return Err((at, HistoryError::Overlap { process, index, open: ops[first].index }));
            }
            continue;
        }
        let Some(invoked) = open.remove(&process) else {
            return Err((at, HistoryError::Orphan { process, index }));
        };
        if ops[invoked].f != op.f {
            let (expected, got) = (ops[invoked].f.to_string(), op.f.to_string());
            return Err((at, HistoryError::Mismatch { process, index, expected, got }));
        }
        partner[invoked] = position(at);
        partner[at] = position(invoked);
    }
    Ok(partner)
}

/// A position among fewer than 2^32 operations.
pub(super) fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(ALONE)
}
