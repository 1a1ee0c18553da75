//! Independent pieces of work on a few threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` for `0..n`, begun in the order `first` gives, on up to `threads` threads. The
/// results come back by number, so the threads leave no trace in them.
///
/// # Panics
/// As `work` does.
pub(super) fn map<T: Send>(threads: usize, first: &[usize], work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(first.len()));
    let run = || {
        while let Some(&n) = first.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = work(n);
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((n, result));
        }
    };
    if threads.min(first.len()) <= 1 {
        run();
    } else {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.min(first.len())).map(|_| scope.spawn(run)).collect();
            for worker in workers {
                // Joined by hand: the scope's own panic would hide what the worker said.
                if let Err(panic) = worker.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        });
    }
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|&(n, _)| n);
    done.into_iter().map(|(_, result)| result).collect()
}
