//! A JSON value that can be sorted and shared.

use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A JSON value as an element of some object: equal exactly when the JSON is, and with an order
/// of which only whole numbers are meant to be understood: these compare by size.
#[derive(Clone, Debug)]
pub struct Element(Arc<Value>);

impl Element {
    /// What a number or another short value holds, with the two counts that are kept with it.
    pub(crate) const BYTES: usize = size_of::<Value>() + 2 * size_of::<usize>();

    /// The value itself.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl From<&Value> for Element {
    fn from(value: &Value) -> Self {
        Self(Arc::new(value.clone()))
    }
}

/// As people write it.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::words::value(&self.0))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Element {}

impl Hash for Element {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.hash(hasher);
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { compare(&self.0, &other.0) }
    }
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let first = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let pair = |((k, v), (l, w)): ((&String, &Value), (&String, &Value))| {
                k.cmp(l).then_with(|| compare(v, w))
            };
            let first = a.iter().zip(b).map(pair).find(|order| order.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => kind(a).cmp(&kind(b)),
    }
}

/// Whole numbers come before others: comparing the two as floats would call neighbours equal.
fn numbers(a: &Number, b: &Number) -> Ordering {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => {
            let float = |n: &Number| n.as_f64().unwrap_or(f64::NAN);
            // Not `total_cmp`: it tells `0.0` from `-0.0`, and JSON numbers are never NaN.
            float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal)
        }
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_is_one_and_agrees_with_equality() {
        let sorted = [
            json!(null),
            json!(false),
            json!(true),
            json!(-5),
            json!(2),
            json!(10),
            json!(u64::MAX),
            json!(-1.5),
            json!(2.5),
            json!("10"),
            json!("2"),
            json!([]),
            json!([1]),
            json!([1, 2]),
            json!([2]),
            json!({}),
            json!({"a": 1}),
            json!({"a": 2}),
            json!({"b": 0}),
        ];
        for (n, a) in sorted.iter().enumerate() {
            for (m, b) in sorted.iter().enumerate() {
                assert_eq!(Element::from(a).cmp(&Element::from(b)), n.cmp(&m), "{a} {b}");
                assert_eq!(Element::from(a) == Element::from(b), a == b);
            }
        }
        assert_eq!(Element::from(&json!(0.0)), Element::from(&json!(-0.0)));
    }
}
