//! Every printer on fixed runs, byte for byte, save what is the same in all of them or packed:
//! style sheet, script, operations. `UPDATE_SNAPSHOTS=1` rewrites the files; read the difference
//! before committing it.

mod common;

use common::html;
use common::written::Written;
use common::{golden, verdicts};
use duress_checkers::{Valid, Verdict};
use duress_reports::artifact::{RunStatus, ServerExit};
use duress_reports::index::RunLine;
use duress_reports::issue::issue;
use duress_reports::{Index, Outcome, Run, RunDir, conclude};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

fn check(name: &str, run: &Run, verdicts: Vec<Verdict>, outcome: Outcome) {
    let written = Written::new(run, verdicts.clone());
    assert_eq!(written.conclusion.outcome, outcome);
    let again = Written::new(run, verdicts);
    for (ending, content, same) in [
        ("html", &written.html, &again.html),
        ("json", &written.json, &again.json),
        ("xml", &written.junit, &again.junit),
        ("txt", &written.text, &again.text),
        ("md", &written.summary, &again.summary),
        ("ci", &written.annotations, &again.annotations),
        ("sums", &sums(&written), &sums(&again)),
    ] {
        assert_eq!(content, same, "{name}.{ending} differs from one time to the next");
        compare(&format!("{name}.{ending}"), &plain(content));
    }
}

/// A new colour or a new compressor makes no new snapshot.
fn plain(content: &str) -> String {
    let mut out = content.to_owned();
    let data = html::raw(content, "script");
    let ops = if data.len() == 3 { &data[1..] } else { &data[..] };
    for text in html::raw(content, "style").iter().chain(ops) {
        out = out.replacen(text, "…", 1);
    }
    let Some((before, policy)) = out.split_once("default-src") else { return out };
    let (_, after) = policy.split_once('"').expect("the policy ends");
    format!("{before}…\"{after}")
}

/// What is too long to be read as a difference: of that it is only seen that there is one.
fn sums(written: &Written) -> String {
    let plots = written.conclusion.files.iter().map(String::as_str).filter(|file| file.starts_with("plots/"));
    let all = plots.zip(&written.plots).chain([("trace.json", &written.trace)]);
    all.map(|(name, content)| {
        let sum: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{sum}  {name}\n")
    })
    .collect()
}

fn compare(name: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, content).expect("the snapshot can be written");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let first = expected.lines().zip(content.lines()).find(|(a, b)| a != b);
    assert!(expected == content, "{name} differs, first in: {first:?}; UPDATE_SNAPSHOTS=1 rewrites it");
}

#[test]
fn valid() {
    check("valid", &common::run(600), vec![verdicts::valid()], Outcome::Valid);
}

#[test]
fn violation() {
    let run = Run { flows: common::flows(), captured: true, ..common::run(600) };
    check("violation", &run, vec![verdicts::violation()], Outcome::Violation);
}

#[test]
fn unknown() {
    check("unknown", &common::run(600), vec![verdicts::unknown()], Outcome::Unknown);
}

#[test]
fn inconclusive() {
    check("inconclusive", &common::inconclusive(), vec![verdicts::valid()], Outcome::Inconclusive);
}

#[test]
fn killed() {
    check("killed", &common::killed(), vec![verdicts::valid()], Outcome::Inconclusive);
}

#[test]
fn failed_before_the_first_operation() {
    check("failed", &common::failed(), Vec::new(), Outcome::Infrastructure);
}

#[test]
fn empty() {
    let mut run = common::bare(Vec::new());
    run.info.status = RunStatus::Interrupted;
    check("empty", &run, vec![Verdict::new("linearizable", Valid::Valid)], Outcome::Inconclusive);
}

#[test]
fn what_the_checkers_find() {
    for (name, at) in [("stale-read", 0), ("lost-write", 1), ("queue-duplicate", 4), ("lock-overlap", 6)] {
        let (history, verdict) = golden::judged(&golden::CASES[at]);
        check(name, &golden::run(history), vec![verdict], Outcome::Violation);
    }
}

#[test]
fn issues() {
    let mut run = Run { captured: true, ..common::run(600) };
    run.info.exits = vec![ServerExit {
        node: "n4".to_owned(),
        at: 15 * common::SECOND,
        status: "exit status: 2".to_owned(),
        said: Some("panic: tocommit(12) is out of range [lastIndex(7)]".to_owned()),
    }];
    let (history, verdict) = golden::judged(&golden::CASES[0]);
    for (name, run, verdict) in
        [("stale-read", golden::run(history), verdict), ("crash", run, verdicts::valid())]
    {
        let temporary = tempfile::tempdir().expect("a directory");
        let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
        let conclusion = conclude(&run, vec![verdict]);
        let path = dir.path().display().to_string();
        let line = RunLine::new("etcd/run", &run.info, Some(&conclusion));
        let index = Index::new([line]);
        let issue = issue(&dir, &run, &conclusion, 1, index.findings.first()).expect("there is one");
        assert!(issue.body.len() < 65_536 && issue.title.len() <= 256);
        compare(
            &format!("{name}.issue.md"),
            &format!("# {}\n\n{}", issue.title, issue.body.replace(&path, "RUN")),
        );
        assert_eq!(duress_reports::issue::issue(&dir, &run, &conclusion, 99, None), None);
    }
}

#[test]
fn crash() {
    let mut run = common::run(600);
    run.info.exits = vec![ServerExit {
        node: "n4".to_owned(),
        at: 15 * common::SECOND,
        status: "signal: 6 (SIGABRT)".to_owned(),
        said: None,
    }];
    run.info.gates.rules = ["ok-during=10", "leader-changes=1", "max-unavailable.kill=20s"]
        .map(|rule| rule.parse().expect(rule))
        .into();
    check("crash", &run, vec![verdicts::valid()], Outcome::Crash);
}

#[test]
fn interrupted() {
    check("interrupted", &common::interrupted(), vec![verdicts::valid()], Outcome::Inconclusive);
}

#[test]
fn skewed() {
    check("skewed", &common::skewed(), vec![verdicts::valid()], Outcome::Valid);
}
