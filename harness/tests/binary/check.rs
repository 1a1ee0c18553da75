//! `duress check` on histories of others: formats, models, many files, exit codes, the page.

use super::common::{Bench, Ended, ended};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::Stdio;

/// A read of 1 after 2 was written over it.
const STALE: &str = "\
{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 0, :type :invoke, :f :write, :value 2}
{:process 0, :type :ok, :f :write, :value 2}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}
";

fn fresh() -> String {
    STALE.replace(":read, :value 1", ":read, :value 2")
}

fn bench(files: &[(&str, &str)]) -> Bench {
    let bench = Bench::new();
    for (name, text) in files {
        fs::write(bench.path(name), text).expect("written");
    }
    bench
}

fn piped(bench: &Bench, args: &[&str], text: &str) -> Ended {
    let mut command = bench.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("duress starts");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    ended(&child.wait_with_output().expect("it ends"))
}

fn verdicts(run: &Ended) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_format_from_a_file_and_from_standard_input() {
    let log = "INFO  jepsen.util - 0\t:invoke\t:write\t1\nINFO  jepsen.core - talk\nINFO  jepsen.util - 0\t:ok\t:write\t1\n\
        INFO  jepsen.util - 1\t:invoke\t:read\tnil\nINFO  jepsen.util - 1\t:ok\t:read\tnil\n";
    let array = r#"[{"process":0,"type":"invoke","f":"write","value":1},{"process":0,"type":"ok","f":"write","value":1},
        {"process":1,"type":"invoke","f":"read","value":null},{"process":1,"type":"ok","f":"read","value":null}]"#;
    for (text, format, passed_over) in [(STALE, "edn", 0), (log, "jepsen-log", 1), (array, "json-array", 0)] {
        let bench = bench(&[("history", text)]);
        let run = bench.duress(&["check", "--json", "history"]).expect(1);
        let verdict = &verdicts(&run)[0];
        assert_eq!(verdict["valid"], "violation");
        assert_eq!((verdict["format"].as_str(), verdict["model"].as_str()), (Some(format), Some("register")));
        assert_eq!(verdict["notes"].as_array().map(Vec::len), Some(passed_over), "{verdict}");
        assert!(run.stderr.contains("checked as a register"), "{}", run.stderr);
        let piped = piped(&bench, &["check", "--json", "-"], text).expect(1);
        assert_eq!(verdicts(&piped)[0]["findings"], verdict["findings"]);
    }
}

#[test]
fn many_files_end_with_the_worst_and_mask_no_violation() {
    let bench = bench(&[
        ("good", &fresh()),
        ("bad", STALE),
        ("broken", "[{:process 0\n"),
        (
            "odd",
            "{:process 0 :type :invoke :f :append :value \"a\"}\n{:process 0 :type :ok :f :append :value \"b\"}\n\
             {:process 0 :type :invoke :f :get :value nil}\n{:process 0 :type :ok :f :get :value \"a\"}\n",
        ),
    ]);
    let run = bench.duress(&["check", "good", "bad", "broken"]).expect(1);
    assert!(run.stdout.contains("== good") && run.stdout.contains("== bad"), "{}", run.stdout);
    assert!(
        run.stdout.contains("stale read") && run.stderr.contains("broken: line 1"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    bench.duress(&["check", "good", "broken"]).expect(254);
    bench.duress(&["check", "odd", "good"]).expect(2);
    bench.duress(&["check", "good", "good"]).expect(0);
    let run = bench.duress(&["check", "--json", "good", "nothing", "bad"]).expect(1);
    let valid: Vec<_> = verdicts(&run).iter().map(|verdict| verdict["valid"].clone()).collect();
    assert_eq!(valid, ["valid", "violation"]);
    bench.duress(&["check"]).expect(254);
}

#[test]
fn a_model_is_taken_only_when_it_is_certain() {
    let pairs = |asked: &str, answered: &str, f: &str| {
        format!(
            "{{:process 0 :type :invoke :f :{f} :value {asked}}}\n{{:process 0 :type :ok :f :{f} :value {answered}}}\n"
        )
    };
    let bench = bench(&[
        ("queue", &(pairs("1", "1", "enqueue") + &pairs("nil", "1", "dequeue"))),
        ("text", &(pairs("\"a\"", "\"a\"", "append") + &pairs("nil", "\"a\"", "get"))),
        ("versions", &(pairs("5", "5", "write") + &pairs("nil", "[1 5]", "read"))),
        ("alien", &pairs("1", "1", "teleport")),
        ("reads", &pairs("nil", "nil", "read")),
    ]);
    let run = bench.duress(&["check", "queue"]).expect(254);
    assert!(run.stderr.contains("say with --model which it is:\n  queue "), "{}", run.stderr);
    assert!(run.stderr.contains("\n  bag  "), "{}", run.stderr);
    bench.duress(&["check", "--model", "queue", "queue"]).expect(0);
    bench.duress(&["check", "text"]).expect(0);
    let run = bench.duress(&["check", "versions"]).expect(254);
    assert!(
        run.stderr.contains("\n  register ") && run.stderr.contains("\n  versioned-register "),
        "{}",
        run.stderr
    );
    bench.duress(&["check", "--model", "versioned-register", "versions"]).expect(0);
    let run = bench.duress(&["check", "alien"]).expect(254);
    assert!(run.stderr.contains("no model knows all of its functions (teleport)"), "{}", run.stderr);
    let run = bench.duress(&["check", "reads"]).expect(254);
    assert!(run.stderr.contains("if it is one, say so with --model register"), "{}", run.stderr);
    let run = bench.duress(&["check", "--model", "oracle", "text"]).expect(254);
    assert!(run.stderr.contains("[possible values: register,"), "{}", run.stderr);
    assert!(bench.duress(&["list", "models"]).expect(0).stdout.contains("priority-queue"));
}

/// What answers look like tells sets from counters; where nothing was answered, nothing is guessed.
#[test]
fn sets_and_counters_are_told_apart_by_what_was_read() {
    let history = |answer: &str| {
        format!(
            "{{:process 0 :type :invoke :f :add :value 1}}\n{{:process 0 :type :ok :f :add :value 1}}\n\
             {{:process 0 :type :invoke :f :read :value nil}}\n{{:process 0 :type :{answer}}}\n"
        )
    };
    let bench = bench(&[
        ("set", &history("ok :f :read :value #{1}")),
        ("counter", &history("ok :f :read :value 1")),
        ("unread", &history("info :f :read :value nil")),
        ("collected", &history("ok :f :read :value [1]").replace(":f :add", ":f :write")),
        (
            "appended",
            "{:process 0 :type :invoke :value [[:append 1 2]]}\n{:process 0 :type :ok :value [[:append 1 2]]}\n",
        ),
        ("cut", "{\"process\":0,\"type\":\"invoke\""),
    ]);
    let run = bench.duress(&["check", "--json", "set", "counter"]).expect(0);
    let models: Vec<_> = verdicts(&run).iter().map(|verdict| verdict["model"].clone()).collect();
    assert_eq!(models, ["set", "counter"]);
    let run = bench.duress(&["check", "unread"]).expect(254);
    assert!(run.stderr.contains("\n  set ") && run.stderr.contains("\n  counter "), "{}", run.stderr);
    let run = bench.duress(&["check", "collected"]).expect(254);
    assert!(run.stderr.contains("--model register"), "{}", run.stderr);
    let run = bench.duress(&["check", "appended"]).expect(254);
    assert!(run.stderr.contains("searches for cycles, such as Elle"), "{}", run.stderr);
    let run = bench.duress(&["check", "cut"]).expect(254);
    assert!(run.stderr.contains("cut: the last line breaks off"), "{}", run.stderr);
    let run = bench.duress(&["check", "."]).expect(254);
    assert!(run.stderr.contains("neither a run of Duress"), "{}", run.stderr);
}

#[test]
fn reports_of_etcd_are_checked_whole() {
    let range = |client: u64, call: u64, revision: u64| {
        format!(
            "{{\n \"ClientId\": {client}, \"Input\": {{\"Type\": \"range\", \"Range\": {{\"Start\": \"k\"}}}}, \"Call\": {call},\n \
             \"Output\": {{\"Range\": {{\"KVs\": [], \"Count\": 0}}, \"Revision\": {revision}}}, \"Return\": {}}}\n",
            call + 1
        )
    };
    let bench = bench(&[]);
    let write = |path: &str, text: &str| {
        fs::create_dir_all(bench.path(path)).expect("a directory");
        fs::write(bench.path(path).join("operations.json"), text).expect("written");
    };
    write("good/client-1", &range(1, 10, 1));
    write("good/client-2", &range(2, 10, 1));
    write("bad/client-1", &range(1, 10, 1));
    write("bad/client-2", &range(2, 20, 2));
    write("used/client-1", &range(1, 10, 7));
    let run = bench.duress(&["check", "--json", "good"]).expect(0);
    let verdict = &verdicts(&run)[0];
    assert_eq!((verdict["model"].as_str(), verdict["format"].as_str()), (Some("etcd"), Some("etcd-report")));
    assert_eq!(verdict["stats"]["calls"], 2);
    bench.duress(&["check", "--report", "bad.html", "bad"]).expect(1);
    assert!(bench.path("bad.html").exists());
    // One client of several proves nothing, and a store of which the beginning is not known neither.
    let run = bench.duress(&["check", "good/client-1/operations.json"]).expect(254);
    assert!(run.stderr.contains("check the whole report"), "{}", run.stderr);
    let run = bench.duress(&["check", "used"]).expect(254);
    assert!(run.stderr.contains("--initial '[]'"), "{}", run.stderr);
    bench.duress(&["check", "--initial", "[]", "used"]).expect(1);
    let both = range(1, 10, 1) + &range(2, 10, 1);
    assert!(piped(&bench, &["check", "-"], &both).expect(0).stderr.contains("standard input: checked as"));
}

#[test]
fn what_it_holds_at_first_and_what_nil_says() {
    let history = "{:process 0 :type :invoke :f :read :value nil}\n{:process 0 :type :ok :f :read :value nil}\n\
        {:process 0 :type :invoke :f :cas :value [0 1]}\n{:process 0 :type :ok :f :cas :value [0 1]}\n\
        {:process 0 :type :invoke :f :write :value 3}\n{:process 0 :type :info :f :write :value :timed-out}\n";
    let bench = bench(&[("history", history)]);
    bench.duress(&["check", "history"]).expect(1);
    bench.duress(&["check", "--initial", "0", "history"]).expect(1);
    bench.duress(&["check", "--initial", "0", "--nil", "unknown", "history"]).expect(0);
    let run = bench.duress(&["check", "--model", "mutex", "--initial", "7", "history"]).expect(254);
    assert!(run.stderr.contains("--initial 7: a lock is free at first"), "{}", run.stderr);
}

#[test]
fn what_cannot_be_is_named_with_its_line_and_repaired_only_when_asked() {
    let jittery = STALE
        .replace(":value 1}\n{:process 0, :type :ok", ":value 1, :time 9}\n{:time 7, :process 0, :type :ok");
    let orphan = STALE.replace("{:process 1, :type :invoke, :f :read, :value nil}\n", "");
    let bench = bench(&[("jittery", &jittery), ("orphan", &orphan)]);
    let run = bench.duress(&["check", "jittery"]).expect(254);
    assert!(
        run.stderr.contains("jittery: line 2: operation 1 happened at 7 ns, after one at 9 ns"),
        "{}",
        run.stderr
    );
    let run = bench.duress(&["check", "--repair", "jittery"]).expect(1);
    assert!(
        run.stderr.contains("jittery: repaired: line 2 was given the time of the one before"),
        "{}",
        run.stderr
    );
    // A line is missing there, and nobody knows which others are.
    for args in [&["check", "orphan"][..], &["check", "--repair", "orphan"][..]] {
        let run = bench.duress(args).expect(254);
        assert!(run.stderr.contains("orphan: line 5: operation 4 completes something"), "{}", run.stderr);
    }
}

#[test]
fn limits_make_it_unknown_with_the_reason() {
    let mut text = String::new();
    // Twelve things appended at once, and a text that no order of them gives.
    for process in 0..12 {
        text.push_str(&format!("{{:process {process} :type :invoke :f :append :value \"{process},\"}}\n"));
    }
    for process in 0..12 {
        text.push_str(&format!("{{:process {process} :type :ok :f :append :value nil}}\n"));
    }
    text.push_str(
        "{:process 0 :type :invoke :f :get :value nil}\n{:process 0 :type :ok :f :get :value \"0,1,\"}\n",
    );
    let bench = bench(&[("history", &text)]);
    let run = bench.duress(&["check", "--time-limit", "1ms", "--keys", "single", "history"]);
    assert!(matches!(run.code, Some(1 | 2)), "{}{}", run.stdout, run.stderr);
    if run.code == Some(2) {
        assert!(run.stdout.contains("time ran out"), "{}", run.stdout);
    }
    let run = bench.duress(&["check", "--memory-limit", "1", "history"]).expect(254);
    assert!(run.stderr.contains("16"), "{}", run.stderr);
}

#[test]
fn the_page_shows_the_proof_and_escapes_what_is_foreign() {
    let hostile = STALE.replace(":value 1", ":value \"<script>alert(1)</script>\"");
    let bench = bench(&[("bad", &hostile), ("good", &fresh())]);
    bench.duress(&["check", "--report", "bad.html", "bad"]).expect(1);
    let page = fs::read_to_string(bench.path("bad.html")).expect("a page");
    assert!(page.contains("Why it is impossible") && page.contains("<svg"), "{page}");
    assert!(!page.contains("<script") && page.contains("&lt;script"), "{page}");
    bench.duress(&["check", "--report", "good.html", "good"]).expect(0);
    let page = fs::read_to_string(bench.path("good.html")).expect("a page");
    assert!(page.contains("no violation found"), "{page}");
    let run = bench.duress(&["check", "--report", "no.html", "good", "bad"]).expect(254);
    assert!(run.stderr.contains("one page about one history") && !bench.path("no.html").exists());
    let run = bench.duress(&["check", "--report", "no/where.html", "good"]).expect(3);
    assert!(run.stderr.contains("no/where.html"), "{}", run.stderr);
}

#[test]
fn a_run_says_itself_how_it_is_checked() {
    let bench = Bench::new();
    let args = ["run", "sim", "--set", "bug=none", "--faults", "none", "--time", "500ms", "--dir", "run"];
    bench.duress(&args).expect(0);
    bench.duress(&["check", "run"]).expect(0);
    let run = bench.duress(&["check", "--model", "set", "run"]).expect(254);
    assert!(run.stderr.contains("--model") && run.stderr.contains("history.jsonl"), "{}", run.stderr);
}
