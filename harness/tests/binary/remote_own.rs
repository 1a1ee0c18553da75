//! A target's own file on hosts: the same file and the same faults as on this machine, and what has to be on
//! hosts and is not.

use super::common::{assert_exercised, ended};
use super::lab::Lab;
use serde_json::Value;
use std::fs;

/// The server's program is the hosts' own, and what it is told to start lies beside the file.
const START: &str = "exec \"$@\"\n";
/// So does what asks how it is.
const HEALTH: &str =
    "import sys, urllib.request\nprint(urllib.request.urlopen(sys.argv[1], timeout=0.9).read())\n";

const FAULTS: [(&str, &str, &str); 5] = [
    // Without its leader the cluster would do nothing for longer than these last. Who leads has to be known
    // within a third of each.
    ("200ms", "1s", "kind = 'kill'\nnodes = 'follower'"),
    ("1400ms", "900ms", "kind = 'pause'\nnodes = 'follower'"),
    ("2500ms", "900ms", "kind = 'partition'\nshape = { isolate = 'follower' }"),
    ("3600ms", "900ms", "kind = 'terminate'\nnodes = 'follower'"),
    // All ports: the line to the agent is none of the links, and stays.
    ("4700ms", "600ms", "kind = 'partition'\nshape = { clients = 'n2' }"),
];

fn write(lab: &Lab, name: &str, changes: &[(&str, &str)]) {
    let mut text = lab.bench.text("own.toml");
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not in\n{text}");
        text = text.replacen(from, to, 1);
    }
    fs::write(lab.bench.path(name), text).expect("written");
}

/// etcd, as somebody would describe it who has it behind a script.
fn describe(lab: &Lab) {
    let fetched =
        ended(&lab.bench.command(&["fetch", "etcd", "--json"]).output().expect("it starts")).expect(0);
    let etcd: Value = serde_json::from_str(&fetched.stdout).expect("JSON");
    lab.bench.duress(&["init", "own", "--http"]).expect(0);
    let start = format!("start = \"\"\"sh {{here}}/start.sh {}", etcd["path"].as_str().expect("a path"));
    let health = "[health]\ncommand = \"python3 {here}/health.py http://{address}:{port.client}/health\"";
    write(
        lab,
        "own.toml",
        &[
            ("start = \"\"\"etcd", &start),
            ("#stop = \"SIGTERM\"", "stop = \"SIGINT\""),
            ("#version = \"my-server --version\"", "version = \"./version.sh\""),
            ("[health]\nurl = \"http://{address}:{port.client}/health\"", health),
            ("path = \"/r{key}\"\nok", "path = \"/r{key}\"\nquery = { quorum = \"true\" }\nok"),
        ],
    );
    for (name, text) in
        [("start.sh", START), ("health.py", HEALTH), ("version.sh", "#!/bin/sh\necho version 1.2.3\n")]
    {
        fs::write(lab.bench.path(name), text).expect("written");
    }
    let path = lab.bench.path("version.sh");
    let status = std::process::Command::new("chmod").arg("+x").arg(path).status().expect("chmod runs");
    assert!(status.success());
}

pub(super) fn the_same_file_here_and_there(lab: &Lab) {
    describe(lab);
    lab.schedule(&FAULTS);
    let run = |dir: &str, on: &[&str]| {
        let args = ["run", "own.toml", "--schedule", "schedule.toml", "--time", "5500ms", "--seed", "1"];
        lab.duress(&[&args[..], &["--dir", dir], on].concat()).expect(0);
        let verdict = lab.bench.json(&format!("{dir}/verdict.json"));
        assert_exercised(&verdict, 50);
        let faults = verdict["faults"].as_array().expect("faults");
        let bit = |fault: &&Value| fault["state"] == "bit";
        assert_eq!(faults.iter().filter(bit).count(), FAULTS.len(), "{dir}: {verdict:#}");
        lab.bench.json(&format!("{dir}/run.json"))
    };
    let here = run("here", &[]);
    let there = run("there", &["--on", "hosts.toml"]);
    for info in [&here, &there] {
        assert!(
            info["nodes"].as_array().expect("nodes").iter().all(|node| node["version"] == "1.2.3"),
            "{info:#}"
        );
    }
    assert_eq!(there["binary"]["source"], "on the hosts", "{there:#}");
    let told = |text: &str| {
        there["warnings"].as_array().is_some_and(|all| all.iter().any(|w| w.to_string().contains(text)))
    };
    assert!(told("while n2 was cut off from the clients"), "{there:#}");
    lab.assert_clean();
}

pub(super) fn what_is_not_as_it_has_to_be(lab: &Lab) {
    let refused = |on: &str, sentence: &str| {
        let args = ["run", "bad.toml", "--on", on, "--faults", "none", "--time", "1s"];
        let ended = lab.duress(&args).expect(3);
        assert!(ended.stderr.contains(sentence), "{sentence}: {}", ended.stderr);
    };
    write(lab, "bad.toml", &[("\"\"\"sh {here}", "\"\"\"no-such-server {here}")]);
    refused(
        "hosts.toml",
        ": there is no program `no-such-server` on 10.99.0.1, nor on this machine; install it",
    );
    let line =
        lab.bench.text("bad.toml").lines().position(|line| line.starts_with("command =")).expect("a line")
            + 1;
    write(lab, "bad.toml", &[("python3 {here}/health.py", "no-such-ctl")]);
    refused(
        "hosts.toml",
        &format!("bad.toml:{line}: there is no program `no-such-ctl` on 10.99.0.1; install it"),
    );
    write(lab, "bad.toml", &[("{here}/health.py", "{here}/nowhere.py")]);
    refused(
        "hosts.toml",
        &format!("bad.toml:{line}: there is no file `nowhere.py` to be brought to the hosts"),
    );
    // Where sshd listens.
    write(lab, "bad.toml", &[("client = 2379", "client = 22")]);
    refused("hosts.toml", "10.99.0.1 cannot be n1: somebody listens at its port 22 already; end that");
    let hosts = lab.bench.text("hosts.toml").replace("'10.99.0.3']", "\n{ host = '10.99.0.3', port = 23 }]");
    fs::write(lab.bench.path("far.toml"), hosts).expect("written");
    refused("far.toml", "`ssh root@10.99.0.3 true` has to work without a question; see far.toml:3");
    lab.assert_clean();
}
