//! What a controller and the agent of a load machine say to each other: lines of JSON, as in
//! [`crate::env::remote::lines`], many of them in one piece.
//!
//! Not here: who sends (`machine`) and who does it (`agent`).

use crate::engine::clients::Struck;
use crate::env::remote::lines;
use crate::env::remote::wire::{How, Sent};
use duress_targets::{ClientError, Completion, Node};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The version of all this. Both sides are the same binary, so they differ only by mistake.
pub(super) const PROTOCOL: u32 = 1;
/// Messages that wait to be sent: far more than there are clients, each of which has one call open.
pub(super) const QUEUE: usize = 65_536;
/// So much is sent at once, bytes, and one more message.
const PIECE: usize = 1 << 16;

/// To a load machine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToLoad {
    /// The first word.
    Hello(Box<Hello>),
    /// The controller is there; to be said back.
    Beat {
        /// What its clock shows, nanoseconds.
        at: u64,
    },
    /// An operation is to be done.
    Call(Call),
    /// What befalls clients from now on.
    Struck(Struck),
    /// Something about the network.
    Ask {
        /// Of the answer, too.
        id: u64,
        /// What.
        what: Ask,
    },
    /// The run is over.
    Bye,
}

/// For what the machine's clients are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// [`PROTOCOL`]
    pub(super) protocol: u32,
    /// The run's identity.
    pub(super) run: String,
    /// Which load machine this is, and of how many.
    pub(super) which: (usize, usize),
    /// Where a folder for the run can be made.
    pub(super) dir: PathBuf,
    /// The target's name.
    pub(super) target: String,
    /// What it is made of, where it is none that every Duress knows; the files that its clients need are behind
    /// the message.
    pub(super) declared: Option<Declared>,
    /// Where its keys begin, if elsewhere than at 0.
    pub(super) first_key: Option<i64>,
    /// The workload's.
    pub(super) workload: String,
    /// The target's settings.
    pub(super) settings: BTreeMap<String, String>,
    /// All nodes, by position.
    pub(super) nodes: Vec<Node>,
    /// How many threads the run has, wherever they are.
    pub(super) threads: usize,
    /// How long a client waits for an answer.
    pub(super) op_timeout: Duration,
    /// After so long without a word the clients end.
    pub(super) dead_man: Duration,
}

/// A target that is declared in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Declared {
    /// The file, as it was named.
    pub(super) path: PathBuf,
    /// All of it.
    pub(super) text: String,
    /// With which status its client program ends where the controller is when it is told nothing, if that is
    /// known.
    pub(super) told_nothing: Option<i32>,
}

/// An operation, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Call {
    /// The thread.
    pub(in crate::engine) thread: usize,
    /// The node, by position.
    pub(in crate::engine) node: usize,
    /// The function.
    pub(in crate::engine) f: String,
    /// Its argument.
    pub(in crate::engine) value: Value,
    /// How many operations the thread has begun before.
    pub(in crate::engine) nth: u64,
    /// How many steps the last of them took that came to its end.
    pub(in crate::engine) usual_steps: u64,
    /// By a new client: the one that the thread has there, if it has one, acts no more.
    pub(in crate::engine) fresh: bool,
}

/// From a load machine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FromLoad {
    /// It is ready.
    Welcome {
        /// [`PROTOCOL`]
        protocol: u32,
    },
    /// It will not work.
    Refused {
        /// Why.
        why: String,
        /// What to do.
        fix: String,
    },
    /// It is there, too.
    Beat {
        /// What it was told.
        at: u64,
    },
    /// An operation is over.
    Outcome(Outcome),
    /// A fault has hit an operation.
    Hit {
        /// Its number.
        fault: u32,
    },
    /// What clients noticed that the user should know.
    Note {
        /// In words.
        text: String,
    },
    /// What a client program said on standard error.
    Log {
        /// The number of its connection.
        connection: u64,
        /// The beginning of it.
        text: String,
    },
    /// What was asked.
    Answer {
        /// Of the request.
        id: u64,
        /// Or why it could not be done.
        answer: Result<Answer, String>,
    },
    /// All clients are gone.
    Bye,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// Of the call.
    pub(super) thread: usize,
    /// Of the call.
    pub(super) nth: u64,
    /// How.
    pub(super) end: End,
    /// How many steps it took, if it came to its end.
    pub(super) steps: Option<u64>,
    /// The client may be used again.
    pub(super) kept: bool,
    /// Nanoseconds from the call's arrival there to its end, by that machine's clock.
    pub(super) took: u64,
}

/// A [`Completion`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum End {
    /// It happened, with this result.
    Ok(Value),
    /// It certainly did not happen: class and message.
    Fail(String, String),
    /// It may have happened.
    Info(String, String),
}

impl From<Completion> for End {
    fn from(completion: Completion) -> Self {
        let words = |ClientError { class, message }: ClientError| (class.to_owned(), message);
        match completion {
            Completion::Ok(value) => Self::Ok(value),
            Completion::Fail(error) => {
                let (class, message) = words(error);
                Self::Fail(class, message)
            }
            Completion::Info(error) => {
                let (class, message) = words(error);
                Self::Info(class, message)
            }
        }
    }
}

impl From<End> for Completion {
    fn from(end: End) -> Self {
        match end {
            End::Ok(value) => Self::Ok(value),
            End::Fail(class, message) => Self::Fail(ClientError::told(&class, message)),
            End::Info(class, message) => Self::Info(ClientError::told(&class, message)),
        }
    }
}

/// A request about the network, as [`crate::env::remote::Origin`] has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ask {
    /// Begin a connection that a cut will find established.
    Acquaint {
        /// With whom.
        to: IpAddr,
        /// The port.
        port: u16,
        /// The number of the probe that begins it.
        nonce: u64,
    },
    /// Send a probe.
    Send {
        /// To whom.
        to: IpAddr,
        /// The port.
        port: u16,
        /// Its number.
        nonce: u64,
        /// How.
        how: How,
    },
    /// Hear probes at a port.
    Hear {
        /// An address of the same family.
        like: IpAddr,
        /// The port; any for 0.
        port: u16,
    },
    /// Has it come?
    Heard {
        /// Its number.
        nonce: u64,
        /// How long it may take.
        patience: Duration,
    },
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// It has begun.
    Begun,
    /// What became of a probe.
    Sent(Sent),
    /// The port.
    Port(u16),
    /// It has come, or not.
    Heard(bool),
}

/// Puts this message and those that wait behind it into one piece; one that is too long to be read, as another
/// if there is one.
pub(super) fn pack<T: Serialize>(
    piece: &mut Vec<u8>,
    first: T,
    mut next: impl FnMut() -> Option<T>,
    instead: impl Fn(&T, usize) -> Option<T>,
) -> std::io::Result<()> {
    piece.clear();
    let mut message = Some(first);
    while let Some(said) = message {
        let before = piece.len();
        lines::write(piece, &said, &[])?;
        let length = piece.len() - before;
        if length as u64 > lines::LONGEST_LINE
            && let Some(other) = instead(&said, length)
        {
            piece.truncate(before);
            lines::write(piece, &other, &[])?;
        }
        message = if piece.len() < PIECE { next() } else { None };
    }
    Ok(())
}
