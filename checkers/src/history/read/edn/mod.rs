//! Clojure's notation, as Jepsen and Knossos write histories: maps in a row, or in one vector or
//! list.
//!
//! `parse` turns bytes into forms, `form` turns a form into the JSON that the rest of Duress
//! speaks.

mod form;
mod parse;

pub(super) use form::Words;
pub(super) use parse::{Broken, Parser};

use super::Seen;
use super::collect::Collector;
use super::lines::BOM;
use super::place::Places;
use crate::history::HistoryError;
use form::Form;
use serde_json::{Map, Value};

/// What of an operation is read; everything else is passed over, whatever it holds.
const FIELDS: [&str; 9] = ["index", "time", "process", "type", "f", "key", "value", "error", "node"];

/// Reads all forms.
pub(super) fn read(text: &[u8], collector: &mut Collector) -> Result<Seen, HistoryError> {
    let mut places = Places::new(text);
    let mut parser = Parser::new(text, if text.starts_with(BOM) { BOM.len() } else { 0 });
    let mut words = Words::default();
    let fail = |at: usize, why: String| {
        let (line, column) = Places::new(text).of(at);
        HistoryError::Line { line, column, why }
    };
    let mut opened = None;
    loop {
        let next = parser.next_outside(&mut opened);
        match next {
            Ok(None) => return Ok(Seen::default()),
            Ok(Some((from, form))) => {
                let (line, _) = places.of(from);
                operation(form, &mut words)
                    .and_then(|fields| collector.push(line, fields))
                    .map_err(|why| fail(from, why))?;
            }
            Err(broken) if broken.unfinished && opened.is_none() && is_last_line(text, broken.from) => {
                return Ok(Seen { truncated: true, passed_over: 0 });
            }
            Err(broken) => return Err(fail(broken.at, broken.why)),
        }
    }
}

/// Does a line begin at `from`, and no other after it?
fn is_last_line(text: &[u8], from: usize) -> bool {
    let line = text[..from].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    text[line..from].trim_ascii().is_empty() && !text[from..].contains(&b'\n')
}

/// The fields of an operation.
fn operation(form: Form, words: &mut Words) -> Result<Map<String, Value>, String> {
    let Form::Map(entries) = form else {
        return Err("expected a map with :process, :type, :f and :value".to_owned());
    };
    let mut fields = Map::new();
    for (name, form) in entries {
        let Some(name) = name.word().filter(|name| FIELDS.contains(name)).map(str::to_owned) else {
            continue;
        };
        let value = match name.as_str() {
            "value" | "key" => form.value(words)?,
            _ => form.loosely(),
        };
        if name == "error" && value.is_null() {
            continue;
        }
        if fields.insert(name.clone(), value).is_some() {
            return Err(format!(":{name} is there twice"));
        }
    }
    Ok(fields)
}
