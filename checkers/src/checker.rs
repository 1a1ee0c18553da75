//! Who judges a history, and within what limits.

use crate::{History, Verdict};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// Judges a history. Pure: the verdict depends on the history and the checker's options only.
pub trait Checker: Send + Sync {
    /// The property it checks, as in `linearizable`.
    fn name(&self) -> &str;

    /// Can it judge such operations and values at all?
    ///
    /// # Errors
    /// In words, what does not fit; [`Checker::check`] would answer `unknown` with it.
    fn fits(&self, _history: &History) -> Result<(), String> {
        Ok(())
    }

    /// The verdict. Must look at [`Budget::is_spent`] often enough to stop within a few
    /// milliseconds, and then answer [`Unknown`](crate::Valid::Unknown) (or a violation already proven).
    fn check(&self, history: &History, budget: &Budget) -> Verdict;
}

/// What a checker may spend. There is no clock in this package: whoever has one raises the flag.
#[derive(Debug)]
pub struct Budget {
    /// Raised from outside when time is up.
    cancelled: AtomicBool,
    /// Upper bound on the bytes a search may keep, over all its threads.
    pub memory_bytes: usize,
    /// Worker threads for independent parts.
    pub threads: usize,
}

impl Budget {
    /// No deadline until [`Budget::cancel`] is called.
    pub fn new(memory_bytes: usize, threads: usize) -> Self {
        Self { cancelled: AtomicBool::new(false), memory_bytes, threads: threads.max(1) }
    }

    /// Time is up.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Is time up?
    pub fn is_spent(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl Default for Budget {
    /// 2 GiB, two threads.
    fn default() -> Self {
        Self::new(2 << 30, 2)
    }
}

/// Runs a checker; its panic is our bug, and becomes `unknown` instead of a lost run.
pub fn check_safely(checker: &dyn Checker, history: &History, budget: &Budget) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| checker.check(history, budget))).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Verdict::unknown(checker.name(), format!("the checker panicked: {what}; this is a bug in Duress"))
    })
}
