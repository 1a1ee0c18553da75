//! One JSON object per line: ours, Jepsen's and Elle's.

use super::Seen;
use super::collect::Collector;
use super::json::{self, Fields, Wrong};
use super::lines::Lines;
use crate::history::HistoryError;
use serde_json::{Map, Value};
use std::io::BufRead;

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
fn object(text: &[u8]) -> Result<Map<String, Value>, (usize, String)> {
    match json::parse(text) {
        Ok(Fields(fields)) => Ok(fields),
        // Of an object that goes on in the next line nothing else is wrong.
        Err(Wrong { why, .. }) if text == b"{" => {
            Err((1, format!("{why}; an operation has one line, or else stands in an array")))
        }
        Err(Wrong { column, why, .. }) => Err((column, why)),
    }
}
