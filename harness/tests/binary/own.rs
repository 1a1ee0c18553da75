//! Systems of one's own: files that are written to begin with, files that are wrong, and runs of those that
//! are right.

use super::common::{Bench, alone, assert_exercised, clusters_wanted, ended};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A server and a client in sh: there is one everywhere. It takes no connections; its health is a command.
const TOY: &str = r#"
workloads = ["register"]
nodes = { default = 3 }
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
    refused(&bench, &["run", "toy"], "target toy: there is no such target; did you mean `toy.toml`?");
    refused(&bench, &["run", "toy.toml", "--on", "no.toml"], "--on no.toml: it cannot be read: No such file");
    refused(&bench, &["run", "toy.toml", "--faults", "clock"], "toy.toml:14 refuses it: it has no clock");
    refused(
        &bench,
        &["run", "toy.toml", "--set", "made=x"],
        "toy has no setting `made`; did you mean `mode`?",
    );
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
    bench.duress(&["init", "web", "--http", "--dir", "a/b"]).expect(0);
    bench.duress(&["list", "targets", "a/b/web.toml"]).expect(0);
}

/// An interpreter that takes longer to start than an operation may take is ready before the run's clock goes.
#[test]
fn a_client_that_starts_slowly_does_so_before_the_run() {
    if !clusters_wanted("a_client_that_starts_slowly_does_so_before_the_run") {
        return;
    }
    let _machine = alone();
    let bench = bench();
    fs::write(bench.path("client.sh"), format!("sleep 3\n{CLIENT}")).expect("written");
    let run = ["run", "toy.toml", "--faults", "none", "--time", "1s", "--op-timeout", "1s", "--rate", "20"];
    bench.duress(&[&run[..], &["--dir", "run"]].concat()).expect(3);
    let history = bench.text("run/history.jsonl");
    let ops: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let fails: Vec<&Value> = ops.iter().filter(|op| op["type"] == "fail").collect();
    assert!(!fails.is_empty() && fails.iter().all(|op| op["error"] == "unsupported: "), "{fails:?}");
    assert!(
        ops.iter().all(|op| op["time"].as_u64() < Some(3_000_000_000)),
        "a client was started in the run"
    );
    // And one that never gets ready is told as such.
    fs::write(bench.path("client.sh"), "sleep 60\n").expect("written");
    let hasty = TOY.replacen("client.sh\"", "client.sh\", start-timeout = \"500ms\"", 1);
    fs::write(bench.path("toy.toml"), hasty).expect("written");
    let never = bench.duress(&["run", "toy.toml", "--faults", "none", "--time", "1s"]).expect(3);
    assert!(
        never.stderr.contains("was not ready in time: no answer to `init` within 500ms"),
        "{}",
        never.stderr
    );
}

/// What `client-test` says, with its temporary directory in the bench.
fn client_test(bench: &Bench, args: &[&str]) -> String {
    let mut command = bench.command(&[&["client-test", "toy.toml"], args].concat());
    ended(&command.env("TMPDIR", bench.dir.path()).output().expect("it runs")).expect(1).stdout
}

#[test]
fn client_test_says_what_to_do_and_each_thing_once() {
    if !clusters_wanted("client_test_says_what_to_do_and_each_thing_once") {
        return;
    }
    let _machine = alone();
    let bench = bench();
    // Refuses everything, as replicas do.
    for (nodes, hinted) in [("2", true), ("1", false)] {
        let said = client_test(&bench, &["--nodes", nodes]);
        assert!(said.contains("\nnot tried  R12, R13\n           only 0 of "), "{said}");
        assert_eq!(said.contains("--nodes 1 tries it"), hinted, "{said}");
        assert!(said.contains("; the directory stays until you remove it"), "{said}");
    }
    fs::write(bench.path("client.sh"), "if then\n").expect("written");
    let said = client_test(&bench, &["--dir", "kept"]);
    assert!(said.contains("; the last that it said on standard error: "), "{said}");
    assert!(said.contains("client.sh:"), "{said}");
    assert_eq!(said.matches("a rule before it is broken").count(), 1, "{said}");
    assert!(!said.contains("stays until"), "{said}");
    let refused = bench.duress(&["client-test", "toy.toml", "--patience", "0s"]).expect(254);
    assert!(refused.stderr.contains("--patience 0s: it leaves no time to answer"), "{}", refused.stderr);
}

/// Who asks how a node is runs on its host, and is none of its processes: a node that is paused stands still
/// although it is asked, and one that is asked to end by a command ends by that.
#[test]
fn faults_meet_the_server_and_not_who_asks_how_it_is() {
    if !clusters_wanted("faults_meet_the_server_and_not_who_asks_how_it_is") {
        return;
    }
    let _machine = alone();
    let bench = bench();
    let asked = TOY.replacen("command = \"true\"", "command = \"sleep 0.2\"", 1).replacen(
        "exec sleep 1000'\"",
        "exec sleep 1000'\", stop = \"sh {here}/stop.sh\"",
        1,
    ) + "\n[leader]\ncommand = \"sh -c 'sleep 0.2; echo n1'\"\n";
    fs::write(bench.path("asked.toml"), asked).expect("written");
    // Only what is on the node's host has this network.
    let stop = "for p in /proc/[0-9]*; do\n  [ \"$(readlink $p/ns/net)\" = \"$(readlink /proc/self/ns/net)\" ] || continue\n  \
                case $(tr '\\0' ' ' < $p/cmdline) in 'sleep 1000 ') kill ${p#/proc/} ;; esac\ndone\n";
    fs::write(bench.path("stop.sh"), stop).expect("written");
    let run = ["run", "asked.toml", "--faults", "pause,terminate", "--time", "8s", "--interval", "1s"];
    bench.duress(&[&run[..], &["--seed", "1", "--dir", "run"]].concat()).expect(3);
    let verdict = bench.json("run/verdict.json");
    let faults = verdict["faults"].as_array().expect("faults");
    let of = |kind: &str| {
        let of: Vec<_> = faults.iter().filter(|fault| fault["window"]["kind"] == kind).collect();
        assert!(!of.is_empty() && of.iter().all(|fault| fault["state"] == "bit"), "{kind}: {of:#?}");
    };
    of("pause");
    of("terminate");
}

/// Registers in files beside the target's, which no run removes.
const KEPT: &str = r#"
store=${0%/*}/store
mkdir -p "$store"
say() { echo '{"type":"'$1'","id":'$id$2'}'; }
while read -r line; do
  id=${line#*'"id":'} f=${line#*'"f":"'} value=${line#*'"value":['}
  id=${id%%,*} f=${f%%'"'*} key=${value%%,*} asked=${value#*,}
  asked=${asked%%]*}
  case $line in
    *'"init"'*)
      process=${line#*'"process":'}
      new=$store/.new-${process%%,*}
      echo '{"type":"init_ok"}' ;;
    *'"setup"'*) echo '{"type":"setup_ok"}' ;;
    *'"invoke"'*)
      case $f in
        read)
          held=null
          [ ! -e "$store/$key" ] || read -r held < "$store/$key"
          say ok ',"value":['$key,$held']' ;;
        write)
          echo "$asked" > "$new" && mv "$new" "$store/$key"
          say ok ',"value":['$key,$asked']' ;;
        *) say fail ',"error":"unsupported"' ;;
      esac ;;
    *) exit 0 ;;
  esac
done
"#;

/// A server that is not told where its data is to be keeps it where no run wipes it.
#[test]
fn what_an_earlier_run_has_left_is_no_finding() {
    if !clusters_wanted("what_an_earlier_run_has_left_is_no_finding") {
        return;
    }
    let _machine = alone();
    let bench = bench();
    let toml =
        TOY.replacen("'echo {node} {set.mode} > {data}/state; exec sleep 1000'", "'exec sleep 1000'", 1);
    assert_ne!(toml, TOY);
    fs::write(bench.path("kept.toml"), toml).expect("written");
    fs::write(bench.path("client.sh"), KEPT).expect("written");
    let fixed = ["run", "kept.toml", "--nodes", "1", "--faults", "none", "--ops", "100", "--seed", "1"];
    for dir in ["once", "again"] {
        bench.duress(&[&fixed[..], &["--dir", dir]].concat()).expect(0);
        let history = bench.text(&format!("{dir}/history.jsonl"));
        assert!(history.contains("\"value\":[0,"), "keys begin at 0 in every history: {history}");
        assert!(
            bench.json(&format!("{dir}/run.json"))["warnings"].to_string().contains("key 0 of this one is")
        );
    }
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
    let alone =
        ["run", "my-db.toml", "--nodes", "1", "--allow-majority-loss", "--faults", "kill,pause,terminate"];
    bench
        .duress(&[&alone[..], &["--time", "6s", "--interval", "2s", "--seed", "1", "--dir", "one"]].concat())
        .expect(0);
    assert_exercised(&bench.json("one/verdict.json"), 50);
}

/// A server works where its file says, what it writes besides its output is kept, and one that ends at once is
/// told with its last words.
#[test]
fn what_a_server_writes_itself_is_kept() {
    if !clusters_wanted("what_a_server_writes_itself_is_kept") {
        return;
    }
    let _machine = alone();
    let bench = bench();
    let toy = |script: &str, (more, health): (&str, &str)| {
        let start = format!("start = \"sh -c '{script}'\"{more} }}");
        let line = TOY.lines().find(|line| line.starts_with("server")).expect("a server");
        let toy = TOY.replacen(line, &format!("server = {{ {start}"), 1);
        let toy = toy.replacen("command = \"true\"", &format!("command = \"{health}\""), 1);
        fs::write(bench.path("own.toml"), toy).expect("written");
    };
    let run = |dir: &str| {
        let run = ["run", "own.toml", "--nodes", "1", "--faults", "none", "--time", "1s", "--dir", dir];
        bench.duress(&run).expect(3)
    };
    toy(
        "mkdir {data}/log; pwd > {data}/log/one; pwd > {data}/two; exec sleep 1000",
        (", dir = \"{here}\", logs = [\"{data}/log\", \"{data}/two\", \"{data}/none\"]", "true"),
    );
    let told = run("kept").stdout;
    let here = format!("{}\n", bench.dir.path().canonicalize().expect("a path").display());
    for log in ["one", "two"] {
        assert_eq!(bench.text(&format!("kept/nodes/n1/{log}")), here);
    }
    assert!(told.contains("none, was not kept: "), "{told}");
    // Never healthy: it may have ended only after it was asked.
    toy("echo it has no key; echo; exit 2", ("", "false"));
    let told = run("over").stderr;
    assert!(told.contains("the last that it printed: it has no key"), "{told}");
}

/// The target in Rust is one, too. Cargo builds the examples where it builds all tests.
#[test]
fn the_example_in_rust_runs() {
    let example = Path::new(env!("CARGO_BIN_EXE_duress")).with_file_name("examples").join("my_db");
    if !clusters_wanted("the_example_in_rust_runs") || !example.exists() {
        eprintln!("skipped: {} is not built", example.display());
        return;
    }
    let _machine = alone();
    let bench = Bench::new();
    let run =
        ["run", "my-db", "--faults", "kill", "--allow-majority-loss", "--time", "5s", "--interval", "1s"];
    let mut command = Command::new(example);
    let run = command.args(run).args(["--seed", "1", "--dir", "run"]).current_dir(bench.dir.path());
    ended(&run.output().expect("it starts")).expect(0);
    assert_exercised(&bench.json("run/verdict.json"), 50);
}

#[test]
fn the_guides_are_in_the_binary() {
    let bench = Bench::new();
    let listed = bench.duress(&["docs"]).expect(0).stdout;
    for page in listed.lines().skip(1).filter_map(|line| line.split_whitespace().next()) {
        let text = bench.duress(&["docs", page]).expect(0).stdout;
        assert!(text.starts_with("# ") && text.lines().count() > 20, "{page}");
    }
    let refused = bench.duress(&["docs", "novel"]).expect(254).stderr;
    assert!(refused.contains("choose from own-cluster, client-protocol"), "{refused}");
}
