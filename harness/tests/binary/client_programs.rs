//! Client programs on a real server: those that break a rule, one each, and those that a user begins with.
//!
//! They run with `DURESS_CLUSTERS=1` only.

use super::common::{Bench, alone, clusters_wanted};
use duress_targets::exec::skeletons::SKELETONS;
use serde_json::Value;
use std::process::{Command, Stdio};

const BROKEN: &str = include_str!("broken_client.py");

/// What is broken, the rule that says so, and a part of what is told.
const RULES: [(&str, &str, &str); 18] = [
    ("dies-at-init", "R1", "status 1"),
    ("banner", "R2", "broken client 1.0"),
    ("invalid-json", "R3", "{'type': 'init_ok'}"),
    ("wrong-id", "R4", "it answered 2 when 1 was asked"),
    ("answers-twice", "R5", "it answered 1 twice"),
    ("no-flush", "R6", "init_ok"),
    ("no-setup", "R7", "`setup`"),
    ("ok-to-unknown", "R8", "duress-no-such-function"),
    ("value-shape", "R9", "\""),
    ("dies-on-unknown", "R10", "duress-no-such-function"),
    ("hangs-on-close", "R11", "had not ended"),
    ("stale-cache", "R12", "this cannot be"),
    ("answers-first", "R12", "this cannot be"),
    ("fails-what-happened", "R13", "this cannot be"),
    ("fails-in-doubt", "R14", "had certainly failed"),
    ("doubts-everything", "R14", "although nothing was wrong"),
    ("fails-after-a-timeout", "R14", "stood still"),
    ("fails-after-a-reset", "R14", "was killed"),
];

/// Clients that are examined at the same time.
const AT_ONCE: usize = 3;

/// For a machine that has other things to do.
const LONG: &str = "20s";

/// With what is told of each rule.
fn examine(bench: &Bench, client: &str, patience: &str, code: i32) -> Value {
    let dir = tempfile::tempdir_in(bench.dir.path()).expect("a directory");
    let dir = dir.path().to_str().expect("text");
    let args = ["client-test", "redis", "--json", "--patience", patience, "--dir", dir, "--client", client];
    serde_json::from_str(&bench.duress(&args).expect(code).stdout).expect("JSON")
}

fn has(program: &str) -> bool {
    let asked = if program == "go" { "version" } else { "--version" };
    let found = Command::new(program).arg(asked).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let has = found.is_ok_and(|status| status.success());
    if !has {
        eprintln!("skipped: there is no {program}");
    }
    has
}

/// Of one broken client: what is broken, the rule, a part of what is told.
fn is_told(bench: &Bench, (breaks, rule, needle): (&str, &str, &str)) {
    // Only for that one somebody waits so long.
    let patience = if breaks == "no-flush" { "1s" } else { LONG };
    let told = examine(bench, &format!("python3 client.py {breaks}"), patience, 1);
    let rules = told["rules"].as_array().expect("rules");
    let broken: Vec<&Value> = rules.iter().filter(|row| row["state"] == "broken").collect();
    let [row] = &broken[..] else { panic!("{breaks}: {told:#}") };
    assert_eq!(row["rule"], rule, "{breaks}: {row:#}");
    let text =
        format!("{} {}", row["why"].as_str().unwrap_or_default(), row["line"].as_str().unwrap_or_default());
    assert!(text.contains(needle), "{breaks}: {row:#}");
    assert!(row["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
}

#[test]
fn each_broken_client_is_told_its_rule() {
    if !clusters_wanted("each_broken_client_is_told_its_rule") || !has("python3") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    std::fs::write(bench.path("client.py"), BROKEN).expect("written");
    // They mostly wait: several at the same time, each with a server of its own.
    for some in RULES.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            for broken in some {
                scope.spawn(|| is_told(&bench, *broken));
            }
        });
    }
    // Those that are asked at the same time do nothing and say so: nothing is learned.
    let told = examine(&bench, "python3 client.py fails-among-others", LONG, 3);
    let state = |rule: &str| {
        let rows = told["rules"].as_array().expect("rules");
        rows.iter().find(|row| row["rule"] == rule).expect("a row")["state"].clone()
    };
    assert_eq!([state("R9"), state("R12"), state("R13")], ["kept", "not-tried", "not-tried"], "{told:#}");
    let none = bench.duress(&["client-test", "redis"]).expect(254);
    assert!(none.stderr.contains("--client"), "{}", none.stderr);
}

/// The page has a program, too.
#[test]
fn the_example_of_the_page_keeps_all_rules() {
    if !clusters_wanted("the_example_of_the_page_keeps_all_rules") || !has("python3") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let page = include_str!("../../../targets/docs/client-protocol.md");
    let (_, program) = page.split_once("```python\n").expect("an example");
    let (program, _) = program.split_once("```").expect("its end");
    std::fs::write(bench.path("client.py"), program).expect("written");
    let told = examine(&bench, "python3 client.py", LONG, 0);
    assert!(
        told["rules"].as_array().is_some_and(|rules| rules.iter().all(|row| row["state"] == "kept")),
        "{told:#}"
    );
}

#[test]
fn every_client_to_begin_with_keeps_all_rules() {
    if !clusters_wanted("every_client_to_begin_with_keeps_all_rules") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    for skeleton in SKELETONS {
        let builder = skeleton.build.map_or(skeleton.command[0], |build| build[0]);
        if !has(builder) {
            continue;
        }
        std::fs::write(bench.path(skeleton.file), skeleton.text).expect("written");
        if let Some([program, args @ ..]) = skeleton.build {
            let built = Command::new(program).args(args).current_dir(bench.dir.path()).status();
            assert!(built.is_ok_and(|status| status.success()), "{}", skeleton.language);
        }
        let told = examine(&bench, &skeleton.command.join(" "), LONG, 0);
        let rules = told["rules"].as_array().expect("rules");
        assert!(rules.iter().all(|row| row["state"] == "kept"), "{}: {told:#}", skeleton.language);
        assert_eq!(told["notes"], serde_json::json!([]), "{}: every function is tried", skeleton.language);
    }
}
