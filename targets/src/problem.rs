//! What is wrong with a file (TOML) that a user has written: where, what, and what to do, in one sentence.
//!
//! Not here: what such a file may say.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}; {fix}", self.place())]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, from 1; none when the file as a whole is meant.
    pub line: Option<usize>,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub fix: String,
}

impl Problem {
    /// `my-db.toml:12`
    pub fn place(&self) -> String {
        place(&self.file, self.line)
    }
}

/// `my-db.toml:12`
pub(crate) fn place(file: &Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}", file.display()),
        None => file.display().to_string(),
    }
}

/// What the parser of `text` says, in our words; `guide` is the page of `duress docs` that has all keys.
pub fn refused(file: &Path, text: &str, guide: &str, error: &toml::de::Error) -> Problem {
    Source { file, text }.refused(guide, error)
}

/// A length of time as it stands in a file, more than none.
///
/// # Errors
/// In our words.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    const FIX: &str = "write one like \"10s\"";
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err(format!("`{text}` is no time at all; {FIX}")),
        Ok(length) => Ok(length),
        Err(_) => Err(format!("`{text}` is no length of time; {FIX}")),
    }
}

/// The text of a file, to say where in it something is.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a Path,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    pub(crate) fn problem(
        &self,
        at: &Range<usize>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Problem {
        Problem {
            file: self.file.to_owned(),
            line: Some(self.line(at.start)),
            why: why.into(),
            fix: fix.into(),
        }
    }

    /// Lines are counted from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.before(at).matches('\n').count() + 1
    }

    /// Where in a value that may go over several lines this text stands first; the value as a whole where it is
    /// written in another way.
    pub(crate) fn within(&self, value: &Range<usize>, text: &str) -> Range<usize> {
        let found = self.text.get(value.clone()).filter(|_| !text.is_empty()).and_then(|all| all.find(text));
        found.map_or_else(|| value.clone(), |at| value.start + at..value.start + at + text.len())
    }

    fn before(&self, at: usize) -> &str {
        self.text.get(..at).unwrap_or(self.text)
    }

    /// `[server]`: the table that a place is in; the file itself before the first.
    fn table(&self, at: usize) -> String {
        let end = self.text[self.before(at).len()..].find('\n').map_or(self.text.len(), |n| at + n);
        let lines = self.before(end).lines().rev().map(str::trim);
        let header = lines.filter_map(|line| line.split('#').next()?.trim().strip_prefix('[')).find(|line| {
            // Not the continuation of a list over several lines.
            line.trim_end().ends_with(']') && !line.contains(['"', '\''])
        });
        header.map_or_else(
            || "the file".to_owned(),
            |line| format!("[{}]", line.trim_end().trim_matches(['[', ']'])),
        )
    }

    /// The key on the left of a place.
    fn key(&self, at: usize) -> &str {
        let line = self.before(at).rsplit('\n').next().unwrap_or_default();
        let rest = self.text[self.before(at).len()..].split('\n').next().unwrap_or_default();
        // In an inline table there are several on a line.
        if let Some(inner) = line.trim_end().strip_suffix('=') {
            return inner.rsplit(['{', ',']).next().unwrap_or_default().trim();
        }
        let key = if line.contains('=') { line } else { rest };
        key.split('=').next().unwrap_or_default().trim()
    }

    /// A value that begins like a word at a place: a text whose quotes were forgotten.
    fn bare(&self, at: usize) -> Option<&str> {
        let begin = self.before(at).rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[begin..].find('\n').map_or(self.text.len(), |newline| begin + newline);
        let equals = self.text[begin..at].rfind('=').map_or(begin, |equals| begin + equals);
        let (_, value) = self.text[equals..end].split_once('=')?;
        let value = value.split([',', ']', '}', '#']).next()?.trim();
        let is_word = value.starts_with(|c: char| c.is_alphabetic() || "/._~".contains(c));
        (is_word && !value.contains(['"', '\''])).then_some(value)
    }

    /// What the parser says, in our words.
    pub(crate) fn refused(&self, guide: &str, error: &toml::de::Error) -> Problem {
        let message = error.message().trim();
        let Some(at) = error.span() else {
            return Problem {
                file: self.file.to_owned(),
                line: None,
                why: message.to_owned(),
                fix: format!("see `duress docs {guide}`"),
            };
        };
        let table = self.table(at.start);
        if let Some(rest) = message.strip_prefix("unknown field ") {
            let mut quoted = rest.split('`').skip(1).step_by(2);
            let unknown = quoted.next().unwrap_or_default();
            let known: Vec<&str> = quoted.collect();
            // The name of a table is a key of the file.
            let table = if self.before(at.start).ends_with('[') { "the file".to_owned() } else { table };
            return self.problem(
                &at,
                format!("unknown key `{unknown}` in {table}"),
                nearest(unknown, &known),
            );
        }
        if let Some(rest) = message.strip_prefix("missing field ") {
            let key = rest.trim_matches('`');
            let (table, fix) = if at.start == 0 {
                ("the file".to_owned(), format!("add `{key}`: see `duress docs {guide}`"))
            } else {
                (table, format!("add `{key} = …`"))
            };
            return self.problem(&at, format!("{table} has no `{key}`"), fix);
        }
        for wrong in ["invalid type: ", "invalid value: "] {
            if let Some((found, expected)) =
                message.strip_prefix(wrong).and_then(|m| m.split_once(", expected "))
            {
                let why = format!("`{}` is {}", self.key(at.start), plain(found));
                return self.problem(&at, why, format!("write {}", plain(expected)));
            }
        }
        if let Some(rest) = message.strip_prefix("unknown variant ") {
            let mut quoted = rest.split('`').skip(1).step_by(2);
            let unknown = quoted.next().unwrap_or_default();
            let known: Vec<&str> = quoted.collect();
            let why = format!("`{}` cannot be `{unknown}`", self.key(at.start));
            return self.problem(&at, why, nearest(unknown, &known));
        }
        if message == "duplicate key" {
            let key = self.text.get(at.clone()).unwrap_or_default().trim();
            return self.problem(&at, format!("`{key}` is there twice"), "leave one out");
        }
        let parsed = self.text.parse::<toml::Table>();
        if parsed.is_err()
            && let Some(bare) = self.bare(at.start)
        {
            let why = format!("`{}` is `{bare}`, without quotes", self.key(at.start));
            return self.problem(&at, why, format!("a text needs them: \"{bare}\""));
        }
        let one_line = message.split_whitespace().collect::<Vec<_>>().join(" ");
        // Ours say what to do; the parser's do not.
        let fix = match parsed {
            Ok(_) => "correct the line",
            Err(_) => "a quote, a bracket or an `=` may be missing",
        };
        let (why, fix) = one_line.split_once("; ").unwrap_or((&one_line, fix));
        self.problem(&at, why, fix)
    }
}

/// The parser's words for types, as one who writes a file knows them.
fn plain(words: &str) -> String {
    let (kind, shown) = words.split_once(" `").map_or((words, ""), |(kind, shown)| (kind, shown));
    let kind = match kind {
        "integer" => "the number",
        "floating point" => "the number",
        "boolean" => "the truth value",
        "string" => "the text",
        "sequence" => "a list",
        "map" => "a table",
        "a sequence" => "a list, [\"…\", \"…\"]",
        "a string" => "a text, in quotes",
        "a map" => "a table, { NAME = \"value\" }",
        "a length of time" => "a length of time, in quotes: \"10s\"",
        "i64" | "u16" | "usize" => "a whole number",
        "a boolean" => "true or false",
        other if other.starts_with("string ") => return other.replacen("string", "the text", 1),
        other => other,
    };
    if shown.is_empty() { kind.to_owned() } else { format!("{kind} `{shown}") }
}

/// What may have been meant, or all that there is.
pub(crate) fn nearest(word: &str, known: &[&str]) -> String {
    match crate::nearest::nearest(word, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "leave it out".to_owned(),
        None => format!("there is {}", known.join(", ")),
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("file", &self.file).finish_non_exhaustive()
    }
}
