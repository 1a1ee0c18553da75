//! Real etcd clusters: what must pass passes, what must be found is found, nothing is left.
//!
//! They run with `DURESS_CLUSTERS=1` only, one after the other: each wants the machine.

use super::common::{Bench, alone, assert_exercised, clusters_wanted, ended};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// An ordinary user, when the tests run as root.
const NOBODY: u32 = 65_534;

#[test]
fn a_safe_cluster_under_all_faults_is_valid() {
    if !clusters_wanted("a_safe_cluster_under_all_faults_is_valid") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let faults = "kill,terminate,pause,partition";
    bench
        .duress(&["run", "etcd", "--seed", "11", "--time", "20s", "--faults", faults, "--dir", "run"])
        .expect(0);
    assert_exercised(&bench.json("run/verdict.json"), 500);
    let info = bench.json("run/run.json");
    assert!(info["binary"]["sha256"].as_str().is_some_and(|sum| sum.len() == 64), "{info:#}");
    assert!(fs::metadata(bench.path("run/nodes/n1/etcd.log")).expect("a log").len() > 0);
    bench.duress(&["check", "run"]).expect(0);
    // Every way to mistreat packets at once, and clients that do not reach their node.
    let faults = "packet-delay,packet-loss,packet-duplicate,packet-reorder,packet-corrupt,packet-rate,\
                  packet-hold,packet-flap,cut-clients";
    let fixed = ["--seed", "12", "--time", "25s", "--interval", "3s", "--nodes", "5"];
    let args = [&["run", "etcd", "--faults", faults, "--dir", "packets"][..], &fixed].concat();
    bench.duress(&args).expect(0);
    let verdict = bench.json("packets/verdict.json");
    assert_exercised(&verdict, 300);
    let bitten: BTreeSet<&str> = verdict["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .filter_map(|fault| fault["window"]["kind"].as_str())
        .collect();
    assert_eq!(bitten.len(), 9, "{bitten:?}");
}

#[test]
fn servers_log_by_the_clock_that_they_are_given() {
    if !clusters_wanted("servers_log_by_the_clock_that_they_are_given") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    // The death of a peer is something to log; one of them is started again with a clock that is ahead.
    let fault =
        |at: &str, length: &str, rest: &str| format!("[[fault]]\nat = '{at}'\nfor = '{length}'\n{rest}\n");
    let schedule = [
        fault("500ms", "6s", "kind = 'clock'\nnodes = 'n1'\nskew = { jump = { ms = 3_600_000 } }"),
        fault(
            "1s",
            "5500ms",
            "kind = 'clock'\nnodes = 'n2'\nskew = { strobe = { ms = -10_000, period_ms = 5 } }",
        ),
        fault("1500ms", "1s", "kind = 'kill'\nnodes = 'n3'"),
        fault("2500ms", "1s", "kind = 'kill'\nnodes = 'n1'"),
    ];
    fs::write(bench.path("schedule.toml"), schedule.concat()).expect("written");
    let args = ["--nodes", "3", "--time", "8s", "--seed", "5", "--schedule", "schedule.toml", "--dir", "run"];
    bench.duress(&[&["run", "etcd"], &args[..]].concat()).expect(0);
    assert_exercised(&bench.json("run/verdict.json"), 50);
    let hours_ahead = |node: &str| -> BTreeSet<i64> {
        let end = jiff::Timestamp::now().as_second();
        let log = fs::read_to_string(bench.path(&format!("run/nodes/{node}/etcd.log"))).expect("a log");
        let times = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["ts"].as_str()?.parse().ok());
        // The run took less than half an hour.
        times.map(|time: jiff::Timestamp| (time.as_second() - end + 1_800).div_euclid(3_600)).collect()
    };
    assert_eq!(hours_ahead("n1"), [0, 1].into());
    assert_eq!(hours_ahead("n3"), [0].into());
}

#[test]
fn stale_reads_of_a_cut_off_member_are_found() {
    if !clusters_wanted("stale_reads_of_a_cut_off_member_are_found") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let args = [
        "--set",
        "reads=serializable",
        "--faults",
        "partition",
        "--time",
        "12s",
        "--seed",
        "1",
        "--dir",
        "run",
    ];
    let run = bench.duress(&[&["run", "etcd"], &args[..]].concat()).expect(1);
    assert!(run.stdout.contains("stale read on key"), "{}", run.stdout);
    let alone = bench.duress(&["check", "run/history.jsonl"]).expect(1);
    assert!(alone.stdout.contains("stale read on key"), "{}", alone.stdout);
}

/// Runs one after the other, each in a directory of that name: what overlaps starves, and faults
/// that come late do not bite in runs as short as these.
fn each(bench: &Bench, runs: &[(&str, &[&str], i32)]) {
    for (dir, args, code) in runs {
        bench.duress(&[&["run", "etcd", "--dir", dir], *args].concat()).expect(*code);
    }
}

#[test]
fn every_workload_passes_where_it_promises_to() {
    if !clusters_wanted("every_workload_passes_where_it_promises_to") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    for workload in ["set", "counter", "multi-register", "queue", "log"] {
        let fixed = ["--nodes", "3", "--faults", "kill,pause,partition", "--time", "6s", "--seed", "3"];
        each(&bench, &[(workload, &[&["--workload", workload][..], &fixed].concat(), 0)]);
        assert_exercised(&bench.json(&format!("{workload}/verdict.json")), 50);
    }
}

#[test]
fn what_a_workload_does_not_promise_is_found_and_nothing_else() {
    if !clusters_wanted("what_a_workload_does_not_promise_is_found_and_nothing_else") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let stale = ["--set", "reads=serializable", "--faults", "partition", "--time", "10s", "--seed", "1"];
    // Without a fault nothing takes a lock away.
    let unfenced =
        ["--workload", "lock", "--set", "fencing=off", "--faults", "none", "--time", "8s", "--seed", "1"];
    each(
        &bench,
        &[
            ("set", &[&["--workload", "set"], &stale[..]].concat(), 1),
            ("counter", &[&["--workload", "counter"], &stale[..]].concat(), 1),
            ("lock", &unfenced, 0),
        ],
    );
}

/// Leases of two seconds run out while the node of some holders stands still: the same faults, and
/// only the fencing makes the difference.
#[test]
fn a_paused_holder_breaks_a_lock_that_is_not_fenced() {
    if !clusters_wanted("a_paused_holder_breaks_a_lock_that_is_not_fenced") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    // Not the leader: the next one would give all leases some seconds more, and they might outlast the
    // pause.
    let schedule = "
        [[fault]]\nat = '1s'\nfor = '4500ms'\nkind = 'pause'\nnodes = 'follower'
        [[fault]]\nat = '6s'\nfor = '4500ms'\nkind = 'pause'\nnodes = 'follower'";
    fs::write(bench.path("pauses.toml"), schedule).expect("written");
    // As many keys as clients, who all but never do anything else than to work under a lock: so
    // somebody surely does through that node, and others come for the same key meanwhile.
    let args = ["--schedule", "pauses.toml", "--time", "11s", "--concurrency", "25", "--keys", "25"];
    let args = [&args[..], &["--set", "work=600"]].concat();
    let fenced = [&["--workload", "lock", "--seed", "1"], &args[..]].concat();
    let unfenced = [&fenced[..], &["--set", "fencing=off"]].concat();
    each(&bench, &[("fenced", &fenced, 0), ("unfenced", &unfenced, 1)]);
    assert_exercised(&bench.json("fenced/verdict.json"), 50);
}

/// The server is a script that becomes etcd, the first time.
#[test]
fn a_cluster_that_does_not_come_back_is_a_violation() {
    if !clusters_wanted("a_cluster_that_does_not_come_back_is_a_violation") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let fetched = bench.duress(&["fetch", "etcd"]).expect(0).stdout;
    let etcd = fetched.lines().find_map(|line| line.trim().strip_prefix("path")).expect("a path").trim();
    let (script, marker) = (bench.path("once"), bench.path("started"));
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *--data-dir*)\n  [ ! -e {marker} ] || exit 7\n  touch {marker}\nesac\nexec {etcd} \"$@\"\n",
        marker = marker.display()
    );
    fs::write(&script, text).expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a script");
    let args = ["--nodes", "1", "--faults", "kill", "--allow-majority-loss", "--time", "3s", "--seed", "1"];
    let run = bench
        .duress(&[&["run", "etcd", "--bin", &script.to_string_lossy(), "--dir", "run"], &args[..]].concat())
        .expect(1);
    // That the server ended by itself is a finding, too.
    assert!(
        run.stdout.contains("Not recovered and not alive: the cluster did not come back"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("n1 ended by itself, exit status: 7"), "{}", run.stdout);
}

#[test]
fn another_version_and_another_size_pass_as_well() {
    if !clusters_wanted("another_version_and_another_size_pass_as_well") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    // Not kill: 3.5.1 may lose data there (etcd #13766).
    let args = ["--version", "3.5.1", "--nodes", "3", "--faults", "pause,partition", "--time", "12s"];
    bench.duress(&[&["run", "etcd", "--seed", "4", "--dir", "run"], &args[..]].concat()).expect(0);
    assert_exercised(&bench.json("run/verdict.json"), 300);
    let info = bench.json("run/run.json");
    assert_eq!(info["binary"]["version"], "3.5.1");
    assert_eq!(info["nodes"][0]["version"], "3.5.1");
}

#[test]
fn an_ordinary_user_runs_the_same() {
    if !clusters_wanted("an_ordinary_user_runs_the_same") {
        return;
    }
    if !Uid::effective().is_root() {
        eprintln!("an_ordinary_user_runs_the_same: skipped, all tests run as an ordinary user already");
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    // What only root may read is of no use to an ordinary user.
    let binary = bench.path("duress");
    fs::copy(env!("CARGO_BIN_EXE_duress"), &binary).expect("copied");
    chown(bench.dir.path(), Some(NOBODY), Some(NOBODY)).expect("owned");
    let mut command = Command::new("setpriv");
    command
        .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"])
        .arg(&binary)
        .args(["run", "etcd", "--seed", "6", "--time", "12s", "--dir", "run"])
        .args(["--faults", "kill,pause,partition,clock"])
        .env("HOME", bench.dir.path())
        .env_remove("XDG_CACHE_HOME")
        .current_dir(bench.dir.path());
    ended(&command.output().expect("setpriv starts")).expect(0);
    assert_exercised(&bench.json("run/verdict.json"), 200);
    assert_eq!(bench.json("run/run.json")["machine"]["privilege"], "user namespace");
}

#[test]
fn two_runs_at_once_do_not_disturb_each_other() {
    if !clusters_wanted("two_runs_at_once_do_not_disturb_each_other") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let children: Vec<_> = ["1", "2"]
        .map(|seed| {
            bench.spawn(&["run", "etcd", "--nodes", "3", "--seed", seed, "--time", "8s", "--dir", seed])
        })
        .into();
    for child in children {
        ended(&child.wait_with_output().expect("it ends")).expect(0);
    }
    for run in ["1", "2"] {
        assert_exercised(&bench.json(&format!("{run}/verdict.json")), 100);
    }
}

#[test]
fn the_same_seed_gives_the_same_operations_and_faults() {
    if !clusters_wanted("the_same_seed_gives_the_same_operations_and_faults") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    for run in ["a", "b"] {
        bench.duress(&["run", "etcd", "--nodes", "3", "--seed", "9", "--time", "6s", "--dir", run]).expect(0);
    }
    assert_eq!(bench.text("a/schedule.toml"), bench.text("b/schedule.toml"));
    let (a, b) = (bench.invocations("a"), bench.invocations("b"));
    let keys_in_a: BTreeSet<String> = a.iter().map(|(_, value)| value[0].to_string()).collect();
    // The final reads, one per key, come after the shared stream.
    let shared = a.len().min(b.len()) - keys_in_a.len() - 50;
    assert!(shared > 200, "only {shared} operations");
    assert_eq!(a[..shared], b[..shared]);
}

/// What a run must not leave: everything of it that the kernel can list. Processes, and with them
/// namespaces, count if they have to do with `folder`: others may run Duress on this machine.
fn traces(folder: &Path) -> BTreeSet<String> {
    let folder = folder.to_string_lossy();
    let concerns = |proc: &Path| {
        let args = fs::read(proc.join("cmdline")).unwrap_or_default();
        let place = fs::read_link(proc.join("cwd")).unwrap_or_default();
        String::from_utf8_lossy(&args).contains(&*folder) || place.to_string_lossy().contains(&*folder)
    };
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let (pid, proc) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if pid.parse::<u32>().is_err() || !concerns(&proc) {
            continue;
        }
        found.insert(format!("process {pid}"));
        for namespace in ["net", "mnt", "pid", "uts", "ipc", "user"] {
            if let Ok(target) = fs::read_link(proc.join("ns").join(namespace)) {
                found.insert(target.display().to_string());
            }
        }
    }
    for interface in fs::read_dir("/sys/class/net").expect("/sys").flatten() {
        found.insert(format!("interface {}", interface.file_name().to_string_lossy()));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    found.extend(mounts.lines().map(|line| format!("mount {line}")));
    found
}

#[test]
fn a_kill_at_any_moment_leaves_nothing_but_a_history() {
    if !clusters_wanted("a_kill_at_any_moment_leaves_nothing_but_a_history") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    bench.duress(&["fetch", "etcd"]).expect(0);
    let before = traces(bench.dir.path());
    // From the first namespaces over set-up, faults and heal to the check of a run of 5 s.
    for (round, moment) in [150, 400, 900, 1_700, 2_900, 4_100, 6_200].into_iter().enumerate() {
        let dir = format!("run{round}");
        let seed = round.to_string();
        let mut child = bench.spawn(&[
            "run",
            "etcd",
            "--nodes",
            "3",
            "--seed",
            &seed,
            "--time",
            "5s",
            "--interval",
            "1s",
            "--faults",
            "kill,pause,partition,clock",
            "--dir",
            &dir,
        ]);
        std::thread::sleep(Duration::from_millis(moment));
        if child.try_wait().expect("a child").is_some() {
            assert!(moment > 5_000, "it was over after {moment} ms");
            continue;
        }
        assert_ne!(traces(bench.dir.path()), before, "the run shows no trace while it lives");
        kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGKILL).expect("killed");
        child.wait().expect("it ends");
        await_no_trace(bench.dir.path(), &before, moment);
        check_what_is_there(&bench, &dir);
    }
    bench.duress(&["heal", "."]).expect(0);
}

/// The kernel takes a moment to take a PID namespace apart, and the machine's first process to
/// reap the dead, which can be some seconds.
fn await_no_trace(folder: &Path, before: &BTreeSet<String>, moment: u64) {
    let patience = Instant::now() + Duration::from_secs(15);
    loop {
        let left: Vec<String> = traces(folder).difference(before).cloned().collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < patience, "killed after {moment} ms, left: {left:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn check_what_is_there(bench: &Bench, dir: &str) {
    let history = Path::new(dir).join("history.jsonl");
    let operations = fs::read(bench.path(dir).join("history.jsonl")).map_or(0, |text| text.len());
    if operations == 0 {
        return;
    }
    bench.duress(&["check", history.to_str().expect("utf-8")]).expect(0);
    let run = bench.duress(&["check", dir]);
    assert!(matches!(run.code, Some(0 | 3)), "{}{}", run.stdout, run.stderr);
    assert!(bench.path(dir).join("report.html").is_file());
}

/// Exactly the call that was asked for, of a server with many threads: the journal says which, and
/// what was acknowledged before it is there afterwards.
#[test]
fn a_server_is_crashed_at_each_of_its_syncs() {
    if !clusters_wanted("a_server_is_crashed_at_each_of_its_syncs") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let sweep = ["sweep", "etcd", "--ops", "8", "--dir", "sweep", "--keep", "--jobs", "2"];
    let swept = bench.duress(&sweep).expect(0);
    assert!(swept.stdout.contains("power failure before each of "), "{}", swept.stdout);
    assert!(swept.stdout.contains("power failure after  each of "), "{}", swept.stdout);
    let points = bench.json("sweep/sweep.json");
    let recovered = |moment: &str| {
        let points = points.as_array().expect("points").iter();
        points.filter(|point| point["moment"] == moment && point["outcome"] == "recovered").count()
    };
    // One for each acknowledged write at least.
    assert!(recovered("before") >= 2 && recovered("after") >= 2, "{points}");
    let verdict = bench.json("sweep/sync-00002-after/verdict.json");
    let description = verdict["faults"][0]["window"]["description"].as_str().expect("a description");
    assert!(description.ends_with("after the 2nd sync of n1"), "{description}");
}

#[test]
fn a_sweep_crashes_a_real_ext4() {
    if !clusters_wanted("a_sweep_crashes_a_real_ext4") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let doctor = bench.duress(&["doctor"]).stdout;
    if !doctor.lines().any(|line| line.contains("ext4") && line.ends_with("works")) {
        return eprintln!("skipped: this machine has no ext4 for us\n{doctor}");
    }
    let sweep = ["sweep", "redis", "--set", "appendfsync=always", "--disks", "ext4", "--ops", "4"];
    let rest = ["--when", "before", "--jobs", "2", "--keep", "--dir", "sweep"];
    bench.duress(&[&sweep[..], &rest].concat()).expect(0);
    let verdict = bench.json("sweep/sync-00001-before/verdict.json");
    let fault = verdict["faults"][0].to_string();
    assert!(fault.contains("its ext4 was shut down"), "{fault}");
}

/// Redis flushes once a second there, so whatever it said in between is gone.
#[test]
fn a_sweep_finds_what_is_acknowledged_too_early() {
    if !clusters_wanted("a_sweep_finds_what_is_acknowledged_too_early") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let sweep = ["sweep", "redis", "--set", "appendfsync=everysec", "--when", "before", "--dir", "sweep"];
    // Long enough for a flush or two.
    let swept = bench.duress(&[&sweep[..], &["--rate", "200", "--ops", "500"]].concat()).expect(1);
    assert!(swept.stdout.contains("before sync 1: LOST SOMETHING"), "{}", swept.stdout);
}

#[test]
fn a_fault_waits_for_what_happens() {
    if !clusters_wanted("a_fault_waits_for_what_happens") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let schedule = r#"
        [[fault]]
        at = "0s"
        for = "4s"
        on = { event = "op", f = "write", nth = 20, within = "8s" }
        kind = "pause"
        nodes = "n2"

        [[fault]]
        at = "0s"
        for = "4s"
        on = { event = "leader-change", within = "12s" }
        kind = "partition"
        shape = { isolate = "n3" }

        [[fault]]
        at = "5s"
        for = "4s"
        kind = "partition"
        shape = { isolate = "leader" }

        [[fault]]
        at = "0s"
        for = "4s"
        on = { event = "log", node = "n1", contains = "no such line", within = "1s" }
        kind = "partition"
        shape = { isolate = "n1" }"#;
    fs::write(bench.path("on.toml"), schedule).expect("written");
    let args =
        ["--schedule", "on.toml", "--allow-majority-loss", "--time", "16s", "--seed", "2", "--dir", "run"];
    let run = bench.duress(&[&["run", "etcd"], &args[..]].concat());
    assert!(run.stdout.contains("pause n2 at the 20th write"), "{}\n{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("isolate n3 when the leader changes: in effect"), "{}", run.stderr);
    assert!(run.stderr.contains("skipped: nothing to strike at when n1 logs"), "{}", run.stderr);
}
