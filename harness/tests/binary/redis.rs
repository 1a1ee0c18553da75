//! Real Redis servers: what is in the log survives a kill, and without a log nothing does.
//!
//! They run with `DURESS_CLUSTERS=1` only, one after the other.

use super::common::{Bench, alone, assert_exercised, clusters_wanted};
use std::collections::BTreeSet;

#[test]
fn what_was_acknowledged_survives_a_kill_with_a_log_and_not_without() {
    if !clusters_wanted("what_was_acknowledged_survives_a_kill_with_a_log_and_not_without") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let fixed = ["run", "redis", "--faults", "kill", "--time", "6s", "--interval", "2s", "--seed", "1"];
    bench.duress(&[&fixed[..], &["--keep-data", "--dir", "kept"]].concat()).expect(0);
    assert_exercised(&bench.json("kept/verdict.json"), 100);
    let info = bench.json("kept/run.json");
    assert_eq!((&info["options"]["nodes"], &info["nodes"].as_array().map(Vec::len)), (&"1".into(), &Some(1)));
    assert_eq!(info["nodes"][0]["version"], info["binary"]["version"], "{info:#}");
    assert_eq!(info["kept"], serde_json::json!(["nodes/n1/exits.log", "nodes/n1/data.tar.gz"]), "{info:#}");
    let exits = std::fs::read_to_string(bench.path("kept/nodes/n1/exits.log")).expect("how they ended");
    assert!(exits.lines().count() > 1 && exits.contains("SIGKILL), as asked"), "{exits}");
    let data =
        std::process::Command::new("tar").arg("-tzf").arg(bench.path("kept/nodes/n1/data.tar.gz")).output();
    let data = String::from_utf8(data.expect("tar is there").stdout).expect("names");
    assert!(data.contains("appendonly"), "{data}");
    let files = bench.json("kept/verdict.json")["files"].to_string();
    assert!(files.contains("data.tar.gz") && files.contains("exits.log"), "{files}");
    let lost = bench.duress(&[&fixed[..], &["--set", "appendonly=no", "--dir", "lost"]].concat()).expect(1);
    assert!(lost.stdout.contains("Not linearizable"), "{}", lost.stdout);
}

/// Without `appendfsync`, the log is written all the same before an answer: a kill takes nothing that
/// the kernel has.
#[test]
fn every_workload_passes_on_one_node() {
    if !clusters_wanted("every_workload_passes_on_one_node") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    for (workload, appendfsync) in [("set", "always"), ("counter", "no"), ("queue", "always"), ("log", "no")]
    {
        let set = format!("appendfsync={appendfsync}");
        let fixed = ["--time", "4s", "--interval", "1500ms", "--seed", "3", "--dir", workload];
        bench
            .duress(&[&["run", "redis", "--workload", workload, "--set", &set], &fixed[..]].concat())
            .expect(0);
        assert_exercised(&bench.json(&format!("{workload}/verdict.json")), 50);
    }
}

/// There, the packets are those between the node and its clients.
#[test]
fn packets_of_a_single_node_are_mistreated_too() {
    if !clusters_wanted("packets_of_a_single_node_are_mistreated_too") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let kinds = "packet-delay,packet-duplicate,packet-hold,cut-clients";
    let fixed = ["--time", "10s", "--interval", "2s", "--seed", "5", "--dir", "run"];
    bench.duress(&[&["run", "redis", "--faults", kinds], &fixed[..]].concat()).expect(0);
    let verdict = bench.json("run/verdict.json");
    assert_exercised(&verdict, 50);
    let faults = verdict["faults"].as_array().expect("faults");
    let bitten: BTreeSet<&str> = faults.iter().filter_map(|fault| fault["window"]["kind"].as_str()).collect();
    assert_eq!(bitten.len(), 4, "{bitten:?}");
}
