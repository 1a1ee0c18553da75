//! Hosts as they are reached where nobody logs in as root: with the user's own ssh configuration, by a jump
//! host, as somebody who becomes root by sudo, and over IPv6.
//!
//! It runs with `DURESS_CLUSTERS=1` only, as root, where sshd, nftables and sudo are installed.

use super::common::{alone, assert_exercised};
use super::lab::{Door, GATE, Lab, PLAIN, tool};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const PORT: u16 = 2222;
/// Known on the hosts only.
const USER: &str = "somebody";
const UID: &str = "54321";
/// In the mounts of the hosts' sshd: who may log in, and who may become root.
const USERS: &str = "install -m 644 \"$2/key.pub\" /run/keys && mount --bind \"$2/passwd\" /etc/passwd && \
                     mount --bind \"$2/sudoers\" /etc/sudoers &&";

#[test]
fn hosts_behind_a_gate_are_broken_over_ipv6_by_somebody_who_becomes_root() {
    let _machine = alone();
    let test = "hosts_behind_a_gate_are_broken_over_ipv6_by_somebody_who_becomes_root";
    let Some(mut lab) = Lab::with(test, &["sudo"]) else { return };
    let write = |name: &str, text: &str| fs::write(lab.bench.path(name), text).expect("written");
    let known = fs::read_to_string("/etc/passwd").expect("users");
    write("passwd", &format!("{known}{USER}:*:{UID}:{UID}::/:/bin/sh\n"));
    write("sudoers", &format!("root ALL=(ALL:ALL) ALL\n{USER} ALL=(root) NOPASSWD: ALL\n"));
    write("consent", "");
    for (name, mode) in [("sudoers", 0o440), ("", 0o711)] {
        fs::set_permissions(lab.bench.path(name), fs::Permissions::from_mode(mode)).expect("its mode");
    }
    write("ssh_config", &configuration(&lab));
    lab.open(GATE, &PLAIN);
    for host in 1..GATE {
        // To n2 this side may go directly, too.
        let from = if host == 2 { format!(" {USER}@{}", Lab::v6(0)) } else { String::new() };
        let config = format!("AuthorizedKeysFile /run/keys\nAllowUsers {USER}@{}{from}\n", Lab::v6(GATE));
        lab.open(host, &Door { port: PORT, config: &config, mounts: USERS });
    }
    refuse(&lab);
    break_what_is_anybodys(&lab);
    break_with_proof(&lab);
}

fn configuration(lab: &Lab) -> String {
    let hosts = (1..GATE).map(|host| format!("Host db{host} far{host}\n  HostName {}\n", Lab::v6(host)));
    format!(
        "Host gate\n  HostName {}\n  User root\nHost db1 db3\n  ProxyJump gate\n{}Host db* far*\n  User {USER}\n  \
         Port {PORT}\nHost *\n  IdentityFile {}\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  \
         LogLevel ERROR\n",
        Lab::v6(GATE),
        hosts.collect::<String>(),
        lab.bench.path("key").display(),
    )
}

fn hosts(lab: &Lab, name: &str, (first, dir, more): (&str, &str, &str)) {
    let path = |name: &str| lab.bench.path(name).display().to_string();
    let text = format!(
        "[ssh]\nhosts = ['{first}', 'db2', 'db3']\nconfig = '{}'\ndir = '{}'\nconsent = '{}'\ndead-man = '4s'\n{more}",
        path("ssh_config"),
        path(dir),
        path("consent"),
    );
    fs::write(lab.bench.path(name), text).expect("written");
}

fn refuse(lab: &Lab) {
    let refused = |on: &str, faults: &str, sentence: &str| {
        let args = ["run", "etcd", "--on", on, "--faults", faults, "--time", "1s"];
        let ended = lab.duress(&args).expect(3);
        assert!(ended.stderr.contains(sentence), "{sentence}: {}", ended.stderr);
    };
    hosts(lab, "direct.toml", ("far1", "agent", "become-root = 'sudo -n'\n"));
    refused("direct.toml", "none", "Permission denied");
    // A folder that is theirs.
    let dir = lab.bench.path("theirs").display().to_string();
    tool("install", &["-d", "-o", UID, &dir]);
    hosts(lab, "somebody.toml", ("db1", "theirs", ""));
    refused("somebody.toml", "partition", "its agent is not root there: log in as root, or set become-root");
    hosts(lab, "hosts.toml", ("db1", "agent", "become-root = 'sudo -n'\n"));
    refused("hosts.toml", "packet", "has the address fd99::11, and it is done over IPv4");
}

/// Processes need no root. Without its leader the cluster would do nothing for longer than these faults last.
fn break_what_is_anybodys(lab: &Lab) {
    lab.schedule(&[
        ("200ms", "900ms", "kind = 'kill'\nnodes = 'follower'"),
        ("1300ms", "900ms", "kind = 'pause'\nnodes = 'follower'"),
        ("2400ms", "500ms", "kind = 'clock'\nnodes = 'n3'\nskew = { jump = { ms = 60_000 } }"),
    ]);
    run(lab, "somebody.toml", ("3100ms", 3));
    let left = fs::read_dir(lab.bench.path("theirs/runs")).expect("a folder").count();
    assert_eq!(left, 0, "agents have left something");
}

/// A run of so long, in which so many faults have to bite.
fn run(lab: &Lab, on: &str, (time, count): (&str, usize)) {
    let dir = format!("run-{on}");
    let fixed = ["--schedule", "schedule.toml", "--time", time, "--seed", "1", "--dir", &dir];
    let ended = lab.duress(&[&["run", "etcd", "--on", on], &fixed[..]].concat()).expect(0);
    let verdict = lab.bench.json(&format!("{dir}/verdict.json"));
    assert_exercised(&verdict, 50);
    let faults = verdict["faults"].as_array().expect("faults");
    let bit = faults.iter().filter(|fault| fault["state"] == "bit");
    assert_eq!(bit.count(), count, "{}\n{verdict:#}", ended.stdout);
}

fn break_with_proof(lab: &Lab) {
    lab.schedule(&[
        ("300ms", "900ms", "kind = 'kill'\nnodes = 'follower'"),
        ("1300ms", "900ms", "kind = 'partition'\nshape = { isolate = 'follower' }"),
        // All ports: the line to n2's agent is none of the links, and comes from where clients do.
        ("2200ms", "600ms", "kind = 'partition'\nshape = { clients = 'n2' }"),
        (
            "2900ms",
            "600ms",
            "kind = 'partition'\nshape = { clients = 'n1' }\ncut = { port = 2379, reject = true }",
        ),
        ("3600ms", "600ms", "kind = 'partition'\nshape = { isolate = 'n3' }\ncut = { connections = 'new' }"),
    ]);
    run(lab, "hosts.toml", ("4500ms", 5));
    lab.assert_clean();
}
