//! What was seen of each node while a run went on.

use super::common::{Bench, alone, clusters_wanted};
use serde_json::Value;
use std::fs;

/// The states of a node, in their order, without those that it was in before the first fault.
fn states(bench: &Bench, node: &str) -> Vec<String> {
    let text = bench.text("run/nodes.jsonl");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    let times: Vec<u64> = lines.iter().map(|line| line["at"].as_u64().expect("a time")).collect();
    assert!(times.is_sorted(), "{text}");
    let of = lines.iter().filter(|line| line["node"] == node);
    let states = of.map(|line| line["state"].as_str().expect("a state").to_owned());
    let mut states: Vec<String> = states.collect();
    states.dedup();
    states
}

fn write(bench: &Bench, faults: &[&str]) {
    let planned = |fault: &&str| format!("[[fault]]\nat = '1s'\nfor = '3s'\n{fault}\n");
    let schedule: String = faults.iter().map(planned).collect();
    fs::write(bench.path("schedule.toml"), schedule).expect("written");
}

#[test]
fn nodes_are_seen_to_stop_and_to_be_gone() {
    let bench = Bench::new();
    write(&bench, &["kind = 'kill'\nnodes = 'n1'", "kind = 'pause'\nnodes = 'n2'"]);
    let fixed = ["--set", "bug=none", "--time", "5s", "--seed", "4", "--dir", "run"];
    bench.duress(&[&["run", "sim", "--schedule", "schedule.toml"], &fixed[..]].concat()).expect(0);
    assert_eq!(states(&bench, "n1"), ["answers", "down", "answers"]);
    assert_eq!(states(&bench, "n2"), ["answers", "paused", "answers"]);
    assert_eq!(states(&bench, "n3"), ["answers"]);
    let leads = |line: &Value| line["leads"] == true && line["term"].as_u64() > Some(0);
    let text = bench.text("run/nodes.jsonl");
    assert!(text.lines().any(|line| leads(&serde_json::from_str(line).expect("a line"))), "{text}");
}

/// What keeps clients from a node keeps nobody from seeing how it is.
#[test]
fn a_node_that_clients_cannot_reach_is_seen_to_answer() {
    if !clusters_wanted("a_node_that_clients_cannot_reach_is_seen_to_answer") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let faults = [
        "kind = 'kill'\nnodes = 'n1'",
        "kind = 'pause'\nnodes = 'n2'",
        "kind = 'partition'\nshape = { clients = 'n3' }",
    ];
    write(&bench, &faults);
    // Who is cut off from clients still votes: three of five are a majority.
    let fixed = ["--seed", "3", "--time", "6s", "--allow-majority-loss", "--dir", "run"];
    let run = bench.duress(&[&["run", "etcd", "--schedule", "schedule.toml"], &fixed[..]].concat());
    // Where the leader is among the three, all others have to agree on one: perhaps not in time to answer.
    assert!(matches!(run.code, Some(0 | 3)), "{:?}\n{}\n{}", run.code, run.stdout, run.stderr);
    for (node, state) in [("n1", "down"), ("n2", "paused")] {
        let states = states(&bench, node);
        assert!(states.iter().any(|s| s == state), "{node}: {states:?}");
        assert!(states.last().is_some_and(|s| s == "answers"), "{node}: {states:?}");
    }
    let faults = bench.json("run/verdict.json")["faults"].as_array().expect("faults").clone();
    let cut = faults.iter().map(|fault| &fault["window"]).find(|window| window["nodes"][0] == "n3");
    let cut = cut.unwrap_or_else(|| panic!("{faults:#?}"));
    let moment = |name: &str| cut[name].as_u64().expect("a time");
    let (from, to) = (moment("in_effect"), moment("heal"));
    // Over the clients' way it would answer for a second at most, until it counts as silent.
    let answering = time_in(&bench, "n3", "answers", from, to);
    assert!(answering > (to - from) / 2, "{answering} of {} ns", to - from);
}

/// How long a node was seen in a state, between two times, in nanoseconds.
fn time_in(bench: &Bench, node: &str, state: &str, from: u64, to: u64) -> u64 {
    let text = bench.text("run/nodes.jsonl");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    let seen: Vec<(u64, bool)> = lines
        .filter(|line| line["node"] == node)
        .map(|line| (line["at"].as_u64().expect("a time"), line["state"] == state))
        .collect();
    let ends = seen.iter().skip(1).map(|(at, _)| *at).chain([u64::MAX]);
    let times = seen.iter().zip(ends).filter(|((_, is), _)| *is);
    times.map(|((start, _), end)| end.min(to).saturating_sub(*start.max(&from))).sum()
}
