//! Every model's violation is proven again by what a report hands out: the file, and the test to be
//! copied.

mod common;
#[path = "snapshots/regressions.rs"]
#[rustfmt::skip]
mod regressions;

use common::golden::{CASES, judged, run};
use duress_checkers::history::{ReadOptions, read};
use duress_checkers::verdict::Tone;
use duress_checkers::{Budget, Keys, Valid};
use duress_reports::artifact::RunDir;
use duress_reports::{conclude, write};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The copyable tests of all findings, as the pages show them.
fn texts() -> String {
    let mut all = String::from("//! Written by `findings.rs`, which compiles and runs it.\n");
    for (at, case) in CASES.iter().enumerate() {
        let (history, verdict) = judged(case);
        let run = run(history);
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
        dir.write_info(&run.info).expect("run.json");
        write(&dir, &run, &conclude(&run, vec![verdict])).expect("all files");
        let page = fs::read_to_string(dir.report_file()).expect("a page");
        let from = page.find("#[test]").expect("a test");
        let to = from + page[from..].find("</pre>").expect("its end");
        let text = page[from..to].replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
        let text = text.replace("&amp;", "&");
        // Two of one model have one name.
        let text = text.replacen("\nfn ", &format!("\nfn case_{at}_"), 1);
        let _ = write!(all, "\n{text}");
    }
    all
}

#[test]
fn the_tests_that_are_handed_out_are_those_that_run_here() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/regressions.rs");
    let texts = texts();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, texts).expect("the snapshot can be written");
        return;
    }
    let here = include_str!("snapshots/regressions.rs");
    assert!(here == texts, "the tests that pages show are others; UPDATE_SNAPSHOTS=1 rewrites them");
}

#[test]
fn the_files_prove_every_finding_again() {
    for case in &CASES {
        let (history, verdict) = judged(case);
        let run = run(history);
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
        dir.write_info(&run.info).expect("run.json");
        let conclusion = conclude(&run, vec![verdict.clone()]);
        write(&dir, &run, &conclusion).expect("all files");
        let proof = conclusion.findings[0].proof.as_ref().expect("a proof");
        assert!(conclusion.files.contains(&proof.file));
        let file = fs::File::open(dir.path().join(&proof.file)).expect("the file");
        let again = read(file, &ReadOptions::default()).expect("a history").history;
        assert!(again.len() <= run.history.len());
        let keys = if proof.keyed { Keys::Keyed } else { Keys::Single };
        let checked = proof.model.checker(keys).expect("a checker").check(&again, &Budget::default());
        assert_eq!(checked.valid, Valid::Violation, "{}", case.0);
        assert_eq!(checked.findings[0].anomaly, verdict.findings[0].anomaly, "{}", case.0);
    }
}

#[test]
fn a_verdict_without_findings_leaves_no_file_of_an_earlier_one() {
    let (history, verdict) = judged(&CASES[0]);
    let run = run(history);
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
    dir.write_info(&run.info).expect("run.json");
    write(&dir, &run, &conclude(&run, vec![verdict])).expect("all files");
    assert!(dir.path().join("findings/1.jsonl").is_file());
    write(&dir, &run, &conclude(&run, vec![common::verdicts::valid()])).expect("all files");
    assert!(!dir.path().join("findings/1.jsonl").exists());
}

#[test]
fn pictures_mark_what_is_wrong() {
    let pictured: Vec<&str> = CASES
        .iter()
        .filter_map(|case| {
            let (_, verdict) = judged(case);
            let example = verdict.findings[0].counterexample.as_ref().expect("a counterexample");
            let picture = example.picture.as_ref()?;
            let wrong = picture.tracks.iter().flat_map(|track| &track.stretches);
            assert!(wrong.clone().any(|stretch| stretch.tone == Tone::Wrong), "{}: {picture:#?}", case.0);
            let culprit = &example.ops[example.culprit];
            assert!(wrong.clone().all(|it| it.to.is_none_or(|to| to >= it.from)), "{}", case.0);
            assert!(picture.clash.as_ref().is_none_or(|clash| clash.from <= clash.to), "{}", case.0);
            assert!(culprit.returned.is_some());
            Some(case.0)
        })
        .collect();
    let kinds = [
        "set",
        "queue",
        "fenced-lock",
        "mutex",
        "reentrant-mutex",
        "semaphore",
        "counter",
        "fetch-add",
        "log",
    ];
    for kind in kinds {
        assert!(pictured.contains(&kind), "{kind} has no picture: {pictured:?}");
    }
    let words = |at: usize| {
        let (_, verdict) = judged(&CASES[at]);
        let example = verdict.findings[0].counterexample.clone().expect("a counterexample");
        example.picture.and_then(|picture| picture.clash).expect("a clash").words
    };
    assert_eq!(words(6), "p3 and p7 both held it for 812 ms");
    assert_eq!(words(4), "p3 and p4 both took 40 out, 812 ms apart");
    assert_eq!(words(10), "read 2, possible 5..5");
}
