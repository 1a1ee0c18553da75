//! A register whose every write makes a new, greater version.

mod anomaly;

use super::{Anomaly, Case, Model, NamedModel, Refusal};
use crate::history::Process;
use crate::words::value as word;
use rustc_hash::FxHashSet;
use serde_json::Value;

/// A register of JSON values with versions: every write gets a version greater than all before
/// it (by how much is not said, as with the revisions of etcd), and a compare-and-set compares
/// the version.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `read` | anything, `null` by custom | `[version, value]` |
/// | `write` | the value | `[version, value]`, or the value or `null`: version not known |
/// | `cas` | `[old version, value]` | `[version, value]`, or `null`: version not known |
///
/// A value that is itself an array has to be answered with its version: `[1, 2]` would be
/// version 1 of 2.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionedRegister {
    /// What it holds at first, as version 0.
    pub initial: Value,
}

impl Default for VersionedRegister {
    /// Initially `null`.
    fn default() -> Self {
        Self { initial: Value::Null }
    }
}

/// What happened to a versioned register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VersionedOp {
    /// It was read, and these were version and value.
    Read(i64, Value),
    /// It was overwritten; the version is absent if it is not known.
    Write(Value, Option<i64>),
    /// It had this version and was overwritten; the new version is absent if it is not known.
    Cas(i64, Value, Option<i64>),
}

/// The version that a register has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// This.
    Exactly(i64),
    /// One that nobody has seen yet, greater than this.
    Above(i64),
}

/// Version and value; the value is absent where it may be any.
pub type Versioned = (Version, Option<Value>);

impl Version {
    fn admits(self, version: i64) -> bool {
        match self {
            Self::Exactly(this) => this == version,
            Self::Above(least) => version > least,
        }
    }

    /// After a write that got `version`.
    fn after(self, version: Option<i64>) -> Result<Self, Refusal> {
        // The least that it can be.
        let now = match self {
            Self::Exactly(this) => this,
            Self::Above(least) => least.saturating_add(1),
        };
        match version {
            None => Ok(Self::Above(now)),
            Some(version) if version > now => Ok(Self::Exactly(version)),
            Some(version) => {
                Err(Refusal::Other(format!("got version {version}, which is not greater than {now}")))
            }
        }
    }

    fn word(self) -> String {
        match self {
            Self::Exactly(version) => format!("version {version}"),
            Self::Above(i64::MIN) => "some version".to_owned(),
            Self::Above(least) => format!("some version above {least}"),
        }
    }
}

impl Model for VersionedRegister {
    type State = Versioned;
    type Op = VersionedOp;

    fn name(&self) -> String {
        format!("a versioned register, initially {} at version 0", word(&self.initial))
    }

    fn initial(&self) -> Versioned {
        (Version::Exactly(0), Some(self.initial.clone()))
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<VersionedOp>, String> {
        let pair = |value: &Value| match value.as_array().map(Vec::as_slice) {
            Some([version, inner]) => Some((version.as_i64()?, inner.clone())),
            _ => None,
        };
        // The version that a write of `value` got.
        let got = |value: &Value| match answered {
            None | Some(Value::Null) => Ok(None),
            Some(answer) => match pair(answer) {
                Some((version, inner)) if inner == *value => Ok(Some(version)),
                _ if answer == value || answer == asked => Ok(None),
                _ => Err(format!("{f} of {asked} was answered with another value: {answer}")),
            },
        };
        match f {
            "read" => {
                let wrong = |answer| format!("read wants [version, value], not {answer}");
                let read = |answer: &Value| pair(answer).ok_or_else(|| wrong(answer.to_string()));
                answered
                    .map(|answer| read(answer).map(|(at, value)| VersionedOp::Read(at, value)))
                    .transpose()
            }
            "write" => Ok(Some(VersionedOp::Write(asked.clone(), got(asked)?))),
            "cas" => {
                let wrong = || format!("cas wants [old version, value], not {asked}");
                let (old, value) = pair(asked).ok_or_else(wrong)?;
                let version = got(&value)?;
                Ok(Some(VersionedOp::Cas(old, value, version)))
            }
            _ => Err(format!("a versioned register knows read, write and cas, not `{f}`")),
        }
    }

    fn step(&self, state: &Versioned, op: &VersionedOp) -> Result<Versioned, Refusal> {
        let (version, held) = state;
        match op {
            VersionedOp::Read(at, value)
                if version.admits(*at) && held.as_ref().is_none_or(|held| held == value) =>
            {
                Ok((Version::Exactly(*at), Some(value.clone())))
            }
            VersionedOp::Read(at, value) => {
                Err(Refusal::Returned { returned: shown(*at, value), held: self.show(state) })
            }
            VersionedOp::Write(value, new) => Ok((version.after(*new)?, Some(value.clone()))),
            VersionedOp::Cas(old, value, new) if version.admits(*old) => {
                Ok((Version::Exactly(*old).after(*new)?, Some(value.clone())))
            }
            VersionedOp::Cas(old, ..) => {
                Err(Refusal::Compared { expected: format!("version {old}"), held: version.word() })
            }
        }
    }

    fn is_observer(&self, op: &VersionedOp) -> bool {
        matches!(op, VersionedOp::Read(..))
    }

    fn label(&self, op: &VersionedOp) -> String {
        let got = |version: &Option<i64>| {
            version.map_or_else(String::new, |version| format!(" as version {version}"))
        };
        match op {
            VersionedOp::Read(version, value) => format!("read → {}", shown(*version, value)),
            VersionedOp::Write(value, version) => format!("write {}{}", word(value), got(version)),
            VersionedOp::Cas(old, value, version) => {
                format!("cas version {old} → {}{}", word(value), got(version))
            }
        }
    }

    fn show(&self, (version, value): &Versioned) -> String {
        format!("{} at {}", value.as_ref().map_or_else(|| "any value".to_owned(), word), version.word())
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("versioned-register", (!self.initial.is_null()).then(|| self.initial.clone()))
    }

    fn noun(&self) -> &'static str {
        "register"
    }

    fn told(&self, op: &VersionedOp, object: &str) -> String {
        match op {
            VersionedOp::Read(version, value) => format!("read {} from {object}", shown(*version, value)),
            VersionedOp::Write(value, Some(version)) => {
                format!("wrote {} to {object} as version {version}", word(value))
            }
            VersionedOp::Write(value, None) => format!("wrote {} to {object}", word(value)),
            VersionedOp::Cas(old, value, _) => {
                format!("replaced version {old} of {object} by {} (compare-and-set)", word(value))
            }
        }
    }

    /// A version that is read or compared with, if somebody may have made it, and one that is
    /// neither and less than all: towards the rest it is as good as any.
    fn any_state(&self, past: &[&VersionedOp], ops: &[&VersionedOp]) -> Option<Vec<Versioned>> {
        let mut made: FxHashSet<(Option<i64>, &Value)> = FxHashSet::default();
        let mut versions: FxHashSet<Option<i64>> = FxHashSet::default();
        for (version, value) in past.iter().filter_map(|op| op.written()).chain([(Some(0), &self.initial)]) {
            made.insert((version, value));
            versions.insert(version);
        }
        let mut states = vec![(Version::Exactly(i64::MIN), None)];
        let mut seen = FxHashSet::default();
        for op in ops {
            let (version, value) = match op {
                VersionedOp::Read(version, value) => (*version, Some(value)),
                VersionedOp::Cas(version, ..) => (*version, None),
                VersionedOp::Write(..) => continue,
            };
            let possible = value.map_or_else(
                || versions.contains(&Some(version)) || versions.contains(&None),
                |value| made.contains(&(Some(version), value)) || made.contains(&(None, value)),
            );
            if possible && seen.insert((version, value)) {
                states.push((Version::Exactly(version), value.cloned()));
            }
        }
        Some(states)
    }

    fn anomaly(&self, case: &Case<'_, VersionedOp>) -> Option<Anomaly> {
        anomaly::classify(&self.initial, case)
    }
}

impl VersionedOp {
    /// What it leaves behind.
    fn written(&self) -> Option<(Option<i64>, &Value)> {
        match self {
            Self::Write(value, version) | Self::Cas(_, value, version) => Some((*version, value)),
            Self::Read(..) => None,
        }
    }
}

fn shown(version: i64, value: &Value) -> String {
    format!("{} at version {version}", word(value))
}
