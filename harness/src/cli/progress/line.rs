//! One line on a terminal: what is in it, how it is emphasised, how wide it is.
//!
//! Foreign text loses here whatever acts on a terminal.

use duress_reports::visible;

/// How a part of a line is to be taken. It is shown by colour where there is some, and so never says
/// anything that the words do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Dim,
    Bold,
    Good,
    Warn,
    Bad,
}

impl Tone {
    /// Parameters of "select graphic rendition" (ECMA-48), in the 16 colours that every terminal's
    /// user has chosen for themselves.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Bold => Some("1"),
            Self::Good => Some("32"),
            Self::Warn => Some("33"),
            Self::Bad => Some("1;31"),
        }
    }

    /// The text, coloured.
    pub(super) fn paint(self, text: &str) -> String {
        match self.code() {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}

/// A line in parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Vec<(Tone, String)>);

impl Line {
    /// Begins with a word in a column of its own.
    pub(super) fn labelled(label: &str) -> Self {
        Self::default().and(Tone::Dim, format!("{label:<LABEL$}"))
    }

    /// The same with more at its end.
    pub(super) fn and(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.0.push((tone, visible(&text.into(), LONGEST)));
        self
    }

    /// Fills up to a column, and with one blank at least.
    pub(super) fn pad_to(self, column: usize) -> Self {
        let blanks = column.saturating_sub(self.width()).max(1);
        self.and(Tone::Plain, " ".repeat(blanks))
    }

    /// Columns on a terminal.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// As text, in so many columns at most.
    pub(super) fn render(&self, columns: usize, color: bool) -> String {
        let mut left = columns;
        let last = self.0.len().saturating_sub(1);
        let whole = self.width() <= columns;
        let mut text = String::new();
        for (at, (tone, part)) in self.0.iter().enumerate() {
            let part = if at == last { part.trim_end() } else { part };
            let shown = if whole { part.to_owned() } else { cut(part, left) };
            left = left.saturating_sub(width(&shown));
            text.push_str(&if color { tone.paint(&shown) } else { shown.clone() });
            if shown != part {
                break;
            }
        }
        text
    }
}

/// Longest part of a line, in characters; no terminal is as wide.
const LONGEST: usize = 1_000;

/// Columns of the words at the beginning of lines.
pub(super) const LABEL: usize = 9;

fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Columns of a character, none too few: what is narrower only has a line cut early. Ours are
/// arrows, lines, blocks and dots.
fn columns(c: char) -> usize {
    match c {
        '\u{0}'..='\u{10ff}' | '\u{2010}'..='\u{22ff}' | '\u{2500}'..='\u{25ff}' => 1,
        _ => 2,
    }
}

/// As much of a text as fits, with a mark where it was cut.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if width(&out) + self::columns(c) + 1 > columns {
            break;
        }
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_wider_than_it_may_be() {
        let line =
            Line::labelled("nodes").and(Tone::Bad, "n4 paused").pad_to(30).and(Tone::Good, "界界界 ok");
        for columns in 0..60 {
            let text = line.render(columns, false);
            assert!(width(&text) <= columns, "{text:?} in {columns}");
        }
        assert_eq!(line.render(80, false), "nodes    n4 paused            界界界 ok");
        assert_eq!(line.render(12, false), "nodes    n4…");
        assert_eq!(line.render(12, true), "\x1b[2mnodes    \x1b[0m\x1b[1;31mn4…\x1b[0m");
    }
}
