//! Several runs, some of them at the same time, and the user's wish to have no more of them.

use super::sought::{Answer, Sought};
use crate::trial::Trial;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often the user's wish is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Did the user press Ctrl-C, or a service manager ask for an end?
#[derive(Clone)]
pub struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    /// Listens from now on, for as long as the process lives. Without a thread or a runtime for it, signals
    /// do what they do to any process, and end it.
    pub fn listen() -> Self {
        let seen = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&seen);
        let listener = std::thread::Builder::new().name("interrupts".to_owned());
        let listening = listener.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            runtime.map(|runtime| runtime.block_on(hear(&set)))
        });
        drop(listening);
        Self(seen)
    }

    /// Was there a signal?
    pub fn seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

async fn hear(seen: &AtomicBool) {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        seen.store(true, Ordering::Relaxed);
    }
}

/// Makes these runs, `jobs` at a time, and hands over what each says about `sought`, with its position, as
/// it ends. Once `answered` wants no more, those that go on are waited for, and none begins. Says
/// whether the user let it come to an end. When not, what still runs ends with this process: the kernel sees
/// to that.
pub(super) fn batch(
    trials: Vec<Trial>,
    jobs: usize,
    sought: &Sought,
    interrupted: &Interrupted,
    mut answered: impl FnMut(usize, Answer) -> bool,
) -> bool {
    let jobs = jobs.clamp(1, trials.len().max(1));
    let queue: Arc<Mutex<VecDeque<(usize, Trial)>>> =
        Arc::new(Mutex::new(trials.into_iter().enumerate().collect()));
    let lock = |queue: &Mutex<VecDeque<(usize, Trial)>>| {
        queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    };
    let (send, answers) = mpsc::channel();
    for _ in 0..jobs {
        let (queue, send, sought) = (Arc::clone(&queue), send.clone(), sought.clone());
        // Not in a scope: whoever is interrupted does not wait for them.
        std::thread::spawn(move || {
            while let Some((at, trial)) = lock(&queue) {
                let answer = sought.judge(&trial.dir, trial.go());
                if send.send((at, answer)).is_err() {
                    return;
                }
            }
        });
    }
    drop(send);
    loop {
        if interrupted.seen() {
            return false;
        }
        match answers.recv_timeout(POLL) {
            // A run that was stopped says nothing about those that are not.
            Ok((_, answer)) if answer.interrupted => return false,
            Ok((at, answer)) => {
                if !answered(at, answer) {
                    queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return true,
        }
    }
}
