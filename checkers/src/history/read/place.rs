//! From a position in a text to line and column.

/// Counts lines while a reader moves on, so that no byte is counted twice.
pub(super) struct Places<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Places<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 1, line_start: 0 }
    }

    /// Line and column of a position that is not before the last one asked for, both counted
    /// from 1, the column in characters.
    pub(super) fn of(&mut self, at: usize) -> (usize, usize) {
        let at = at.min(self.text.len());
        for (offset, _) in
            self.text[self.at.min(at)..at].iter().enumerate().filter(|(_, byte)| **byte == b'\n')
        {
            self.line += 1;
            self.line_start = self.at + offset + 1;
        }
        self.at = self.at.max(at);
        (self.line, column(&self.text[self.line_start.min(at)..at]))
    }
}

/// The column of what comes after `before` in its line.
pub(super) fn column(before: &[u8]) -> usize {
    // Bytes that continue a character are none of their own.
    before.iter().filter(|byte| (**byte & 0b1100_0000) != 0b1000_0000).count() + 1
}
