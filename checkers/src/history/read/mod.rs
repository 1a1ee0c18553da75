//! Reads histories: ours, and those of other tools.
//!
//! Reading order: `detect` (which format is it?), one file per format, `fields` (one operation as
//! JSON becomes an [`Op`](super::Op)), `collect` (operations become a [`History`]), `repair` (what
//! can be put right), `nil` (what a `nil` says).
//!
//! Any bytes give a history or an error: nothing here panics, and nothing allocates more than a
//! multiple of what was read.

mod collect;
mod detect;
#[cfg(feature = "edn")]
mod edn;
mod etcd_report;
mod fields;
#[cfg(feature = "edn")]
mod jepsen_log;
mod json;
mod json_array;
mod json_lines;
mod lines;
mod nil;
mod objects;
#[cfg(feature = "edn")]
mod place;
mod repair;
#[cfg(all(test, feature = "edn"))]
mod tests;

pub use repair::{Repair, RepairKind};

use super::{History, HistoryError};
use collect::Collector;
use etcd_report::Report;
#[cfg(feature = "edn")]
use lines::MAX_LINE;
#[cfg(feature = "edn")]
use std::io::BufRead;
use std::io::{BufReader, Cursor, Read};

/// Bytes of which the format is told: enough for a page of comments or of talk in a log.
const HEAD: u64 = 1 << 16;

/// Bytes of one input that has to be held whole.
#[cfg(feature = "edn")]
const MAX_INPUT: u64 = 4 << 30;

/// How a history is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line: ours, Jepsen's, Elle's.
    JsonLines,
    /// A JSON array of such objects, as elle-cli takes it.
    JsonArray,
    /// Clojure's notation: maps in a row, or in one vector or list, as Jepsen and Knossos write
    /// them. A `:key` beside the `:value` makes it `[key value]`, which is how Porcupine's
    /// key-value logs are read.
    #[cfg(feature = "edn")]
    Edn,
    /// What Jepsen prints: `INFO  jepsen.util - 4 :invoke :write 3`, among other lines, or without
    /// the beginning, as in `history.txt`.
    #[cfg(feature = "edn")]
    JepsenLog,
    /// What the clients of etcd's robustness tests report, `client-*/operations.json`: every
    /// file is what one client did, all of them are one history; see [`read_report`].
    EtcdReport,
}

impl Format {
    /// All there are.
    pub const ALL: &[Self] = &[
        Self::JsonLines,
        Self::JsonArray,
        #[cfg(feature = "edn")]
        Self::Edn,
        #[cfg(feature = "edn")]
        Self::JepsenLog,
        Self::EtcdReport,
    ];

    /// As `--format` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "json-lines",
            Self::JsonArray => "json-array",
            #[cfg(feature = "edn")]
            Self::Edn => "edn",
            #[cfg(feature = "edn")]
            Self::JepsenLog => "jepsen-log",
            Self::EtcdReport => "etcd-report",
        }
    }

    pub(super) fn list() -> String {
        Self::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
    }
}

/// What an ok read of `nil` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nil {
    /// There was `nil`.
    #[default]
    Value,
    /// Nothing: nobody knows what was read, as Knossos takes it.
    Unknown,
}

/// How to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// `None`: as the beginning looks.
    pub format: Option<Format>,
    /// What a `nil` says.
    pub nil: Nil,
    /// Put right what can be put right soundly, and say so; see [`RepairKind`].
    pub repair: bool,
}

impl ReadOptions {
    /// In this format, without further choices.
    pub fn of(format: Format) -> Self {
        Self { format: Some(format), ..Self::default() }
    }
}

/// A history as read.
#[derive(Debug)]
pub struct Loaded {
    /// What was there.
    pub history: History,
    /// How it was written down.
    pub format: Format,
    /// The last line broke off in its middle, as after a kill: it was left out.
    pub truncated: bool,
    /// Lines of a log that are no operations: they were passed over.
    pub passed_over: usize,
    /// What was put right, in the order of its kinds.
    pub repairs: Vec<Repair>,
}

/// Reads a history to its end. Missing `index` and `time` are filled in by position.
///
/// A last line that breaks off is left out, since whatever killed the writer may have cut it;
/// anything else that cannot be read is an error.
///
/// # Errors
/// [`HistoryError`], with line and column.
pub fn read(mut reader: impl Read, options: &ReadOptions) -> Result<Loaded, HistoryError> {
    let mut head = Vec::new();
    reader.by_ref().take(HEAD).read_to_end(&mut head)?;
    let format = match options.format {
        Some(format) => format,
        None => detect::detect(&head)?,
    };
    let whole = Cursor::new(head).chain(reader);
    let mut collector = Collector::default();
    let seen = match format {
        Format::JsonLines => json_lines::read(BufReader::new(whole), &mut collector)?,
        Format::JsonArray => json_array::read(BufReader::new(whole), &mut collector)?,
        #[cfg(feature = "edn")]
        Format::Edn => edn::read(&all(BufReader::new(whole))?, &mut collector)?,
        #[cfg(feature = "edn")]
        Format::JepsenLog => jepsen_log::read(BufReader::new(whole), &mut collector)?,
        Format::EtcdReport => {
            let mut report = Report::default();
            report.part(BufReader::new(whole))?;
            return report.finish().map_err(|(_, why)| why);
        }
    };
    let (history, repairs) = collector.finish(options)?;
    Ok(Loaded { history, format, truncated: seen.truncated, passed_over: seen.passed_over, repairs })
}

/// Reads the files of one report of etcd's robustness tests, each with its name, as one history.
///
/// Left out, a client's writes would make liars of its readers: all files have to be given.
///
/// # Errors
/// [`HistoryError`], with file, line and column.
pub fn read_report<R: Read>(files: impl IntoIterator<Item = (String, R)>) -> Result<Loaded, HistoryError> {
    let mut report = Report::default();
    let mut names = Vec::new();
    let within = |name: &str, source| HistoryError::In { file: name.to_owned(), source: Box::new(source) };
    for (name, reader) in files {
        report.part(BufReader::new(reader)).map_err(|why| within(&name, why))?;
        names.push(name);
    }
    report.finish().map_err(|(part, why)| within(names.get(part).map_or("", String::as_str), why))
}

/// What a reader saw beside the operations.
#[derive(Default)]
struct Seen {
    truncated: bool,
    passed_over: usize,
}

/// All of an input that has to be held whole, line by line.
#[cfg(feature = "edn")]
fn all(mut reader: impl BufRead) -> Result<Vec<u8>, HistoryError> {
    let mut bytes = Vec::new();
    for line in 1.. {
        let before = bytes.len() as u64;
        reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)?;
        let fail = |why: String| Err(HistoryError::Line { line, column: 1, why });
        match bytes.len() as u64 {
            length if length == before => break,
            length if length > MAX_INPUT => {
                return fail(format!(
                    "a history in this format holds at most {MAX_INPUT} bytes; give JSON lines"
                ));
            }
            length if length - before == MAX_LINE => return fail(lines::too_long()),
            _ => {}
        }
    }
    Ok(bytes)
}
