//! `trials.jsonl`: what was begun and how it ended, a line each, on disk before anything else happens.
//!
//! It is what a soak that was killed goes on from, and what shards are joined by.

use crate::failure::Failure;
use duress_reports::conclusion::Outcome;
use duress_reports::index::FindingLine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The file, in the directory of the soak.
pub const FILE: &str = "trials.jsonl";
/// Largest file that is read, in bytes: some 200,000 trials.
const MAX_BYTES: u64 = 256 << 20;

/// Something that is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// By number, from 1.
    Trial(u64),
    /// By shard, by how many there were before in it, and by which of the planted bugs.
    Canary(u64, u64, usize),
}

impl Unit {
    /// A name for its directory: `t000012`, `c01-003-1`.
    pub fn name(self) -> String {
        match self {
            Self::Trial(number) => format!("t{number:06}"),
            Self::Canary(shard, nth, bug) => format!("c{shard:02}-{nth:03}-{bug}"),
        }
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What.
    pub unit: Unit,
    /// From 1.
    pub attempt: u32,
    /// When, RFC 3339, UTC.
    pub at: String,
    /// Milliseconds that the shard had been at work by then, all sessions together.
    pub elapsed_ms: u64,
    /// How it ended; absent: it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// What came of it.
    pub outcome: Outcome,
    /// In a line.
    pub headline: String,
    /// Its run directory, relative to that of the soak; absent when it left none.
    pub run: Option<String>,
    /// Milliseconds that it took.
    pub ms: u64,
    /// What was found, by fingerprint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingLine>,
    /// Another attempt follows: this one proved nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// The file, open to be added to.
pub struct Ledger {
    file: File,
    path: PathBuf,
    /// Bytes of it that are whole lines.
    whole: u64,
}

impl Ledger {
    /// Opens it. A line that broke off is cut off: what it was about has neither begun nor ended.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(dir: &Path) -> Result<(Self, Record), Failure> {
        let path = dir.join(FILE);
        let failed = |source| Failure::File { path: path.clone(), what: "written", source };
        let (record, whole) = read(&path)?;
        let file = OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
        file.set_len(whole).and_then(|()| file.sync_all()).map_err(failed)?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        Ok((Self { file, path, whole }, record))
    }

    /// Adds a line, and waits until it is on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, line: &Line) -> Result<(), Failure> {
        let mut bytes = serde_json::to_vec(line).unwrap_or_default();
        bytes.push(b'\n');
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What follows must not be joined to half a line.
            let _ = self.file.set_len(self.whole);
            return Err(Failure::File { path: self.path.clone(), what: "written", source });
        }
        self.whole += bytes.len() as u64;
        Ok(())
    }
}

/// What the lines say together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// What was begun, in no order of time.
    pub units: BTreeMap<Unit, Progress>,
    /// Milliseconds that the shard had been at work by the last line.
    pub elapsed_ms: u64,
    /// All lines.
    pub lines: Vec<Line>,
}

/// How far something is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Times that it was begun.
    pub attempts: u32,
    /// How it ended; absent when it was not seen to, or is to be tried again.
    pub end: Option<End>,
    /// Attempts that ended and proved nothing.
    pub proved_nothing: u32,
}

impl Record {
    /// Takes the next line in.
    pub fn take(&mut self, line: Line) {
        let progress = self.units.entry(line.unit).or_default();
        progress.attempts = progress.attempts.max(line.attempt);
        if let Some(end) = &line.end {
            if end.again {
                progress.proved_nothing += 1;
            }
            // Two that ended are one too many, unless the first was to be repeated; the worse one counts.
            let worse = progress.end.as_ref().is_none_or(|known| severity(end) >= severity(known));
            if !end.again && worse {
                progress.end = Some(end.clone());
            }
        }
        self.elapsed_ms = self.elapsed_ms.max(line.elapsed_ms);
        self.lines.push(line);
    }
}

fn severity(end: &End) -> u8 {
    duress_reports::suite::severity(end.outcome)
}

/// What there is, and how many bytes of it are whole lines.
fn read(path: &Path) -> Result<(Record, u64), Failure> {
    let failed = |source| Failure::File { path: path.to_owned(), what: "read", source };
    let refused = |why: String| {
        Failure::usage(path.display().to_string(), why, "give another --dir, or restore the file")
    };
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(failed(error)),
        Ok(data) if data.len() > MAX_BYTES => return Err(refused(format!("it has {} bytes", data.len()))),
        Ok(_) => fs::read(path).map_err(failed)?,
    };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut record = Record::default();
    for (at, line) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let parsed = serde_json::from_slice(line);
        record.take(parsed.map_err(|error| refused(format!("line {}: {error}", at + 1)))?);
    }
    Ok((record, whole as u64))
}

/// What a directory says, without touching it.
///
/// # Errors
/// When it cannot be read.
pub fn look(dir: &Path) -> Result<Record, Failure> {
    read(&dir.join(FILE)).map(|(record, _)| record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(unit: Unit, attempt: u32, end: Option<(Outcome, bool)>) -> Line {
        let end = end.map(|(outcome, again)| End {
            outcome,
            headline: String::new(),
            run: None,
            ms: 1,
            findings: Vec::new(),
            again,
        });
        Line { unit, attempt, at: String::new(), elapsed_ms: u64::from(attempt), end }
    }

    #[test]
    fn a_line_that_broke_off_did_not_happen() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut ledger, _) = Ledger::open(dir.path()).expect("new");
        ledger.add(&line(Unit::Trial(1), 1, None)).expect("written");
        ledger.add(&line(Unit::Trial(1), 1, Some((Outcome::Valid, false)))).expect("written");
        ledger.add(&line(Unit::Trial(2), 1, None)).expect("written");
        let path = dir.path().join(FILE);
        let mut bytes = fs::read(&path).expect("lines");
        bytes.extend(b"{\"unit\":{\"trial\":2},\"att");
        fs::write(&path, bytes).expect("written");
        let (mut ledger, record) = Ledger::open(dir.path()).expect("a ledger");
        assert!(record.units[&Unit::Trial(1)].end.is_some());
        assert_eq!(record.units[&Unit::Trial(2)], Progress { attempts: 1, ..Progress::default() });
        ledger.add(&line(Unit::Trial(2), 2, None)).expect("written");
        assert_eq!(look(dir.path()).expect("a ledger").units[&Unit::Trial(2)].attempts, 2);
    }

    #[test]
    fn damage_in_the_middle_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(FILE), "{\"unit\":\n{}\n").expect("written");
        assert!(look(dir.path()).is_err());
    }

    #[test]
    fn what_is_repeated_has_no_end_and_a_violation_stays() {
        let unit = Unit::Trial(1);
        let mut record = Record::default();
        record.take(line(unit, 1, Some((Outcome::Inconclusive, true))));
        assert_eq!((record.units[&unit].end.is_none(), record.units[&unit].proved_nothing), (true, 1));
        record.take(line(unit, 2, Some((Outcome::Violation, false))));
        record.take(line(unit, 3, Some((Outcome::Valid, false))));
        let end = record.units[&unit].end.as_ref().map(|end| end.outcome);
        assert_eq!(end, Some(Outcome::Violation));
    }
}
