//! A JSON value as the operations of a register carry it: small.
//!
//! A long history has about as many values as operations, and nearly all of them are whole numbers.
//! These need no memory beside the 16 bytes, which halves what a check holds and moves around.

use serde_json::Value;
use std::borrow::Cow;

/// A JSON value, equal exactly when the JSON is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Datum(Kept);

/// Each value has one form: comparing forms compares values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kept {
    Nil,
    Whole(u64),
    /// Neither `null` nor a whole number that fits.
    Other(Box<Value>),
}

impl Datum {
    /// The value as JSON.
    pub fn value(&self) -> Cow<'_, Value> {
        match &self.0 {
            Kept::Nil => Cow::Owned(Value::Null),
            Kept::Whole(n) => Cow::Owned((*n).into()),
            Kept::Other(value) => Cow::Borrowed(value),
        }
    }

    /// Bytes that it owns beside itself, roughly.
    pub(super) fn heap_bytes(&self) -> usize {
        let Kept::Other(value) = &self.0 else { return 0 };
        let inside = match &**value {
            Value::String(text) => text.len(),
            Value::Array(list) => list.len() * size_of::<Value>(),
            // An entry is a key and a value.
            Value::Object(map) => map.len() * 2 * size_of::<Value>(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        size_of::<Value>() + inside
    }
}

impl From<&Value> for Datum {
    #[inline]
    fn from(value: &Value) -> Self {
        Self(match value {
            Value::Null => Kept::Nil,
            // A float is none, even where it could be: `1.0` is not `1`.
            other => match other.as_u64() {
                Some(n) => Kept::Whole(n),
                None => Kept::Other(Box::new(other.clone())),
            },
        })
    }
}

impl From<Value> for Datum {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

/// As people write it.
impl std::fmt::Display for Datum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::words::value(&self.value()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Held, RegisterOp};
    use serde_json::json;

    #[test]
    fn data_are_equal_exactly_when_the_json_is() {
        let values = [
            json!(null),
            json!(false),
            json!(0),
            json!(0.0),
            json!(-0.0),
            json!(1),
            json!(1.0),
            json!(-1),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(""),
            json!("1"),
            json!([1]),
            json!([1.0]),
            json!({"a": 1}),
        ];
        for one in &values {
            assert_eq!(*Datum::from(one).value(), *one);
            for other in &values {
                assert_eq!(Datum::from(one) == Datum::from(other), one == other, "{one} {other}");
            }
        }
    }

    #[test]
    fn an_operation_and_a_state_are_small() {
        assert_eq!((size_of::<RegisterOp>(), size_of::<Held>()), (32, 16));
    }
}
