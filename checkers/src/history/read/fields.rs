//! One operation, as a JSON object with the names of Jepsen and Elle, becomes an [`Op`].

use crate::history::Op;
use serde_json::{Map, Value};

/// What is told of an operation whose place in the history is not known yet.
pub(super) struct Draft {
    pub(super) op: Op,
    /// It came with an index.
    pub(super) has_index: bool,
    /// It came with a time.
    pub(super) has_time: bool,
}

/// Takes Clojure's keywords (`":ok"`) for `type` and `f`, too. A `key` beside the value makes it
/// `[key, value]`. A list of micro-operations without `f` is a `txn`, as Elle takes it; they are
/// called `r` and `w`, for which Knossos writes `read` and `write`.
pub(super) fn draft(mut object: Map<String, Value>) -> Result<Draft, String> {
    for name in ["type", "f"] {
        if let Some(Value::String(word)) = object.get_mut(name)
            && word.starts_with(':')
        {
            *word = word.trim_start_matches(':').to_owned();
        }
    }
    if !object.contains_key("f") && object.get("value").is_some_and(is_txn) {
        object.insert("f".to_owned(), "txn".into());
    }
    // Taken for `nil`, what was left out would become an accusation.
    let is = |name: &str, word: &str| object.get(name).and_then(Value::as_str) == Some(word);
    if is("type", "ok") && (is("f", "read") || is("f", "get")) && !object.contains_key("value") {
        return Err("an ok read has no value".to_owned());
    }
    if !object.contains_key("process") {
        return Err("missing field `process`: nothing says which answer belongs to which question".to_owned());
    }
    if is("f", "txn") {
        short(&mut object);
    }
    if let Some(key) = object.remove("key") {
        let value = object.remove("value").unwrap_or_default();
        object.insert("value".to_owned(), Value::Array(vec![key, value]));
    }
    if let Some(value) = object.get_mut("value") {
        canonical(value)?;
    }
    let has_index = object.contains_key("index");
    let has_time = object.contains_key("time");
    let mut op: Op = serde_json::from_value(Value::Object(object)).map_err(|why| why.to_string())?;
    shrink(&mut op.value);
    Ok(Draft { op, has_index, has_time })
}

/// A list that was read has room for four: twice what a pair needs, millions of times. It moves into one that
/// fits, since what is cut off a list in place is too small for the next one.
fn shrink(value: &mut Value) {
    if let Value::Array(items) = value {
        items.iter_mut().for_each(shrink);
        let mut exact = Vec::with_capacity(items.len());
        exact.append(items);
        *items = exact;
    }
}

/// Is it `[["r", key, null], …]`?
fn is_txn(value: &Value) -> bool {
    let micro = |op: &Value| {
        op.as_array().is_some_and(|op| op.len() >= 2 && op.first().is_some_and(Value::is_string))
    };
    value.as_array().is_some_and(|ops| !ops.is_empty() && ops.iter().all(micro))
}

/// `["r", …]` for `["read", …]`.
fn short(object: &mut Map<String, Value>) {
    for micro in object.get_mut("value").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(f) = micro.get_mut(0) else { continue };
        match f.as_str() {
            Some("read") => *f = "r".into(),
            Some("write") => *f = "w".into(),
            _ => {}
        }
    }
}

/// Beyond this, neighbouring whole numbers become the same floating-point number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Makes equal numbers equal: `1.0` is `1`. One that cannot be told from its neighbours any more
/// is refused, since two values, or two keys, would become one.
pub(super) fn canonical(value: &mut Value) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(canonical),
        Value::Object(fields) => fields.values_mut().try_for_each(canonical),
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or(f64::NAN);
            if float.fract() != 0.0 {
                return Ok(());
            }
            if float.abs() >= EXACT {
                return Err(format!("{number} has more digits than can be compared; write it as a string"));
            }
            // Exact: it is whole, and small enough.
            #[expect(clippy::cast_possible_truncation, reason = "checked above")]
            let whole = float as i64;
            *value = whole.into();
            Ok(())
        }
        _ => Ok(()),
    }
}
