//! Real programs, small ones in shell: what becomes of what they say.

use super::*;
use crate::Completion;
use duress_workloads::Invocation;
use serde_json::{Value, json};
use std::time::Instant;

/// What all of them begin with: `init` is answered.
const BEGIN: &str = r#"read l; echo '{"type":"init_ok"}'; "#;

fn node() -> Node {
    Node { name: "n1".to_owned(), addr: std::net::Ipv4Addr::LOCALHOST.into() }
}

fn context() -> Context {
    Context::new("register", BTreeMap::new(), [("client".to_owned(), 6379)].into())
}

fn shell(script: &str) -> Spec {
    Spec::new(["sh", "-c", script].map(str::to_owned).to_vec())
}

async fn connect(script: &str, cx: &Context) -> Result<Box<dyn Client>, ClientError> {
    shell(script).connect(&node(), cx).await
}

fn read() -> Invocation {
    Invocation::new("read", json!([7, null]))
}

/// What becomes of one `read`, and what is told about it.
async fn one(script: &str) -> (Completion, Vec<String>) {
    let cx = context();
    let mut client = connect(&format!("{BEGIN}{script}"), &cx).await.expect("it starts");
    (client.invoke(&read()).await, cx.notes(true))
}

#[tokio::test]
async fn answers_are_taken_as_they_are() {
    let (completion, notes) = one(r#"read l; echo '{"type":"ok","id":1,"value":[7,3]}'; read l"#).await;
    assert_eq!((completion, notes.len()), (Completion::Ok(json!([7, 3])), 0));
    let (completion, _) = one(r#"read l; echo '{"type":"fail","id":1,"error":"refused"}'; read l"#).await;
    assert_eq!(completion, Completion::Fail(ClientError::new("refused", "")));
    let (completion, notes) =
        one(r#"read l; echo '{"type":"info","id":1,"error":"reset: gone"}'; read l"#).await;
    assert_eq!((completion, notes.len()), (Completion::Info(ClientError::new("reset", "gone")), 0));
}

#[tokio::test]
async fn a_broken_rule_is_in_doubt_and_told_with_its_line() {
    for (script, number, line) in [
        ("read l; echo hello; read l", "R2 ", "hello"),
        (r#"read l; echo '{"type":"ok",'; read l"#, "R3 ", "{\"type\":\"ok\","),
        (r#"read l; head -c 1100000 /dev/zero; read l"#, "R3 ", "\u{fffd}"),
        (r#"read l; echo '{"type":"ok","id":2,"value":[7,3]}'; read l"#, "R4 ", "\"id\":2"),
        (r#"read l; echo '{"type":"ok","value":[7,3]}'; read l"#, "R4 ", "\"ok\""),
        (
            r#"read l; printf '%s\n' '{"type":"ok","id":1,"value":[7,3]}' '{"type":"ok","id":1,"value":[7,3]}'; read l"#,
            "R5 ",
            "\"id\":1",
        ),
        (r#"read l; echo '{"type":"ok","id":1}'; read l"#, "R9 ", "\"ok\""),
        (r#"read l; echo '{"type":"ok","id":1,"value":[7,"3"]}'; read l"#, "R9 ", "\"3\""),
        ("read l; exit 3", "R10 ", "status 3"),
        (
            "read l; printf 'Traceback:\\n  line 7\\nSyntaxError: \\033[1mwhat\\n\\n' >&2; exit 1",
            "R10 ",
            "status 1; the last that it said on standard error: SyntaxError: \u{fffd}[1mwhat",
        ),
        ("read l; kill -9 $$", "R10 ", "by itself"),
        ("read l; printf '{\"type\":'", "R10 ", "{\"type\":"),
        ("exec >&-; read l; read l", "R10 ", "closed its standard output"),
    ] {
        let (completion, notes) = one(script).await;
        let Completion::Info(error) = &completion else { panic!("{script}: {completion:?}") };
        let class = if number == "R10 " { "client-exited" } else { "protocol" };
        assert_eq!(error.class, class, "{script}: {completion:?}");
        let [note] = &notes[..] else { panic!("{script}: {notes:?}") };
        assert!(note.starts_with(number) && note.contains(line), "{script}: {note}");
        assert!(note.len() < 1_200, "{script}: {} bytes", note.len());
    }
}

/// What was said before it was asked for is no answer, whatever number it has.
#[tokio::test]
async fn an_answer_that_comes_before_its_question_is_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = dir.path().join("said").display().to_string();
    let answer = |id| format!(r#"echo '{{"type":"ok","id":{id},"value":[7,3]}}'"#);
    let script = format!(
        "{BEGIN}read l; {}; until [ -e {said}.go ]; do sleep 0.01; done; {}; : >{said}; read l; read l",
        answer(1),
        answer(2)
    );
    let mut client = connect(&script, &context()).await.expect("it starts");
    assert_eq!(client.invoke(&read()).await, Completion::Ok(json!([7, 3])));
    std::fs::write(format!("{said}.go"), "").expect("written");
    while !std::fs::exists(&said).expect("a file or none") {
        // Not by blocking: what has come is noticed meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    let completion = client.invoke(&read()).await;
    let Completion::Info(error) = &completion else { panic!("{completion:?}") };
    assert_eq!(error.class, "protocol", "{error}");
}

#[tokio::test]
async fn what_never_began_did_certainly_nothing() {
    let spec = Spec::new(vec!["/no/such/program".to_owned()]);
    let error = spec.connect(&node(), &context()).await.err().expect("nothing starts");
    assert!(error.class == ClientError::UNSTARTED && error.message.contains("/no/such/program"), "{error}");
    for (script, needle) in [
        ("exit 0", "R1 "),
        (
            "echo begin >&2; echo 'no module redis' >&2; exit 1",
            "status 1; the last that it said on standard error: no module redis",
        ),
        ("echo hello; read l", "R2 "),
        (r#"read l; echo '{"type":"ok","id":1}'; read l"#, "R1 "),
    ] {
        let error = connect(script, &context()).await.err().expect("no client");
        assert!(error.class == ClientError::UNSTARTED && error.message.contains(needle), "{script}: {error}");
    }
    let silent = Spec { start_timeout: Duration::from_millis(50), ..shell("read l; read l") };
    let error = silent.connect(&node(), &context()).await.err().expect("silent");
    assert!(error.message.contains("not ready in time: no answer to `init` within 50ms"), "{error}");
    assert!(silent.opens_within() > silent.start_timeout + talk::CLOSE_WITHIN);
    let script = r#"read l; echo '{"type":"fail","error":"refused: nobody there"}'; read l"#;
    let error = connect(script, &context()).await.err().expect("refused");
    assert_eq!((error.class, error.message.as_str()), (ClientError::REFUSED, "nobody there"));
}

#[test]
fn a_program_is_told_where_it_is() {
    let cx = Context::new(
        "register",
        [("mode".to_owned(), "fast".to_owned())].into(),
        [("client".to_owned(), 6379)].into(),
    );
    cx.enter(&crate::Surroundings {
        nodes: vec![node()],
        logs: "/nowhere".into(),
        numbers: Default::default(),
    });
    let said = protocol::Say::init(&node(), &cx, 3).line();
    let said: Value = serde_json::from_slice(&said).expect("JSON");
    let expected = json!({
        "type": "init", "protocol": 1, "node": "n1", "address": "127.0.0.1", "port": 6379,
        "ports": {"client": 6379}, "nodes": [{"name": "n1", "address": "127.0.0.1"}],
        "process": 3, "workload": "register", "settings": {"mode": "fast"},
    });
    assert_eq!(said, expected);
}

/// Is this process there, and not only waiting to be waited for?
fn lives(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes whose command line holds this word.
fn with(word: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = all.filter_map(|entry| entry.file_name().into_string().ok());
    let is_one = |pid: &String| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        pid.parse::<u32>().is_ok() && String::from_utf8_lossy(&line).contains(word) && lives(pid)
    };
    pids.filter(is_one).collect()
}

#[tokio::test]
async fn an_idle_program_is_told_to_end_and_a_busy_one_is_ended_with_all_that_it_has_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = dir.path().join("said").display().to_string();
    let script = format!("{BEGIN}read l; printf '%s' \"$l\" >{said}; exit 0");
    drop(connect(&script, &context()).await.expect("it starts"));
    eventually("it has heard `close`", || {
        std::fs::read_to_string(&said).is_ok_and(|said| said == r#"{"type":"close"}"#)
    });

    // One child in its group, one that has left it.
    let word = format!("3{:07}", std::process::id());
    let script = format!("sleep {word} & setsid sleep {word} & {BEGIN}read l; sleep {word}");
    let mut client = connect(&script, &context()).await.expect("it starts");
    let silence = tokio::time::timeout(Duration::from_millis(200), client.invoke(&read())).await;
    assert!(silence.is_err());
    eventually("all are there", || with(&format!("sleep\0{word}")).len() == 3);
    drop(client);
    eventually("all are gone", || with(&word).is_empty());
}

#[tokio::test]
async fn a_program_that_hangs_on_close_is_ended() {
    let word = format!("4{:07}", std::process::id());
    let script = format!("{BEGIN}read l; sleep {word}");
    drop(connect(&script, &context()).await.expect("it starts"));
    eventually("it has heard", || with(&format!("sleep\0{word}")).len() == 1);
    eventually("it is gone", || with(&word).is_empty());
}

/// As when Duress is killed: the thread that started it is no more.
#[test]
fn a_program_ends_with_the_thread_that_started_it() {
    let word = format!("5{:07}", std::process::id());
    let script = format!("setsid sleep {word} & {BEGIN}read l; sleep {word}");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = runtime.block_on(connect(&script, &context())).expect("it starts");
        // Nobody tells it anything any more.
        std::mem::forget(client);
        std::mem::forget(runtime);
    })
    .join()
    .expect("no panic");
    eventually("all are gone", || with(&word).is_empty());
}

#[tokio::test]
async fn it_stands_still_and_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let ticks = dir.path().join("ticks").display().to_string();
    let script = format!("{BEGIN}while :; do echo . >>{ticks}; sleep 0.01; done");
    let client = connect(&script, &context()).await.expect("it starts");
    let count = || std::fs::metadata(&ticks).map_or(0, |file| file.len());
    eventually("it works", || count() > 0);
    let program = client.stoppable().expect("a program");
    program.stop();
    // What was under way may come to its end.
    eventually("it stands still", || {
        let stood = count();
        std::thread::sleep(Duration::from_millis(200));
        count() == stood
    });
    let stood = count();
    program.go_on();
    eventually("it goes on", || count() > stood);
}

#[tokio::test]
async fn what_it_says_on_standard_error_is_kept_up_to_a_size() {
    let dir = tempfile::tempdir().expect("a directory");
    let cx = context();
    cx.enter(&crate::Surroundings {
        nodes: vec![node()],
        logs: dir.path().join("clients"),
        numbers: Default::default(),
    });
    let script = format!(
        "echo begins >&2; {BEGIN}head -c 300000 /dev/zero >&2; read l; echo '{{\"type\":\"ok\",\"id\":1,\"value\":[7,3]}}'; read l"
    );
    let mut client = connect(&script, &cx).await.expect("it starts");
    assert_eq!(client.invoke(&read()).await, Completion::Ok(json!([7, 3])));
    let log = std::fs::read(dir.path().join("clients/0.log")).expect("a log");
    assert!(log.starts_with(b"begins\n") && log.len() <= 64 << 10, "{} bytes", log.len());
}

#[tokio::test]
async fn what_becomes_of_a_program_that_is_told_nothing_shows_whether_it_can_run() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("log");
    let alone = |script: &str| {
        let (spec, log) = (shell(script), log.clone());
        async move { spec.told_nothing(Some(log)).await.expect("it starts") }
    };
    assert_eq!(alone("read l; exit 0").await, Some(0));
    assert_eq!(alone("echo no such module >&2; exit 3").await, Some(3));
    assert_eq!(std::fs::read_to_string(&log).expect("a log"), "no such module\n");
    assert_eq!(alone("exec no-such-interpreter").await, Some(127));
    let slow = Spec { start_timeout: Duration::from_millis(50), ..shell("exec sleep 1000") };
    assert_eq!(slow.told_nothing(None).await.expect("it starts"), None);
    assert!(Spec::new(vec!["./no-such-program".to_owned()]).told_nothing(None).await.is_err());
}

#[tokio::test]
async fn no_two_connections_of_a_run_have_the_same_number() {
    let machine = |first| {
        let cx = context();
        let numbers = crate::Numbers { first, step: 2 };
        cx.enter(&crate::Surroundings { nodes: vec![node()], logs: "/nowhere".into(), numbers });
        [(); 2].map(|()| cx.next_connection())
    };
    assert_eq!((machine(1), machine(2)), ([1, 3], [2, 4]));
}

#[tokio::test]
async fn setup_is_asked_for_once_and_may_be_refused() {
    let set_up = |script: &str| {
        let spec = shell(&format!("{BEGIN}{script}"));
        async move { spec.set_up(&node(), &context()).await }
    };
    assert_eq!(set_up(r#"read l; echo '{"type":"setup_ok"}'; read l"#).await, Ok(()));
    let error =
        set_up(r#"read l; echo '{"type":"fail","error":"no table"}'; read l"#).await.expect_err("refused");
    assert_eq!(error.message, "no table");
    let error = set_up(r#"read l; echo '{"type":"ok","id":0}'; read l"#).await.expect_err("no answer");
    assert!(error.message.starts_with("R7 "), "{error}");
}

#[test]
fn a_spec_is_read_or_says_why_not() {
    let spec = |text: Value| serde_json::from_value::<Spec>(text).map_err(|e| e.to_string());
    let read =
        spec(json!({"command": ["a", "b"], "env": {"X": "1"}, "start-timeout": "3s"})).expect("a spec");
    assert_eq!((read.command.len(), read.start_timeout), (2, Duration::from_secs(3)));
    for (text, needle) in [
        (json!({"command": []}), "begins with the name"),
        (json!({"command": ["a"], "start-timeout": "soon"}), "no length of time"),
        (json!({"command": ["a"], "start-timeout": "0s"}), "no time at all"),
        (json!({"command": ["a"], "comand": 1}), "comand"),
    ] {
        let error = spec(text).expect_err("refused");
        assert!(error.contains(needle), "{error}");
    }
}

/// The page that users read says what is true.
#[test]
fn the_page_has_messages_values_and_rules_as_they_are() {
    let page = include_str!("../../docs/client-protocol.md");
    let mut blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let (messages, values) = (blocks.next().expect("messages"), blocks.next().expect("values"));
    let mut answers = 0;
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        match message["type"].as_str().expect("a type") {
            "init" => {
                let cx = Context::new("register", BTreeMap::new(), [("client".to_owned(), 6379)].into());
                let said = serde_json::from_slice(&protocol::Say::init(&node(), &cx, 3).line());
                let said: BTreeMap<String, Value> = said.expect("an object");
                let page: BTreeMap<String, Value> = serde_json::from_value(message).expect("an object");
                assert!(page.keys().eq(said.keys()), "{page:?} {said:?}");
            }
            "invoke" => {
                let invocation =
                    Invocation::new(message["f"].as_str().expect("a name"), message["value"].clone());
                let id = message["id"].as_u64().expect("a number");
                assert_eq!(protocol::Say::invoke(id, &invocation).line(), format!("{line}\n").as_bytes());
            }
            "setup" => assert_eq!(protocol::Say::Setup.line(), format!("{line}\n").as_bytes()),
            "close" => assert_eq!(protocol::Say::Close.line(), format!("{line}\n").as_bytes()),
            _ => {
                protocol::Said::parse(line.as_bytes()).unwrap_or_else(|e| panic!("{line}: {e}"));
                answers += 1;
            }
        }
    }
    assert_eq!(answers, 5);
    let mut fs = std::collections::BTreeSet::new();
    for line in values.lines() {
        let row: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let (workload, f) = (row["workload"].as_str().expect("a name"), row["f"].as_str().expect("a name"));
        let entry = duress_workloads::registry::find(workload).expect("a workload");
        let read = (entry.make)().answer(f, &row["value"], Some(&row["ok"]));
        assert_eq!(read, Ok(row["ok"].clone()), "{line}");
        fs.insert((workload.to_owned(), f.to_owned()));
    }
    for entry in duress_workloads::registry::WORKLOADS {
        assert!(
            entry.fs.iter().all(|f| fs.contains(&(entry.name.to_owned(), (*f).to_owned()))),
            "{}",
            entry.name
        );
    }
    for rule in Rule::ALL {
        assert!(page.contains(&format!("| {} |", rule.number())), "{}", rule.title());
    }
}
