//! Reads a history from JSON lines: ours, Jepsen's and Elle's.

use super::{History, HistoryError, Op};
use serde_json::Value;
use std::io::BufRead;

/// A history as read from a file.
#[derive(Debug)]
pub struct Loaded {
    /// What was there.
    pub history: History,
    /// The last line broke off in its middle, as after a kill: it was left out.
    pub truncated: bool,
}

/// Reads one operation per line. Empty lines are skipped; missing `index` and `time` are
/// filled in by position. A last line that breaks off is left out, since whatever killed the
/// writer may have cut it; a broken line anywhere else is an error.
///
/// # Errors
/// [`HistoryError`], with the number of the line.
pub fn read_jsonl(mut reader: impl BufRead) -> Result<Loaded, HistoryError> {
    let mut ops: Vec<Op> = Vec::new();
    let mut bytes = Vec::new();
    let mut line = 0;
    let mut truncated = false;
    loop {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        line += 1;
        let complete = bytes.ends_with(b"\n");
        let text = bytes.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match parse(text, ops.len() as u64) {
            Ok(op) => ops.push(op),
            Err(_) if !complete => truncated = true,
            Err(why) => return Err(HistoryError::Line { line, why }),
        }
    }
    Ok(Loaded { history: History::new(ops)?, truncated })
}

/// Takes Clojure's keywords (`":ok"`) for `type` and `f`, too.
fn parse(text: &[u8], position: u64) -> Result<Op, String> {
    let mut object = match serde_json::from_slice(text).map_err(|e| e.to_string())? {
        Value::Object(object) => object,
        value => {
            let found: String = value.to_string().chars().take(SHOWN).collect();
            return Err(format!("expected an object with process, type, f and value, found {found}"));
        }
    };
    // Taken for `nil`, what was left out would become an accusation.
    let says = |key: &str, word: &str| {
        object.get(key).and_then(Value::as_str).is_some_and(|text| text.trim_start_matches(':') == word)
    };
    if says("type", "ok") && says("f", "read") && !object.contains_key("value") {
        return Err("an ok read has no value".to_owned());
    }
    for key in ["index", "time"] {
        object.entry(key).or_insert_with(|| position.into());
    }
    for key in ["type", "f"] {
        if let Some(Value::String(word)) = object.get_mut(key)
            && let Some(bare) = word.strip_prefix(':')
        {
            *word = bare.to_owned();
        }
    }
    if let Some(value) = object.get_mut("value") {
        canonical(value)?;
    }
    serde_json::from_value(Value::Object(object)).map_err(|e| e.to_string())
}

/// Characters of a line that an error repeats.
const SHOWN: usize = 60;

/// Beyond this, neighbouring whole numbers become the same floating-point number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Makes equal numbers equal: `1.0` is `1`. One that cannot be told from its neighbours any more
/// is refused, since two values, or two keys, would become one.
fn canonical(value: &mut Value) -> Result<(), String> {
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
