//! Reading runs back, however they ended.

mod common;

use common::verdicts;
use duress_reports::artifact::{FORMAT, RunStatus};
use duress_reports::{ArtifactError, RunDir, conclude, write};
use std::fs;
use tempfile::TempDir;

fn fresh(status: RunStatus) -> (TempDir, RunDir) {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = RunDir::create(temporary.path().join("a/b")).expect("a new directory");
    let mut info = common::info(30);
    info.status = status;
    dir.write_info(&info).expect("run.json");
    (temporary, dir)
}

const OP: &str = r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"read","value":[1,null]}"#;
const APPLYING: &str = r#"{"fault":1,"time":5,"event":"applying","kind":"kill","description":"kill n1","nodes":["n1"],"undo":null}"#;
const BIT: &str = r#"{"fault":1,"time":9,"event":"bit","evidence":"gone"}"#;

#[test]
fn a_killed_run_loads() {
    let (_keep, dir) = fresh(RunStatus::Running);
    fs::write(dir.history_file(), format!("{OP}\n{{\"index\":1,\"ti")).expect("written");
    fs::write(dir.faults_file(), format!("{APPLYING}\n{BIT}\n{{\"fault\":1,")).expect("written");
    let run = dir.load().expect("it loads");
    assert!(run.truncated);
    assert_eq!((run.history.len(), run.faults.len()), (1, 1));
    assert_eq!((run.faults[0].in_effect, run.faults[0].heal), (Some(9), None));
    assert!(dir.load_conclusion().expect("no verdict is no error").is_none());
    let conclusion = conclude(&run, vec![verdicts::valid()]);
    write(&dir, &run, &conclusion).expect("a report all the same");
    assert_eq!(dir.load_conclusion().expect("readable"), Some(conclusion));
}

#[test]
fn what_was_seen_on_the_network_is_read_back_and_counted_for_each_fault() {
    let (_keep, dir) = fresh(RunStatus::Finished);
    fs::write(dir.history_file(), "").expect("written");
    let applying = APPLYING.replace("\"fault\":1", "\"fault\":2");
    fs::write(dir.faults_file(), format!("{applying}\n")).expect("written");
    assert!(dir.load().expect("it loads").flows.is_empty(), "older runs have none");
    dir.write_flows(&common::flows()).expect("written");
    dir.write_capture(b"frames").expect("written");
    let run = dir.load().expect("it loads");
    assert_eq!((&run.flows, run.captured), (&common::flows(), true));
    let conclusion = conclude(&run, Vec::new());
    assert_eq!(conclusion.faults[0].taken.map(|taken| taken.frames), Some(1_500));
    assert_eq!(conclusion.flows[0].client, "n1", "the busiest first");
    for file in ["flows.jsonl", "capture.pcapng"] {
        assert!(conclusion.files.iter().any(|listed| listed == file), "{:?}", conclusion.files);
    }
}

#[test]
fn a_run_that_failed_early_has_no_history() {
    for status in [RunStatus::Failed, RunStatus::Running, RunStatus::Interrupted] {
        let (_keep, dir) = fresh(status);
        let run = dir.load().expect("it loads");
        assert!(run.history.is_empty() && run.faults.is_empty() && !run.truncated);
    }
    let (_keep, dir) = fresh(RunStatus::Finished);
    assert!(matches!(dir.load(), Err(ArtifactError::Missing { .. })));
    fs::write(dir.history_file(), "").expect("written");
    assert!(dir.load().expect("empty is not missing").history.is_empty());
}

#[test]
fn damage_is_named_with_its_line() {
    let (_keep, dir) = fresh(RunStatus::Finished);
    fs::write(dir.history_file(), format!("{OP}\nnonsense\n{OP}\n")).expect("written");
    assert!(matches!(dir.load(), Err(ArtifactError::Broken { line: 2, .. })));
    fs::write(dir.history_file(), format!("{OP}\n{OP}\n")).expect("written");
    assert!(matches!(dir.load(), Err(ArtifactError::History { .. })));
    fs::write(dir.history_file(), "").expect("written");
    fs::write(dir.faults_file(), format!("{APPLYING}\n\n{{}}\n{BIT}\n")).expect("written");
    assert!(matches!(dir.load(), Err(ArtifactError::Broken { line: 3, .. })));
    fs::write(dir.info_file(), "{\"format\":1,\n\"id\":7}").expect("written");
    assert!(matches!(dir.load(), Err(ArtifactError::Broken { line: 2, .. })));
}

#[test]
fn a_newer_format_is_refused_before_it_is_understood() {
    let (_keep, dir) = fresh(RunStatus::Finished);
    fs::write(dir.info_file(), format!("{{\"format\":{},\"all\":\"new\"}}", FORMAT + 1)).expect("written");
    let error = dir.load().expect_err("newer");
    assert!(matches!(error, ArtifactError::Newer { .. }));
    assert!(error.to_string().contains("use the version of Duress that wrote it"), "{error}");
}

#[test]
fn places_that_hold_no_run_are_told_apart() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let nowhere = temporary.path().join("nowhere");
    assert!(matches!(RunDir::open(&nowhere), Err(ArtifactError::NoSuchDirectory { .. })));
    assert!(matches!(RunDir::open(temporary.path()), Err(ArtifactError::NotARun { .. })));
    fs::write(temporary.path().join("other"), "").expect("written");
    assert!(matches!(RunDir::create(temporary.path()), Err(ArtifactError::Occupied { .. })));
    let file = temporary.path().join("other");
    assert!(matches!(RunDir::create(file.join("x")), Err(ArtifactError::Io { .. })));
}

#[test]
fn nothing_half_written_is_left() {
    let (_keep, dir) = fresh(RunStatus::Finished);
    let run = common::run(600);
    let conclusion = conclude(&run, vec![verdicts::valid()]);
    write(&dir, &run, &conclusion).expect("written");
    let names = |path: &std::path::Path| {
        let entries = fs::read_dir(path).expect("a directory");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let files = ["junit.xml", "plots", "report.html", "run.json", "summary.md", "trace.json", "verdict.json"];
    assert_eq!(names(dir.path()), files);
    let plots = ["availability.svg", "latency-quantiles.svg", "latency-raw.svg", "rate.svg"];
    assert_eq!(names(&dir.plots_dir()), plots);
    // A place that cannot be written to keeps the old file.
    fs::create_dir(dir.path().join(".run.json.part")).expect("in the way");
    let before = fs::read(dir.info_file()).expect("still there");
    assert!(matches!(dir.write_info(&common::info(1)), Err(ArtifactError::Io { .. })));
    assert_eq!(fs::read(dir.info_file()).expect("still there"), before);
}
