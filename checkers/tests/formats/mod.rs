//! Just enough of other projects' formats to read their published histories.

use duress_checkers::{History, Kind, Op, Process};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The files with an extension, by name.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|why| panic!("{}: {why}", folder.display()))
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn kind(word: &str) -> Kind {
    match word {
        "invoke" => Kind::Invoke,
        "ok" => Kind::Ok,
        "fail" => Kind::Fail,
        "info" => Kind::Info,
        other => panic!("type {other}"),
    }
}

fn history(events: impl Iterator<Item = (Process, Kind, String, Value)>) -> History {
    let ops = (0..).zip(events).map(|(index, (process, kind, f, value))| Op {
        index,
        time: index,
        process,
        kind,
        f,
        value,
        error: None,
        node: None,
    });
    History::new(ops.collect()).expect("a history")
}

/// `INFO jepsen.util - 3 :invoke :cas [1 2]`, with tabs or spaces.
pub(crate) fn jepsen_log(text: &str) -> History {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_once(" - ")?.1.split_whitespace();
        let process: u64 = words.next()?.parse().ok()?;
        let kind = kind(words.next()?.strip_prefix(':')?);
        let f = words.next()?.strip_prefix(':')?.to_owned();
        let rest = words.collect::<Vec<_>>().join(" ");
        let value = Edn { text: rest.as_bytes(), at: 0 }.value().unwrap_or_default();
        Some((Process::Client(process), kind, f, value))
    });
    history(lines)
}

/// A vector, list or stream of `{:process 0, :type :invoke, :f :read, :value nil}`. With a `:key`,
/// the value is wrapped.
pub(crate) fn edn(text: &str) -> History {
    let mut reader = Edn { text: text.as_bytes(), at: 0 };
    let mut maps = Vec::new();
    while let Some(value) = reader.value() {
        match value {
            Value::Array(items) => maps.extend(items),
            map => maps.push(map),
        }
    }
    let events = maps.into_iter().map(|map| {
        let word = |name: &str| map[name].as_str().unwrap_or_else(|| panic!("{name} in {map}"));
        let process = map["process"].as_u64().map_or(Process::Nemesis, Process::Client);
        let value = match map.get("key") {
            Some(key) => json!([key, map["value"]]),
            None => map["value"].clone(),
        };
        (process, kind(word("type")), word("f").to_owned(), value)
    });
    history(events)
}

struct Edn<'a> {
    text: &'a [u8],
    at: usize,
}

impl Edn<'_> {
    fn blank(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b';' => self.at += self.text[self.at..].iter().take_while(|b| **b != b'\n').count(),
                b',' => self.at += 1,
                byte if byte.is_ascii_whitespace() => self.at += 1,
                _ => return,
            }
        }
    }

    /// The next value; `None` at the end or at a closing bracket, which is skipped.
    fn value(&mut self) -> Option<Value> {
        self.blank();
        let first = *self.text.get(self.at)?;
        self.at += 1;
        match first {
            b')' | b']' | b'}' => None,
            b'(' | b'[' => Some(Value::Array(self.list())),
            b'{' => {
                let items = self.list();
                let pair =
                    |pair: &[Value]| (pair[0].as_str().expect("a keyword").to_owned(), pair[1].clone());
                Some(Value::Object(items.chunks_exact(2).map(pair).collect::<Map<_, _>>()))
            }
            b'"' => {
                let from = self.at;
                self.at += self.text[from..].iter().take_while(|b| **b != b'"').count() + 1;
                Some(String::from_utf8_lossy(&self.text[from..self.at - 1]).into())
            }
            _ => {
                let ends = |b: &u8| b.is_ascii_whitespace() || b"()[]{},;\"".contains(b);
                let from = self.at - 1;
                self.at += self.text[self.at..].iter().take_while(|b| !ends(b)).count();
                Some(atom(&String::from_utf8_lossy(&self.text[from..self.at])))
            }
        }
    }

    fn list(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.value()).collect()
    }
}

fn atom(word: &str) -> Value {
    match word {
        "nil" => Value::Null,
        word => word.parse::<i64>().map_or_else(|_| word.trim_start_matches(':').into(), Value::from),
    }
}
