//! What can be broken on hosts besides processes, clocks and whole links: packets, disks, memory, old or
//! new connections; and what faults there can wait for.

use super::common::assert_exercised;
use super::lab::Lab;
use std::collections::BTreeSet;

/// What takes so long, and the ability that hosts need for it, as `duress doctor` calls it.
struct Broken {
    ability: &'static str,
    text: String,
}

fn packets(at: u32, node: &str, behavior: &str) -> Broken {
    let text = format!(
        "[[fault]]\nat = '{at}ms'\nfor = '400ms'\nkind = 'packet'\nnodes = '{node}'\nbehavior = {behavior}\n"
    );
    Broken { ability: "packets", text }
}

fn broken(ability: &'static str, (at, length): (u32, u32), what: &str) -> Broken {
    Broken { ability, text: format!("[[fault]]\nat = '{at}ms'\nfor = '{length}ms'\n{what}\n") }
}

fn all() -> Vec<Broken> {
    vec![
        broken(
            "system calls",
            (0, 700),
            "kind = 'disk-power-failure'\nnodes = 'n1'\nkeep = { torn = { percent = 50 } }\nseed = 1
             on = { event = 'call', node = 'n1', call = 'sync', nth = 5, within = '1500ms' }",
        ),
        // What n2 says of n1's end.
        broken(
            "system calls",
            (0, 300),
            "kind = 'clock'\nnodes = 'n2'\nskew = { jump = { ms = 60_000 } }
             on = { event = 'log', node = 'n2', contains = 'lost TCP streaming', within = '3s' }",
        ),
        // After all others, and for longer: a cluster that has just lost packets may have nothing to write, and
        // what lasts on the same hosts is waited for.
        broken(
            "disks",
            (5_600, 3_000),
            "kind = 'disk'\nnodes = 'n3'\nmisdeed = { slow = { ms = 10, calls = { on = 'fsync' } } }",
        ),
        broken(
            "cuts by connection",
            (3_800, 600),
            "kind = 'partition'\nshape = { isolate = 'n3' }\ncut = { connections = 'new' }",
        ),
        // The line to the agent is one of them.
        broken(
            "cuts by connection",
            (4_600, 600),
            "kind = 'partition'\nshape = { everybody = 'n1' }\ncut = { connections = 'established' }",
        ),
        packets(300, "n1", "{ delay = { ms = 20, jitter_ms = 5 } }"),
        packets(900, "n2", "{ loss = { percent = 20 } }"),
        packets(1_500, "n3", "{ duplicate = { percent = 20 } }"),
        packets(2_100, "n1", "{ reorder = { percent = 20, ms = 15 } }"),
        packets(2_700, "n2", "{ corrupt = { percent = 20 } }"),
        packets(3_300, "n3", "'hold'"),
    ]
}

pub(super) fn break_more(lab: &Lab) {
    let can = lab.duress(&["doctor", "--on", "hosts.toml"]).expect(0).stdout;
    let lacking: BTreeSet<&str> =
        can.lines().filter_map(|line| line.trim().strip_prefix("no   ")?.split([',', ':']).next()).collect();
    let (left_out, possible): (Vec<Broken>, Vec<Broken>) =
        all().into_iter().partition(|broken| lacking.contains(broken.ability));
    for Broken { ability, text } in left_out {
        eprintln!("left out, since these hosts have no {ability}: {text}");
    }
    let schedule: String = possible.iter().map(|broken| broken.text.as_str()).collect();
    std::fs::write(lab.bench.path("more.toml"), schedule).expect("written");
    let args = ["--schedule", "more.toml", "--time", "7s", "--seed", "1", "--dir", "more"];
    let ended = lab.duress(&[&["run", "etcd", "--on", "hosts.toml"], &args[..]].concat()).expect(0);
    let verdict = lab.bench.json("more/verdict.json");
    assert_exercised(&verdict, 50);
    let faults = verdict["faults"].as_array().expect("faults");
    assert!(faults.iter().all(|fault| fault["state"] == "bit"), "{}\n{verdict:#}", ended.stdout);
    assert_eq!(faults.len(), possible.len());
    lab.assert_clean();
}
