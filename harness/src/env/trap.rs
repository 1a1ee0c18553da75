//! System calls of servers at which they can be held.
//!
//! Not here: how a call is caught (the environment), and what is done while it waits (the nemesis).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// Longest that a caught call waits to be let go: more than any fault takes to be applied.
const HOLD_MOST: Duration = Duration::from_secs(30);

/// A kind of system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// Makes data durable: fsync, fdatasync.
    Sync,
    /// Gives a file another name: rename, renameat, renameat2.
    Rename,
    /// Sends on a socket: send, sendto, sendmsg, sendmmsg, write, writev. Writes of eight bytes are
    /// not caught: they wake threads.
    Send,
}

/// When a call is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// It has not been made yet; what ends the process now keeps it from ever being made.
    #[default]
    Before,
    /// It has been made, and its caller does not know yet. For `sync` only.
    After,
}

/// Which call to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snare {
    /// Of this kind.
    pub call: Call,
    /// The n-th of them from now on, over all processes and threads of the node; from 1.
    pub nth: u64,
    /// When.
    pub moment: Moment,
}

/// A snare that has been laid. The call that it catches waits until this is dropped.
#[derive(Debug)]
pub struct Trap {
    caught: oneshot::Receiver<()>,
    /// Dropped to let the call go.
    _hold: SyncSender<()>,
}

/// The other end of a [`Trap`]: held by who watches the calls.
#[derive(Debug)]
pub struct Catcher {
    caught: oneshot::Sender<()>,
    released: Receiver<()>,
}

impl Trap {
    /// A trap, and what springs it.
    pub fn lay() -> (Self, Catcher) {
        let (tell, caught) = oneshot::channel();
        let (hold, released) = sync_channel(1);
        (Self { caught, _hold: hold }, Catcher { caught: tell, released })
    }

    /// Waits until the call is caught. Never, when nobody watches any more.
    pub async fn caught(&mut self) {
        if (&mut self.caught).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Catcher {
    /// Says that the call is there, and blocks until it may go on.
    pub fn hold(self) {
        if self.caught.send(()).is_ok() {
            // Nothing is ever sent: it ends when the trap is dropped, or by the bound.
            let _ = self.released.recv_timeout(HOLD_MOST);
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Send => "send",
        })
    }
}
