//! Cuts as a real server's clients feel them, and the packets that are kept of it.
//!
//! They run with `DURESS_CLUSTERS=1` only, one after the other.

use super::common::{Bench, alone, clusters_wanted};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// One after the other, each as `partition` of the only node with everybody.
const CUTS: [(&str, &str); 5] = [
    ("partition", "{}"),
    ("partition-reject", "{ reject = true }"),
    ("partition-port", "{ port = 6379 }"),
    ("partition-established", "{ connections = 'established' }"),
    ("partition-new", "{ connections = 'new' }"),
];
/// How long each lasts, and how long until the next, in milliseconds.
const ON_MS: usize = 900;
const OFF_MS: usize = 250;

/// How calls ended during one fault that had begun during it.
#[derive(Debug, Default)]
struct Calls {
    ok: usize,
    refused: usize,
    reset: usize,
    timeouts: usize,
}

/// By kind of fault.
fn calls(bench: &Bench) -> BTreeMap<String, Calls> {
    let lines = |name: &str| -> Vec<Value> {
        bench.text(name).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let (journal, history) = (lines("run/faults.jsonl"), lines("run/history.jsonl"));
    let time = |entry: &Value| entry["time"].as_u64().expect("a time");
    let mut by_kind = BTreeMap::new();
    for applied in journal.iter().filter(|entry| entry["event"] == "applying") {
        let of = |event: &str| {
            let found = journal.iter().find(|e| e["fault"] == applied["fault"] && e["event"] == event);
            time(found.unwrap_or_else(|| panic!("{event}: {applied}")))
        };
        let mut calls = Calls::default();
        let mut begun = BTreeMap::new();
        for op in &history {
            let process = op["process"].to_string();
            if op["type"] == "invoke" {
                begun.insert(process, time(op));
                continue;
            }
            let Some(&begun) = begun.get(&process).filter(|_| time(op) <= of("healing")) else { continue };
            let error = op["error"].as_str().unwrap_or_default();
            let in_effect = begun >= of("bit");
            calls.ok += usize::from(in_effect && op["type"] == "ok");
            calls.refused += usize::from(in_effect && error.starts_with("refused"));
            calls.reset += usize::from(in_effect && error.starts_with("reset"));
            // They may be held up before it is seen that they are.
            calls.timeouts += usize::from(begun >= of("applying") && error.contains("timeout"));
        }
        by_kind.insert(applied["kind"].as_str().expect("a kind").to_owned(), calls);
    }
    by_kind
}

/// The comments on frames in a file of pcapng, which has to be whole; an empty one where there is
/// none.
fn fates(file: &[u8]) -> Vec<String> {
    let word = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let half = |at: usize| u16::from_ne_bytes(file[at..at + 2].try_into().expect("two bytes"));
    let (mut at, mut fates) = (0, Vec::new());
    while at < file.len() {
        let (kind, length) = (word(at), word(at + 4) as usize);
        let end = at + length - 4;
        assert_eq!(word(end) as usize, length, "a block says its length at both ends");
        match kind {
            0x0a0d_0d0a => assert!(at == 0 && word(8) == 0x1a2b_3c4d, "one section, at the start"),
            1 => {}
            6 => {
                let mut option = at + 28 + (word(at + 20) as usize).next_multiple_of(4);
                let mut fate = String::new();
                while option < end && half(option) != 0 {
                    let length = usize::from(half(option + 2));
                    if half(option) == 1 {
                        fate = String::from_utf8(file[option + 4..][..length].to_vec()).expect("UTF-8");
                    }
                    option += 4 + length.next_multiple_of(4);
                }
                fates.push(fate);
            }
            kind => panic!("block {kind}"),
        }
        at = end + 4;
    }
    fates
}

#[test]
fn clients_feel_each_cut_as_it_is_and_the_packets_say_so() {
    if !clusters_wanted("clients_feel_each_cut_as_it_is_and_the_packets_say_so") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let fault = |(n, (_, cut)): (usize, &(&str, &str))| {
        let at = 500 + n * (ON_MS + OFF_MS);
        let what = format!("kind = 'partition'\nshape = {{ everybody = 'n1' }}\ncut = {cut}");
        format!("[[fault]]\nat = '{at}ms'\nfor = '{ON_MS}ms'\n{what}\n")
    };
    let schedule: String = CUTS.iter().enumerate().map(fault).collect();
    fs::write(bench.path("schedule.toml"), schedule).expect("written");
    let fixed = ["--schedule", "schedule.toml", "--time", "6200ms", "--seed", "1", "--dir", "run"];
    let asked = ["run", "redis", "--op-timeout", "250ms", "--capture"];
    let run = bench.duress(&[&asked[..], &fixed[..]].concat());
    assert!(matches!(run.code, Some(0 | 3)), "{:?}\n{}\n{}", run.code, run.stdout, run.stderr);

    let calls = calls(&bench);
    let [silent, refusing, port, established, new] = CUTS.map(|(kind, _)| &calls[kind]);
    for cut in [silent, port] {
        assert!(cut.ok == 0 && cut.refused == 0 && cut.timeouts > 0, "{calls:#?}");
    }
    // Who is told asks again at once, and is told again.
    assert!(refusing.ok == 0 && refusing.refused > silent.timeouts, "{calls:#?}");
    assert!(established.ok > 0 && established.timeouts > 0, "the old stand still, and new ones do not");
    assert!(new.ok > 0 && new.refused + new.reset == 0, "what is there goes on: {calls:#?}");

    let fates = fates(&fs::read(bench.path("run/capture.pcapng")).expect("a capture"));
    let with = |fate: &str| fates.iter().filter(|told| *told == fate).count();
    for fate in ["", "dropped by F1", "refused by F2", "dropped by F3", "dropped by F4"] {
        assert!(with(fate) > 0, "no frame `{fate}`");
    }
}
