//! The lines at the bottom of a terminal that are painted over and over. What is printed above them
//! stays, in the scrollback, too.
//!
//! No mode of the terminal is ever changed and the cursor is never hidden: it rests below the last line,
//! so that whoever ends us, in whatever way, has nothing to put right.

use super::line::Line;
use std::fmt::Write;

/// Up so many lines, to the first column.
fn up(rows: usize) -> String {
    if rows == 0 { "\r".to_owned() } else { format!("\r\x1b[{rows}A") }
}

/// To the end of the line, and of the screen.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// What was painted last.
#[derive(Debug, Default)]
pub(super) struct Screen {
    widths: Vec<usize>,
    columns: usize,
}

impl Screen {
    /// What to write so that `above` is printed for good, and `frame` is below it.
    pub(super) fn paint(&mut self, above: &[String], frame: &[Line], columns: usize, color: bool) -> String {
        let mut text = up(self.rows(columns));
        if !above.is_empty() {
            // They may take more than one line each, and would leave parts of the old frame beside them.
            text.push_str(CLEAR_BELOW);
        }
        for line in above {
            let _ = writeln!(text, "{line}");
        }
        // A terminal that wraps early would need one line more.
        let room = columns.saturating_sub(1);
        for line in frame {
            let _ = writeln!(text, "{}{CLEAR_LINE}", line.render(room, color));
        }
        text.push_str(CLEAR_BELOW);
        self.widths = frame.iter().map(|line| line.width().min(room)).collect();
        self.columns = columns;
        text
    }

    /// How many rows the last frame takes now. A terminal that was made narrower has broken its lines
    /// anew.
    fn rows(&self, columns: usize) -> usize {
        if columns >= self.columns || columns == 0 {
            return self.widths.len();
        }
        self.widths.iter().map(|width| width.div_ceil(columns).max(1)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Tone;
    use super::*;

    fn frame(lines: &[&str]) -> Vec<Line> {
        lines.iter().map(|line| Line::default().and(Tone::Plain, *line)).collect()
    }

    #[test]
    fn a_frame_is_painted_over_the_last_one() {
        let mut screen = Screen::default();
        assert_eq!(screen.paint(&[], &frame(&["a", "b"]), 80, false), "\ra\x1b[K\nb\x1b[K\n\x1b[J");
        let above = ["said".to_owned()];
        assert_eq!(screen.paint(&above, &frame(&["c"]), 80, false), "\r\x1b[2A\x1b[Jsaid\nc\x1b[K\n\x1b[J");
        assert_eq!(screen.paint(&[], &[], 80, false), "\r\x1b[1A\x1b[J");
        assert_eq!(screen.paint(&[], &[], 80, false), "\r\x1b[J");
    }

    #[test]
    fn lines_that_were_broken_anew_are_painted_over_too() {
        let mut screen = Screen::default();
        screen.paint(&[], &frame(&["0123456789", "", "x"]), 20, false);
        assert!(screen.paint(&[], &frame(&["y"]), 6, false).starts_with("\r\x1b[4A"));
        assert!(screen.paint(&[], &[], 60, false).starts_with("\r\x1b[1A"));
    }
}
