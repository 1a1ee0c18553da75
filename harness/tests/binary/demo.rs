//! The demo: a planted bug is found, its absence is not; and everything a run leaves behind.

use super::common::{Bench, ended};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn a_planted_stale_read_is_found_and_explained() {
    let bench = Bench::new();
    let run = bench.duress(&["demo", "--seed", "1", "--dir", "run"]).expect(1);
    assert!(run.stdout.contains("stale read"), "{}", run.stdout);
    assert!(run.stdout.contains("duress run sim --seed 1 "), "{}", run.stdout);
    // And it was told while the run went on.
    let (meanwhile, _) = run.stderr.split_once("final reads").expect("final reads");
    assert!(meanwhile.contains("violation at op "), "{}", run.stderr);

    let verdict = bench.json("run/verdict.json");
    assert_eq!(verdict["outcome"], "violation");
    assert_eq!(verdict["exit_code"], 1);
    let finding = &verdict["verdicts"][0]["findings"][0];
    assert!(finding["counterexample"]["finals"].as_array().is_some_and(|finals| !finals.is_empty()));
    for file in ["run.json", "history.jsonl", "faults.jsonl", "schedule.toml", "report.html", "junit.xml"] {
        assert!(bench.path("run").join(file).is_file(), "{file} is missing");
    }
    assert!(bench.path("run/plots").read_dir().expect("plots").count() >= 3);

    // The few operations that the finding hangs on prove it again.
    let proof = &verdict["findings"][0]["proof"];
    assert!(verdict["files"].as_array().is_some_and(|files| files.contains(&proof["file"])), "{verdict}");
    let recheck = proof["recheck"].as_str().expect("a command").replace("findings/", "run/findings/");
    let again = bench.duress(&recheck.split(' ').skip(1).collect::<Vec<_>>()).expect(1);
    assert!(again.stdout.contains("stale read"), "{}", again.stdout);
    let lines = |file: &str| bench.text(file).lines().count();
    assert!(lines("run/findings/1.jsonl") * 10 < lines("run/history.jsonl"));

    // The history alone, and the run directory, give the same answer again.
    let alone = bench.duress(&["check", "run/history.jsonl"]).expect(1);
    assert!(alone.stdout.contains("stale read"), "{}", alone.stdout);
    let report = std::fs::read(bench.path("run/report.html")).expect("a report");
    let first = std::fs::read(bench.path("run/verdict.json")).expect("a verdict");
    bench.duress(&["check", "run"]).expect(1);
    assert!(std::fs::read(bench.path("run/verdict.json")).expect("a verdict") == first);
    bench.duress(&["report", "run"]).expect(0);
    assert!(std::fs::read(bench.path("run/report.html")).expect("a report") == report);
}

#[test]
fn a_lost_write_is_found() {
    let bench = Bench::new();
    bench.duress(&["demo", "--bug", "lost-write", "--seed", "1", "--dir", "run"]).expect(1);
}

#[test]
fn without_a_bug_there_is_no_violation() {
    let bench = Bench::new();
    let run = bench.duress(&["demo", "--bug", "none", "--seed", "2", "--dir", "run", "--json"]).expect(0);
    let verdict: Value = serde_json::from_str(&run.stdout).expect("stdout is verdict.json alone");
    assert_eq!(verdict["outcome"], "valid");
    assert!(!run.stderr.contains("violation at op "), "{}", run.stderr);
    assert_eq!(verdict, bench.json("run/verdict.json"));
}

/// Every operation that was cut off is in the history, in doubt, and nothing else is called so.
#[test]
fn clients_are_hit_and_go_on() {
    let bench = Bench::new();
    let kinds = "client-kill,client-pause,client-churn";
    let fixed = ["--set", "bug=none", "--time", "8s", "--interval", "2s", "--seed", "6", "--dir", "run"];
    bench.duress(&[&["run", "sim", "--faults", kinds], &fixed[..]].concat()).expect(0);
    let faults = bench.json("run/verdict.json")["faults"].as_array().expect("faults").clone();
    assert!(faults.iter().all(|fault| fault["state"] == "bit"), "{faults:#?}");
    let of = |kind: &str| -> u64 {
        let windows = faults.iter().map(|fault| &fault["window"]).filter(|window| window["kind"] == kind);
        let told = windows.filter_map(|window| window["evidence"].as_array()?.last()?.as_str());
        told.map(|told| told.split(' ').next().and_then(|n| n.parse::<u64>().ok()).expect("a number")).sum()
    };
    let history = fs::read_to_string(bench.path("run/history.jsonl")).expect("a history");
    let killed = history.lines().filter(|line| line.contains("client-killed")).collect::<Vec<_>>();
    assert!(killed.iter().all(|line| line.contains("\"type\":\"info\"")), "{killed:#?}");
    assert_eq!(killed.len() as u64, of("client-kill"));
    for kind in kinds.split(',') {
        assert!(of(kind) > 0, "{kind}: {faults:#?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_operations_and_faults() {
    let bench = Bench::new();
    for run in ["a", "b"] {
        bench
            .duress(&["run", "sim", "--set", "bug=none", "--seed", "77", "--time", "5s", "--dir", run])
            .expect(0);
    }
    bench
        .duress(&["run", "sim", "--set", "bug=none", "--seed", "78", "--time", "5s", "--dir", "c"])
        .expect(0);
    let (a, b, c) = (bench.invocations("a"), bench.invocations("b"), bench.invocations("c"));
    // Timing decides how many operations fit into the run, and the final reads follow them.
    let shared = a.len().min(b.len()).min(1_000);
    assert!(shared >= 1_000, "only {shared} operations");
    assert_eq!(a[..shared], b[..shared]);
    assert_ne!(a[..shared], c[..shared]);
    assert_eq!(bench.text("a/schedule.toml"), bench.text("b/schedule.toml"));
    assert_ne!(bench.text("a/schedule.toml"), bench.text("c/schedule.toml"));
}

#[test]
fn the_printed_command_repeats_the_run() {
    let bench = Bench::new();
    bench.duress(&["demo", "--seed", "5", "--dir", "a"]).expect(1);
    let info = bench.json("a/run.json");
    let repeat = info["repeat"].as_str().expect("a command");
    let words: Vec<&str> = repeat.split(' ').skip(1).chain(["--dir", "b"]).collect();
    bench.duress(&words).expect(1);
    assert_eq!(bench.text("a/schedule.toml"), bench.text("b/schedule.toml"));
    let (a, b) = (bench.invocations("a"), bench.invocations("b"));
    assert_eq!(a[..1_000], b[..1_000]);
    assert_eq!(bench.json("b/run.json")["options"], info["options"]);
}

#[test]
fn an_interrupt_heals_and_checks_what_there_is() {
    let bench = Bench::new();
    let child = bench.spawn(&["run", "sim", "--set", "bug=none", "--time", "60s", "--dir", "run"]);
    await_history(&bench.path("run/history.jsonl"));
    signal(child.id(), Signal::SIGINT);
    let run = ended(&child.wait_with_output().expect("it ends"));
    assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
    assert_eq!(bench.json("run/run.json")["status"], "interrupted");
    let verdict = bench.json("run/verdict.json");
    assert!(verdict["headline"].as_str().is_some_and(|text| text.contains("nterrupted")), "{verdict}");
    assert!(bench.path("run/report.html").is_file());
}

/// A machine that has no time for a fault does not make it one that was survived.
#[test]
fn a_fault_whose_time_passes_before_it_begins_is_told() {
    let bench = Bench::new();
    let fault = "[[fault]]\nat = '4s'\nfor = '100ms'\nkind = 'pause'\nnodes = 'n1'\n";
    fs::write(bench.path("schedule.toml"), fault).expect("written");
    let fixed = ["--schedule", "schedule.toml", "--time", "6s", "--seed", "1", "--dir", "run"];
    let child = bench.spawn(&[&["run", "sim", "--set", "bug=none"], &fixed[..]].concat());
    await_history(&bench.path("run/history.jsonl"));
    signal(child.id(), Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(4_200));
    signal(child.id(), Signal::SIGCONT);
    ended(&child.wait_with_output().expect("it ends")).expect(3);
    let verdict = bench.json("run/verdict.json");
    let fault = &verdict["faults"][0];
    assert_eq!((&verdict["outcome"], &fault["state"]), (&"inconclusive".into(), &"skipped".into()));
    assert!(fault["window"].to_string().contains("its time was over before it could begin"), "{fault}");
}

#[test]
fn a_killed_run_can_be_checked_and_healed() {
    let bench = Bench::new();
    let mut child = bench.spawn(&["run", "sim", "--time", "60s", "--out", "runs"]);
    let found = || duress::store::runs(&bench.path("runs")).pop().map(|dir| dir.history_file());
    let patience = Instant::now() + Duration::from_secs(20);
    let history = loop {
        if let Some(history) = found() {
            break history;
        }
        assert!(Instant::now() < patience, "no run directory appears");
        std::thread::sleep(Duration::from_millis(20));
    };
    await_history(&history);
    signal(child.id(), Signal::SIGKILL);
    child.wait().expect("it ends");

    let checked = bench.duress(&["check", history.to_str().expect("utf-8")]);
    assert!(matches!(checked.code, Some(0 | 1)), "{}{}", checked.stdout, checked.stderr);
    let healed = bench.duress(&["heal", "runs"]).expect(0);
    assert!(healed.stdout.contains("killed"), "{}", healed.stdout);
    let again = bench.duress(&["heal", "runs"]).expect(0);
    assert_eq!(again.stdout, "nothing to heal\n");
    let dir = history.parent().expect("its run").to_str().expect("utf-8").to_owned();
    let judged = bench.duress(&["check", &dir]);
    assert!(matches!(judged.code, Some(0 | 1 | 3)), "{}{}", judged.stdout, judged.stderr);
    assert!(Path::new(&dir).join("report.html").is_file());
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), signal).expect("the signal is sent");
}

fn await_history(path: &Path) {
    let patience = Instant::now() + Duration::from_secs(20);
    while std::fs::metadata(path).map_or(0, |file| file.len()) < 50_000 {
        assert!(Instant::now() < patience, "{} does not grow", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}
