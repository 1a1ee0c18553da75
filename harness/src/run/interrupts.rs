//! Ctrl-C, and what service managers send: on a thread of its own, from set-up to verdict.

use crate::engine::{Stop, StopKind, Stopper};
use crate::event::{Event, Listener};
use duress_checkers::Budget;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The cluster is to be left standing as it is. Cheap to clone.
#[derive(Clone)]
pub(super) struct Standing {
    wanted: Arc<AtomicBool>,
    stopper: Stopper,
}

impl Standing {
    /// From now on, unless the user has wished for an end before.
    pub(super) fn want(&self, stop: &Stop) {
        if stop.wished() == StopKind::No && !self.wanted.swap(true, Ordering::Relaxed) {
            self.stopper.press();
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}

/// Listens until it is dropped.
pub(super) struct Interrupts {
    stop: Stop,
    checking: Arc<AtomicBool>,
    standing: Standing,
    listening: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Interrupts {
    /// Once: stop, heal, check. Twice, or once while the history is being checked: check no further.
    pub(super) fn listen(budget: Arc<Budget>, listener: Arc<dyn Listener>) -> std::io::Result<Self> {
        let (stopper, stop) = Stop::channel();
        let (done, over) = oneshot::channel();
        let checking = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&checking);
        let standing = Standing { wanted: Arc::default(), stopper: stopper.clone() };
        let stands = standing.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let thread = std::thread::Builder::new().name("interrupts".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = hear(&stopper, (&seen, &stands), &budget, &*listener) => {}
                    _ = over => {}
                }
            });
        })?;
        Ok(Self { stop, checking, standing, listening: Some((done, thread)) })
    }

    /// From here on there is nothing to heal any more.
    pub(super) fn checking(&self) {
        self.checking.store(true, Ordering::Relaxed);
    }

    /// For who finds a reason to leave the cluster as it is.
    pub(super) fn standing(&self) -> Standing {
        self.standing.clone()
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

async fn hear(
    stopper: &Stopper,
    (checking, standing): (&AtomicBool, &Standing),
    budget: &Budget,
    listener: &dyn Listener,
) {
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
            (false, StopKind::Now) if standing.is_wanted() => ("ending the cluster, then checking", false),
            (false, StopKind::Now) => ("interrupted again: healing, checking nothing", true),
            (false, _) => ("interrupted: healing, then checking what there is", false),
        };
        listener.event(&Event::Note(told));
        if enough {
            budget.cancel();
        }
    }
}
