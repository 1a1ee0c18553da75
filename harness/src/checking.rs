//! Runs a workload's checker with a clock beside it: the checkers themselves have none.

use duress_checkers::{Budget, Checker, History, Valid, Verdict, check_safely};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Why there is no verdict where the user had enough before the checker began, and while it was at work.
const NOT_BEGUN: &str = "not checked, since the run was interrupted again: `duress check <run>` checks it";
const BROKEN_OFF: &str = "interrupted before it was done: `duress check <run>` checks again";

/// Judges a history within a time limit; past it the verdict is `unknown`, unless a violation
/// was proven before. The same when somebody else has had enough: then that is the reason.
pub fn check(checker: &dyn Checker, history: &History, budget: &Arc<Budget>, limit: Duration) -> Verdict {
    let begun = !budget.is_spent();
    let (done, waiting) = channel::<()>();
    let alarm = Arc::clone(budget);
    let watch = std::thread::spawn(move || {
        let late = waiting.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        if late {
            alarm.cancel();
        }
        late
    });
    let mut verdict = check_safely(checker, history, budget);
    let stopped = budget.is_spent();
    drop(done);
    let late = watch.join().unwrap_or_default();
    if verdict.valid == Valid::Unknown && stopped && !(begun && late) {
        verdict.reason = Some(if begun { BROKEN_OFF } else { NOT_BEGUN }.to_owned());
    }
    verdict
}

/// A budget for this machine.
pub fn budget(memory_bytes: usize) -> Arc<Budget> {
    Arc::new(Budget::new(memory_bytes, std::thread::available_parallelism().map_or(1, usize::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never done.
    struct Patient(Option<Arc<Budget>>);

    impl Checker for Patient {
        fn name(&self) -> &str {
            "patient"
        }

        fn check(&self, _: &History, budget: &Budget) -> Verdict {
            if let Some(interrupted) = &self.0 {
                interrupted.cancel();
            }
            while !budget.is_spent() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Verdict::unknown(self.name(), "time ran out")
        }
    }

    #[test]
    fn who_is_interrupted_does_not_say_that_time_ran_out() {
        let history = History::new(Vec::new()).expect("an empty history");
        let reason = |checker: &Patient, budget: &Arc<Budget>, limit| {
            check(checker, &history, budget, limit).reason.expect("a reason")
        };
        let long = Duration::from_secs(60);
        let budget = budget(1 << 20);
        assert_eq!(reason(&Patient(None), &budget, Duration::from_millis(5)), "time ran out");
        // It was cancelled, and stays so.
        assert_eq!(reason(&Patient(None), &budget, long), NOT_BEGUN);
        let fresh = super::budget(1 << 20);
        assert_eq!(reason(&Patient(Some(Arc::clone(&fresh))), &fresh, long), BROKEN_OFF);
    }
}
