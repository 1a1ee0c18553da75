//! Ctrl-C, and what service managers send: on a thread of its own, from set-up to verdict.

use crate::engine::{Stop, StopKind, Stopper};
use crate::event::{Event, Listener};
use duress_checkers::Budget;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Listens until it is dropped.
pub(super) struct Interrupts {
    stop: Stop,
    checking: Arc<AtomicBool>,
    listening: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Interrupts {
    /// Once: stop, heal, check. Twice, or once while the history is being checked: check no further.
    pub(super) fn listen(budget: Arc<Budget>, listener: Arc<dyn Listener>) -> std::io::Result<Self> {
        let (stopper, stop) = Stop::channel();
        let (done, over) = oneshot::channel();
        let checking = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&checking);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let thread = std::thread::Builder::new().name("interrupts".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = hear(&stopper, &seen, &budget, &*listener) => {}
                    _ = over => {}
                }
            });
        })?;
        Ok(Self { stop, checking, listening: Some((done, thread)) })
    }

    /// From here on there is nothing to heal any more.
    pub(super) fn checking(&self) {
        self.checking.store(true, Ordering::Relaxed);
    }

    /// What the user wishes.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        if let Some((done, thread)) = self.listening.take() {
            let _ = done.send(());
            let _ = thread.join();
        }
    }
}

async fn hear(stopper: &Stopper, checking: &AtomicBool, budget: &Budget, listener: &dyn Listener) {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        // Without handlers the signals do what they do to any process.
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        let wished = stopper.press();
        let (told, enough) = match (checking.load(Ordering::Relaxed), wished) {
            (true, _) => ("interrupted: checking no further", true),
            (false, StopKind::Now) => ("interrupted again: healing, checking nothing", true),
            (false, _) => ("interrupted: healing, then checking what there is", false),
        };
        listener.event(&Event::Note(told));
        if enough {
            budget.cancel();
        }
    }
}
