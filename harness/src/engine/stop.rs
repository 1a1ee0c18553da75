//! The user's wish to stop, and how strong it is.

use tokio::sync::watch;

/// How strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopKind {
    /// Go on.
    No,
    /// Ask for no more operations; heal; check what there is. The first Ctrl-C.
    Soon,
    /// Heal and end; check nothing. The second Ctrl-C.
    Now,
}

/// Listens.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<StopKind>);

/// Tells.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<StopKind>);

impl Stop {
    /// A pair of both ends.
    pub fn channel() -> (Stopper, Self) {
        let (tx, rx) = watch::channel(StopKind::No);
        (Stopper(tx), Self(rx))
    }

    /// What is wished now.
    pub fn wished(&self) -> StopKind {
        *self.0.borrow()
    }

    /// Resolves when at least `kind` is wished. Never, when nobody can tell any more.
    pub async fn wait(&mut self, kind: StopKind) {
        if self.0.wait_for(|wished| *wished >= kind).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Wishes more strongly: `No` → `Soon` → `Now`.
    pub fn press(&self) -> StopKind {
        self.0.send_modify(|wished| {
            *wished = if *wished == StopKind::No { StopKind::Soon } else { StopKind::Now };
        });
        *self.0.borrow()
    }
}
