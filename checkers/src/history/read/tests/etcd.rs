//! Reports of etcd's robustness tests, written by hand after the structures that write them.

use super::*;
use crate::history::read_report;
use crate::model::Etcd;
use crate::{Budget, Checker, Keys, Linearizable, Valid};

/// What every output carries.
const REST: &str = r#""LeaseGrant": null, "LeaseRevoke": null, "Defragment": null, "Compact": null, "ClientError": "",
  "member-id": "8e9e05c52164694d", "Persisted": false, "PersistedRevision": 0"#;

/// An operation as Go writes it, over several lines.
fn operation(client: u64, (call, returned): (u64, u64), kind: &str, asked: &str, output: &str) -> String {
    let field = if kind == "txn" { "Txn" } else { "Range" };
    let other = if kind == "txn" { "Range" } else { "Txn" };
    let output = format!("{{\n  {output},\n  {REST}\n}}");
    format!(
        "{{\n  \"ClientId\": {client},\n  \"Input\": {{\n    \"Type\": \"{kind}\",\n    \"LeaseGrant\": null,\n    \"{field}\": {asked},\n    \
         \"{other}\": null\n  }},\n  \"Call\": {call},\n  \"Output\": {output},\n  \"Return\": {returned},\n  \"Metadata\": {output}\n}}\n"
    )
}

fn get(client: u64, times: (u64, u64), key: &str, found: &str, revision: u64) -> String {
    let asked = format!(r#"{{"Start": "{key}", "End": "", "Limit": 0, "KeysOnly": false, "Revision": 0}}"#);
    let count = u8::from(!found.is_empty());
    let output = format!(
        r#""Txn": null, "Range": {{"KVs": [{found}], "Count": {count}}}, "Revision": {revision}, "Error": """#
    );
    operation(client, times, "range", &asked, &output)
}

fn put(client: u64, times: (u64, u64), value: &str, revision: u64, error: &str) -> String {
    let asked = format!(
        r#"{{"Conditions": null, "OperationsOnSuccess": [{{"Type": "put-operation",
        "Range": {{"Start": "", "End": "", "Limit": 0, "KeysOnly": false}},
        "Put": {{"Key": "k", "Value": {{"Value": "{value}"}}, "LeaseID": 0}}, "Delete": {{"Key": ""}}}}], "OperationsOnFailure": null}}"#
    );
    let txn = if error.is_empty() {
        r#"{"Failure": false, "Results": [{"KVs": null, "Count": 0, "Deleted": 0}]}"#
    } else {
        "null"
    };
    let output = format!(r#""Txn": {txn}, "Range": null, "Revision": {revision}, "Error": "{error}""#);
    operation(client, times, "txn", &asked, &output)
}

fn held(value: &str, revision: u64, version: u64) -> String {
    format!(
        r#"{{"Key": "k", "Value": {{"Value": "{value}"}}, "ModRevision": {revision}, "Version": {version}}}"#
    )
}

fn report(files: &[String]) -> Result<Loaded, HistoryError> {
    read_report(files.iter().enumerate().map(|(n, text)| (format!("client-{n}"), text.as_bytes())))
}

fn valid(loaded: &Loaded) -> Valid {
    Linearizable::new(Etcd::default(), Keys::Auto).check(&loaded.history, &Budget::default()).valid
}

#[test]
fn the_files_of_a_report_are_one_history() {
    let one =
        get(1, (10, 20), "k", "", 1) + &put(1, (30, 40), "a", 2, "") + &put(1, (50, 60), "b", 0, "timeout");
    let two = get(2, (40, 45), "k", &held("a", 2, 1), 2) + &get(2, (70, 80), "k", &held("b", 3, 2), 3);
    let loaded = report(&[one.clone(), two.clone()]).expect("a report");
    assert_eq!((loaded.format, valid(&loaded)), (Format::EtcdReport, Valid::Valid));
    let ops = loaded.history.ops();
    assert_eq!(ops.iter().map(|op| op.index).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    // At 40 one ends and another begins: they may have been at the same time.
    let at_40: Vec<Kind> = ops.iter().filter(|op| op.time == 40).map(|op| op.kind).collect();
    assert_eq!(at_40, [Kind::Invoke, Kind::Ok]);
    let doubt = ops.iter().find(|op| op.kind == Kind::Info).expect("one");
    assert_eq!((doubt.time, doubt.error.as_deref()), (60, Some("timeout")));
    // One file after the other is the same history.
    let text = format!("{one}{two}");
    let whole = load(text.as_bytes(), &ReadOptions::default()).expect("a history");
    assert_eq!((whole.format, whole.history.ops()), (Format::EtcdReport, ops));
    // One without the other is another.
    assert_eq!(valid(&report(&[two]).expect("a report")), Valid::Violation);
    // Nobody put this.
    let lie = one + &get(3, (90, 95), "k", &held("c", 3, 2), 3);
    assert_eq!(valid(&report(&[lie]).expect("a report")), Valid::Violation);
}

#[test]
fn long_values_are_compared_by_their_hash() {
    // FNV-1a of 32 bits of it, which is what reads of it are answered with.
    let text = "abcdefghijklmnopqrstuvwxyz";
    let hash =
        text.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    let read = |hash: u32| {
        let found = held("", 2, 1).replace(r#"{"Value": ""}"#, &format!("{{\"Hash\": {hash}}}"));
        let all = put(1, (1, 2), text, 2, "") + &get(1, (3, 4), "k", &found, 2);
        valid(&report(&[all]).expect("a report"))
    };
    assert_eq!((read(hash), read(hash ^ 1)), (Valid::Valid, Valid::Violation));
}

#[test]
fn what_is_no_report_is_named_with_file_and_place() {
    let good = get(1, (10, 20), "k", "", 1);
    let why = |text: String| report(&[good.clone(), text]).expect_err("no report").to_string();
    for (from, to, said) in [
        (
            "\"Limit\": 0",
            "\"Limit\": 0, \"Serializable\": true",
            "client-1: line 6 is not an operation: unknown field `Serializable`",
        ),
        (
            "\"Call\": 30",
            "\"Call\": 50",
            "client-1: line 1 is not an operation: it returns at 40 ns, before its call at 50 ns: time goes backwards",
        ),
        ("\"Call\": 30", "\"Call\": -3", "client-1: line 9 is not an operation: invalid value"),
        ("\"Type\": \"range\"", "\"Type\": \"txn\"", "its type is \"txn\", but range is asked"),
        ("\"Txn\": null\n", "\"Txn\": {}\n", "it asks for several things at once"),
        ("\"Persisted\": false", "\"Persisted\": true", "its outcome was added afterwards"),
        ("\"k\"", "\"\\ufffd\"", "was no text"),
        ("\"Return\": 40", "\"Return\": 40, \"Return\": 41", "duplicate field `Return`"),
    ] {
        let text = get(2, (30, 40), "k", "", 1);
        assert!(text.contains(from), "{from}");
        let said_instead = why(text.replacen(from, to, 1));
        assert!(said_instead.contains(said), "{said_instead}");
    }
    // Its line is where the second begins.
    let twice = get(2, (30, 40), "k", "", 1) + &get(2, (35, 50), "k", "", 1);
    let lines = get(2, (30, 40), "k", "", 1).lines().count();
    let said = why(twice);
    assert!(
        said.starts_with(&format!("client-1: line {}: process 2 invokes operation", lines + 1)),
        "{said}"
    );
    // Whatever follows is lost with a cut: that is no end.
    let said = why(good[..good.len() / 2].to_owned());
    assert!(
        said.contains("client-1: line 1 is not an operation: the object that begins here never ends"),
        "{said}"
    );
}
