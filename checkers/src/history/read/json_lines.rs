//! One JSON object per line: ours, Jepsen's and Elle's.

use super::Seen;
use super::collect::Collector;
use super::lines::Lines;
use crate::history::HistoryError;
use serde_json::{Map, Value};
use std::io::BufRead;

/// Characters of a line that an error repeats.
const SHOWN: usize = 60;

/// Reads line after line.
pub(super) fn read(reader: impl BufRead, collector: &mut Collector) -> Result<Seen, HistoryError> {
    let mut lines = Lines::new(reader);
    while let Some(line) = lines.next()? {
        let pushed =
            object(line.text).and_then(|fields| collector.push(line.number, fields).map_err(|why| (1, why)));
        match pushed {
            Ok(()) => {}
            Err(_) if !line.complete => return Ok(Seen { truncated: true, passed_over: 0 }),
            Err((column, why)) => {
                return Err(HistoryError::Line { line: line.number, column: column + line.indent, why });
            }
        }
    }
    Ok(Seen::default())
}

/// The fields of an object.
///
/// # Errors
/// With the column where it goes wrong.
pub(super) fn object(text: &[u8]) -> Result<Map<String, Value>, (usize, String)> {
    match serde_json::from_slice(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(value) => {
            let found: String = value.to_string().chars().take(SHOWN).collect();
            Err((1, format!("expected an object with process, type, f and value, found {found}")))
        }
        Err(why) => Err((why.column().max(1), reason(&why))),
    }
}

/// What serde says, without its own idea of where.
pub(super) fn reason(why: &serde_json::Error) -> String {
    let said = why.to_string();
    said.split(" at line ").next().unwrap_or_default().to_owned()
}
