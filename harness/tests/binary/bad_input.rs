//! What a user can get wrong: one sentence of what, why and what to do, the documented exit
//! code, and nothing left behind.

use super::common::Bench;
use std::fs;

#[track_caller]
fn refused(args: &[&str], expected: &str) {
    let bench = Bench::new();
    let run = bench.duress(args).expect(254);
    assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
    assert!(run.stdout.is_empty(), "{args:?}: {}", run.stdout);
    assert_eq!(fs::read_dir(bench.dir.path()).expect("a directory").count(), 0, "{args:?} left something");
}

#[test]
fn unknown_names() {
    refused(&["run", "oracle"], "target oracle: there is no such target; choose from etcd");
    refused(
        &["run", "etcd", "--workload", "bank"],
        "--workload bank: there is no such workload; etcd runs register, set, counter, multi-register, queue, log, lock",
    );
    refused(
        &["run", "etcd", "--faults", "kill,meteor"],
        "--faults meteor: there is no such fault; choose from `duress list faults`, or `none`",
    );
    refused(&["run", "etcd", "--faults", "partitoin"], "there is no such fault; did you mean `partition`?");
    refused(&["run", "etcd", "--workload", "registr"], "there is no such workload; did you mean `register`?");
    refused(&["run", "ectd"], "there is no such target; did you mean `etcd`?");
    refused(&["run", "etcd", "--set", "speed=9"], "etcd has no setting `speed`; choose from reads, fencing");
    refused(&["run", "etcd", "--set", "raeds=x"], "etcd has no setting `raeds`; did you mean `reads`?");
    refused(&["run", "etcd", "--set", "reads=psychic"], "reads=psychic cannot be");
    refused(&["demo", "--bug", "heisenbug"], "bug=heisenbug cannot be");
    refused(&["fetch", "oracle"], "there is no such target");
    refused(&["frobnicate"], "unrecognized subcommand");
}

#[test]
fn impossible_numbers_and_combinations() {
    refused(&["run", "etcd", "--ops", "0"], "--ops 0: out of range; use 1 or more");
    refused(
        &["run", "sim", "--faults", "kill-at-sync"],
        "kill on sim: what lives inside Duress has no processes",
    );
    refused(&["sweep", "etcd", "--at", "rename", "--when", "after", "--dir", "x"], "only syncs can be made");
    refused(&["run", "etcd", "--nodes", "0"], "--nodes 0: out of range; use 1 to 9");
    refused(&["run", "etcd", "--nodes", "12"], "--nodes 12: out of range");
    refused(&["run", "etcd", "--nodes", "1"], "the fault kill on 1 node: any fault there takes the majority");
    refused(&["run", "etcd", "--nodes", "1", "--faults", "partition"], "that fault needs at least 2 nodes");
    refused(&["run", "redis", "--nodes", "2"], "--nodes 2 with redis: that target has at most 1");
    refused(&["run", "redis", "--faults", "partition"], "that fault needs at least 2 nodes");
    refused(
        &["run", "redis", "--set", "appendonly=no", "--set", "appendfsync=no"],
        "there is no log to flush",
    );
    refused(&["run", "etcd", "--faults", "none,kill"], "`none` cannot be combined");
    refused(&["run", "etcd", "--time", "0s"], "out of range");
    refused(&["run", "sim", "--faults", "clock"], "has no clocks of its own; use a target with real servers");
    refused(&["run", "etcd", "--time", "300ms", "--faults", "kill"], "they do not all fit into 300 ms");
    refused(&["run", "etcd", "--time", "soon"], "invalid value");
    refused(&["run", "etcd", "--keys", "1000000000"], "use 1 to 10000");
    refused(&["run", "etcd", "--check-memory", "0"], "use 16 or more");
    refused(&["run", "sim", "--version", "1"], "there is nothing to obtain");
    refused(&["run", "sim", "--faults", "disk-eio"], "what lives inside Duress has no processes");
    refused(&["run", "redis", "--faults", "compact"], "compact on redis: its members do not come and go");
    refused(&["run", "etcd", "--faults", "upgrade"], "there is no other version; add --upgrade-to VERSION");
    refused(&["run", "etcd", "--upgrade-to", "3.5.1"], "no fault brings another version in");
    let both = ["--faults", "upgrade,upgrade-and-back", "--upgrade-to", "3.5.1", "--time", "60s"];
    refused(&[&["run", "etcd"], &both[..]].concat(), "may refuse to go back");
    refused(&["run", "sim", "--faults", "start-wiped"], "what lives inside Duress has no processes");
    refused(&["run", "etcd", "--faults", "disk", "--data", "disk"], "leave out --data disk");
    refused(&["run", "etcd", "--faults", "disk-power-failure-all"], "add --allow-majority-loss");
    let on_ext4 = ["--disks", "ext4"];
    refused(&[&["run", "etcd", "--faults", "disk-eio"], &on_ext4[..]].concat(), "use disk-power-failure");
    refused(&[&["run", "etcd", "--data", "disk"], &on_ext4[..]].concat(), "leave out --data disk");
    refused(&[&["run", "sim"], &on_ext4[..]].concat(), "what lives inside Duress has no disks");
    refused(&["heal", "nowhere"], "there is no such directory");
    refused(&["run", "etcd", "--concurrency", "0"], "out of range");
    refused(&["run", "etcd", "--schedule", "/nowhere.toml"], "check the path");
}

#[test]
fn places_that_cannot_be() {
    let bench = Bench::new();
    let refused_with = |args: &[&str], hosts: &str, expected: &str| {
        fs::write(bench.path("hosts.toml"), hosts).expect("written");
        let run = bench.duress(&[&["run", "--on", "hosts.toml"], args].concat()).expect(254);
        assert!(run.stderr.contains(expected), "{args:?} {hosts}: {}", run.stderr);
        assert!(!bench.path("runs").exists(), "a run began");
    };
    let refused = |target: &str, hosts: &str, expected: &str| refused_with(&[target], hosts, expected);
    refused("etcd", "", "--on hosts.toml: it says of no place where it is; it takes [ssh]");
    let twice = "[ssh]\nhosts = [\n  'db1',\n  { host = 'db1', port = 23 },\n]\n";
    refused("etcd", twice, "hosts.toml, line 4: `db1` is there twice; name a host for each node");
    let three = "[ssh]\nhosts = ['db1', 'db2', 'db3']\n";
    refused("sim", three, "--on with sim: it lives inside Duress");
    for flags in [&["--disks", "ext4"][..], &["--data", "disk"], &["--capture"]] {
        let args = [&["etcd", "--faults", "none"], flags].concat();
        refused_with(&args, three, "disks and networks of real hosts are their own");
    }
    let restored = ["etcd", "--faults", "snapshot-restore", "--allow-majority-loss"];
    refused_with(&restored, three, "a snapshot is taken on a node's own host");
    // What an engine has is not asked for what is refused anyway.
    let containers = "[docker]\ncontainers = ['db1', 'db2', 'db3']\n";
    for (flags, expected) in [
        (&["--version", "3.5.1"][..], "--version with --on"),
        (&["--bin", "/bin/sh"], "--bin with --on"),
        (&["--disks", "ext4"], "--disks ext4 with --on"),
        (&["--data", "disk"], "--data disk with --on"),
        (&["--capture"], "--capture with --on"),
        (&["--keep-data"], "--keep-data with --on"),
    ] {
        refused_with(&[&["etcd", "--faults", "none"], flags].concat(), containers, expected);
    }
    refused_with(
        &["etcd", "--faults", "packet"],
        containers,
        "packets of containers are cut off or let through",
    );
}

#[test]
fn histories_that_are_none() {
    let bench = Bench::new();
    let check = |name: &str, text: &str, expected: &str| {
        fs::write(bench.path(name), text).expect("written");
        let run = bench.duress(&["check", name]).expect(254);
        assert!(run.stderr.contains(expected), "{name}: {}", run.stderr);
    };
    let invoke = r#"{"process":0,"type":"invoke","f":"read","value":null}"#;
    check("empty.jsonl", "", "there is nothing to check");
    let failed = format!("{invoke}\n{}\n", invoke.replace("invoke", "fail"));
    check("failed.jsonl", &failed, "no operation of a client succeeded");
    let valueless = r#"{"process":0,"type":"ok","f":"read"}"#;
    check("valueless.jsonl", &format!("{invoke}\n{valueless}\n"), "an ok read has no value");
    check(
        "garbage.jsonl",
        "this is\nno history\n",
        "this looks like no history known here: it begins with `this is",
    );
    check("middle.jsonl", &format!("{invoke}\n{{\"process\":\n{invoke}\n"), "line 2 is not an operation");
    check("overlap.jsonl", &format!("{invoke}\n{invoke}\n"), "while its operation 0 is still open");
    check("orphan.jsonl", &invoke.replace("invoke", "ok"), "that process 0 never invoked");
    let run = bench.duress(&["check", "nothing.jsonl"]).expect(254);
    assert!(run.stderr.contains("No such file"), "{}", run.stderr);
    fs::create_dir(bench.path("dir")).expect("made");
    let run = bench.duress(&["check", "dir"]).expect(254);
    assert!(run.stderr.contains("neither a run of Duress"), "{}", run.stderr);
}

#[test]
fn a_truncated_history_is_checked_as_far_as_it_goes() {
    let bench = Bench::new();
    let text = concat!(
        r#"{"process":0,"type":"invoke","f":"write","value":1}"#,
        "\n",
        r#"{"process":0,"type":"ok","f":"write","value":1}"#,
        "\n",
        r#"{"process":1,"type":"inv"#
    );
    fs::write(bench.path("cut.jsonl"), text).expect("written");
    let run = bench.duress(&["check", "cut.jsonl"]).expect(0);
    assert!(run.stderr.contains("breaks off"), "{}", run.stderr);
}

#[test]
fn histories_of_others_are_judged() {
    let bench = Bench::new();
    let stale = concat!(
        r#"{"index":0,"time":10,"process":0,"type":"invoke","f":"write","value":1}"#,
        "\n",
        r#"{"index":1,"time":20,"process":0,"type":"ok","f":"write","value":1}"#,
        "\n",
        r#"{"index":2,"time":30,"process":1,"type":":invoke","f":":read","value":null}"#,
        "\n",
        r#"{"index":3,"time":40,"process":1,"type":":ok","f":":read","value":null}"#,
        "\n",
    );
    fs::write(bench.path("stale.jsonl"), stale).expect("written");
    let run = bench.duress(&["check", "stale.jsonl"]).expect(1);
    assert!(run.stdout.contains("stale read"), "{}", run.stdout);
    let json = bench.duress(&["check", "--json", "stale.jsonl"]).expect(1);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json.stdout).expect("json")["valid"], "violation");
}

#[test]
fn doubts_about_keys_are_said_and_settled_by_a_flag() {
    let bench = Bench::new();
    let mut text = String::new();
    for (process, f, asked, answered) in [
        (0, "write", "[[1,2],5]", "[[1,2],5]"),
        (1, "write", "[[1,3],6]", "[[1,3],6]"),
        (2, "read", "[[1,2],null]", "[[1,2],5]"),
    ] {
        for (kind, value) in [("invoke", asked), ("ok", answered)] {
            text.push_str(&format!(
                "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}\n"
            ));
        }
    }
    fs::write(bench.path("lists.jsonl"), text).expect("written");
    let run = bench.duress(&["check", "lists.jsonl"]).expect(2);
    assert!(run.stdout.contains("[key, value] pair"), "{}", run.stdout);
    bench.duress(&["check", "--keys", "keyed", "lists.jsonl"]).expect(0);
}

#[test]
fn an_occupied_directory_is_left_alone() {
    let bench = Bench::new();
    fs::create_dir(bench.path("mine")).expect("made");
    fs::write(bench.path("mine/thesis.txt"), "years of work").expect("written");
    let run = bench.duress(&["demo", "--dir", "mine"]).expect(254);
    assert!(run.stderr.contains("is not empty"), "{}", run.stderr);
    assert_eq!(fs::read_dir(bench.path("mine")).expect("a directory").count(), 1);
}

#[test]
fn a_missing_binary_says_where_it_was_looked_for() {
    let bench = Bench::new();
    let run = bench.duress(&["run", "etcd", "--bin", "/nowhere/etcd"]).expect(254);
    assert!(run.stderr.contains("/nowhere/etcd"), "{}", run.stderr);
    assert!(!bench.path("runs").exists());
}

#[test]
fn no_place_to_write_is_said_so() {
    let bench = Bench::new();
    fs::write(bench.path("file"), "").expect("written");
    let run = bench.duress(&["demo", "--out", "file"]).expect(3);
    assert!(run.stderr.contains("file") && run.stderr.contains("--out"), "{}", run.stderr);
}

#[test]
fn a_full_disk_ends_the_run_with_a_reason() {
    let bench = Bench::new();
    fs::create_dir(bench.path("small")).expect("made");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "none"])
        .arg(bench.path("small"))
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("a_full_disk: skipped, mounting a small file system needs root");
        return;
    }
    let run = bench.duress(&["demo", "--bug", "none", "--dir", "small/run"]);
    let unmounted = std::process::Command::new("umount").arg(bench.path("small")).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("No space left"), "{}", run.stderr);
}

#[test]
fn a_run_without_operations_is_inconclusive() {
    let bench = Bench::new();
    let args = [
        "run", "sim", "--set", "bug=none", "--faults", "none", "--time", "1s", "--rate", "1", "--dir", "run",
    ];
    let run = bench.duress(&args).expect(3);
    assert!(run.stdout.to_lowercase().contains("inconclusive"), "{}", run.stdout);
}
