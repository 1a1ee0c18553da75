//! What a search may spend, shared by all searches of a check.

use crate::Budget;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Why a search ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// Somebody raised the flag.
    Time,
    /// The next step would exceed the memory limit.
    Memory,
}

/// The limits of one key's searches. What they hold at present is counted over all keys.
pub(super) struct Limits<'b> {
    budget: &'b Budget,
    held: &'b AtomicUsize,
    refused: AtomicBool,
}

impl<'b> Limits<'b> {
    pub(super) fn new(budget: &'b Budget, held: &'b AtomicUsize) -> Self {
        Self { budget, held, refused: AtomicBool::new(false) }
    }

    /// Was memory ever refused? With several threads that depends on what the others hold, so
    /// the key has to be looked at again alone.
    pub(super) fn refused_memory(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Has time run out?
    pub(super) fn time(&self) -> Result<(), Spent> {
        if self.budget.is_spent() { Err(Spent::Time) } else { Ok(()) }
    }
}

/// What one search holds; given back when it is dropped.
pub(super) struct Charge<'a> {
    limits: &'a Limits<'a>,
    mine: usize,
}

impl<'a> Charge<'a> {
    pub(super) fn new(limits: &'a Limits<'a>) -> Self {
        Self { limits, mine: 0 }
    }

    pub(super) fn time(&self) -> Result<(), Spent> {
        self.limits.time()
    }

    /// May this search hold `bytes` in all?
    pub(super) fn can_hold(&mut self, bytes: usize) -> Result<(), Spent> {
        if bytes > self.mine {
            let more = bytes - self.mine;
            let before = self.limits.held.fetch_add(more, Ordering::Relaxed);
            if before + more > self.limits.budget.memory_bytes {
                self.limits.held.fetch_sub(more, Ordering::Relaxed);
                self.limits.refused.store(true, Ordering::Relaxed);
                return Err(Spent::Memory);
            }
        } else {
            self.limits.held.fetch_sub(self.mine - bytes, Ordering::Relaxed);
        }
        self.mine = bytes;
        Ok(())
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.limits.held.fetch_sub(self.mine, Ordering::Relaxed);
    }
}
