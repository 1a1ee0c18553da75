//! What a client asks of a register, and what comes of it.

use crate::{ClientError, Completion};
use duress_checkers::history::class;
use duress_workloads::Invocation;
use serde_json::{Value, json};

/// One operation on one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Read { key: u64 },
    Write { key: u64, value: u64 },
    Cas { key: u64, old: Option<u64>, new: u64 },
}

/// What a register holds; `None` before the first write.
pub(super) type Held = Option<u64>;

impl Command {
    /// From `[key, null]`, `[key, v]` or `[key, [old, new]]`; `None` when it is nothing of that.
    pub(super) fn parse(invocation: &Invocation) -> Option<Self> {
        let [key, argument] = invocation.value.as_array()?.as_slice() else { return None };
        let key = key.as_u64()?;
        match invocation.f.as_str() {
            "read" => Some(Self::Read { key }),
            "write" => Some(Self::Write { key, value: argument.as_u64()? }),
            "cas" => {
                let [old, new] = argument.as_array()?.as_slice() else { return None };
                let old = if old.is_null() { None } else { Some(old.as_u64()?) };
                Some(Self::Cas { key, old, new: new.as_u64()? })
            }
            _ => None,
        }
    }

    pub(super) fn key(self) -> u64 {
        match self {
            Self::Read { key } | Self::Write { key, .. } | Self::Cas { key, .. } => key,
        }
    }

    /// What the register holds afterwards, if the command changes it.
    pub(super) fn effect(self, held: Held) -> Option<u64> {
        match self {
            Self::Read { .. } => None,
            Self::Write { value, .. } => Some(value),
            Self::Cas { old, new, .. } => (held == old).then_some(new),
        }
    }

    /// What the client is told when the register held this.
    pub(super) fn answer(self, held: Held) -> Completion {
        match self {
            Self::Read { key } => Completion::Ok(json!([key, held])),
            Self::Write { key, value } => Completion::Ok(json!([key, value])),
            Self::Cas { key, old, new } if held == old => Completion::Ok(json!([key, [old, new]])),
            // The register was looked at and left alone.
            Self::Cas { old, .. } => {
                let word = |held: Held| Value::from(held).to_string();
                let why = format!("it holds {}, not {}", word(held), word(old));
                Completion::Fail(ClientError::new(class::PRECONDITION, why))
            }
        }
    }
}
