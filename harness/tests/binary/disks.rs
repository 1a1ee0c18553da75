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
    // One at a time, with a while for the last victim to come back.
    let schedule = "
        [[fault]]
        at = '500ms'\nfor = '1200ms'
        kind = 'disk-power-failure'\nnodes = 'leader'\nkeep = { torn = { percent = 50 } }\nseed = 1
        [[fault]]
        at = '3s'\nfor = '1200ms'
        kind = 'disk'\nnodes = 'n2'\nmisdeed = { error = { error = 'eio', calls = { on = 'fsync' } } }
        [[fault]]
        at = '5500ms'\nfor = '1200ms'
        kind = 'disk'\nnodes = 'n3'\nmisdeed = { error = { error = 'enospc', calls = { on = 'write' } } }
        [[fault]]
        at = '8s'\nfor = '1200ms'
        kind = 'disk'\nnodes = 'n1'\nmisdeed = { slow = { ms = 20, calls = { on = 'fsync' } } }
        [[fault]]
        at = '10500ms'\nfor = '1200ms'
        kind = 'kill'\nnodes = 'n2'";
    fs::write(bench.path("schedule.toml"), schedule).expect("written");
    let fixed = ["--nodes", "3", "--seed", "7", "--time", "13s", "--dir", "run"];
    bench.duress(&[&["run", "etcd", "--schedule", "schedule.toml"], &fixed[..]].concat()).expect(0);
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
    let failure = "
        [[fault]]
        at = '3500ms'\nfor = '1s'
        kind = 'disk-power-failure'\nnodes = 'all'\nkeep = 'none'\nseed = 1";
    let lie = "
        [[fault]]
        at = '500ms'\nfor = '5s'
        kind = 'disk'\nnodes = 'all'\nmisdeed = 'lie'";
    let file = format!("{dir}.toml");
    fs::write(bench.path(&file), if lies { [lie, failure].concat() } else { failure.to_owned() })
        .expect("written");
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
    let failure = |at: u64| {
        let at = at * 1_300;
        format!(
            "[[fault]]\nat = '{at}ms'\nfor = '300ms'
            kind = 'disk-power-failure'\nnodes = 'n1'\nkeep = 'none'\nseed = {at}\n"
        )
    };
    fs::write(bench.path("failures.toml"), (1..5).map(failure).collect::<String>()).expect("written");
    let duress = |appendfsync: &str, more: &[&str], code| {
        let set = format!("appendfsync={appendfsync}");
        let fixed = ["--schedule", "failures.toml", "--time", "6s", "--seed", "1"];
        bench.duress(&[&["run", "redis", "--set", &set], &fixed[..], more].concat()).expect(code)
    };
    duress("always", &["--dir", "always"], 0);
    let run = duress("everysec", &["--dir", "everysec"], 1);
    assert!(run.stdout.contains("Not linearizable"), "{}", run.stdout);
    // The kernel's own file system agrees, and that memory runs out loses nothing.
    let doctor = bench.duress(&["doctor"]).stdout;
    let able = |what: &str| doctor.lines().any(|line| line.contains(what) && line.ends_with("works"));
    if !able("ext4") || !able("limited memory") {
        eprintln!("skipped on ext4: this machine has none for us, or no limits of memory\n{doctor}");
        return;
    }
    let oom = "[[fault]]\nat = '4s'\nfor = '300ms'\nkind = 'oom'\nnodes = 'n1'\n";
    fs::write(bench.path("failures.toml"), [&failure(1), oom].concat()).expect("written");
    duress("always", &["--disks", "ext4", "--dir", "ext4"], 0);
    let verdict = bench.json("ext4/verdict.json");
    assert_eq!(kinds_by_state(&verdict), BTreeSet::from([("disk-power-failure", "bit"), ("oom", "bit")]));
}

/// A node whose files were damaged need not come back, if the others do; and a disk whose server is
/// down has nobody to fail.
#[test]
fn a_fault_is_not_held_against_the_cluster_that_it_ruined_nor_against_itself_when_cut_short() {
    if !clusters_wanted(
        "a_fault_is_not_held_against_the_cluster_that_it_ruined_nor_against_itself_when_cut_short",
    ) {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    // What is slow comes first: after the damage there may be no leader, and then nobody syncs.
    let schedule = "
        [[fault]]
        at = '300ms'\nfor = '900ms'
        kind = 'disk'\nnodes = 'n2'\nmisdeed = { slow = { ms = 5, calls = { on = 'fsync' } } }
        [[fault]]
        at = '1400ms'\nfor = '300ms'
        kind = 'disk-corrupt'\nnodes = 'n1'\nseed = 1
        damage = { truncate = { files = 'member/snap/db', percent = 10 } }
        [[fault]]
        at = '1900ms'\nfor = '900ms'
        kind = 'disk'\nnodes = 'n3'\nmisdeed = { slow = { ms = 5, calls = { on = 'read', files = 'no-such-file' } } }
        [[fault]]
        at = '2s'\nfor = '1s'
        kind = 'kill'\nnodes = 'n3'";
    fs::write(bench.path("schedule.toml"), schedule).expect("written");
    let fixed = ["--nodes", "3", "--seed", "1", "--time", "4200ms", "--dir", "run"];
    bench.duress(&[&["run", "etcd", "--schedule", "schedule.toml"], &fixed[..]].concat()).expect(0);
    let info = bench.json("run/run.json");
    assert!(info["warnings"].to_string().contains("n1 was left by a fault with what it cannot work with"));
    assert_eq!(info["doubts"], json!([]), "{info:#}");
    let verdict = bench.json("run/verdict.json");
    assert!(verdict["faults"][2].to_string().contains("cut short"), "{verdict:#}");
    let states = kinds_by_state(&verdict);
    let expected = [("disk-corrupt", "bit"), ("disk-slow", "bit"), ("disk-slow", "skipped"), ("kill", "bit")];
    assert_eq!(states, BTreeSet::from(expected), "{verdict:#}");
}
