//! One line of a history: something was invoked, or completed.
//!
//! The JSON keys are those of Jepsen and Elle (`index time process type f value error`), so
//! that their tools read our files and ours read theirs.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use smol_str::SmolStr;

/// One event of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// Position in the history; strictly increasing. Order is decided by this, never by `time`.
    #[serde(default)]
    pub index: u64,
    /// Nanoseconds since the start of the run, on the harness' monotonic clock.
    #[serde(default)]
    pub time: u64,
    /// Who did it.
    pub process: Process,
    /// Invocation, or how it ended.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The function: `read`, `write`, `cas`, … Kept in place, as the node's name is: millions of operations are
    /// held in memory when a long history is judged.
    pub f: SmolStr,
    /// Argument of an invocation, result of an `ok`. Keyed workloads use `[key, value]`.
    #[serde(default)]
    pub value: Value,
    /// Why it did not end in `ok`; ours are `class: message`, see [`super::class`]. Foreign histories may carry any
    /// JSON here.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    pub error: Option<String>,
    /// The node that the process talked to.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "name")]
    pub node: Option<SmolStr>,
}

/// Invocation or completion. An operation whose outcome is in doubt ends in `Info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The client is about to send it.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// It may have happened, may happen later, or never.
    Info,
}

/// A logical thread of control: one operation at a time, none after an `info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Process {
    /// A client.
    Client(u64),
    /// The nemesis. Checkers of data ignore its operations.
    Nemesis,
}

impl Process {
    /// Is this a client?
    pub fn is_client(self) -> bool {
        matches!(self, Self::Client(_))
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(n) => write!(f, "{n}"),
            Self::Nemesis => f.write_str("nemesis"),
        }
    }
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Client(n) => serializer.serialize_u64(*n),
            Self::Nemesis => serializer.serialize_str("nemesis"),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(s) if s.trim_start_matches(':') == "nemesis" => Ok(Self::Nemesis),
            Value::Number(n) if n.is_u64() => Ok(Self::Client(n.as_u64().unwrap_or_default())),
            other => Err(serde::de::Error::custom(format!(
                "process must be a whole number or \"nemesis\", not {other}"
            ))),
        }
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SmolStr>, D::Error> {
    Ok(text(deserializer)?.map(SmolStr::from))
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(s) => Some(s),
        other => Some(other.to_string()),
    })
}
