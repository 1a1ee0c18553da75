//! Clusters on hosts reached by ssh, as root.
//!
//! One test for all of it: to make the hosts takes time. What a target's own file needs there is in
//! `remote_own`, other ways to become root in `remote_reach`, hosts without nftables in `remote_iptables`.

use super::common::{alone, assert_exercised};
use super::lab::{DEAD_MAN, GATE, Lab, eventually};
use super::remote_own;
use std::fs;
use std::process::Stdio;
use std::time::Instant;

const ISOLATED: &str = "kind = 'partition'\nshape = { isolate = 'n3' }";

#[test]
fn hosts_are_broken_with_proof_and_nothing_stays_on_them_whoever_ends() {
    let _machine = alone();
    let test = "hosts_are_broken_with_proof_and_nothing_stays_on_them_whoever_ends";
    let Some(lab) = Lab::new(test) else { return };
    break_with_proof(&lab);
    super::remote_faults::break_more(&lab);
    remote_own::the_same_file_here_and_there(&lab);
    remote_own::what_is_not_as_it_has_to_be(&lab);
    leave_alone(&lab);
}

fn break_with_proof(lab: &Lab) {
    // Without its leader the cluster does nothing for a second or two.
    lab.schedule(&[
        ("300ms", "900ms", "kind = 'kill'\nnodes = 'follower'"),
        ("1300ms", "800ms", "kind = 'pause'\nnodes = 'follower'"),
        ("2200ms", "1s", ISOLATED),
        ("2300ms", "1s", "kind = 'clock'\nnodes = 'n1'\nskew = { jump = { ms = 3_600_000 } }"),
        (
            "3500ms",
            "600ms",
            "kind = 'partition'\nshape = { clients = 'n2' }\ncut = { port = 2379, reject = true }",
        ),
        // Commands go to the hosts, and another program.
        ("4200ms", "200ms", "kind = 'lifecycle'\nnodes = 'n1'\nact = 'compact'"),
        ("4400ms", "300ms", "kind = 'lifecycle'\nnodes = 'n3'\nact = 'upgrade-and-back'"),
    ]);
    let fixed = ["--schedule", "schedule.toml", "--time", "5s", "--seed", "1"];
    let versions = ["--upgrade-to", "3.5.1"];
    let run = |dir| {
        let run = ["run", "etcd", "--on", "hosts.toml", "--dir", dir];
        lab.duress(&[&run, &fixed[..], &versions].concat())
    };
    // From those hosts nobody else is reached.
    lab.bench.duress(&["fetch", "etcd", "--version", "3.5.1"]).expect(0);
    // Without consent nothing is put there.
    let refused = run("refused").expect(3);
    let sentence = format!("it has no file {}", lab.bench.path("consent").display());
    assert!(refused.stderr.contains(&sentence) && !lab.bench.path("agent").exists(), "{}", refused.stderr);
    fs::write(lab.bench.path("consent"), "").expect("written");

    let ended = run("run").expect(0);
    let verdict = lab.bench.json("run/verdict.json");
    assert_exercised(&verdict, 50);
    let faults = verdict["faults"].as_array().expect("faults");
    assert!(faults.iter().all(|fault| fault["state"] == "bit"), "{}\n{verdict:#}", ended.stdout);
    assert_eq!(faults.len(), 7);
    for node in ["n1", "n2", "n3"] {
        assert!(lab.bench.text(&format!("run/nodes/{node}/etcd.log")).contains("etcd"), "no log of {node}");
    }
    lab.assert_clean();
}

/// Hosts heal themselves when nobody speaks to them.
fn leave_alone(lab: &Lab) {
    lab.schedule(&[
        ("100ms", "10m", "kind = 'packet'\nnodes = 'all'\nbehavior = { delay = { ms = 5 } }"),
        ("300ms", "10m", ISOLATED),
        ("300ms", "10m", "kind = 'pause'\nnodes = 'n2'"),
    ]);
    let args = [
        "run",
        "etcd",
        "--on",
        "hosts.toml",
        "--schedule",
        "schedule.toml",
        "--time",
        "10m",
        "--allow-majority-loss",
        "--dir",
        "left",
    ];
    let mut run = lab.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    lab.await_bites("left", 3);
    for host in 1..GATE {
        let tables = Lab::tables(host);
        assert!(
            ["duress_", "fwmark", "mtu"].iter().all(|word| tables.contains(word)),
            "host {host}: {tables}"
        );
    }
    // Whatever family of addresses is used.
    assert_eq!((Lab::reaches(1, 3), Lab::reaches(1, 2)), ([false; 2], [true; 2]));
    // Two runs at a time would take each other's faults for their own.
    let second = ["run", "etcd", "--on", "hosts.toml", "--time", "1s"];
    for (faults, why) in
        [("partition", "does another run break it already?"), ("kill", "somebody listens at its port 2379")]
    {
        let second = lab.duress(&[&second[..], &["--faults", faults, "--dir", faults]].concat()).expect(3);
        assert!(second.stderr.contains(why), "{}", second.stderr);
    }
    assert!(
        (1..4).all(|host| Lab::tables(host).contains("duress_")),
        "the first run is none the worse for it"
    );
    // An agent is killed: its watchdog heals its host, and nobody the others.
    Lab::kill_agent(1);
    eventually(|| Lab::tables(1).is_empty(), &|| Lab::tables(1));
    assert!((2..GATE).all(|host| Lab::tables(host).contains("duress_")), "the others were healed as well");
    // The wire is cut, and this side goes on: hosts hear nothing, not even an end.
    let cut = Instant::now();
    Lab::set_wire("down");
    lab.assert_clean();
    // Neither at once, as at the end of a connection, nor when somebody notices that there is none.
    let ratio = cut.elapsed().as_secs_f64() / DEAD_MAN.as_secs_f64();
    eprintln!("hosts healed themselves after {ratio:.2} of their dead-man time");
    assert!((0.25..4.0).contains(&ratio), "healed after {ratio:.2} of the dead-man time");
    assert!(run.try_wait().expect("a state").is_none(), "this side was to go on");
    run.kill().expect("killed");
    run.wait().expect("ended");
    // What its connections leave, too.
    Lab::set_wire("up");
}
