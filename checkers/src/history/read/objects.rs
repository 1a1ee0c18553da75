//! JSON objects one after the other, whatever lines they are spread over.
//!
//! Only braces and strings are looked at: the parser has its say afterwards. One object is held
//! at a time.

use super::lines::{Lines, MAX_LINE};
use crate::history::HistoryError;
use std::io::BufRead;

/// Finds object after object.
pub(super) struct Objects<R> {
    lines: Lines<R>,
    /// What was read of the line at hand, with its indent; every byte before `at` is used up.
    line: Vec<u8>,
    at: usize,
    number: usize,
}

/// One object.
pub(super) struct Object {
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    /// With blanks before it, as wide as what stands before it in its line: columns in it are
    /// columns of the file.
    pub(super) text: Vec<u8>,
}

impl<R: BufRead> Objects<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { lines: Lines::new(reader), line: Vec::new(), at: 0, number: 0 }
    }

    /// The next object.
    ///
    /// # Errors
    /// When there is something else, or it never ends.
    pub(super) fn next(&mut self) -> Result<Option<Object>, HistoryError> {
        if self.line[self.at..].trim_ascii().is_empty() && !self.read_line()? {
            return Ok(None);
        }
        self.at += self.line[self.at..].len() - self.line[self.at..].trim_ascii_start().len();
        let (line, column) = (self.number, super::place::column(&self.line[..self.at]));
        let fail = |why: String| HistoryError::Line { line, column, why };
        if self.line[self.at] != b'{' {
            return Err(fail("an object was to begin here, with `{`".to_owned()));
        }
        let mut text = vec![b' '; column - 1];
        let mut scan = Scan::default();
        let mut reached = line;
        loop {
            if let Some(end) = scan.end(&self.line[self.at..]) {
                text.extend_from_slice(&self.line[self.at..self.at + end]);
                self.at += end;
                return Ok(Some(Object { line, text }));
            }
            text.extend_from_slice(&self.line[self.at..]);
            text.push(b'\n');
            if text.len() as u64 > MAX_LINE {
                return Err(fail(format!("the object that begins here is longer than {MAX_LINE} bytes")));
            }
            if !self.read_line()? {
                return Err(fail("the object that begins here never ends".to_owned()));
            }
            // Blank lines were passed over; the parser is to count them all the same.
            text.extend(std::iter::repeat_n(b'\n', self.number - reached - 1));
            reached = self.number;
        }
    }

    fn read_line(&mut self) -> Result<bool, HistoryError> {
        self.line.clear();
        self.at = 0;
        let Some(line) = self.lines.next()? else { return Ok(false) };
        self.number = line.number;
        self.line.resize(line.indent, b' ');
        self.line.extend_from_slice(line.text);
        Ok(true)
    }
}

/// How deep inside an object we are.
#[derive(Default)]
struct Scan {
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Scan {
    /// Where the object ends, if it does in this piece of it.
    fn end(&mut self, text: &[u8]) -> Option<usize> {
        for (at, byte) in text.iter().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                b'{' if !self.quoted => self.depth += 1,
                b'}' if !self.quoted => self.depth -= 1,
                _ => {}
            }
            if self.depth == 0 {
                return Some(at + 1);
            }
        }
        None
    }
}
