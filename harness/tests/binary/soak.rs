//! Soaks: all trials accounted for, whatever happens on the way.

use super::common::{Bench, ended};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Four combinations without luck, as quick as runs can be.
const MATRIX: &str = "target = \"sim\"\nseed = 7\nretries = 0\nlimit = \"2m\"\n\
    [run]\ntime = \"2m\"\nops = 60\nrate = 0\n\"set.bug\" = \"none\"\nplots = \"none\"\nop-timeout = \"20s\"\nmin-ok = 1\n\
    [matrix]\nfaults = [\"none\"]\nnodes = [1, 3]\nkeys = [2, 3]\n";

/// A bug that shows in a few seconds.
const VIOLATION: &str = "target = \"sim\"\nseed = 7\nretries = 0\n[run]\ntime = \"3s\"\ninterval = \"1s\"\nop-timeout = \"500ms\"\n\
    plots = \"none\"\n\"set.bug\" = \"stale-read\"\n[matrix]\nfaults = [\"partition\"]\n";

fn matrix(bench: &Bench, text: &str) {
    fs::write(bench.path("matrix.toml"), text).expect("written");
}

fn lines(bench: &Bench, dir: &str) -> Vec<Value> {
    let text = bench.text(&format!("{dir}/trials.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
}

/// Number, seed, command: what a trial is.
fn trials(suite: &Value) -> BTreeSet<String> {
    let trials = suite["trials"].as_array().expect("trials");
    let what = trials.iter().map(|t| format!("{} {} {}", t["number"], t["seed"], t["command"]));
    what.collect()
}

/// One shard is killed in the middle and goes on; all of them together are the whole.
#[test]
fn shards_are_the_whole_and_a_killed_one_goes_on() {
    let bench = Bench::new();
    matrix(&bench, MATRIX);
    let soak = |more: &[&str]| {
        let fixed = ["soak", "matrix.toml", "--trials", "6", "--jobs", "4"];
        bench.command(&[&fixed[..], more].concat())
    };
    let run = |more: &[&str], code| ended(&soak(more).output().expect("duress starts")).expect(code);
    let whole = run(&["--dir", "whole"], 0);
    assert!(whole.stdout.contains("expected 6 trials, ran 6; caught 3 of 3 canaries"), "{}", whole.stdout);

    let child = soak(&["--shard", "2/2", "--dir", "b"]).stderr(Stdio::null()).spawn();
    let mut child = child.expect("duress starts");
    let patience = Instant::now() + Duration::from_secs(60);
    // Somewhere between the first that ended and the last.
    while !bench.path("b/trials.jsonl").exists() || !bench.text("b/trials.jsonl").contains("\"end\"") {
        assert!(Instant::now() < patience, "nothing ends");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGKILL).expect("sent");
    child.wait().expect("it ends");
    let before = bench.text("b/trials.jsonl");
    run(&["--shard", "1/2", "--dir", "a"], 0);
    run(&["--shard", "2/2", "--dir", "b"], 0);
    let whole_lines = before.rsplit_once('\n').expect("lines").0;
    assert!(bench.text("b/trials.jsonl").starts_with(whole_lines), "what was known is known no more");
    let mut units: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines(&bench, "b") {
        units.entry(line["unit"].to_string()).or_default().push(line);
    }
    for (unit, of) in units {
        let ends: Vec<&Value> = of.iter().filter(|line| !line["end"].is_null()).collect();
        let again = ends.iter().filter(|line| line["end"]["again"] == true).count();
        assert_eq!(ends.len() - again, 1, "{unit} has one end: {of:#?}");
        // Nothing is begun after its end.
        assert!(of.last().is_some_and(|line| !line["end"].is_null()), "{of:#?}");
    }

    let merged = bench.duress(&["merge", "a", "b", "--dir", "all"]).expect(0);
    assert!(merged.stdout.contains("expected 6 trials, ran 6"), "{}", merged.stdout);
    let (all, whole) = (bench.json("all/soak.json"), bench.json("whole/soak.json"));
    assert_eq!(trials(&all), trials(&whole));
    assert_eq!(all["combinations"], 4);
    for trial in all["trials"].as_array().expect("trials") {
        let run = trial["run"].as_str().expect("a directory");
        assert!(bench.path("all").join(run).join("report.html").is_file(), "{run}");
    }
    // Each shard has its own canaries, and the page says that they were caught.
    assert!(bench.text("all/index.html").contains("caught 4 of 4"));

    let missing = bench.duress(&["merge", "a", "--dir", "half"]).expect(3);
    assert!(missing.stdout.contains("expected 6 trials, ran 3"), "{}", missing.stdout);
    let twice = bench.duress(&["merge", "a", "a", "--dir", "twice"]).expect(254);
    assert!(twice.stderr.contains("twice"), "{}", twice.stderr);
    let other = run(&["--dir", "whole", "--seed", "8"], 254);
    assert!(other.stderr.contains("another seed"), "{}", other.stderr);
    summaries(&bench, "all");
    kept(&bench);
}

fn summaries(bench: &Bench, dir: &str) {
    let junit = bench.text(&format!("{dir}/junit.xml"));
    assert!(junit.contains("<testsuite name=\"trials\" tests=\"7\""), "{junit}");
    assert!(!junit.contains("<failure") && !junit.contains("<error"), "{junit}");
    let summary = bench.text(&format!("{dir}/summary.md"));
    assert!(summary.starts_with("## ✓ Valid"), "{summary}");
}

fn kept(bench: &Bench) {
    let runs = || fs::read_dir(bench.path("whole/runs")).expect("runs").count();
    // A canary may have taken more than one attempt.
    let before = runs();
    let asked = ["gc", "whole", "--max-size", "1B"];
    let told = bench.duress(&asked).expect(0);
    assert!(told.stdout.contains(&format!("{before} runs to remove")) && runs() == before, "{}", told.stdout);
    bench.duress(&["gc", "whole", "--thin", "--yes"]).expect(0);
    assert!(!bench.path("whole/runs/t000001/history.jsonl").exists());
    assert!(bench.path("whole/runs/t000001/report.html").exists());
    bench.duress(&[&asked[..], &["--yes"]].concat()).expect(0);
    assert_eq!(runs(), 0);
    // What they were is still known.
    let csv = bench.duress(&["export", "whole"]).expect(0);
    assert_eq!(csv.stdout.lines().count(), before + 1, "{}", csv.stdout);
    let metrics = bench.duress(&["export", "--format", "openmetrics", "whole", "a"]).expect(0);
    assert!(metrics.stdout.contains("duress_canaries_total{caught=\"true\"} 4"), "{}", metrics.stdout);
}

#[test]
fn a_violation_is_found_counted_and_kept() {
    let bench = Bench::new();
    let text = "target = \"sim\"\nseed = 7\nretries = 0\n[run]\ntime = \"3s\"\ninterval = \"1s\"\nop-timeout = \"500ms\"\n\
                plots = \"none\"\n[matrix]\n\"set.bug\" = [\"stale-read\", \"none\"]\nfaults = [\"partition\"]\n";
    matrix(&bench, text);
    let soak = ["soak", "matrix.toml", "--trials", "2", "--jobs", "5", "--dir", "soak", "--json"];
    let suite: Value = serde_json::from_str(&bench.duress(&soak).expect(1).stdout).expect("JSON");
    assert_eq!(suite, bench.json("soak/soak.json"));
    assert_eq!((&suite["outcome"], &suite["ran"]), (&"violation".into(), &2.into()), "{suite:#}");
    assert!(bench.text("soak/junit.xml").contains("<failure"), "a violation is a failure");
    assert!(bench.text("soak/summary.md").contains("Violation"), "{}", bench.text("soak/summary.md"));
    told(&bench);
    nights(&bench);
    // The finding is open, so nothing removes its run.
    let found = suite["trials"].as_array().expect("trials").iter().find(|t| t["outcome"] == "violation");
    let run = found.expect("a violation")["run"].as_str().expect("a directory").to_owned();
    bench.duress(&["gc", "soak", "--max-size", "1B", "--yes"]).expect(0);
    assert!(bench.path("soak").join(run).join("history.jsonl").is_file());
}

/// Every fingerprint is in the list, as a list of known ones needs them all; and each names the finding.
fn told(bench: &Bench) {
    let text = bench.duress(&["findings", "soak"]).expect(0).stdout;
    let json: Value =
        serde_json::from_str(&bench.duress(&["findings", "soak", "--json"]).expect(0).stdout).expect("JSON");
    let prints =
        json.as_array().expect("findings").iter().flat_map(|f| f["fingerprints"].as_array().expect("prints"));
    for print in prints.map(|print| print.as_str().expect("a fingerprint")) {
        assert!(text.contains(print), "{print}: {text}");
        bench.duress(&["issue", print, "--runs", "soak"]).expect(0);
    }
}

/// Another night finds it again: then it is no longer new, and what the first one alone had is not seen.
fn nights(bench: &Bench) {
    let lives = |out: &str| -> BTreeMap<String, String> {
        let told: Value =
            serde_json::from_str(&bench.duress(&["findings", out, "--json"]).expect(0).stdout).expect("JSON");
        let word = |value: &Value| value.as_str().expect("a word").to_owned();
        told.as_array().expect("findings").iter().map(|f| (word(&f["bug"]), word(&f["state"]))).collect()
    };
    let again =
        ["soak", "matrix.toml", "--trials", "2", "--jobs", "5", "--seed", "8", "--dir", "nights/second"];
    bench.duress(&again).expect(1);
    let (first, second) = (lives("soak"), lives("nights/second"));
    assert!(first.values().chain(second.values()).all(|life| life == "new"), "{first:?} {second:?}");
    fs::rename(bench.path("soak"), bench.path("nights/first")).expect("moved");
    for (bug, life) in lives("nights") {
        let expected = match (first.contains_key(&bug), second.contains_key(&bug)) {
            (true, true) => "ongoing",
            (true, false) => "not seen",
            _ => "new",
        };
        assert_eq!(life, expected, "{bug}");
    }
    assert!(first.keys().any(|bug| second.contains_key(bug)), "{first:?} {second:?}");
    fs::rename(bench.path("nights/first"), bench.path("soak")).expect("moved back");
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_is() {
    let bench = Bench::new();
    for (from, to, why) in [
        ("faults = [\"none\"]", "faults = [\"none\", \"kil\"]", "kil"),
        ("keys = [2, 3]", "kyes = [2, 3]", "kyes"),
        ("\"set.bug\"", "\"set.bgu\"", "bgu"),
    ] {
        matrix(&bench, &MATRIX.replace(from, to));
        let refused = bench.duress(&["soak", "matrix.toml", "--trials", "4"]).expect(254);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    matrix(&bench, &MATRIX.replace("seed = 7\n", ""));
    for (more, why) in [
        (&["--shard", "1/3", "--trials", "4"][..], "same seed"),
        (&["--shard", "4/3", "--trials", "4"], "3/16"),
        (&["--shard", "0/3", "--trials", "4"], "3/16"),
        (&["--jobs", "0", "--trials", "4"], "--jobs 0"),
        (&["--trials", "0"], "0"),
        (&[], "--budget"),
    ] {
        let refused = bench.duress(&[&["soak", "matrix.toml"], more].concat()).expect(254);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    assert!(!bench.path("soak").exists());
}

/// Waits until a soak has written that.
fn until_written(bench: &Bench, dir: &str, what: &str) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !fs::read_to_string(bench.path(dir).join("trials.jsonl")).is_ok_and(|text| text.contains(what)) {
        assert!(Instant::now() < patience, "{what} is never written");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An update in the night must not cost it.
#[test]
fn a_soak_goes_on_with_the_program_that_it_began_with() {
    let bench = Bench::new();
    matrix(&bench, MATRIX);
    let ours = bench.path("duress");
    fs::copy(env!("CARGO_BIN_EXE_duress"), &ours).expect("copied");
    let mut soak = std::process::Command::new(&ours);
    soak.args(["soak", "matrix.toml", "--trials", "3"]).current_dir(bench.dir.path());
    let child = soak.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("duress starts");
    until_written(&bench, "soak", "\"canary\"");
    fs::remove_file(&ours).expect("removed");
    let run = ended(&child.wait_with_output().expect("it ends")).expect(0);
    assert!(run.stdout.contains("expected 3 trials, ran 3"), "{}", run.stdout);
}

/// The summaries cannot be written: what was found is told all the same, and decides.
#[test]
fn a_violation_is_not_masked_by_a_machine_that_refuses() {
    let bench = Bench::new();
    matrix(&bench, VIOLATION);
    let child = bench.spawn(&["soak", "matrix.toml", "--trials", "1"]);
    until_written(&bench, "soak", "\"canary\"");
    fs::create_dir_all(bench.path("soak/soak.json/in-the-way")).expect("made");
    let run = ended(&child.wait_with_output().expect("it ends")).expect(1);
    // The same bug may show in two ways.
    let (first, _) = run.stdout.split_once('\n').expect("a line");
    assert!(
        first.starts_with("Violation: ") && first.ends_with("; expected 1 trial, ran 1"),
        "{}",
        run.stdout
    );
    assert!(run.stderr.contains("soak.json: cannot be written"), "{}", run.stderr);
    // What the summary says to do next can be done as it stands there.
    let next = run.stdout.lines().find_map(|line| line.split("duress repro ").nth(1)).expect("a command");
    assert!(bench.path(next).join("run.json").is_file(), "{next}");
}

/// What is known when a disk is full is told, and the ledger stays whole.
#[test]
fn a_full_disk_masks_no_violation_and_is_gone_on_from() {
    let bench = Bench::new();
    matrix(&bench, VIOLATION);
    fs::create_dir(bench.path("disk")).expect("made");
    let script = "mount -t tmpfs -o size=16m tmpfs disk && \
        { \"$0\" soak matrix.toml --trials 60 --dir disk/soak & }; pid=$!; \
        until grep -q 'trial.*violation' disk/soak/trials.jsonl; do sleep .05; done 2>/dev/null; \
        cat /dev/zero > disk/fill 2>/dev/null; wait $pid; echo \"exit $?\"; \
        rm disk/fill; rm -r disk/soak/runs/*; \"$0\" soak matrix.toml --trials 1 --dir disk/soak; echo \"exit $?\"";
    let mut shell = std::process::Command::new("unshare");
    shell.args(["-Urm", "sh", "-c", script, env!("CARGO_BIN_EXE_duress")]).current_dir(bench.dir.path());
    let run = ended(&shell.output().expect("a shell")).expect(0);
    let codes: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("exit ")).collect();
    assert_eq!(codes, ["exit 1", "exit 1"], "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("No space left"), "{}", run.stderr);
    assert!(run.stdout.starts_with("Violation: "), "{}", run.stdout);
}

#[test]
fn a_machine_that_fails_every_trial_is_told_and_an_old_summary_never_stays() {
    let bench = Bench::new();
    matrix(&bench, &MATRIX.replace("\"2m\"\n[run]", "\"1ms\"\n[run]"));
    let run = bench.duress(&["soak", "matrix.toml", "--trials", "30"]).expect(3);
    assert!(run.stdout.contains("expected 30 trials, ran 20"), "{}", run.stdout);
    assert!(run.stdout.contains("stopped early: 20 trials in a row failed"), "{}", run.stdout);
    assert!(bench.path("soak/soak.json").is_file());
    // It goes on, and is killed: then nothing says what was once so.
    let mut child = bench.spawn(&["soak", "matrix.toml", "--trials", "10000"]);
    until_written(&bench, "soak", "{\"trial\":22}");
    child.kill().expect("killed");
    child.wait().expect("it ends");
    for file in ["soak.json", "summary.md", "junit.xml"] {
        assert!(!bench.path("soak").join(file).exists(), "{file}");
    }
}
