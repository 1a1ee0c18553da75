//! Ctrl-C, and what service managers and CI hosts send: once, nothing more is begun; twice, nothing more
//! is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// How often somebody asked to stop.
#[derive(Clone, Default)]
pub struct Halt(Arc<AtomicU32>);

impl Halt {
    /// Listens until the process ends.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn listen() -> std::io::Result<Self> {
        let halt = Self::default();
        let pressed = halt.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        std::thread::Builder::new().name("halt".to_owned()).spawn(move || {
            runtime.block_on(async {
                let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
                    signal(SignalKind::interrupt()),
                    signal(SignalKind::terminate()),
                    signal(SignalKind::hangup()),
                ) else {
                    // Without handlers the signals do what they do to any process.
                    return;
                };
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hangup.recv() => {}
                    }
                    pressed.0.fetch_add(1, Ordering::Relaxed);
                }
            });
        })?;
        Ok(halt)
    }

    /// Nothing more is to be begun.
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Nothing more is to be waited for.
    pub(super) fn is_now(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}
