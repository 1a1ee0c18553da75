//! One history that belongs to no run: read, judged, printed.

use super::{CheckArgs, choose, print, print_json, report};
use crate::failure::Failure;
use duress_checkers::history::{self, Loaded, Repair};
use duress_checkers::model::{Etcd, ModelEntry, models};
use duress_checkers::{History, Kind, Valid, Verdict};
use duress_reports::Judged;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What `-` is called.
const STDIN: &str = "standard input";

/// The model of a whole store, which is judged with conditions of its own.
const ETCD: &str = "etcd";

impl CheckArgs {
    pub(super) fn check_file(&self, path: &Path) -> Result<u8, Failure> {
        let name = if path.as_os_str() == "-" { STDIN.to_owned() } else { path.display().to_string() };
        let loaded = self.read(path, &name)?;
        report::is_whole(path, &loaded)?;
        self.check_loaded(&name, &loaded)
    }

    /// Judges what was read, and prints it.
    pub(super) fn check_loaded(&self, name: &str, loaded: &Loaded) -> Result<u8, Failure> {
        let mut notes = notes(loaded);
        for note in &notes {
            self.say(&format!("{name}: {note}"));
        }
        if loaded.history.calls().next().is_none() {
            return Err(Failure::usage(
                name,
                "there is no client operation in it, so there is nothing to check",
                "give a history with at least one invocation of a client",
            ));
        }
        if !succeeded(&loaded.history) {
            return Err(Failure::usage(
                name,
                "no operation of a client succeeded, so nothing was seen that could contradict anything",
                "give a history in which something succeeded",
            ));
        }
        let entry = self.entry(name, loaded)?;
        if entry.name == ETCD {
            if self.initial.is_none() {
                report::began_empty(name, loaded)?;
            }
            let not_judged = Etcd::not_judged(&loaded.history);
            not_judged.iter().for_each(|note| self.say(&format!("{name}: {note}")));
            notes.extend(not_judged);
        }
        let verdict = self.judge_by(name, entry, &loaded.history)?;
        self.show(name, entry, loaded, &notes, &verdict);
        self.page(name, entry, loaded, &notes, &verdict)?;
        Ok(match verdict.valid {
            Valid::Valid => 0,
            Valid::Violation => 1,
            Valid::Unknown => 2,
        })
    }

    fn read(&self, path: &Path, name: &str) -> Result<Loaded, Failure> {
        let reader: Box<dyn Read> = if path.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            let file = File::open(path).map_err(|error| {
                Failure::usage(
                    path.display().to_string(),
                    error.to_string(),
                    "give a history or a run directory",
                )
            })?;
            Box::new(file)
        };
        history::read(reader, &self.read_options())
            .map_err(|source| Failure::History { path: name.into(), source })
    }

    /// The model that was named, or the one that fits.
    fn entry(&self, name: &str, loaded: &Loaded) -> Result<&'static ModelEntry, Failure> {
        match models().iter().find(|entry| Some(entry.name) == self.model.as_deref()) {
            Some(entry) => Ok(entry),
            None => {
                let entry = choose::choose(name, loaded.format, &loaded.history, self.keys.into())?;
                self.say(&format!("{name}: checked as {}", entry.doc));
                Ok(entry)
            }
        }
    }

    fn judge_by(&self, name: &str, entry: &ModelEntry, history: &History) -> Result<Verdict, Failure> {
        let initial = self.initial.as_deref().map(value);
        let checker = (entry.make)(initial, self.keys.into()).map_err(|why| {
            Failure::usage(
                format!("--initial {}", self.initial.as_deref().unwrap_or_default()),
                why,
                format!("--model {} is {}", entry.name, entry.doc),
            )
        })?;
        Ok(self.judge(name, &*checker, history))
    }

    fn show(&self, name: &str, entry: &ModelEntry, loaded: &Loaded, notes: &[String], verdict: &Verdict) {
        if !self.json {
            let head = if self.paths.len() > 1 { format!("== {name}\n") } else { String::new() };
            print(&format!("{head}{}", duress_reports::text::verdict(verdict)));
            return;
        }
        let mut line = json!({
            "file": name,
            "format": loaded.format.name(),
            "model": entry.name,
            "truncated": loaded.truncated,
            "repaired": loaded.repairs.len(),
            "notes": notes,
        });
        if let (Some(line), Ok(Value::Object(verdict))) =
            (line.as_object_mut(), serde_json::to_value(verdict))
        {
            line.extend(verdict);
        }
        print_json(&format!("{line}\n"));
    }

    fn page(
        &self,
        name: &str,
        entry: &ModelEntry,
        loaded: &Loaded,
        notes: &[String],
        verdict: &Verdict,
    ) -> Result<(), Failure> {
        let Some(path) = &self.report else { return Ok(()) };
        let judged = Judged {
            source: name,
            format: loaded.format.name(),
            model: entry.doc,
            history: &loaded.history,
            notes,
            verdict,
        };
        std::fs::write(path, duress_reports::judged_page(&judged)).map_err(|source| Failure::File {
            path: path.clone(),
            what: "written",
            source,
        })
    }
}

fn succeeded(history: &History) -> bool {
    history.ops().iter().any(|op| op.process.is_client() && op.kind == Kind::Ok)
}

/// JSON, Clojure's `nil`, or else a string.
fn value(text: &str) -> Value {
    match text {
        "nil" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

/// What is to be known about how the history was read.
fn notes(loaded: &Loaded) -> Vec<String> {
    let mut notes = Vec::new();
    if loaded.truncated {
        notes.push("the last line breaks off in its middle and was left out".to_owned());
    }
    if loaded.passed_over > 0 {
        notes
            .push(format!("{} of the log are no operations and were passed over", lines(loaded.passed_over)));
    }
    for same in loaded.repairs.chunk_by(|a, b| a.kind == b.kind) {
        let Some(Repair { kind, line }) = same.iter().min_by_key(|repair| repair.line) else { continue };
        let more = match same.len() {
            1 => String::new(),
            n => format!(", as well as {} further down", n - 1),
        };
        notes.push(format!("repaired: line {line} {kind}{more}"));
    }
    notes
}

fn lines(n: usize) -> String {
    if n == 1 { "1 line".to_owned() } else { format!("{n} lines") }
}
