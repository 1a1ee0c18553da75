//! One JSON array of operations, as elle-cli takes it.
//!
//! The array is split here and its elements are parsed one by one, so that an error knows its
//! line and no tree of the whole file is ever held.

use super::Seen;
use super::collect::Collector;
use super::json_lines::reason;
use super::lines::BOM;
use super::place::Places;
use crate::history::HistoryError;
use serde_json::Value;

/// Reads a whole array.
pub(super) fn read(text: &[u8], collector: &mut Collector) -> Result<Seen, HistoryError> {
    let mut places = Places::new(text);
    let mut scan = Scan { text, at: if text.starts_with(BOM) { BOM.len() } else { 0 } };
    if scan.take() != Some(b'[') {
        return Err(error(&mut places, scan.at, "a JSON array begins with `[`"));
    }
    let mut first = true;
    loop {
        match (scan.peek(), first) {
            (Some(b']'), _) => break,
            (Some(b','), false) => scan.at += 1,
            (Some(_), true) => {}
            (Some(_), false) => return Err(error(&mut places, scan.at, "expected `,` or `]`")),
            (None, _) => return Err(error(&mut places, scan.at, "the array never ends: `]` is missing")),
        }
        first = false;
        scan.blank();
        let from = scan.at;
        if scan.peek() != Some(b'{') {
            return Err(error(&mut places, from, "expected an object with process, type, f and value"));
        }
        let Some(element) = scan.element() else {
            return Err(error(&mut places, from, "the object that begins here never ends"));
        };
        let (line, column) = places.of(from);
        let pushed = match serde_json::from_slice(element) {
            Ok(Value::Object(fields)) => collector.push(line, fields).map_err(|why| (line, column, why)),
            Ok(_) => Err((line, column, "expected an object".to_owned())),
            Err(why) if why.line() <= 1 => Err((line, column + why.column().max(1) - 1, reason(&why))),
            Err(why) => Err((line + why.line() - 1, why.column(), reason(&why))),
        };
        pushed.map_err(|(line, column, why)| HistoryError::Line { line, column, why })?;
    }
    scan.at += 1;
    match scan.peek() {
        None => Ok(Seen::default()),
        Some(_) => Err(error(&mut places, scan.at, "the array has ended, but something follows")),
    }
}

fn error(places: &mut Places<'_>, at: usize, why: &str) -> HistoryError {
    let (line, column) = places.of(at);
    HistoryError::Line { line, column, why: why.to_owned() }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn blank(&mut self) {
        let rest = &self.text[self.at.min(self.text.len())..];
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    /// The next byte that is not blank, which stays.
    fn peek(&mut self) -> Option<u8> {
        self.blank();
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// From an opening brace to the one that closes it; `None` when there is none. Only braces
    /// and strings are looked at: the parser has its say afterwards.
    fn element(&mut self) -> Option<&'a [u8]> {
        let from = self.at;
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        for (offset, byte) in self.text[from..].iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' if !quoted => depth += 1,
                b'}' if !quoted => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.at = from + offset + 1;
                return Some(&self.text[from..self.at]);
            }
        }
        None
    }
}
