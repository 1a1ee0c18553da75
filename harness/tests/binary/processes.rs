//! Real servers that are ended, stopped and brought back in every way that there is, with what they
//! have started.
//!
//! They run with `DURESS_CLUSTERS=1` only, one after the other.

use super::common::{Bench, alone, clusters_wanted};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// A fault, as the journal has it.
struct Window {
    kind: String,
    nodes: Vec<String>,
    /// From when to when it was in effect; nanoseconds. Absent if it did not bite.
    span: Option<(u64, u64)>,
    bit: String,
    healed: String,
}

fn windows(bench: &Bench) -> Vec<Window> {
    let journal = bench.text("run/faults.jsonl");
    let entries: Vec<Value> =
        journal.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect();
    let applied = entries.iter().filter(|entry| entry["event"] == "applying");
    let window = |applied: &Value| {
        let find = |event: &str| {
            entries.iter().find(|entry| entry["fault"] == applied["fault"] && entry["event"] == event)
        };
        let time = |event: &str| find(event).and_then(|entry| entry["time"].as_u64());
        let evidence = |event: &str| {
            find(event).and_then(|entry| entry["evidence"].as_str()).unwrap_or_default().to_owned()
        };
        let nodes = applied["nodes"].as_array().expect("nodes").iter();
        Window {
            kind: applied["kind"].as_str().expect("a kind").to_owned(),
            nodes: nodes.map(|node| node.as_str().expect("a name").to_owned()).collect(),
            span: time("bit").zip(time("healing")),
            bit: evidence("bit"),
            healed: evidence("healed"),
        }
    };
    applied.map(window).collect()
}

/// Successful calls of a node's clients that began and ended while it lasted.
fn answered(bench: &Bench, node: &str, (from, to): (u64, u64)) -> usize {
    let history = bench.text("run/history.jsonl");
    let mut begun = BTreeMap::new();
    let mut answered = 0;
    for op in history.lines().map(|line| serde_json::from_str::<Value>(line).expect("an operation")) {
        let (process, time) = (op["process"].to_string(), op["time"].as_u64().expect("a time"));
        match op["type"].as_str() {
            Some("invoke") => _ = begun.insert(process, time),
            Some("ok") if op["node"] == node && begun[&process] >= from && time <= to => answered += 1,
            _ => {}
        }
    }
    answered
}

/// Starts a child of its own, as servers do, and becomes etcd.
fn write_forking_etcd(bench: &Bench) {
    let fetched: Value =
        serde_json::from_str(&bench.duress(&["fetch", "etcd", "--json"]).expect(0).stdout).expect("JSON");
    let path = fetched["path"].as_str().expect("a path");
    let script =
        format!("#!/bin/sh\ncase \"$*\" in *--version*) ;; *) sleep 1000 & ;; esac\nexec '{path}' \"$@\"\n");
    fs::write(bench.path("etcd"), script).expect("written");
    fs::set_permissions(bench.path("etcd"), Permissions::from_mode(0o755)).expect("a program");
}

/// Who was ended, by number: each of them is another one.
fn ended(windows: &[Window]) -> Vec<&str> {
    let told = windows.iter().flat_map(|window| window.bit.split("; "));
    let ended = told.filter_map(|told| told.split_once(": process ")?.1.split_once(" is gone"));
    ended.map(|(pid, _)| pid).collect()
}

#[test]
fn servers_and_what_they_start_end_and_come_back_again_and_again() {
    if !clusters_wanted("servers_and_what_they_start_end_and_come_back_again_and_again") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    write_forking_etcd(&bench);
    // Before everything else.
    let main = "[[fault]]\nat = '300ms'\nfor = '300ms'\nkind = 'kill'\nnodes = 'n1'\nwhom = 'main'\n";
    let rows = ["crash-loop", "blips", "restart-all", "cut-flap"]
        .map(|kind| format!("[[lane]]\nfaults = '{kind}'\nfor = '2s'\nquiet = '700ms'\n"));
    fs::write(bench.path("schedule.toml"), [main, &rows.concat()].concat()).expect("written");
    let fixed = ["--nodes", "3", "--time", "5500ms", "--seed", "1", "--allow-majority-loss", "--dir", "run"];
    let asked = ["run", "etcd", "--bin", "./etcd", "--schedule", "schedule.toml"];
    let run = bench.duress(&[&asked[..], &fixed[..]].concat());
    // Under all of these at once there may be too few answers to prove anything; a wrong one is wrong.
    assert!(matches!(run.code, Some(0 | 3)), "{:?}\n{}\n{}", run.code, run.stdout, run.stderr);

    let windows = windows(&bench);
    let of = |kind: &str| -> Vec<&Window> {
        windows.iter().filter(|window| window.kind == kind && window.span.is_some()).collect()
    };
    let main = of("kill-main");
    assert!(main[0].bit.contains("gone; 1 process that it had started was left"), "{}", main[0].bit);
    assert!(main[0].healed.contains("1 process that it had started was ended first"), "{}", main[0].healed);
    let ended = ended(&windows);
    assert_eq!(ended.len(), ended.iter().collect::<BTreeSet<_>>().len(), "{ended:?}");
    // All at once, and one again and again.
    assert!(of("kill").iter().any(|window| window.bit.matches("is gone").count() > 1), "no restart-all");
    for kind in ["kill", "pause", "partition"] {
        let mut times: BTreeMap<&[String], usize> = BTreeMap::new();
        of(kind).iter().filter(|w| w.nodes.len() == 1).for_each(|w| *times.entry(&w.nodes).or_default() += 1);
        assert!(times.values().any(|&times| times > 1), "{kind} is not repeated on one node: {times:?}");
    }
    // Who stands still says nothing, and who runs on would.
    for window in of("pause") {
        let said = answered(&bench, &window.nodes[0], window.span.expect("it bit"));
        assert_eq!(said, 0, "{:?} answered while it was paused: {}", window.nodes, window.bit);
    }
}

#[test]
fn everybody_is_restarted_in_turn() {
    if !clusters_wanted("everybody_is_restarted_in_turn") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let fixed = ["--nodes", "2", "--time", "3500ms", "--seed", "1", "--allow-majority-loss", "--dir", "run"];
    let asked = ["run", "etcd", "--faults", "rolling-restart", "--interval", "1s"];
    let run = bench.duress(&[&asked[..], &fixed[..]].concat());
    assert!(matches!(run.code, Some(0 | 3)), "{:?}\n{}\n{}", run.code, run.stdout, run.stderr);
    let windows = windows(&bench);
    assert!(windows.iter().all(|window| window.kind == "terminate" && window.span.is_some()));
    let names: BTreeSet<&[String]> = windows.iter().map(|window| &window.nodes[..]).collect();
    let ended = ended(&windows);
    assert_eq!((names.len(), ended.iter().collect::<BTreeSet<_>>().len()), (2, windows.len()), "{ended:?}");
    assert!(windows.iter().all(|window| window.healed.contains("is running")));
    // Each heard it, and ended as it wished.
    for node in ["n1", "n2"] {
        let log = bench.text(&format!("run/nodes/{node}/etcd.log"));
        assert!(log.contains("received signal; shutting down"), "{node}: {log}");
    }
}

/// A backup that is older than what has been acknowledged: the cluster comes back from it, and the
/// loss is found.
#[test]
fn a_cluster_that_goes_back_to_a_backup_has_lost_what_came_after() {
    if !clusters_wanted("a_cluster_that_goes_back_to_a_backup_has_lost_what_came_after") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let schedule =
        "[[fault]]\nat = '600ms'\nfor = '1600ms'\nkind = 'start-with'\nnodes = 'all'\ndata = 'older'\n";
    fs::write(bench.path("schedule.toml"), schedule).expect("written");
    let fixed = ["--nodes", "3", "--time", "3s", "--seed", "1", "--allow-majority-loss", "--dir", "run"];
    let run = bench.duress(&[&["run", "etcd", "--schedule", "schedule.toml"], &fixed[..]].concat()).expect(1);
    assert!(run.stdout.contains("Not linearizable"), "{}", run.stdout);
    let windows = windows(&bench);
    assert!(windows.iter().all(|w| w.kind == "start-older" && w.span.is_some() && w.nodes.len() == 3));
    // All of one moment: nobody waits for what another has never heard of.
    assert_eq!(bench.json("run/run.json")["doubts"], serde_json::json!([]), "{}", run.stdout);
}
