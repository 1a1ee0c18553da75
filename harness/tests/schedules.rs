//! Fault schedules: a function of the seed, within the run, within the budget.

use duress::env::clock::Clocks;
use duress::nemesis::catalogue::{self, FAULTS, FaultEntry};
use duress::nemesis::fault::{Fault, PlannedFault, Shape, Victims};
use duress::nemesis::schedule::{self, Request};
use duress_workloads::Rng;
use std::collections::BTreeSet;

fn names(n: usize) -> Vec<String> {
    (1..=n).map(|n| format!("n{n}")).collect()
}

fn plan(kinds: &[&str], n: usize, seed: u64, allow_majority_loss: bool) -> Vec<PlannedFault> {
    let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    let nodes = names(n);
    let request =
        Request { kinds: &kinds, nodes: &nodes, interval_ms: 5_000, time_ms: 60_000, allow_majority_loss };
    schedule::plan(&request, &Rng::new(seed)).expect("a plan")
}

#[test]
fn the_same_seed_plans_the_same_faults_and_another_seed_others() {
    let kinds = ["kill", "pause", "partition"];
    assert_eq!(plan(&kinds, 5, 7, false), plan(&kinds, 5, 7, false));
    assert_ne!(plan(&kinds, 5, 7, false), plan(&kinds, 5, 8, false));
}

#[test]
fn every_kind_that_was_asked_for_is_planned_and_ends_within_the_run() {
    for seed in 0..200 {
        let faults = plan(&["kill", "pause", "partition"], 5, seed, false);
        for kind in ["kill", "pause", "partition"] {
            assert!(faults.iter().any(|fault| fault.fault.kind() == kind), "seed {seed}: no {kind}");
        }
        for fault in &faults {
            assert!(fault.end_ms() <= 60_000 && fault.for_ms >= 500, "seed {seed}: {fault:?}");
        }
        assert!(faults.is_sorted_by_key(|fault| fault.at_ms), "seed {seed}");
    }
}

/// Nodes that are certainly taken at a time, and how many more might be.
fn taken(faults: &[PlannedFault], names: &[String], ms: u64) -> usize {
    let mut nodes = BTreeSet::new();
    let mut unknown = 0;
    for fault in faults.iter().filter(|fault| fault.at_ms <= ms && ms < fault.end_ms()) {
        match (fault.fault.named(), &fault.fault) {
            (_, Fault::Packet { behavior, .. }) if behavior.connects() => {}
            (_, Fault::Client { .. }) => {}
            (_, Fault::Clock { clocks: Clocks::Wall, .. }) => {}
            (_, Fault::Disk { misdeed, .. }) if misdeed.is_bearable() => {}
            (None, _) => unknown += 1,
            (_, Fault::Partition { shape: Shape::Bridge(_) | Shape::MajoritiesRing(_) }) => {
                unknown += (names.len() - 1) / 2;
            }
            _ => nodes.extend(fault.fault.resolve(names, 0).disrupted),
        }
    }
    nodes.len() + unknown
}

#[test]
fn a_majority_stays_alive_at_all_times() {
    let everything: Vec<&str> = FAULTS.iter().map(|entry| entry.name).collect();
    for n in [3, 4, 5, 7, 9] {
        let fit: Vec<&str> = everything
            .iter()
            .copied()
            .filter(|name| {
                let fits = |entry: &FaultEntry| entry.min_nodes <= n && !entry.takes_majority;
                FAULTS.iter().any(|entry| entry.name == *name && fits(entry))
            })
            .collect();
        for seed in 0..30 {
            let faults = plan(&fit, n, seed, false);
            for fault in &faults {
                let at = taken(&faults, &names(n), fault.at_ms);
                assert!(at <= (n - 1) / 2, "{n} nodes, seed {seed}: {at} taken at {}", fault.at_ms);
            }
        }
    }
}

#[test]
fn no_majority_has_damaged_files_at_the_end() {
    for (n, seed) in (0..100).map(|seed| ([3, 5][seed as usize % 2], seed)) {
        let faults = plan(&["disk-corrupt", "kill"], n, seed, false);
        let damages = |fault: &&PlannedFault| matches!(fault.fault, Fault::DiskCorrupt { .. });
        let damaged: BTreeSet<&String> =
            faults.iter().filter(damages).flat_map(|fault| fault.fault.named().unwrap_or_default()).collect();
        assert!((1..=(n - 1) / 2).contains(&damaged.len()), "{n} nodes, seed {seed}: {damaged:?}");
    }
}

#[test]
fn the_group_of_disk_faults_has_those_that_a_server_has_to_survive() {
    let drawn: BTreeSet<&str> = (0..40)
        .flat_map(|seed| plan(&["disk"], 5, seed, false).iter().map(|f| f.fault.kind()).collect::<Vec<_>>())
        .collect();
    assert_eq!(drawn, BTreeSet::from(["disk-power-failure", "disk-eio", "disk-enospc", "disk-slow"]));
}

#[test]
fn faults_on_processes_do_not_meet_on_one_node() {
    for seed in 0..200 {
        let faults = plan(&["kill", "terminate", "pause"], 5, seed, false);
        for (i, a) in faults.iter().enumerate() {
            for b in &faults[i + 1..] {
                let overlap = a.at_ms < b.end_ms() && b.at_ms < a.end_ms();
                let (Some(ours), Some(theirs)) = (a.fault.named(), b.fault.named()) else { continue };
                assert!(!overlap || !ours.iter().any(|n| theirs.contains(n)), "seed {seed}: {a:?} {b:?}");
            }
        }
    }
}

#[test]
fn a_schedule_survives_its_file() {
    let faults = plan(&FAULTS.map(|entry| entry.name), 5, 3, true);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), serde_json::to_vec_pretty(&faults).expect("json")).expect("written");
    assert_eq!(schedule::read(file.path(), &names(5), 60_000, true).expect("a schedule"), faults);
    let error = schedule::read(file.path(), &names(2), 60_000, true).expect_err("names of other nodes");
    assert!(error.to_string().contains("there is no node `n"), "{error}");
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let check = |kinds: &[&str], n: usize, expected: &str| {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let nodes = names(n);
        let request = Request {
            kinds: &kinds,
            nodes: &nodes,
            interval_ms: 1_000,
            time_ms: 9_000,
            allow_majority_loss: false,
        };
        let error = schedule::plan(&request, &Rng::new(1)).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&["meteor"], 5, "there is no such fault; choose from kill, ");
    check(&["partition"], 1, "needs at least 2 nodes; use --nodes 2");
    check(&["kill"], 1, "takes the majority; use --nodes 3 or more, or --allow-majority-loss");
    check(&["partition-ring"], 3, "needs at least 4 nodes");
    check(&["restart-all"], 5, "that fault takes the majority; add --allow-majority-loss");
}

/// There, packets are those of the clients, and partitions are none of the defaults.
#[test]
fn a_single_node_has_faults_too() {
    assert_eq!(catalogue::default_faults(1), ["kill", "pause"]);
    assert_eq!(catalogue::default_faults(2), catalogue::DEFAULT_FAULTS);
    for kind in FAULTS.iter().filter(|kind| kind.min_nodes == 1) {
        for seed in 0..20 {
            let faults = plan(&[kind.name], 1, seed, true);
            assert!(!faults.is_empty(), "{} with seed {seed}", kind.name);
            assert!(faults.iter().all(|fault| !fault.fault.breaks_nothing(&names(1))), "{faults:?}");
        }
    }
}

#[test]
fn short_runs_see_every_kind_too() {
    let kinds: Vec<String> = ["kill", "pause", "terminate", "partition-leader"].map(str::to_owned).into();
    for (n, time_ms) in [(3, 15_000), (3, 8_000), (5, 5_000), (9, 6_000)] {
        for seed in 0..100 {
            let nodes = names(n);
            let (kinds, nodes) = (&kinds[..], &nodes[..]);
            let request = Request { kinds, nodes, interval_ms: 5_000, time_ms, allow_majority_loss: false };
            let faults = schedule::plan(&request, &Rng::new(seed)).expect("a plan");
            let planned: BTreeSet<&str> = faults.iter().map(|fault| fault.fault.kind()).collect();
            let asked = ["kill", "pause", "terminate", "partition"].into();
            assert_eq!(planned, asked, "{n} nodes, {time_ms} ms, seed {seed}");
        }
    }
}

#[test]
fn files_that_break_nothing_or_break_twice_are_refused() {
    let check = |text: &str, n: usize, expected: &str| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let error = schedule::read(file.path(), &names(n), 5_000, false).expect_err("refused").to_string();
        assert!(error.contains(expected), "{text}: {error}");
    };
    let fault = |fault: &str| format!(r#"[{{"at_ms":100,"for_ms":900,"fault":{fault}}}]"#);
    let partition = |shape: &str| fault(&format!(r#"{{"kind":"partition","shape":{shape}}}"#));
    check("[]", 5, "holds no fault");
    check(
        r#"[{"at_ms":5000,"for_ms":1,"fault":{"kind":"kill","nodes":"leader"}}]"#,
        5,
        "the run ends at 5000 ms",
    );
    check(&fault(r#"{"kind":"kill","nodes":{"named":["n1","n2","n3"]}}"#), 5, "takes the majority");
    check("{}", 5, "a schedule is a JSON array");
    check(&partition(r#"{"majorities-ring":["n1","n2","n3"]}"#), 3, "breaks nothing");
    check(&partition(r#"{"groups":[["n1","n2","n3"]]}"#), 3, "breaks nothing");
    check(&partition(r#"{"bridge":[]}"#), 3, "breaks nothing");
    check(&partition(r#"{"bridge":["n1","n2"]}"#), 3, "breaks nothing");
    check(&partition(r#"{"isolate":"leader"}"#), 1, "breaks nothing");
    check(&partition(r#"{"isolate":"leader"}"#), 2, "takes the majority");
    check(&fault(r#"{"kind":"kill","nodes":{"named":[]}}"#), 3, "breaks nothing");
    let kill = r#"{"at_ms":100,"for_ms":900,"fault":{"kind":"kill","nodes":{"named":["n1"]}}}"#;
    check(&format!("[{}]", kill.replace("900", "0")), 3, "breaks nothing");
    check(&format!("[{kill},{}]", kill.replace("100", "500").replace("kill", "pause")), 3, "still holds");
}

#[test]
fn packets_that_nobody_could_mistreat_like_that_are_refused() {
    for (behavior, expected) in [
        (r#"{"delay":{"ms":10,"jitter_ms":11}}"#, "jitter is at most the delay"),
        (r#"{"loss":{"percent":0}}"#, "a percentage is 1 to 100"),
        (r#"{"loss":{"percent":10,"burst":0}}"#, "a burst is 1 packet or more"),
        (r#"{"flap":{"up_ms":0,"down_ms":5}}"#, "up and down for a while"),
        (r#"{"rate":{"kbit":0,"queue_kib":64}}"#, "1 kbit/s"),
        (r#"{"delay":{"ms":10,"jitter":1}}"#, "unknown field `jitter`"),
    ] {
        let fault = format!(r#"{{"kind":"packet","nodes":"leader","behavior":{behavior}}}"#);
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), format!(r#"[{{"at_ms":1,"for_ms":9,"fault":{fault}}}]"#))
            .expect("written");
        let error = schedule::read(file.path(), &names(3), 5_000, false).expect_err("refused").to_string();
        assert!(error.contains(expected), "{behavior}: {error}");
    }
}

#[test]
fn a_group_draws_all_its_kinds_but_the_silent_one() {
    let drawn: BTreeSet<&str> =
        (0..300).flat_map(|seed| plan(&["packet"], 5, seed, false)).map(|fault| fault.fault.kind()).collect();
    let kinds = FAULTS.iter().map(|entry| entry.name).filter(|name| name.starts_with("packet-"));
    assert_eq!(drawn, kinds.filter(|name| !name.ends_with("silent")).collect());
}

#[test]
fn the_group_of_clocks_draws_wall_clocks_only() {
    let drawn: BTreeSet<&str> =
        (0..100).flat_map(|seed| plan(&["clock"], 5, seed, false)).map(|fault| fault.fault.kind()).collect();
    assert_eq!(drawn, ["clock-jump", "clock-drift", "clock-strobe", "clock-freeze"].into());
    let kinds = ["monotonic-jump", "monotonic-drift", "monotonic-freeze"];
    let asked: Vec<PlannedFault> = (0..100).flat_map(|seed| plan(&kinds, 5, seed, false)).collect();
    assert_eq!(asked.iter().map(|fault| fault.fault.kind()).collect::<BTreeSet<_>>(), kinds.into());
    for planned in asked {
        assert!(matches!(planned.fault, Fault::Clock { clocks, .. } if clocks.monotonic()), "{planned:?}");
    }
}

#[test]
fn clocks_are_not_skewed_while_their_node_is_known_to_be_ended() {
    for seed in 0..100 {
        let faults = plan(&["kill", "terminate", "clock"], 5, seed, false);
        for skew in faults.iter().filter(|fault| fault.fault.needs_clocks()) {
            for end in faults.iter().filter(|fault| !fault.fault.needs_clocks()) {
                let (Some(ours), Some(theirs)) = (skew.fault.named(), end.fault.named()) else { continue };
                let during = (end.at_ms..end.end_ms()).contains(&skew.at_ms);
                assert!(!during || !ours.iter().any(|n| theirs.contains(n)), "seed {seed}: {skew:?} {end:?}");
            }
        }
    }
}

#[test]
fn clocks_that_nobody_has_are_refused() {
    for (skew, expected) in [
        (r#""clocks":"both","skew":{"jump":{"ms":-5}}"#, "goes back on no machine"),
        (r#""skew":{"jump":{"ms":0}}"#, "a jump by 0 ms is none"),
        (r#""skew":{"drift":{"ppm":500001}}"#, "10 to 500000 ppm"),
        (r#""skew":{"strobe":{"ms":5}}"#, "missing field `period_ms`"),
        (r#""skew":"melt""#, "unknown variant `melt`"),
    ] {
        let fault = format!(r#"{{"kind":"clock","nodes":"leader",{skew}}}"#);
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), format!(r#"[{{"at_ms":1,"for_ms":9,"fault":{fault}}}]"#))
            .expect("written");
        let error = schedule::read(file.path(), &names(3), 5_000, false).expect_err("refused").to_string();
        assert!(error.contains(expected), "{skew}: {error}");
    }
}

#[test]
fn some_kinds_are_many_faults_in_a_row() {
    for seed in 0..50 {
        for (kind, shortest) in [("crash-loop", 2), ("blips", 4), ("rolling-restart", 5)] {
            let faults = plan(&[kind], 5, seed, false);
            assert!(faults.len() >= shortest, "seed {seed}: {faults:?}");
            assert!(faults.windows(2).all(|pair| !pair[0].overlaps(&pair[1])), "seed {seed}: {faults:?}");
            if kind == "rolling-restart" {
                let first: BTreeSet<_> = faults[..5].iter().flat_map(|fault| fault.fault.named()).collect();
                assert_eq!(first.len(), 5, "seed {seed}: everybody once: {faults:?}");
            }
        }
    }
}

#[test]
fn the_leader_is_filled_in_when_the_fault_strikes() {
    let fault = Fault::Kill { nodes: Victims::Leader };
    let resolved = fault.resolve(&names(3), 1);
    assert_eq!((resolved.description.as_str(), resolved.disrupted), ("kill the leader n2", vec![1]));
}
