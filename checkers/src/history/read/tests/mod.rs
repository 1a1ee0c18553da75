//! Whatever bytes come: a history or an error with a place, never a panic.

mod etcd;
mod repair;

use super::*;
use crate::history::{Kind, Op, Process};
use proptest::prelude::*;
use serde_json::{Value, json};

fn load(text: &[u8], options: &ReadOptions) -> Result<Loaded, HistoryError> {
    read(text, options)
}

fn loaded(text: &str) -> Loaded {
    load(text.as_bytes(), &ReadOptions::default()).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn refused(text: &str) -> String {
    load(text.as_bytes(), &ReadOptions::default()).expect_err(text).to_string()
}

fn values(loaded: &Loaded) -> Vec<Value> {
    loaded.history.ops().iter().map(|op| op.value.clone()).collect()
}

mod formats {
    use super::*;

    const LINES: &str = concat!(
        r#"{"process":0,"type":"invoke","f":"write","value":3}"#,
        "\n",
        r#"{"process":0,"type":"ok","f":"write","value":3}"#,
        "\n"
    );

    #[test]
    fn one_history_in_every_format_is_one_history() {
        let expected = loaded(LINES);
        assert_eq!((expected.format, expected.history.len()), (Format::JsonLines, 2));
        let array = format!("[{}]", LINES.trim().replace('\n', ",\n"));
        let edn =
            "{:process 0, :type :invoke, :f :write, :value 3}\n{:process 0 :type :ok :f :write :value 3N}";
        for (text, format) in [
            (format!("\u{feff}{LINES}"), Format::JsonLines),
            (array.clone(), Format::JsonArray),
            (array.replace('\n', ""), Format::JsonArray),
            (edn.to_owned(), Format::Edn),
            (edn.replace("{:process", "#jepsen.history.Op{:process"), Format::Edn),
            (edn.replace("3}", "3 #_(unread {1 2}) #_ #_ 1 2}"), Format::Edn),
            (format!("; a comment\n[{edn} ; another\n]"), Format::Edn),
            (format!("({edn})\n"), Format::Edn),
            ("INFO  jepsen.util - 0\t:invoke\t:write\t3\nINFO  jepsen.util - 0\t:ok\t:write\t3\n".to_owned(), Format::JepsenLog),
            ("INFO jepsen.util - 0 :invoke  :write 3\nINFO jepsen.util - 0   :ok :write  3\n".to_owned(), Format::JepsenLog),
            ("0\t:invoke\t:write\t3\n0\t:ok\t:write\t3\n".to_owned(), Format::JepsenLog),
            (
                "2020-01-02 03:04:05,678{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:invoke\t:write\t3\nINFO [2016-01-01] jepsen worker 0 - jepsen.util 0 :ok :write 3\n".to_owned(),
                Format::JepsenLog,
            ),
        ] {
            let found = loaded(&text);
            assert_eq!(found.format, format, "{text}");
            assert_eq!(found.history.ops(), expected.history.ops(), "{text}");
            assert!(!found.truncated && found.passed_over == 0 && found.repairs.is_empty(), "{text}");
        }
    }

    #[test]
    fn what_looks_like_nothing_is_said_so() {
        let why = refused("<html><body>404</body></html>");
        assert!(why.contains("begins with `<html>") && why.contains("json-lines"), "{why}");
        assert!(refused("this is\nno history").contains("begins with `this is"));
        // Named, a format has its own say.
        let why =
            load(b"this is\nno history\n", &ReadOptions::of(Format::JsonLines)).expect_err("no history");
        assert!(why.to_string().starts_with("line 1 is not an operation"), "{why}");
        for empty in ["", "  \n\n", "[]", "[ ]\n", "()", "; nothing\n"] {
            assert!(loaded(empty).history.is_empty(), "{empty}");
        }
    }

    #[test]
    fn logs_hold_other_lines_too() {
        let text = concat!(
            "INFO  jepsen.core - Worker 1 starting\n",
            "INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2]\n",
            "WARN  jepsen.core - 1 :trouble\n",
            "INFO  jepsen.util - :nemesis\t:info\t:start\t{\"n1\" :cut}\n",
            "INFO  jepsen.util - 1\t:info\t:cas\t[1 2]\t:timed-out\n",
        );
        let loaded = loaded(text);
        assert_eq!((loaded.history.len(), loaded.passed_over, loaded.truncated), (3, 2, false));
        assert_eq!(loaded.history.ops()[1].process, Process::Nemesis);
        assert_eq!(loaded.history.ops()[2].error.as_deref(), Some(":timed-out"));
        let why =
            refused("INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2\nINFO  jepsen.util - 1\t:ok\t:cas\t[1 2]\n");
        assert!(why.contains("line 1") && why.contains("`]` is missing"), "{why}");
    }

    #[test]
    fn a_cut_at_the_end_never_changes_a_value() {
        let log = "0\t:invoke\t:read\tnil\n0\t:ok\t:read\t12\n1\t:invoke\t:write\t15";
        let edn = "{:process 0 :type :invoke :f :read :value nil}\n{:process 0 :type :ok :f :read :value 12}";
        let json = "{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":12}";
        for text in [log, edn, json] {
            let format = loaded(text).format;
            for length in 0..text.len() {
                let cut = load(&text.as_bytes()[..length], &ReadOptions::of(format)).expect("a history");
                assert!(
                    values(&cut).iter().all(|value| *value == Value::Null || *value == json!(12)),
                    "{cut:?}"
                );
            }
        }
    }

    #[test]
    fn lists_that_never_end_are_errors() {
        // Whatever follows an unclosed bracket would be lost with it.
        let op = "{:process 0 :type :invoke :f :read :value nil}";
        assert!(refused(&format!("[{op}\n")).contains("`]` is missing"));
        assert!(refused(&format!("{{:a {op}\n{op}\n")).contains("line 1"));
        let op = r#"{"process":0,"type":"invoke","f":"read","value":null}"#;
        assert!(refused(&format!("[{op},")).contains("expected an object"));
        assert!(refused(&format!("[{op}")).contains("never ends"));
        assert!(refused(&format!("[{op}]\n]")).contains("line 2 is not an operation: the array has ended"));
        assert!(refused(&format!("[{op},\n {{\"process\": }}]")).contains("line 2"));
        assert!(refused(&format!("[{op},\n {{\"process\": }}]")).contains("(column 14)"));
    }
}

mod edn {
    use super::*;

    fn value(text: &str) -> Result<Value, String> {
        let text = format!("{{:process 0 :type :invoke :f :write :value {text}}}");
        load(text.as_bytes(), &ReadOptions::of(Format::Edn))
            .map(|loaded| loaded.history.ops()[0].value.clone())
            .map_err(|why| why.to_string())
    }

    #[test]
    fn everything_has_a_value() {
        for (text, expected) in [
            ("nil", json!(null)),
            ("true", json!(true)),
            ("-12", json!(-12)),
            ("+7N", json!(7)),
            ("0x1F", json!(31)),
            ("1.5", json!(1.5)),
            ("2.0", json!(2)),
            ("1.5M", json!(1.5)),
            ("25e-1", json!(2.5)),
            ("6/4", json!("3/2")),
            ("-4/2", json!(-2)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            (":a", json!("a")),
            (":jepsen/a", json!("jepsen/a")),
            ("sym", json!("sym")),
            ("\\a", json!("a")),
            ("\\newline", json!("\n")),
            ("\\u00e9", json!("é")),
            ("\\(", json!("(")),
            (r#""a\n\"\u00e9\ud83d\ude00""#, json!("a\n\"é😀")),
            ("\"ü\"", json!("ü")),
            ("[1 (2 3),4]", json!([1, [2, 3], 4])),
            ("#{3 1 2}", json!([1, 2, 3])),
            ("{:a 1 2 3}", json!({"a": 1, "2": 3})),
            ("#:ns{:a 1}", json!({"ns/a": 1})),
            ("#inst \"2020-01-01\"", json!("2020-01-01")),
            ("#jepsen.independent.Tuple [1 2]", json!([1, 2])),
            ("##Inf", json!("##Inf")),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        for (text, why) in [
            ("18446744073709551616", "more digits"),
            ("-9223372036854775809", "more digits"),
            ("1e300", "more digits"),
            ("1e999", "too large"),
            ("1.0000000000000000000001M", "more digits"),
            (&"9".repeat(1000), "1000 digits"),
            ("017", "octal"),
            ("1/0", "divides by zero"),
            ("1x", "is no number"),
            ("##NaN", "not even itself"),
            ("#{1 1.0}", "in a set twice"),
            ("{1 2, \"1\" 2}", "in a map twice"),
            ("[:a \"a\"]", "`a` is a string here and a keyword before"),
            ("[a \\a]", "a character here and a symbol before"),
            ("{:a}", "no value"),
            ("\\nothing", "no such character"),
            ("\"\\q\"", "no such escape"),
            ("\"\\ud800\"", "half a character"),
            ("^:meta [1]", "code, not data"),
            (")", "closes nothing"),
            (":", "without a name"),
        ] {
            let found = value(text).expect_err(text);
            assert!(found.contains(why) && found.contains("line 1"), "{text}: {found}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        for open in ["[", "(", "{:a ", "#{", "#_", "#a ", "#:a{:b "] {
            let why = value(&open.repeat(100_000)).expect_err(open);
            assert!(why.contains("nested more than"), "{open}: {why}");
        }
        assert!(value(&format!("{}{}", "[".repeat(90), "]".repeat(90))).is_ok());
        // JSON's parser has a bound of its own.
        let deep =
            format!("{{\"process\":0,\"type\":\"invoke\",\"f\":\"w\",\"value\":{}", "[".repeat(100_000));
        assert!(refused(&format!("{deep}\n")).contains("recursion limit"));
        assert!(refused(&format!("[{deep}}}]")).contains("recursion limit"));
    }

    #[test]
    fn fields_that_nobody_reads_may_hold_anything() {
        let text = "{:process 0 :type :invoke :f :write :value 1 :exception {:a ##NaN :b #{1 1}} 3 4 :error [\"x\" :x ##NaN]}";
        let loaded = loaded(text);
        assert_eq!(loaded.history.ops()[0].error.as_deref(), Some("[\"x\",\"x\",\"##NaN\"]"));
        assert!(
            refused("{:process 0 :process 1 :type :invoke :f :read}").contains(":process is there twice")
        );
    }
}

mod meaning {
    use super::*;

    #[test]
    fn a_key_beside_the_value_makes_a_pair_and_a_list_of_micro_operations_a_txn() {
        let loaded = loaded(concat!(
            "{:process 0, :type :invoke, :f :get, :key \"k\", :value nil}\n",
            "{:process 0, :type :ok, :f :get, :key \"k\", :value \"v\"}\n",
            "{:process 0, :type :invoke, :value [[:append 1 2] [:r 3 nil]]}\n",
        ));
        assert_eq!(values(&loaded)[..2], [json!(["k", null]), json!(["k", "v"])]);
        assert_eq!(loaded.history.ops()[2].f, "txn");
        assert!(refused("{:process 0, :type :invoke, :value [1 2]}").contains("missing field `f`"));
        let why =
            refused("{:process 0 :type :invoke :f :get :key 1}\n{:process 0 :type :ok :f :get :key 1}\n");
        assert!(why.contains("line 2") && why.contains("an ok read has no value"), "{why}");
    }

    #[test]
    fn nil_is_a_value_unless_asked_otherwise() {
        let text = concat!(
            "{:process 0 :type :invoke :f :read :value nil}\n{:process 0 :type :ok :f :read :value nil}\n",
            "{:process 1 :type :invoke :f :read :value [7 nil]}\n{:process 1 :type :ok :f :read :value [7 nil]}\n",
            "{:process 2 :type :invoke :f :read :value nil}\n{:process 2 :type :ok :f :read :value [7 nil]}\n",
            "{:process 3 :type :invoke :f :dequeue :value nil}\n{:process 3 :type :ok :f :dequeue :value nil}\n",
            "{:process 4 :type :invoke :f :txn :value [[:r 1 nil] [:w 2 3]]}\n",
            "{:process 4 :type :ok :f :txn :value [[:r 1 nil] [:w 2 3]]}\n",
        );
        let kinds = |loaded: &Loaded| loaded.history.calls().map(|call| call.kind()).collect::<Vec<_>>();
        let plain = loaded(text);
        assert_eq!(kinds(&plain), [Kind::Ok; 5]);
        let unknown = load(text.as_bytes(), &ReadOptions { nil: Nil::Unknown, ..ReadOptions::default() })
            .expect("read");
        assert_eq!(kinds(&unknown), [Kind::Info, Kind::Info, Kind::Ok, Kind::Ok, Kind::Ok]);
        assert_eq!(values(&unknown)[8..], [json!([["w", 2, 3]]), json!([["w", 2, 3]])]);
    }

    #[test]
    fn missing_indices_and_times_follow_those_before() {
        let text = concat!(
            "{:process 0 :type :invoke :f :read :value nil :index 7 :time 90}\n",
            "{:process 0 :type :ok :f :read :value nil}\n{:process 0 :type :invoke :f :read :value nil :index 9 :time 95}\n",
        );
        let loaded = loaded(text);
        let placed: Vec<_> = loaded.history.ops().iter().map(|op| (op.index, op.time)).collect();
        assert_eq!(placed, [(7, 90), (8, 90), (9, 95)]);
        let last = format!(
            "{{:process 0 :type :invoke :f :read :index {}}}\n{{:process 1 :type :invoke :f :read}}\n",
            u64::MAX
        );
        assert!(refused(&last).contains("line 2") && refused(&last).contains("no index is left"));
    }
}

mod any_bytes {
    use super::*;

    /// One of each format, with what is special about it.
    const SAMPLES: [&str; 6] = [
        "{\"process\":0,\"type\":\"invoke\",\"f\":\"cas\",\"value\":[1,2],\"time\":4}\n{\"process\":0,\"type\":\"ok\",\"f\":\"cas\",\"value\":[1,2],\"time\":9}\n",
        "[{\"process\":0,\"type\":\"invoke\",\"f\":\"txn\",\"value\":[[\"r\",\"x\\\"\",null]]},\n{\"process\":0,\"type\":\"fail\",\"f\":\"txn\",\"value\":{\"a\":1.5}}]",
        "; c\n[{:process 7, :type :invoke, :f :cas, :value [2 3]}\n #_{:x 1} {:process 7, :type :fail, :f :cas, :value #{2 \\a \"\\u00e9\"}}]",
        "#jepsen.history.Op{:process :nemesis, :type :info, :f :start, :value {:a 1/2}, :time 12}\n{:process 0 :type :invoke :f :get :key \"0\" :value nil :index 8}\n",
        "INFO  jepsen.util - 4\t:invoke\t:write\t3\nINFO  jepsen.util - 4\t:info\t:write\t:timed-out\nINFO  jepsen.core - talk\n",
        "4   :invoke :cas    [3 4]\n:nemesis :info :stop \"é\"\n4   :ok :cas    [3 4]",
    ];

    /// Reads in every way there is. What comes back is a history that stands on its own.
    fn check(bytes: &[u8]) {
        let formats = Format::ALL.iter().map(|format| Some(*format)).chain([None]);
        for format in formats {
            for repair in [false, true] {
                for nil in [Nil::Value, Nil::Unknown] {
                    let Ok(loaded) = load(bytes, &ReadOptions { format, nil, repair }) else { continue };
                    let ops = loaded.history.ops();
                    assert!(ops.windows(2).all(|pair| pair[0].index < pair[1].index));
                    assert!(ops.windows(2).all(|pair| pair[0].time <= pair[1].time));
                    assert!(repair || loaded.repairs.is_empty());
                    for call in loaded.history.calls() {
                        assert!(call.completion.is_none_or(|done| done.process == call.invoke.process));
                    }
                    if !repair && nil == Nil::Value {
                        round_trip(ops);
                    }
                }
            }
        }
    }

    fn round_trip(ops: &[Op]) {
        let mut text = Vec::new();
        for op in ops {
            serde_json::to_writer(&mut text, op).expect("an operation is JSON");
            text.push(b'\n');
        }
        let again = load(&text, &ReadOptions::of(Format::JsonLines)).expect("what was written");
        assert_eq!(again.history.ops(), ops);
    }

    /// Bytes that mean something to one of the formats.
    fn token() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            8 => prop::sample::select(vec![
                "{", "}", "[", "]", "(", ")", "\"", "\\", "#", "#_", "#{", "##Inf", ":", ",", ";", "\n", "\t", " ",
                "nil", "null", "0", "-1", "9223372036854775808", "1e999", "1/2", "0x", "3N", "2M", ":process", ":type", ":f",
                ":value", ":index", ":time", ":key", ":invoke", ":ok", ":info", ":fail", "jepsen.util", " - ", "\\u", "d800",
                "\"process\"", "\"type\"", "\"invoke\"", "\"ok\"", "\"f\"", "\"read\"", "\"value\"", "true", "\u{feff}", "é",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn tokens_in_any_order(tokens in prop::collection::vec(token(), 0..40)) {
            check(&tokens.concat());
        }

        #[test]
        fn any_bytes_at_all(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            check(&bytes);
        }

        #[test]
        fn histories_with_a_few_changes(
            sample in prop::sample::select(SAMPLES.to_vec()),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, token()), 1..5),
        ) {
            let mut bytes = sample.as_bytes().to_vec();
            for (at, remove, insert) in changes {
                let at = at.index(bytes.len() + 1);
                let end = (at + remove).min(bytes.len());
                bytes.splice(at..end, insert);
            }
            check(&bytes);
        }
    }

    #[test]
    fn the_samples_are_histories() {
        for sample in SAMPLES {
            let loaded = load(sample.as_bytes(), &ReadOptions::default())
                .unwrap_or_else(|why| panic!("{sample}: {why}"));
            assert!(loaded.history.len() >= 2, "{sample}");
            check(sample.as_bytes());
        }
    }
}
