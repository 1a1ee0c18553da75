//! What happened to a register, and how that is written.

use crate::words::value as word;
use serde_json::Value;

/// What happened to a register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterOp {
    /// It was read, and this was the answer.
    Read(Value),
    /// It was overwritten.
    Write(Value),
    /// It held the first and now holds the second. In a box: with a pair inside, every operation would
    /// be as large, and a history has one for each value.
    Cas(Box<[Value; 2]>),
}

impl RegisterOp {
    /// The value it leaves behind, if it differs from the one before.
    pub(super) fn written(&self) -> Option<&Value> {
        match self {
            Self::Write(value) => Some(value),
            Self::Cas(pair) => (pair[0] != pair[1]).then_some(&pair[1]),
            Self::Read(_) => None,
        }
    }

    /// The value that it found, if it says so.
    pub(super) fn found(&self) -> Option<&Value> {
        match self {
            Self::Read(value) => Some(value),
            Self::Cas(pair) => Some(&pair[0]),
            Self::Write(_) => None,
        }
    }

    pub(super) fn label(&self) -> String {
        match self {
            Self::Read(value) => format!("read → {}", word(value)),
            Self::Write(value) => format!("write {}", word(value)),
            Self::Cas(pair) => format!("cas {} → {}", word(&pair[0]), word(&pair[1])),
        }
    }
}
