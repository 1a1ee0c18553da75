//! Lines of bounded length, numbered.

use crate::history::HistoryError;
use std::io::{BufRead, Read};

/// Bytes of one line, or of one object; a read of a whole set with millions of elements fits.
pub(super) const MAX_LINE: u64 = 64 << 20;

/// Reads line after line into one buffer.
pub(super) struct Lines<R> {
    reader: R,
    bytes: Vec<u8>,
    number: usize,
}

/// One line that is not blank.
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    /// Without white space around it.
    pub(super) text: &'a [u8],
    /// White space before it, in bytes.
    pub(super) indent: usize,
    /// It ended with a newline; a last line that does not may have been cut.
    pub(super) complete: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, bytes: Vec::new(), number: 0 }
    }

    /// The next line that is not blank.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, HistoryError> {
        loop {
            self.bytes.clear();
            if self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.bytes)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let complete = self.bytes.ends_with(b"\n");
            if !complete && self.bytes.len() as u64 == MAX_LINE {
                return Err(HistoryError::Line { line: self.number, column: 1, why: too_long() });
            }
            if self.number == 1 && self.bytes.starts_with(BOM) {
                self.bytes.drain(..BOM.len());
            }
            if !self.bytes.trim_ascii().is_empty() {
                let indent = self.bytes.len() - self.bytes.trim_ascii_start().len();
                let text = self.bytes.trim_ascii();
                return Ok(Some(Line { number: self.number, text, indent, complete }));
            }
        }
    }
}

/// What is wrong with a line of [`MAX_LINE`].
pub(super) fn too_long() -> String {
    format!("it is longer than {} MiB", MAX_LINE >> 20)
}

/// Some editors begin a file with it.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";
