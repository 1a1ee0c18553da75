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
    /// It held the first and now holds the second.
    Cas(Value, Value),
}

impl RegisterOp {
    /// The value it leaves behind, if it differs from the one before.
    pub(super) fn written(&self) -> Option<&Value> {
        match self {
            Self::Write(value) => Some(value),
            Self::Cas(old, new) if old != new => Some(new),
            Self::Cas(..) | Self::Read(_) => None,
        }
    }

    pub(super) fn label(&self) -> String {
        match self {
            Self::Read(value) => format!("read → {}", word(value)),
            Self::Write(value) => format!("write {}", word(value)),
            Self::Cas(old, new) => format!("cas {} → {}", word(old), word(new)),
        }
    }
}
