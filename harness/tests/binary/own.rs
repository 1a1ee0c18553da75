//! Systems of one's own: files that are written to begin with, files that are wrong, and runs of those that
//! are right.

use super::common::{Bench, alone, assert_exercised, clusters_wanted};
use std::fs;

/// A server and a client in sh: there is one everywhere. It takes no connections; its health is a command.
const TOY: &str = r#"
workloads = ["register"]
nodes = { default = 2 }
ports = { client = 7000 }
server = { start = "sh -c 'echo {node} {set.mode} > {data}/state; exec sleep 1000'" }
health = { command = "true" }
client = { command = "sh {here}/client.sh" }

[settings.mode]
default = "plain"
doc = "how"

[refuses]
clock = "it has no clock"
"#;

/// Certain of nothing: every operation fails.
const CLIENT: &str = r#"
while read -r line; do
  case $line in
    *'"init"'*) echo '{"type":"init_ok"}' ;;
    *'"setup"'*) echo '{"type":"setup_ok"}' ;;
    *'"invoke"'*)
      id=${line#*'"id":'}
      echo '{"type":"fail","id":'"${id%%[!0-9]*}"',"error":"unsupported"}' ;;
    *) exit 0 ;;
  esac
done
"#;

fn bench() -> Bench {
    let bench = Bench::new();
    fs::write(bench.path("toy.toml"), TOY).expect("written");
    fs::write(bench.path("client.sh"), CLIENT).expect("written");
    bench
}

#[track_caller]
fn refused(bench: &Bench, args: &[&str], expected: &str) {
    let run = bench.duress(args).expect(254);
    assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
    assert!(!bench.path("runs").exists(), "{args:?} began a run");
}

#[test]
fn a_file_that_is_wrong_starts_nothing() {
    let bench = bench();
    refused(&bench, &["run", "nowhere.toml"], "nowhere.toml: it cannot be read");
    let write =
        |from: &str, to: &str| fs::write(bench.path("bad.toml"), TOY.replacen(from, to, 1)).expect("written");
    write("nodes =", "ndoes =");
    refused(
        &bench,
        &["run", "bad.toml"],
        "error: bad.toml:3: unknown key `ndoes` in the file; did you mean `nodes`?",
    );
    refused(&bench, &["sweep", "bad.toml", "--dir", "x"], "bad.toml:3: unknown key");
    write("clock =", "clokc =");
    refused(&bench, &["run", "bad.toml"], "bad.toml:14: there is no fault `clokc` to be refused");
    write("sh -c", "no-such-server -c");
    refused(
        &bench,
        &["run", "bad.toml"],
        "bad.toml:5: there is no program `no-such-server` on PATH; install it",
    );
    refused(&bench, &["run", "toy.toml", "--faults", "clock"], "toy.toml:14 refuses it: it has no clock");
    refused(&bench, &["run", "toy.toml", "--set", "made=x"], "toy has no setting `made`; it has: mode");
    refused(
        &bench,
        &["run", "toy.toml", "--version", "1"],
        "--version with toy: its program has to be there",
    );
    refused(&bench, &["run", "toy.toml", "--workload", "set"], "toy cannot run it");
    refused(&bench, &["fetch", "toy.toml"], "its program has to be there already");
}

#[test]
fn a_file_is_a_target_of_the_commands() {
    let bench = bench();
    let listed = bench.duress(&["list", "targets", "toy.toml"]).expect(0);
    assert!(listed.stdout.contains("--set mode="), "{}", listed.stdout);
    let planned = bench.duress(&["run", "./toy.toml", "--dry-run", "--seed", "1"]).expect(0);
    assert!(planned.stdout.contains("duress run ./toy.toml --seed 1"), "{}", planned.stdout);
}

#[test]
fn init_writes_once() {
    let bench = Bench::new();
    let wrote = bench.duress(&["init", "my-db", "--language", "shell"]).expect(0);
    assert!(wrote.stdout.contains("duress run my-db.toml"), "{}", wrote.stdout);
    bench.duress(&["list", "targets", "my-db.toml"]).expect(0);
    let before = bench.text("my-db.toml");
    let again = bench.duress(&["init", "my-db"]).expect(254);
    assert!(
        again.stderr.contains("my-db.toml: it is there already, and is not overwritten"),
        "{}",
        again.stderr
    );
    assert_eq!(bench.text("my-db.toml"), before);
    assert!(!bench.path("client.py").exists());
    let refused = bench.duress(&["init", "../x"]).expect(254);
    assert!(refused.stderr.contains("that cannot be a name"), "{}", refused.stderr);
    let refused = bench.duress(&["init", "x", "--language", "cobol"]).expect(254);
    assert!(refused.stderr.contains("choose from python"), "{}", refused.stderr);
    bench.duress(&["init", "web", "--http"]).expect(0);
    bench.duress(&["list", "targets", "web.toml"]).expect(0);
}

/// What `init` writes finds a violation, as it says: reads of replicas are stale.
#[test]
fn what_init_writes_runs_as_it_is() {
    if !clusters_wanted("what_init_writes_runs_as_it_is") {
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    bench.duress(&["init", "my-db"]).expect(0);
    let found = ["run", "my-db.toml", "--time", "6s", "--interval", "2s", "--seed", "1", "--dir", "run"];
    let found = bench.duress(&found).expect(1);
    assert!(found.stdout.contains("Not linearizable"), "{}", found.stdout);
    let info = bench.json("run/run.json");
    assert_eq!(info["declaration"]["text"], bench.text("my-db.toml"));
    assert!(
        info["repeat"].as_str().is_some_and(|repeat| repeat.contains("duress run my-db.toml")),
        "{info:#}"
    );
    // One server alone, which nobody copies from, loses nothing.
    let alone = ["run", "my-db.toml", "--nodes", "1", "--faults", "kill,pause,terminate", "--time", "6s"];
    bench.duress(&[&alone[..], &["--interval", "2s", "--seed", "1", "--dir", "one"]].concat()).expect(0);
    assert_exercised(&bench.json("one/verdict.json"), 50);
}
