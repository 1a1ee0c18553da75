//! What the runs of candidates said: a line each, on disk before it is used, so that a search that was
//! stopped in any way goes on where it was.

use super::sought::Answer;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Most lines that are read; a search makes a few hundred at most.
const MAX_LINES: usize = 100_000;

/// The answers so far.
pub(super) struct Ledger {
    path: PathBuf,
    file: File,
    lines: Vec<Line>,
    /// Lines that were there before.
    opened: usize,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// Which candidate.
    key: String,
    /// Which of its runs, from 0.
    nth: usize,
    answer: Answer,
}

impl Ledger {
    /// Opens what there is, or begins. A last line that broke off was not used by anybody.
    ///
    /// # Errors
    /// When it cannot be read or written, or a line is none of ours.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |what: &'static str| move |source| Failure::File { path: path.to_owned(), what, source };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed("read")(error)),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let parse = |line: &str| serde_json::from_str(line);
        let lines: Result<Vec<Line>, _> = text[..whole].lines().take(MAX_LINES).map(parse).collect();
        let lines = lines.map_err(|error| {
            Failure::usage(
                path.display().to_string(),
                format!("a line of it is none of ours: {error}"),
                "remove the directory that it is in, to begin anew",
            )
        })?;
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(failed("written"))?;
        file.set_len(whole as u64).map_err(failed("written"))?;
        Ok(Self { path: path.to_owned(), file, opened: lines.len(), lines })
    }

    /// The answers about a candidate, in the order of its runs. What came to no answer before is asked again:
    /// what was in its way may be gone.
    pub(super) fn of(&self, key: &str) -> Vec<&Answer> {
        let counts = |at: usize, answer: &Answer| at >= self.opened || answer.shown.is_some();
        let lines = self.lines.iter().enumerate().filter(|(at, line)| counts(*at, &line.answer));
        let mut lines: Vec<&Line> = lines.map(|(_, line)| line).filter(|line| line.key == key).collect();
        lines.sort_by_key(|line| line.nth);
        lines.into_iter().map(|line| &line.answer).collect()
    }

    /// The first run of a candidate that nobody has begun.
    pub(super) fn next(&self, key: &str) -> usize {
        self.lines.iter().filter(|line| line.key == key).map(|line| line.nth + 1).max().unwrap_or(0)
    }

    /// All answers, in the order in which they came.
    pub(super) fn all(&self) -> impl Iterator<Item = &Answer> {
        self.lines.iter().map(|line| &line.answer)
    }

    /// Adds one; on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(&mut self, key: &str, nth: usize, answer: Answer) -> Result<(), Failure> {
        let line = Line { key: key.to_owned(), nth, answer };
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.push(b'\n');
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        written.map_err(|source| Failure::File { path: self.path.clone(), what: "written", source })?;
        self.lines.push(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(shown: impl Into<Option<bool>>) -> Answer {
        Answer {
            run: PathBuf::from("run"),
            outcome: None,
            headline: "x".to_owned(),
            shown: shown.into(),
            number: None,
            same_fingerprint: false,
            others: Vec::new(),
            at_ms: None,
            ops: None,
            sha256: None,
            interrupted: false,
        }
    }

    #[test]
    fn what_was_said_is_there_again_but_for_a_line_that_broke_off() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("trials.jsonl");
        let mut ledger = Ledger::open(&path).expect("begun");
        ledger.add("a", 1, answer(true)).expect("written");
        ledger.add("b", 0, answer(true)).expect("written");
        ledger.add("a", 0, answer(false)).expect("written");
        drop(ledger);
        let text = std::fs::read_to_string(&path).expect("lines");
        std::fs::write(&path, format!("{text}{}", &text[..20])).expect("written");
        let mut ledger = Ledger::open(&path).expect("read");
        let shown = |ledger: &Ledger| ledger.of("a").iter().map(|a| a.shown).collect::<Vec<_>>();
        assert_eq!(shown(&ledger), [Some(false), Some(true)]);
        assert_eq!((ledger.next("a"), ledger.next("c")), (2, 0));
        ledger.add("a", 2, answer(true)).expect("written");
        ledger.add("a", 3, answer(None)).expect("written");
        let ledger = Ledger::open(&path).expect("read");
        assert_eq!((shown(&ledger).len(), ledger.next("a"), ledger.all().count()), (3, 4, 5));
        std::fs::write(&path, "something else\n").expect("written");
        assert!(Ledger::open(&path).is_err());
    }
}
