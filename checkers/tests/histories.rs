//! What is accepted as a history, and what is refused with which words.

use duress_checkers::history::{Format, HistoryError, Loaded, ReadOptions, read};
use duress_checkers::{History, Kind, Process};
use serde_json::json;

fn read_jsonl(text: &[u8]) -> Result<Loaded, HistoryError> {
    read(text, &ReadOptions::of(Format::JsonLines))
}

fn lines(lines: &[&str]) -> Result<History, String> {
    read_jsonl(lines.join("\n").as_bytes()).map(|loaded| loaded.history).map_err(|why| why.to_string())
}

const INVOKE: &str = r#"{"index":0,"time":5,"process":0,"type":"invoke","f":"write","value":1}"#;
const OK: &str = r#"{"index":1,"time":9,"process":0,"type":"ok","f":"write","value":1}"#;

#[test]
fn a_last_line_that_breaks_off_is_left_out_and_said() {
    let text = format!("{INVOKE}\n{OK}\n{}", &INVOKE[..30]);
    let loaded = read_jsonl(text.as_bytes()).expect("a history");
    assert!(loaded.truncated);
    assert_eq!(loaded.history.len(), 2);
    // A multi-byte character may be cut, too.
    let text = [format!("{INVOKE}\n{{\"f\":\"").as_bytes(), &"é".as_bytes()[..1]].concat();
    assert!(read_jsonl(&text[..]).expect("a history").truncated);
    // Complete without a newline is complete.
    let text = format!("{INVOKE}\n{OK}");
    let loaded = read_jsonl(text.as_bytes()).expect("a history");
    assert_eq!((loaded.truncated, loaded.history.len()), (false, 2));
}

#[test]
fn a_broken_line_in_the_middle_is_an_error_with_its_number() {
    let why = lines(&[INVOKE, "", "{\"process\": 1,", OK]).expect_err("broken");
    assert!(why.starts_with("line 3 is not an operation: "), "{why}");
    let why = lines(&[INVOKE, "[1, 2]", OK]).expect_err("broken");
    assert!(why.starts_with("line 2 is not an operation: expected an object"), "{why}");
    // Even at the end, if the newline got written.
    let why = lines(&[INVOKE, "{\"process\": 1,", ""]).expect_err("broken");
    assert!(why.starts_with("line 2"), "{why}");
}

#[test]
fn foreign_keys_are_ignored_and_missing_ones_filled_in() {
    let history = lines(&[
        r#"{"type":":invoke","f":":read","value":null,"process":3,"op-index":7,"clock":{"a":1}}"#,
        r#"{"type":"ok","f":"read","process":3,"value":[1,2],"error":["timeout","x"]}"#,
        r#"{"type":"info","f":":start","process":":nemesis","value":"n1"}"#,
        r#"{"type":"info","f":"stop","process":"nemesis"}"#,
    ])
    .expect("a history");
    let ops = history.ops();
    assert_eq!(
        ops.iter().map(|op| (op.index, op.time)).collect::<Vec<_>>(),
        [(0, 0), (1, 1), (2, 2), (3, 3)]
    );
    assert_eq!((ops[0].f.as_str(), ops[0].kind), ("read", Kind::Invoke));
    assert_eq!(ops[1].error.as_deref(), Some("[\"timeout\",\"x\"]"));
    assert_eq!((ops[2].process, ops[2].f.as_str()), (Process::Nemesis, "start"));
    // The nemesis is no client, and pairs with nothing.
    let calls: Vec<_> = history.calls().collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].completion.map(|op| op.value.clone()), Some(json!([1, 2])));
}

#[test]
fn equal_numbers_are_equal_and_numbers_too_large_to_compare_are_refused() {
    let value = |text: &str| {
        let line = format!(r#"{{"process":0,"type":"invoke","f":"write","value":{text}}}"#);
        lines(&[&line, ""]).map(|history| history.ops()[0].value.to_string())
    };
    assert_eq!(value("[1.0,-2e0]"), Ok("[1,-2]".to_owned()));
    assert_eq!(value("[1,2.5]"), Ok("[1,2.5]".to_owned()));
    assert_eq!(value("18446744073709551615"), Ok("18446744073709551615".to_owned()));
    for text in ["18446744073709551616", "[18446744073709551617,1]", "1e300", "9007199254740993.0"] {
        let why = value(text).expect_err(text);
        assert!(why.contains("line 1") && why.contains("more digits"), "{why}");
    }
}

#[test]
fn processes_are_numbers_or_the_nemesis() {
    for process in ["-1", "1.5", "\"client\"", "null"] {
        let line = INVOKE.replace("\"process\":0", &format!("\"process\":{process}"));
        let why = lines(&[&line, ""]).expect_err("no process");
        assert!(why.contains("process must be a whole number or \"nemesis\""), "{why}");
    }
}

#[test]
fn what_cannot_have_happened_is_refused() {
    let second = INVOKE.replace("\"index\":0", "\"index\":1");
    let why = lines(&[INVOKE, &second]).expect_err("overlap");
    assert!(why.contains("process 0 invokes operation 1 while its operation 0 is still open"), "{why}");
    let why = lines(&[OK]).expect_err("orphan");
    assert!(why.contains("operation 1 completes something that process 0 never invoked"), "{why}");
    let why = lines(&[INVOKE, &OK.replace("write", "read")]).expect_err("mismatch");
    assert!(why.contains("completes `read`, but process 0 had invoked `write`"), "{why}");
    let why = lines(&[INVOKE, &OK.replace("\"index\":1", "\"index\":0")]).expect_err("order");
    assert!(why.contains("line 2: ") && why.contains("indices must increase"), "{why}");
    let why = lines(&[INVOKE, &OK.replace("\"time\":9", "\"time\":4")]).expect_err("time");
    assert!(why.contains("line 2: operation 1 happened at 4 ns, after one at 5 ns"), "{why}");
}

#[test]
fn a_process_may_go_on_after_a_doubt_and_stop_in_the_middle() {
    let info = OK.replace("\"ok\"", "\"info\"");
    let again = INVOKE.replace("\"index\":0,\"time\":5", "\"index\":2,\"time\":9");
    let history = lines(&[INVOKE, &info, &again]).expect("a history");
    let calls: Vec<_> = history.calls().collect();
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[0].kind(), calls[1].kind()), (Kind::Info, Kind::Info));
    assert!(calls[0].returned().is_none() && calls[1].completion.is_none());
}

#[test]
fn what_is_written_is_read_back() {
    let history = lines(&[INVOKE, OK]).expect("a history");
    let text: Vec<String> =
        history.ops().iter().map(|op| serde_json::to_string(op).expect("an operation is JSON")).collect();
    let again = lines(&text.iter().map(String::as_str).collect::<Vec<_>>()).expect("a history");
    assert_eq!(history.ops(), again.ops());
}
