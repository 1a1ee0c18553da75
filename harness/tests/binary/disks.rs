//! Real servers on disks that go wrong: what was fsynced survives, and when the disk lied about
//! that, it shows.
//!
//! They run with `DURESS_CLUSTERS=1` only, as those of `clusters`.

use super::common::{Bench, alone, clusters_wanted};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// The kinds of faults, and how they fared.
fn kinds_by_state(verdict: &Value) -> BTreeSet<(&str, &str)> {
    let faults = verdict["faults"].as_array().expect("faults");
    faults
        .iter()
        .map(|fault| {
            let (kind, state) = (&fault["window"]["kind"], &fault["state"]);
            (kind.as_str().expect("a kind"), state.as_str().expect("a state"))
        })
        .collect()
}

#[test]
fn etcd_survives_what_disks_may_do_to_it() {
    if !clusters_wanted("etcd_survives_what_disks_may_do_to_it") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let on = |operation: &str| json!({ "on": operation });
    let disk = |node: &str, misdeed: Value| json!({ "kind": "disk", "nodes": { "named": [node] }, "misdeed": misdeed });
    // One at a time, with a while for the last victim to come back.
    let faults = [
        json!({ "kind": "disk-power-failure", "nodes": "leader", "keep": { "torn": { "percent": 50 } }, "seed": 1 }),
        disk("n2", json!({ "error": { "error": "eio", "calls": on("fsync") } })),
        disk("n3", json!({ "error": { "error": "enospc", "calls": on("write") } })),
        disk("n1", json!({ "slow": { "ms": 20, "calls": on("fsync") } })),
        json!({ "kind": "kill", "nodes": { "named": ["n2"] } }),
    ];
    let schedule: Vec<Value> = (0..)
        .zip(&faults)
        .map(|(n, fault)| json!({ "at_ms": 500 + n * 2_500, "for_ms": 1_200, "fault": fault }))
        .collect();
    fs::write(bench.path("schedule.json"), Value::from(schedule).to_string()).expect("written");
    let fixed = ["--nodes", "3", "--seed", "7", "--time", "13s", "--dir", "run"];
    bench.duress(&[&["run", "etcd", "--schedule", "schedule.json"], &fixed[..]].concat()).expect(0);
    let verdict = bench.json("run/verdict.json");
    let states = kinds_by_state(&verdict);
    for kind in ["disk-power-failure", "disk-eio", "disk-enospc", "disk-slow", "kill"] {
        assert!(states.contains(&(kind, "bit")), "{kind}: {states:?}");
    }
    // That etcd ends when its disk fails is told, and held against nobody.
    let info = bench.json("run/run.json");
    assert!(info["warnings"].to_string().contains("its disk had failed it"), "{info:#}");
    assert_eq!(info["doubts"], json!([]), "{info:#}");
}

/// The power of all nodes fails; with `lies`, what they had fsynced in the seconds before is gone.
fn all_lose_power(bench: &Bench, dir: &str, lies: bool) -> (Option<i32>, Value) {
    let nodes = json!({ "named": ["n1", "n2", "n3"] });
    let failure = json!({
        "at_ms": 3_500, "for_ms": 1_000,
        "fault": { "kind": "disk-power-failure", "nodes": nodes, "keep": "none", "seed": 1 },
    });
    let lie = json!({
        "at_ms": 500, "for_ms": 5_000, "fault": { "kind": "disk", "nodes": nodes, "misdeed": "lie" },
    });
    let schedule: Vec<Value> = if lies { vec![lie, failure] } else { vec![failure] };
    let file = format!("{dir}.json");
    fs::write(bench.path(&file), Value::from(schedule).to_string()).expect("written");
    let fixed = ["--nodes", "3", "--seed", "5", "--time", "7s", "--allow-majority-loss"];
    let run = bench.duress(&[&["run", "etcd", "--schedule", &file, "--dir", dir], &fixed[..]].concat());
    (run.code, bench.json(&format!("{dir}/verdict.json")))
}

#[test]
fn a_disk_that_lies_about_fsync_is_found_and_an_honest_one_is_not() {
    if !clusters_wanted("a_disk_that_lies_about_fsync_is_found_and_an_honest_one_is_not") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let (code, verdict) = all_lose_power(&bench, "honest", false);
    assert_eq!(code, Some(0), "{verdict:#}");
    // Either the clients see it, or no majority of nodes can work with what is left.
    let (code, verdict) = all_lose_power(&bench, "lying", true);
    let never_again = verdict["reasons"].to_string().contains("did not become healthy");
    assert!(code == Some(1) || code == Some(3) && never_again, "{code:?} {verdict:#}");
    let states = kinds_by_state(&verdict);
    assert_eq!(states, BTreeSet::from([("disk-lies", "bit"), ("disk-power-failure", "bit")]));
}

#[test]
fn redis_loses_what_it_acknowledged_before_it_was_flushed_and_nothing_else() {
    if !clusters_wanted("redis_loses_what_it_acknowledged_before_it_was_flushed_and_nothing_else") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    // Several: right after the flush of that second there is nothing to lose.
    let failures: Vec<Value> = (1..5)
        .map(|second| {
            let fault = json!({
                "kind": "disk-power-failure", "nodes": { "named": ["n1"] }, "keep": "none", "seed": second,
            });
            json!({ "at_ms": second * 1_300, "for_ms": 300, "fault": fault })
        })
        .collect();
    fs::write(bench.path("failures.json"), Value::from(failures).to_string()).expect("written");
    for (appendfsync, code) in [("always", 0), ("everysec", 1)] {
        let set = format!("appendfsync={appendfsync}");
        let fixed = ["--schedule", "failures.json", "--time", "6s", "--seed", "1", "--dir", appendfsync];
        let run = bench.duress(&[&["run", "redis", "--set", &set], &fixed[..]].concat()).expect(code);
        assert!(code == 0 || run.stdout.contains("Not linearizable"), "{}", run.stdout);
    }
}
