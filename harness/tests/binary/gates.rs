//! What a run is held to, servers that end by themselves, a cluster that is left standing, and what is
//! told of findings afterwards.

use super::common::{Bench, alone, clusters_wanted};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::time::{Duration, Instant};

/// How long a server may take to be found.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn gates_are_refused_met_and_missed() {
    let bench = Bench::new();
    let fixed =
        ["run", "sim", "--set", "bug=none", "--faults", "partition", "--time", "3s", "--interval", "800ms"];
    for (gate, why) in [
        ("ok-durin=1", "there is no gate"),
        ("ok-during.kill=1", "no fault `kill` is planned"),
        ("sometimes=log:x", "what lives inside Duress logs nothing"),
    ] {
        let refused = bench.duress(&[&fixed[..], &["--gate", gate, "--dry-run"]].concat()).expect(254);
        assert!(refused.stderr.contains(why), "{gate}: {}", refused.stderr);
    }
    let gates = ["--gate", "ok-during=1", "--gate", "ok-after=1000000", "--seed", "3", "--dir", "run"];
    let run = bench.duress(&[&fixed[..], &gates].concat()).expect(3);
    assert!(run.stdout.contains("the gate `ok-after=1000000:inconclusive` was missed"), "{}", run.stdout);
    let verdict = bench.json("run/verdict.json");
    let states: Vec<_> =
        verdict["gates"].as_array().into_iter().flatten().map(|gate| &gate["state"]).collect();
    assert_eq!(verdict["outcome"], "inconclusive");
    assert_eq!(states, ["met", "missed"]);
    let repeat = bench.json("run/run.json")["repeat"].to_string();
    assert!(repeat.contains("--gate ok-after=1000000:inconclusive"), "{repeat}");
}

/// The bug shows in some seconds, and the run would take minutes.
#[test]
fn a_run_ends_where_a_violation_shows_and_the_finding_is_told_of() {
    let bench = Bench::new();
    let fixed = ["run", "sim", "--set", "bug=stale-read", "--faults", "partition", "--interval", "1500ms"];
    let stops =
        ["--op-timeout", "500ms", "--time", "10m", "--seed", "1", "--stop-on-violation", "--hold", "1ms"];
    let run = bench.duress(&[&fixed[..], &stops].concat()).expect(1);
    assert!(run.stderr.contains("the cluster stands"), "{}", run.stderr);
    let info = bench.json("runs/latest/run.json");
    assert_eq!(info["status"], "interrupted");
    assert!(info["stopped"].as_str().is_some_and(|why| why.contains("violation")), "{info:#}");
    let phases: Vec<_> =
        info["phases"].as_array().into_iter().flatten().map(|phase| &phase["name"]).collect();
    assert_eq!(phases, ["main"], "nothing is healed");
    let finding = &bench.json("runs/latest/verdict.json")["findings"][0];
    let fingerprint = finding["fingerprint"].as_str().expect("a fingerprint");

    let listed = bench.duress(&["findings"]).expect(0);
    assert!(listed.stdout.starts_with("new ") && listed.stdout.contains(fingerprint), "{}", listed.stdout);
    let listed = bench.duress(&["findings", "--json"]).expect(0);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    // The same bug may show in two ways, and both are listed.
    let listed = listed.as_array().expect("findings").iter().find(|one| one["bug"] == finding["bug"]);
    assert_eq!(listed.expect("it is listed")["state"], "new");

    let issue = bench.duress(&["issue", fingerprint]).expect(0);
    // What it is called depends on who was in flight.
    for part in ["# sim, register: ", "duress run sim --seed 1 ", "### What happened"] {
        assert!(issue.stdout.contains(part), "{part}: {}", issue.stdout);
    }
    let of_run = bench.duress(&["issue", "runs/latest"]).expect(0);
    assert_eq!(of_run.stdout.lines().next(), issue.stdout.lines().next());
    assert!(!of_run.stdout.contains("runs/latest"), "it names what will be another run: {}", of_run.stdout);
    bench.duress(&["issue", "000000000000"]).expect(254);
}

/// A server that gets a signal that only its own mistakes send, and one that somebody else sends.
#[test]
fn a_server_that_crashes_is_a_finding_and_one_that_was_killed_is_none() {
    if !clusters_wanted("a_server_that_crashes_is_a_finding_and_one_that_was_killed_is_none") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    for (signal, code, outcome) in [(Signal::SIGSEGV, 1, "crash"), (Signal::SIGKILL, 3, "inconclusive")] {
        let dir = outcome;
        let args = ["run", "redis", "--faults", "none", "--time", "3s", "--seed", "1", "--dir", dir];
        let run = bench.spawn(&args);
        kill(server(&bench, dir), signal).expect("it is there");
        super::common::ended(&run.wait_with_output().expect("it ends")).expect(code);
        let verdict = bench.json(&format!("{dir}/verdict.json"));
        // That it does not come back by itself is not asked: Duress starts it again.
        assert_eq!(verdict["outcome"], outcome, "{verdict:#}");
        let exit = &verdict["run"]["exits"][0];
        if signal == Signal::SIGSEGV {
            assert!(exit["status"].as_str().is_some_and(|status| status.starts_with("signal: 11")), "{exit}");
            assert!(exit["said"].as_str().is_some_and(|said| said.contains("crashed by signal")), "{exit}");
        } else {
            assert!(exit.is_null(), "{exit}");
        }
    }
}

/// The server whose output goes into this run, once operations are recorded.
fn server(bench: &Bench, dir: &str) -> Pid {
    let patience = Instant::now() + PATIENCE;
    let run = fs::canonicalize(bench.dir.path()).expect("a directory").join(dir);
    let history = run.join("history.jsonl");
    while Instant::now() < patience {
        let began = fs::metadata(&history).is_ok_and(|file| file.len() > 0);
        let pids = fs::read_dir("/proc").expect("proc").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let is_server = |pid: &i32| {
            let named =
                fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("redis"));
            named && fs::read_link(format!("/proc/{pid}/fd/1")).is_ok_and(|file| file.starts_with(&run))
        };
        if let Some(pid) = pids.filter(|_| began).find(is_server) {
            return Pid::from_raw(pid);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no server of {} in {PATIENCE:?}", run.display());
}
