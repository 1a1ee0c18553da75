//! What happened to a register, and how that is written.

use super::Datum;

/// What happened to a register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterOp {
    /// It was read, and this was the answer.
    Read(Datum),
    /// It was overwritten.
    Write(Datum),
    /// It held the first and now holds the second.
    Cas(Datum, Datum),
}

impl RegisterOp {
    /// The value it leaves behind, if it differs from the one before.
    pub(super) fn written(&self) -> Option<&Datum> {
        match self {
            Self::Write(value) => Some(value),
            Self::Cas(old, new) => (old != new).then_some(new),
            Self::Read(_) => None,
        }
    }

    /// The value that it found, if it says so.
    pub(super) fn found(&self) -> Option<&Datum> {
        match self {
            Self::Read(value) | Self::Cas(value, _) => Some(value),
            Self::Write(_) => None,
        }
    }

    pub(super) fn label(&self) -> String {
        match self {
            Self::Read(value) => format!("read → {value}"),
            Self::Write(value) => format!("write {value}"),
            Self::Cas(old, new) => format!("cas {old} → {new}"),
        }
    }
}
