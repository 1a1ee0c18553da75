//! JSON objects in a stream, whatever lines they are spread over.
//!
//! Only braces and strings are looked at: the parser has its say afterwards. One object is held
//! at a time.

use super::json::{self, Wrong};
use super::lines::{self, BOM, MAX_LINE};
use crate::history::HistoryError;
use serde::de::DeserializeOwned;
use std::io::BufRead;

/// A place in a text: line and column, both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    /// What is wrong there.
    pub(super) fn error(self, why: impl Into<String>) -> HistoryError {
        HistoryError::Line { line: self.line, column: self.column, why: why.into() }
    }

    fn pass(&mut self, byte: u8) {
        if byte == b'\n' {
            *self = Self { line: self.line + 1, column: 1 };
        } else if byte & 0b1100_0000 != 0b1000_0000 {
            // Bytes that continue a character are none of their own.
            self.column += 1;
        }
    }
}

/// Reads object after object, and what stands between them.
pub(super) struct Objects<R> {
    reader: R,
    at: Place,
    text: Vec<u8>,
}

impl<R: BufRead> Objects<R> {
    /// Passes over a byte order mark.
    pub(super) fn new(mut reader: R) -> Result<Self, HistoryError> {
        if reader.fill_buf()?.starts_with(BOM) {
            reader.consume(BOM.len());
        }
        Ok(Self { reader, at: Place { line: 1, column: 1 }, text: Vec::new() })
    }

    /// Where the next byte stands.
    pub(super) fn place(&self) -> Place {
        self.at
    }

    /// The next byte that is not blank, which stays.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, HistoryError> {
        loop {
            let ahead = self.reader.fill_buf()?;
            if ahead.is_empty() {
                return Ok(None);
            }
            let blank = ahead.len() - ahead.trim_ascii_start().len();
            let found = ahead.get(blank).copied();
            ahead[..blank].iter().for_each(|byte| self.at.pass(*byte));
            self.reader.consume(blank);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// The next byte that is not blank.
    pub(super) fn take(&mut self) -> Result<Option<u8>, HistoryError> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.at.pass(byte);
            self.reader.consume(1);
        }
        Ok(byte)
    }

    /// An object, and where it begins.
    ///
    /// # Errors
    /// When there is none, when it never ends, and when it is no `T`.
    pub(super) fn object<T: DeserializeOwned>(&mut self) -> Result<(Place, T), HistoryError> {
        let first = self.peek()?;
        let from = self.at;
        if first != Some(b'{') {
            return Err(from.error("expected an object"));
        }
        self.scan(from)?;
        match json::parse(&self.text) {
            Ok(object) => Ok((from, object)),
            Err(Wrong { line: 1, column, why }) => {
                Err(Place { column: from.column + column - 1, ..from }.error(why))
            }
            Err(Wrong { line, column, why }) => Err(Place { line: from.line + line - 1, column }.error(why)),
        }
    }

    /// From an opening brace to the one that closes it.
    fn scan(&mut self, from: Place) -> Result<(), HistoryError> {
        self.text.clear();
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        loop {
            let ahead = self.reader.fill_buf()?;
            if ahead.is_empty() {
                return Err(from.error("the object that begins here never ends"));
            }
            let mut used = 0;
            for &byte in ahead {
                used += 1;
                self.at.pass(byte);
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    b'{' if !quoted => depth += 1,
                    b'}' if !quoted => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            self.text.extend_from_slice(&ahead[..used]);
            self.reader.consume(used);
            if depth == 0 {
                return Ok(());
            }
            if self.text.len() as u64 > MAX_LINE {
                return Err(from.error(lines::too_long()));
            }
        }
    }
}
