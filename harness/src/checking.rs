//! Runs a workload's checker with a clock beside it: the checkers themselves have none.

use duress_checkers::{Budget, Checker, History, Verdict, check_safely};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Judges a history within a time limit; past it the verdict is `unknown`, unless a violation
/// was proven before.
pub fn check(checker: &dyn Checker, history: &History, budget: &Arc<Budget>, limit: Duration) -> Verdict {
    let (done, waiting) = channel::<()>();
    let alarm = Arc::clone(budget);
    let watch = std::thread::spawn(move || {
        if waiting.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            alarm.cancel();
        }
    });
    let verdict = check_safely(checker, history, budget);
    drop(done);
    let _ = watch.join();
    verdict
}

/// A budget for this machine.
pub fn budget(memory_bytes: usize) -> Arc<Budget> {
    Arc::new(Budget::new(memory_bytes, std::thread::available_parallelism().map_or(1, usize::from)))
}
