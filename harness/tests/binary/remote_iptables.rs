//! Hosts without nftables: cuts are chains of iptables, of both of its kinds, beside rules that others have;
//! what iptables cannot do is refused.
//!
//! It runs with `DURESS_CLUSTERS=1` only, as root, where sshd, nftables and iptables are installed.

use super::common::{alone, assert_exercised};
use super::lab::{Door, GATE, Lab, eventually, tool};
use std::fs;
use std::process::{Child, Stdio};

/// This one has the older kind.
const LEGACY: usize = 3;
const PORT: u16 = 2223;
/// Nobody can start it there.
const NO_NFT: &str = "mount --bind /dev/null /usr/sbin/nft &&";
const OLDER: &str = "mount --bind /dev/null /usr/sbin/nft && \
                     mount --bind /usr/sbin/xtables-legacy-multi /usr/sbin/xtables-nft-multi &&";

const ISOLATED: &str = "kind = 'partition'\nshape = { isolate = 'n3' }";

#[test]
fn without_nftables_links_are_cut_by_chains_of_ours_and_other_rules_stay() {
    let _machine = alone();
    let test = "without_nftables_links_are_cut_by_chains_of_ours_and_other_rules_stay";
    let Some(mut lab) = Lab::with(test, &["iptables-nft", "iptables-legacy"]) else { return };
    for host in 1..GATE {
        let mounts = if host == LEGACY { OLDER } else { NO_NFT };
        lab.open(host, &Door { port: PORT, config: "", mounts });
        others_have_rules(host);
    }
    fs::write(lab.bench.path("consent"), "").expect("written");
    let hosts =
        lab.bench.text("hosts.toml").replace("user = 'root'\n", &format!("user = 'root'\nport = {PORT}\n"));
    fs::write(lab.bench.path("hosts.toml"), hosts).expect("written");
    let before: Vec<String> = (1..GATE).map(Lab::chains).collect();
    break_with_proof(&lab);
    refuse(&lab);
    leave_alone(&lab);
    wait_for_others(&lab);
    assert_eq!((1..GATE).map(Lab::chains).collect::<Vec<_>>(), before);
}

fn others_have_rules(host: usize) {
    let kind = if host == LEGACY { "legacy" } else { "nft" };
    for (family, peer) in [("iptables", "192.0.2.7"), ("ip6tables", "2001:db8::7")] {
        let program = format!("{family}-{kind}");
        for rule in [
            &["-N", "foreign"][..],
            &["-A", "foreign", "-s", peer, "-j", "DROP"],
            &["-A", "INPUT", "-j", "foreign"],
        ] {
            tool("ip", &[&["netns", "exec", &Lab::host(host), &program], rule].concat());
        }
    }
}

fn break_with_proof(lab: &Lab) {
    lab.schedule(&[
        ("300ms", "1s", ISOLATED),
        // Two faults on the same links.
        ("800ms", "1s", "kind = 'partition'\nshape = { isolate = 'n3' }\ncut = { port = 2380 }"),
        (
            "2s",
            "700ms",
            "kind = 'partition'\nshape = { clients = 'n2' }\ncut = { port = 2379, reject = true }",
        ),
        // All ports: the line to the agent is none of the links, and stays.
        ("2800ms", "600ms", "kind = 'partition'\nshape = { clients = 'n1' }"),
    ]);
    let fixed = ["--schedule", "schedule.toml", "--time", "4s", "--seed", "1", "--dir", "run"];
    let ended = lab.duress(&[&["run", "etcd", "--on", "hosts.toml"], &fixed[..]].concat()).expect(0);
    let verdict = lab.bench.json("run/verdict.json");
    assert_exercised(&verdict, 50);
    let faults = verdict["faults"].as_array().expect("faults");
    let bit = faults.iter().filter(|fault| fault["state"] == "bit");
    assert_eq!(bit.count(), 4, "{}\n{verdict:#}", ended.stdout);
    lab.assert_clean();
}

/// What takes nftables is not begun without.
fn refuse(lab: &Lab) {
    for (fault, sentence) in [
        (
            "kind = 'partition'\nshape = { isolate = 'n3' }\ncut = { connections = 'new' }",
            "nftables is not installed (nft), and rules of iptables do not know when a connection began",
        ),
        (
            "kind = 'packet'\nnodes = 'n1'\nbehavior = { delay = { ms = 5 } }",
            "nftables is not installed (nft)",
        ),
    ] {
        lab.schedule(&[("100ms", "200ms", fault)]);
        let args = ["run", "etcd", "--on", "hosts.toml", "--schedule", "schedule.toml", "--time", "1s"];
        let ended = lab.duress(&args).expect(3);
        assert!(ended.stderr.contains(sentence), "{}", ended.stderr);
    }
    lab.assert_clean();
}

/// Chains go with whoever made them, whichever way that ends.
fn leave_alone(lab: &Lab) {
    lab.schedule(&[("300ms", "10m", ISOLATED)]);
    let mut run = begin(lab, "left");
    lab.await_bites("left", 1);
    for host in 1..GATE {
        let ours = Lab::tables(host);
        assert!(ours.contains("-A INPUT -j duress_"), "host {host}: {ours}");
    }
    assert_eq!((Lab::reaches(1, 3), Lab::reaches(1, 2)), ([false; 2], [true; 2]));
    Lab::kill_agent(1);
    eventually(|| Lab::tables(1).is_empty(), &|| Lab::tables(1));
    assert!((2..GATE).all(|host| Lab::tables(host).contains("duress_")), "the others were healed as well");
    run.kill().expect("killed");
    run.wait().expect("ended");
    lab.assert_clean();
}

/// A change of rules that waits for somebody else's is not made any more when its agent is killed meanwhile.
fn wait_for_others(lab: &Lab) {
    lab.schedule(&[("3s", "10m", ISOLATED)]);
    let mut run = begin(lab, "waiting");
    let history = lab.bench.path("waiting/history.jsonl");
    let begun = || fs::metadata(&history).is_ok_and(|history| history.len() > 0);
    eventually(begun, &|| "no operation".to_owned());
    // The older kind has a lock for all of a machine.
    let hold = ["flock", "--no-fork", "/run/xtables.lock", "sleep", "1000"];
    let mut other = lab.spawn_behind(GATE - 2 + LEGACY, &hold);
    let has = |what: &str| Lab::commands(LEGACY).iter().any(|command| command.contains(what));
    let told = || Lab::commands(LEGACY).join("\n");
    eventually(|| has("iptables-restore"), &told);
    Lab::kill_agent(LEGACY);
    eventually(|| !has("--watch"), &told);
    other.kill().expect("killed");
    other.wait().expect("ended");
    eventually(|| !has("iptables-restore"), &told);
    assert_eq!(Lab::tables(LEGACY), "");
    run.kill().expect("killed");
    run.wait().expect("ended");
    lab.assert_clean();
}

/// A run that does not end by itself.
fn begin(lab: &Lab, dir: &str) -> Child {
    let args = ["--schedule", "schedule.toml", "--time", "10m", "--dir", dir];
    let mut run = lab.command(&[&["run", "etcd", "--on", "hosts.toml"], &args[..]].concat());
    run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}
