//! What Jepsen prints while it runs, as Porcupine ships it:
//! `INFO  jepsen.util - 4 :invoke :write 3`, with tabs or spaces, and Jepsen's `history.txt`, which
//! is the same without its beginning.
//!
//! All kinds of other lines stand between the operations; they are passed over and counted.

use super::Seen;
use super::collect::Collector;
use super::edn::{Broken, Parser, Words};
use super::lines::Lines;
use super::place::column;
use crate::history::HistoryError;
use serde_json::{Map, Value};
use std::io::BufRead;

/// Who prints operations.
const PRINTER: &str = "jepsen.util";

/// After these a value is complete, even without the newline.
const CLOSING: &[u8] = b"])}\"";

/// Reads line after line.
pub(super) fn read(reader: impl BufRead, collector: &mut Collector) -> Result<Seen, HistoryError> {
    let mut lines = Lines::new(reader);
    let mut words = Words::default();
    let mut seen = Seen::default();
    while let Some(line) = lines.next()? {
        let Some(told) = told(line.text) else {
            seen.passed_over += 1;
            continue;
        };
        // Of `:ok :read 12` a cut may leave `:ok :read 1`.
        if !line.complete && !line.text.last().is_some_and(|byte| CLOSING.contains(byte)) {
            seen.truncated = true;
            continue;
        }
        let pushed = told
            .fields(&mut words)
            .and_then(|fields| collector.push(line.number, fields).map_err(|why| (told.start, why)));
        match pushed {
            Ok(()) => {}
            Err(_) if !line.complete => seen.truncated = true,
            Err((at, why)) => {
                let column = column(&line.text[..at.min(line.text.len())]) + line.indent;
                return Err(HistoryError::Line { line: line.number, column, why });
            }
        }
    }
    Ok(seen)
}

/// Is this line an operation?
pub(super) fn is_operation(line: &[u8]) -> bool {
    told(line).is_some()
}

/// An operation as it stands in a line.
struct Told<'a> {
    process: &'a str,
    kind: &'a str,
    line: &'a [u8],
    /// Where the process stands.
    start: usize,
    /// Where the function stands.
    rest: usize,
}

/// `None` for a line that is something else.
fn told(line: &[u8]) -> Option<Told<'_>> {
    let printer = line.windows(PRINTER.len()).position(|window| window == PRINTER.as_bytes());
    let mut at = printer.map_or(0, |at| at + PRINTER.len());
    if printer.is_some() {
        at += line[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b':' | b'-')).count();
        // The nemesis begins with a colon of its own.
        if line[at..].starts_with(b"nemesis") && at > 0 && line[at - 1] == b':' {
            at -= 1;
        }
    }
    let start = at;
    let (process, after) = word(line, at)?;
    let (kind, rest) = word(line, after)?;
    let is_process = process == ":nemesis" || process.bytes().all(|byte| byte.is_ascii_digit());
    let is_kind = matches!(kind, ":invoke" | ":ok" | ":fail" | ":info");
    (is_process && is_kind).then_some(Told { process, kind, line, start, rest })
}

/// The next word, and where it ends.
fn word(line: &[u8], at: usize) -> Option<(&str, usize)> {
    let from = at + line[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let to = from + line[from..].iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
    let word = std::str::from_utf8(&line[from..to]).ok()?;
    (!word.is_empty()).then_some((word, to))
}

impl Told<'_> {
    /// What follows the function is a value, and then perhaps an error.
    fn fields(&self, words: &mut Words) -> Result<Map<String, Value>, (usize, String)> {
        let (f, after) =
            word(self.line, self.rest).ok_or((self.rest, "the function is missing".to_owned()))?;
        let process = match self.process.parse::<u64>() {
            Ok(number) => number.into(),
            Err(_) => Value::from(self.process),
        };
        let mut fields = Map::new();
        fields.insert("process".to_owned(), process);
        fields.insert("type".to_owned(), self.kind.into());
        fields.insert("f".to_owned(), f.into());
        let mut parser = Parser::new(self.line, after);
        let broken = |broken: Broken| (broken.at, broken.why);
        if let Some(form) = parser.next().map_err(broken)? {
            fields.insert("value".to_owned(), form.value(words).map_err(|why| (after, why))?);
            let rest = String::from_utf8_lossy(parser.rest().trim_ascii()).into_owned();
            if !rest.is_empty() {
                fields.insert("error".to_owned(), rest.into());
            }
        }
        Ok(fields)
    }
}
