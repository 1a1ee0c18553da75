//! Requests and responses of etcd, as its robustness tests write them down.
//!
//! The names are those of `tests/robustness/model/types.go` in etcd's repository. A field that is
//! not known there is refused: it might change what was asked. What is written again leaves out
//! whatever is at its default.

use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

/// Values of this many bytes or more are written as their hash.
const HASHED: usize = 20;

/// What Go writes for bytes that are no text.
const REPLACEMENT: char = '\u{fffd}';

/// A request: its type, and the one field that the type names.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct Request {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    pub(crate) lease_grant: Option<Lease>,
    pub(crate) lease_revoke: Option<Lease>,
    pub(crate) range: Option<Range>,
    pub(crate) txn: Option<Txn>,
    pub(crate) defragment: Option<Empty>,
    pub(crate) compact: Option<Compact>,
}

/// Keys from `start` to before `end`; without an end, `start` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct Range {
    #[serde(deserialize_with = "text", skip_serializing_if = "is_default")]
    pub(crate) start: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "is_default")]
    pub(crate) end: String,
    /// 0: none.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) limit: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) keys_only: bool,
    /// 0: the newest.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) revision: i64,
}

/// If all conditions hold, the one list of operations, else the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct Txn {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub(crate) conditions: Vec<Condition>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub(crate) operations_on_success: Vec<Operation>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub(crate) operations_on_failure: Vec<Operation>,
}

/// What is expected of a key: its version, if one is given, else the revision of its last change.
/// 0: there is no such key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct Condition {
    #[serde(deserialize_with = "text")]
    pub(crate) key: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) expected_revision: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) expected_version: i64,
}

/// One step of a transaction: its type, and the field that the type names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Operation {
    #[serde(rename = "Type")]
    pub(crate) kind: OperationKind,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) range: Range,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) put: Put,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) delete: Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum OperationKind {
    #[serde(rename = "range-operation")]
    Range,
    #[serde(rename = "put-operation")]
    Put,
    #[serde(rename = "delete-operation")]
    Delete,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct Put {
    #[serde(deserialize_with = "text", skip_serializing_if = "is_default")]
    pub(crate) key: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) value: Stored,
    /// 0: none.
    #[serde(rename = "LeaseID", skip_serializing_if = "is_default")]
    pub(crate) lease: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct Delete {
    #[serde(deserialize_with = "text", skip_serializing_if = "is_default")]
    pub(crate) key: String,
}

/// A value, or the hash of a long one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", from = "Written")]
pub(crate) struct Stored {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) value: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) hash: u32,
}

/// A value as written. Inside transactions long ones are written whole, in answers they never are.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Written {
    #[serde(deserialize_with = "text")]
    value: String,
    hash: u32,
}

impl From<Written> for Stored {
    fn from(Written { value, hash }: Written) -> Self {
        if value.len() < HASHED {
            return Self { value, hash };
        }
        // FNV-1a.
        let hash = value
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self { value: String::new(), hash }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Lease {
    /// 0: nobody knows.
    #[serde(rename = "LeaseID", skip_serializing_if = "is_default")]
    pub(crate) id: i64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct Compact {
    pub(crate) revision: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Empty {}

/// A response, or why there is none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct Response {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) txn: Option<TxnResponse>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) range: Option<Results>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) lease_grant: Option<Lease>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) lease_revoke: Option<Empty>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) defragment: Option<Empty>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) compact: Option<Empty>,
    /// etcd understood, and said no.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) client_error: String,
    /// Of the whole store, when it answered.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) revision: i64,
    #[serde(rename = "member-id", skip_serializing)]
    pub(crate) member: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    pub(crate) persisted: bool,
    #[serde(skip_serializing)]
    pub(crate) persisted_revision: i64,
    /// What went wrong; whether it took effect is not known.
    #[serde(skip_serializing)]
    pub(crate) error: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct TxnResponse {
    /// Not all conditions held.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) failure: bool,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub(crate) results: Vec<Results>,
}

/// What was found, or how many keys were deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct Results {
    #[serde(rename = "KVs", deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub(crate) found: Vec<Found>,
    /// Without regard to any limit.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) count: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) deleted: i64,
}

/// A key and what it held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(crate) struct Found {
    #[serde(deserialize_with = "text")]
    pub(crate) key: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) value: Stored,
    /// Revision of the last change.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) mod_revision: i64,
    /// Changes since it was created.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) version: i64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Go writes an empty list as `null`.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Text that is what was sent.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.contains(REPLACEMENT) {
        return Err(D::Error::custom(format!(
            "{text:?} was no text, of which the report keeps too little to tell it from others"
        )));
    }
    Ok(text)
}
