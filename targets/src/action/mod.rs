//! What clients are asked to do to an object, out of an invocation: the same for every target.
//!
//! One file per kind of object. How it is done is the target's.

pub(crate) mod counter;
pub(crate) mod log;
pub(crate) mod queue;
pub(crate) mod register;
pub(crate) mod set;

use duress_workloads::Invocation;
use serde_json::Value;

/// The key of the object, and what is asked of it. Numbers only: as text, the key "1" would be the
/// object of the key 1.
pub(crate) fn keyed(invocation: &Invocation) -> Option<(i64, &Value)> {
    match invocation.value.as_array()?.as_slice() {
        [key, asked] => Some((key.as_i64()?, asked)),
        _ => None,
    }
}
