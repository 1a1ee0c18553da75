//! Histories of other projects, with verdicts known from other checkers.
//!
//! They are not part of this repository: `DURESS_CORPUS` names the folder that holds them, and
//! without it these tests say so and pass. The parsers here read just what those files use.

mod formats;

use duress_checkers::model::{Model, Refusal};
use duress_checkers::{Budget, Checker, History, Keys, Linearizable, Process, Valid, Verdict};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Enough for everything here but some keys of one bad key-value history, which has others that
/// are decided.
const MEMORY: usize = 64 << 20;

fn corpus(folder: &str) -> Option<PathBuf> {
    let found = std::env::var_os("DURESS_CORPUS").map(|root| Path::new(&root).join(folder));
    if found.is_none() {
        eprintln!("skipped: DURESS_CORPUS does not name a folder of histories");
    }
    found
}

fn judge(checker: &dyn Checker, history: &History) -> Verdict {
    let verdict = checker.check(history, &Budget::new(MEMORY, 2));
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
    verdict
}

#[test]
fn etcd_logs_of_2014() {
    let Some(folder) = corpus("porcupine") else { return };
    let valid = std::fs::read_to_string(folder.join("valid.txt")).expect("the list of valid logs");
    let valid: Vec<&str> = valid.split_whitespace().collect();
    let mut seen = (0, 0);
    for path in formats::files(&folder.join("jepsen"), "log") {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a file name");
        let history = formats::jepsen_log(&std::fs::read_to_string(&path).expect("a log"));
        let verdict = judge(&Linearizable::register(Keys::Auto), &history);
        if history.is_empty() {
            // One of the files is; nothing is wrong with nothing.
            assert_eq!(verdict.valid, Valid::Valid, "{name}");
            continue;
        }
        let expected = if valid.contains(&name) { Valid::Valid } else { Valid::Violation };
        assert_eq!(verdict.valid, expected, "{name}");
        match verdict.valid {
            Valid::Valid => seen.0 += 1,
            _ => {
                seen.1 += 1;
                assert_eq!(verdict.stats["violations_proved_twice"], 1, "{name}");
                assert!(verdict.findings[0].counterexample.is_some(), "{name}");
            }
        }
    }
    assert_eq!(seen, (23, 79));
}

#[test]
fn registers_of_knossos() {
    let Some(folder) = corpus("knossos/cas-register") else { return };
    let mut seen = 0;
    for (kind, expected) in [("good", Valid::Valid), ("bad", Valid::Violation)] {
        for path in formats::files(&folder.join(kind), "edn") {
            let history = formats::edn(&std::fs::read_to_string(&path).expect("a history"));
            let verdict = judge(&Linearizable::register(Keys::Single), &history);
            assert_eq!(verdict.valid, expected, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} files");
}

#[test]
fn key_value_stores_of_porcupine() {
    let Some(folder) = corpus("porcupine/kv") else { return };
    for path in formats::files(&folder, "txt") {
        let history = formats::edn(&std::fs::read_to_string(&path).expect("a history"));
        let verdict = judge(&Linearizable::new(Strings, Keys::Keyed), &history);
        let bad = path.to_string_lossy().contains("bad");
        let expected = if bad { Valid::Violation } else { Valid::Valid };
        assert_eq!(verdict.valid, expected, "{}", path.display());
    }
}

/// A string with append: somebody else's model, written against the public trait.
struct Strings;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    Get(String),
    Put(String),
    Append(String),
}

impl Model for Strings {
    type State = String;
    type Op = Text;

    fn name(&self) -> String {
        "a string, initially empty".to_owned()
    }

    fn initial(&self) -> String {
        String::new()
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<Text>, String> {
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(format!("{value} is no string"));
        match f {
            "get" => answered.map(|value| text(value).map(Text::Get)).transpose(),
            "put" => text(asked).map(Text::Put).map(Some),
            "append" => text(asked).map(Text::Append).map(Some),
            _ => Err(format!("unknown function {f}")),
        }
    }

    fn step(&self, state: &String, op: &Text) -> Result<String, Refusal> {
        match op {
            Text::Get(got) if got == state => Ok(state.clone()),
            Text::Get(got) => Err(Refusal::Returned { returned: got.clone(), held: state.clone() }),
            Text::Put(new) => Ok(new.clone()),
            Text::Append(more) => Ok(format!("{state}{more}")),
        }
    }

    fn is_observer(&self, op: &Text) -> bool {
        matches!(op, Text::Get(_))
    }

    fn label(&self, op: &Text) -> String {
        match op {
            Text::Get(got) => format!("get → {got}"),
            Text::Put(new) => format!("put {new}"),
            Text::Append(more) => format!("append {more}"),
        }
    }

    fn show(&self, state: &String) -> String {
        state.clone()
    }
}
