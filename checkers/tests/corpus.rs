//! Histories of other projects, with verdicts known from other checkers.
//!
//! They are not part of this repository: `DURESS_CORPUS` names the folder that holds them, and
//! without it these tests say so and pass.

use duress_checkers::history::{Format, Loaded, Nil, ReadOptions, RepairKind, read};
use duress_checkers::model::{KeyValue, Text};
use duress_checkers::{Budget, Checker, History, Keys, Linearizable, Register, Valid, Verdict};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Enough for everything here that is valid.
const MEMORY: usize = 64 << 20;

/// Enough to refute: keys of a bad history that take more are left undecided, others are not.
const LITTLE: usize = 8 << 20;

fn corpus(folder: &str) -> Option<PathBuf> {
    let found = std::env::var_os("DURESS_CORPUS").map(|root| Path::new(&root).join(folder));
    if found.is_none() {
        eprintln!("skipped: DURESS_CORPUS does not name a folder of histories");
    }
    found
}

/// The files with an extension, by name.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|why| panic!("{}: {why}", folder.display()))
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn load(path: &Path, options: &ReadOptions) -> Loaded {
    let file = std::fs::File::open(path).expect("a file");
    read(file, options).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn judge(checker: &dyn Checker, history: &History) -> Verdict {
    judge_within(MEMORY, checker, history)
}

fn judge_within(memory: usize, checker: &dyn Checker, history: &History) -> Verdict {
    let verdict = checker.check(history, &Budget::new(memory, 2));
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
    verdict
}

#[test]
fn etcd_logs_of_2014() {
    let Some(folder) = corpus("porcupine") else { return };
    let valid = std::fs::read_to_string(folder.join("valid.txt")).expect("the list of valid logs");
    let valid: Vec<&str> = valid.split_whitespace().collect();
    let mut seen = (0, 0);
    for path in files(&folder.join("jepsen"), "log") {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a file name");
        let Loaded { history, format, truncated, passed_over, .. } = load(&path, &ReadOptions::default());
        assert_eq!((truncated, passed_over), (false, 0), "{name}");
        let verdict = judge(&Linearizable::register(Keys::Auto), &history);
        if history.is_empty() {
            // One of the files is; nothing is wrong with nothing.
            assert_eq!(verdict.valid, Valid::Valid, "{name}");
            continue;
        }
        assert_eq!(format, Format::JepsenLog, "{name}");
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

/// In the words of their own README: the initial value is `nil`, or 0 with `nil` for "unknown".
#[test]
fn registers_of_knossos() {
    let Some(folder) = corpus("knossos/cas-register") else { return };
    let mut seen = 0;
    for (kind, expected) in [("good", Valid::Valid), ("bad", Valid::Violation)] {
        for path in files(&folder.join(kind), "edn") {
            for (initial, nil) in [(Value::Null, Nil::Value), (json!(0), Nil::Unknown)] {
                // In some of them clocks of different threads are a few nanoseconds apart.
                let loaded = load(&path, &ReadOptions { nil, repair: true, ..ReadOptions::default() });
                assert!(loaded.repairs.iter().all(|repair| repair.kind == RepairKind::Clock));
                assert_eq!((loaded.format, loaded.truncated), (Format::Edn, false), "{}", path.display());
                let checker = Linearizable::new(Register { initial: initial.clone() }, Keys::Single);
                let verdict = judge(&checker, &loaded.history);
                assert_eq!(verdict.valid, expected, "{} from {initial}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} files");
}

/// Two registers, x and y, both 0 at first.
#[test]
fn transactions_of_knossos() {
    let Some(folder) = corpus("knossos/multi-register/good") else { return };
    let options = ReadOptions { nil: Nil::Unknown, repair: true, ..ReadOptions::default() };
    for path in files(&folder, "edn") {
        let loaded = load(&path, &options);
        let from = |initial: i64| {
            judge(&Linearizable::new(KeyValue { initial: json!(initial) }, Keys::Single), &loaded.history)
        };
        assert_eq!(from(0).valid, Valid::Valid, "{}", path.display());
        assert_eq!(from(1).valid, Valid::Violation, "{}", path.display());
    }
}

#[test]
fn key_value_stores_of_porcupine() {
    let Some(folder) = corpus("porcupine/kv") else { return };
    let mut seen = 0;
    for path in files(&folder, "txt") {
        let loaded = load(&path, &ReadOptions::default());
        assert_eq!((loaded.format, loaded.truncated), (Format::Edn, false), "{}", path.display());
        let bad = path.to_string_lossy().contains("bad");
        let memory = if bad { LITTLE } else { MEMORY };
        let verdict = judge_within(memory, &Linearizable::new(Text::default(), Keys::Auto), &loaded.history);
        let expected = if bad { Valid::Violation } else { Valid::Valid };
        assert_eq!(verdict.valid, expected, "{}", path.display());
        assert!(verdict.stats["keys"].as_u64() > Some(1), "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, 6);
}

/// Every file of the corpus is read, or refused for what it really is.
#[test]
fn every_file_is_read_or_refused_with_a_reason() {
    let Some(folder) = corpus("elle-cli") else { return };
    let mut read_whole = 0;
    for (kind, extension) in
        ["elle", "jepsen", "custom"].iter().flat_map(|kind| [(kind, "edn"), (kind, "json")])
    {
        for path in files(&folder.join(kind), extension) {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a file name");
            let read = read(std::fs::File::open(&path).expect("a file"), &ReadOptions::default());
            match name {
                // They leave out who did it, so nothing says which answer belongs to which question.
                "long-fork.edn" | "comments.edn" => {
                    let why = read.expect_err(name).to_string();
                    assert!(why.contains("missing field `process`"), "{name}: {why}");
                }
                _ => {
                    let loaded = read.unwrap_or_else(|why| panic!("{name}: {why}"));
                    assert!(!loaded.history.is_empty() && !loaded.truncated, "{name}");
                    read_whole += 1;
                }
            }
        }
    }
    assert_eq!(read_whole, 11);
}
