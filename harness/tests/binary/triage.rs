//! A run that failed, made again: how often it fails, with how little, and what is kept of that.

use crate::common::Bench;
use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One node alone serves what was overwritten since; that a client is cut off has nothing to do with it.
const SCHEDULE: &str = "[[fault]]\nat = '100ms'\nfor = '700ms'\nkind = 'partition'\nshape = { isolate = 'leader' }\n\
    [[fault]]\nat = '150ms'\nfor = '600ms'\nkind = 'client'\nwhat = 'churn'\nnodes = 'n2'\n";

fn failed_run(bench: &Bench) {
    fs::write(bench.path("schedule.toml"), SCHEDULE).expect("written");
    let run = [
        "run",
        "sim",
        "--time",
        "900ms",
        "--schedule",
        "schedule.toml",
        "--seed",
        "1",
        "--op-timeout",
        "300ms",
    ];
    bench.duress(&[&run[..], &["--dir", "run"]].concat()).expect(1);
}

fn json(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

/// Does a run directory have it?
fn has(run: &Path, anomaly: &str) -> bool {
    let verdict = crate::common::read_json(&run.join("verdict.json"));
    verdict["findings"].as_array().is_some_and(|all| all.iter().any(|finding| finding["anomaly"] == anomaly))
}

#[test]
fn a_run_is_made_again_and_made_smaller() {
    let bench = Bench::new();
    failed_run(&bench);
    reproduced(&bench);
    shrunk(&bench);
    refused(&bench);
    gone(&bench);
}

fn reproduced(bench: &Bench) {
    let ended = bench.duress(&["repro", "run", "--times", "2", "--jobs", "2", "--json"]);
    let told = json(&ended.stdout);
    let runs = told["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 2, "{told:#}");
    // The rate is what the runs themselves say.
    let anomaly = told["finding"]["anomaly"].as_str().expect("an anomaly");
    let dirs = runs.iter().map(|run| Path::new(run["run"].as_str().expect("a path")));
    let shown = dirs.filter(|dir| has(dir, anomaly)).count();
    assert_eq!(told["rate"]["shown"], shown, "{told:#}");
    assert_eq!(ended.code == Some(1), shown > 0 || told["others"] != 0, "{told:#}");
    assert_eq!(bench.text("run/repro/001/schedule.toml"), bench.text("run/schedule.toml"));
    let options = |run: &str| bench.json(&format!("{run}/run.json"))["options"].clone();
    let (again, was) = (options("run/repro/001"), options("run"));
    assert_eq!(again, was);
    assert_eq!(ended.stderr.lines().filter(|line| line.contains(" of 2: ")).count(), 2, "{}", ended.stderr);
}

fn shrunk(bench: &Bench) {
    // How far it gets is a matter of luck; whatever is said has to be so.
    let command = ["shrink", "run", "--tries", "1", "--jobs", "2", "--budget", "3s", "--json"];
    let ended = bench.duress(&command);
    let told = json(&ended.stdout);
    assert_eq!(bench.json("run/shrink/shrink.json"), told);
    assert_eq!(ended.code == Some(1), told["base"]["shown"] != 0 || told["others"] != Value::Array(vec![]));
    let count = |of: &str| told[of]["faults"].as_array().expect("faults").len();
    assert!(count("before") == 2 && count("after") <= 2, "{told:#}");
    let left = bench.text("run/shrink/schedule.toml").matches("[[fault]]").count();
    assert_eq!(left, count("after"));
    let anomaly = told["finding"]["anomaly"].as_str().expect("an anomaly");
    if let Some(minimal) = told["minimal"].as_str() {
        assert!(has(Path::new(minimal), anomaly), "{minimal}");
        assert!(bench.text("run/shrink/shrink.md").contains(minimal));
    }
    // The few operations are a violation by themselves.
    if let Some(recheck) = told["core"]["recheck"].as_str() {
        let again = bench.duress(&recheck.split(' ').skip(1).collect::<Vec<_>>()).expect(1);
        assert!(again.stdout.contains(anomaly), "{}", again.stdout);
    }
    // What is known is not asked again: it goes on.
    let before = bench.text("run/shrink/trials.jsonl");
    assert_eq!(told["runs"], before.lines().count());
    let again = json(&bench.duress(&command).stdout);
    let after = bench.text("run/shrink/trials.jsonl");
    assert!(after.starts_with(&before) && again["runs"] == after.lines().count(), "{before}\n{after}");
    let asked: BTreeSet<String> = after
        .lines()
        .map(|line| {
            let line = json(line);
            format!("{} {}", line["key"], line["nth"])
        })
        .collect();
    assert_eq!(asked.len(), after.lines().count(), "{after}");
}

fn refused(bench: &Bench) {
    let schedule = bench.path("run/schedule.toml");
    let whole = fs::read_to_string(&schedule).expect("a schedule");
    fs::remove_file(&schedule).expect("removed");
    bench.duress(&["repro", "run"]).expect(3);
    fs::write(&schedule, whole).expect("written");
    let unknown = bench.duress(&["repro", "run", "--finding", "99"]).expect(254);
    assert!(unknown.stderr.contains("no finding 99"), "{}", unknown.stderr);
    let nowhere = bench.duress(&["shrink", "2e6845ab6ca4"]).expect(254);
    assert!(nowhere.stderr.contains("no run below runs"), "{}", nowhere.stderr);
    let one = bench.duress(&["bisect", "run", "--versions", "3.4.23"]).expect(254);
    assert!(one.stderr.contains("two or more"), "{}", one.stderr);
    // Two that write to the same files would learn from each other's halves.
    for command in ["repro", "shrink"] {
        let held = fs::File::create(bench.path("run").join(command).join("lock")).expect("made");
        let held = Flock::lock(held, FlockArg::LockExclusiveNonblock).expect("locked");
        let second = bench.duress(&[command, "run"]).expect(254);
        assert!(second.stderr.contains(&format!("another {command} is at work")), "{}", second.stderr);
        drop(held);
    }
}

/// Without the bug it never shows, and that is said so.
fn gone(bench: &Bench) {
    let mut info = bench.json("run/run.json");
    info["repeat"] = format!("{} --set bug=none", info["repeat"].as_str().expect("a command")).into();
    fs::write(bench.path("run/run.json"), info.to_string()).expect("written");
    let told = json(&bench.duress(&["repro", "run", "--times", "1", "--json"]).expect(0).stdout);
    assert!(told["rate"]["shown"] == 0 && told["rate"]["of"] == 1, "{told:#}");
}
