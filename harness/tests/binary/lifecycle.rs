//! Real clusters whose members come and go, and servers that find other data than their own.
//!
//! They run with `DURESS_CLUSTERS=1` only, one after the other.

use super::common::{Bench, alone, assert_exercised, clusters_wanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// What was journaled of each fault: its kind, and the evidence of these events.
fn evidence(bench: &Bench, run: &str, event: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(bench.path(run).join("faults.jsonl")).expect("a journal");
    let entries: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect();
    let kind = |fault: &Value| {
        let applying = entries.iter().find(|entry| entry["fault"] == *fault && entry["event"] == "applying");
        applying.expect("it was journaled first")["kind"].as_str().expect("a kind").to_owned()
    };
    let told = entries.iter().filter(|entry| entry["event"] == event);
    told.map(|entry| (kind(&entry["fault"]), entry["evidence"].as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// Writes a schedule of faults, one after the other.
fn write(bench: &Bench, faults: &[String]) {
    let planned = |(n, fault): (usize, &String)| planned(600 + n * 700, 600, fault);
    let schedule: String = faults.iter().enumerate().map(planned).collect();
    fs::write(bench.path("schedule.toml"), schedule).expect("written");
}

fn planned(at_ms: usize, for_ms: usize, fault: &str) -> String {
    format!("[[fault]]\nat = '{at_ms}ms'\nfor = '{for_ms}ms'\n{fault}\n")
}

fn lifecycle(node: &str, act: &str) -> String {
    format!("kind = 'lifecycle'\nnodes = '{node}'\nact = '{act}'")
}

/// One after the other, those that change members last: the cluster lets nobody go before it has been
/// whole for five seconds.
#[test]
fn what_operators_do_bites_and_harms_nobody() {
    if !clusters_wanted("what_operators_do_bites_and_harms_nobody") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let faults = [
        lifecycle("leader", "leader-transfer"),
        lifecycle("n1", "compact"),
        lifecycle("n2", "defragment"),
        lifecycle("n3", "member-remove"),
    ];
    write(&bench, &faults);
    let fixed = ["--nodes", "3", "--seed", "3", "--time", "8s", "--dir", "run"];
    bench.duress(&[&["run", "etcd", "--schedule", "schedule.toml"], &fixed[..]].concat()).expect(0);
    assert_exercised(&bench.json("run/verdict.json"), 50);
    let bitten = evidence(&bench, "run", "bit");
    for (kind, expected) in [
        ("leader-transfer", "it led in term"),
        ("compact", "earlier ones are refused"),
        ("defragment", "KiB, of which"),
        ("member-remove", "is removed, 2 members are left"),
    ] {
        assert!(bitten.get(kind).is_some_and(|told| told.contains(expected)), "{kind}: {bitten:#?}");
    }
    let healed = evidence(&bench, "run", "healed");
    assert!(healed["member-remove"].contains("votes and caught up"), "{healed:#?}");
    // That a server which is removed ends is told, and held against nobody.
    let info = bench.json("run/run.json");
    assert_eq!(info["doubts"], json!([]), "{info:#}");
}

/// The leader leaves, and comes back as another; then a node gets another version.
#[test]
fn members_and_versions_are_exchanged() {
    if !clusters_wanted("members_and_versions_are_exchanged") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    // While the leader is replaced, nothing may be answered; while history is compacted, all is.
    let schedule = [
        planned(700, 3_000, &lifecycle("n3", "compact")),
        planned(700, 500, &lifecycle("leader", "member-replace")),
        planned(7_300, 500, &lifecycle("n3", "upgrade")),
    ];
    fs::write(bench.path("schedule.toml"), schedule.concat()).expect("written");
    let fixed = ["--upgrade-to", "3.5.1", "--nodes", "3", "--seed", "4", "--time", "10s", "--dir", "run"];
    bench.duress(&[&["run", "etcd", "--schedule", "schedule.toml"], &fixed[..]].concat()).expect(0);
    assert_exercised(&bench.json("run/verdict.json"), 50);
    let (bitten, healed) = (evidence(&bench, "run", "bit"), evidence(&bench, "run", "healed"));
    let member =
        |told: &str| told.split("member ").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    let (old, new) = (member(&bitten["member-replace"]), member(&healed["member-replace"]));
    assert!(old.is_some() && new.is_some() && old != new, "{bitten:#?} {healed:#?}");
    assert!(healed["member-replace"].contains("votes"), "{healed:#?}");
    assert!(bitten["upgrade"].contains("now says that it is 3.5.1"), "{bitten:#?}");
}

/// Whatever was acknowledged is in the snapshot, and nothing is acknowledged after it.
#[test]
fn a_cluster_that_is_restored_from_a_snapshot_has_lost_nothing() {
    if !clusters_wanted("a_cluster_that_is_restored_from_a_snapshot_has_lost_nothing") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    fs::write(bench.path("schedule.toml"), planned(600, 1_000, &lifecycle("all", "snapshot-restore")))
        .expect("written");
    let fixed = ["--nodes", "3", "--seed", "5", "--time", "3s", "--allow-majority-loss", "--dir", "run"];
    bench.duress(&[&["run", "etcd", "--schedule", "schedule.toml"], &fixed[..]].concat()).expect(0);
    assert_exercised(&bench.json("run/verdict.json"), 20);
    let (bitten, healed) = (evidence(&bench, "run", "bit"), evidence(&bench, "run", "healed"));
    assert!(bitten["snapshot-restore"].contains("a snapshot of n"), "{bitten:#?}");
    assert!(healed["snapshot-restore"].contains(" is now "), "{healed:#?}");
    assert!(!bench.path("run/nodes/n1/restored-by-F1").exists(), "what it was made of is gone");
}

/// A single server has nobody to learn from what it had acknowledged.
#[test]
fn data_that_is_gone_or_older_is_missed() {
    if !clusters_wanted("data_that_is_gone_or_older_is_missed") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let with = |data: &str| format!("kind = 'start-with'\nnodes = 'n1'\ndata = '{data}'");
    write(&bench, &[with("wiped"), with("older")]);
    let fixed = ["--schedule", "schedule.toml", "--time", "3500ms", "--seed", "1", "--dir", "run"];
    let run = bench.duress(&[&["run", "redis"], &fixed[..]].concat()).expect(1);
    assert!(run.stdout.contains("Not linearizable"), "{}", run.stdout);
    let bitten = evidence(&bench, "run", "bit");
    for kind in ["start-wiped", "start-older"] {
        assert!(bitten.get(kind).is_some_and(|told| told.contains("it had")), "{kind}: {bitten:#?}");
    }
}

/// What becomes of such nodes is theirs to decide, and may take a minute: it is not waited for.
#[test]
fn two_nodes_find_the_data_of_each_other() {
    if !clusters_wanted("two_nodes_find_the_data_of_each_other") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    write(&bench, &["kind = 'start-with'\nnodes = ['n1', 'n2']\ndata = 'swapped'".to_owned()]);
    let fixed = ["--nodes", "5", "--time", "60s", "--seed", "1", "--dir", "run"];
    let mut child = bench.spawn(&[&["run", "etcd", "--schedule", "schedule.toml"], &fixed[..]].concat());
    let patience = Instant::now() + Duration::from_secs(60);
    let journal = || fs::read_to_string(bench.path("run/faults.jsonl")).unwrap_or_default();
    while !journal().contains("healed") && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("killed");
    child.wait().expect("it ends");
    let bitten = evidence(&bench, "run", "bit");
    let told = &bitten["start-swapped"];
    let words = |node: &str, before: &str| {
        let told = told.split("; ").find_map(|told| told.strip_prefix(node)?.strip_prefix(": it had "));
        let (had, has) = told.and_then(|told| told.split_once(", and now has ")).expect("had and has");
        if before == "had" { had.to_owned() } else { has.to_owned() }
    };
    assert_eq!((words("n1", "has"), words("n2", "has")), (words("n2", "had"), words("n1", "had")), "{told}");
}
