//! Templates: which there can be, and what their answers mean. A real server is asked in `targets/tests`.

use super::*;
use crate::Completion;
use duress_workloads::Invocation;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn spec(text: serde_json::Value) -> Result<Spec, String> {
    serde_json::from_value(text).map_err(|error| error.to_string())
}

fn register() -> serde_json::Value {
    json!({
        "url": "http://{address}:{port}",
        "headers": { "x-token": "t" },
        "read": { "method": "GET", "path": "/{key}", "ok": { "status": 200 }, "value": "body",
                  "absent": { "status": 404 } },
        "write": { "method": "PUT", "path": "/{key}", "body": "{\"v\":{value}}", "ok": { "status": [200, 204] },
                   "fail": { "status": 503, "json": "/code", "is": "read-only" }, "error": "read-only" },
        "cas": { "method": "POST", "path": "/{key}", "query": { "if": "{old}" }, "form": { "v": "{new}" },
                 "ok": { "status": 200, "is": "true" }, "fail": { "status": 200, "is": "false" } },
    })
}

#[test]
fn what_cannot_be_is_said_when_it_is_read() {
    let with = |pointer: &str, value: serde_json::Value| {
        let mut text = register();
        *text.pointer_mut(pointer).expect("it is there") = value;
        spec(text).expect_err("refused")
    };
    for (error, needle) in [
        (with("/read/path", json!("/{kay}")), "nothing is called {kay}; there are {address}"),
        (with("/write/body", json!("{{\"v\": {value}}}")), "would be sent as two braces; write one"),
        (with("/read/method", json!("get")), "`get` is none of GET"),
        (with("/read/value", json!("node/value")), "`node/value` is no place"),
        (with("/read/ok/status", json!("200")), "a status is a number"),
        (spec(json!({"url": "x", "reed": {}})).expect_err("refused"), "reed"),
    ] {
        assert!(error.contains(needle), "{error}");
    }
    let mut text = register();
    assert_eq!(spec(text.clone()).expect("a template").check("register"), Ok(()));
    let error = spec(text.clone()).expect("a template").check("set").expect_err("nothing is added");
    assert!(error.contains("needs [http.add]"), "{error}");
    let error = spec(text.clone()).expect("a template").check("lock").expect_err("no locks");
    assert!(error.contains("client program"), "{error}");
    text["read"].as_object_mut().expect("an object").remove("value");
    let error = spec(text).expect("a template").check("register").expect_err("nothing is read");
    assert!(error.contains("where the value is"), "{error}");
}

#[test]
fn values_are_found_where_they_are() {
    let place = |text: &str| serde_json::from_value::<Value>(json!(text)).expect("a place");
    let read =
        |text: &str, body: serde_json::Value| place(text).read(body.to_string().as_bytes(), Some(&body));
    assert_eq!(place("body").read(b" 7\n", None), Ok(json!(7)));
    assert_eq!(read("/node/value", json!({"node": {"value": "-7"}})), Ok(json!(-7)));
    assert_eq!(read("/0/v", json!([{"v": 7}])), Ok(json!(7)));
    assert_eq!(read("/n/*/v", json!({"n": [{"v": 1}, {"v": "2"}]})), Ok(json!([1, 2])));
    assert_eq!(read("/n/*/v", json!({})), Ok(json!([])));
    for (text, body) in [("/node/value", json!({})), ("/v", json!({"v": "x"})), ("/n/*/v", json!({"n": 3}))] {
        assert!(read(text, body.clone()).is_err(), "{text} {body}");
    }
}

/// A client of a server at this port.
async fn client(template: serde_json::Value, workload: &str, port: u16) -> Box<dyn Client> {
    let cx = Context::new(workload, [].into(), [("client".to_owned(), port)].into());
    let node = Node { name: "n1".to_owned(), addr: std::net::Ipv4Addr::LOCALHOST.into() };
    spec(template).expect("a template").connect(&node, &cx).await.expect("a client")
}

/// Answers every request with this, and counts them; what it was asked last is in the channel.
async fn server(
    answer: &'static str,
) -> (Box<dyn Client>, Arc<AtomicUsize>, tokio::sync::watch::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let requests = Arc::new(AtomicUsize::new(0));
    let (asked, last) = tokio::sync::watch::channel(String::new());
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut room = [0; 4_096];
            let n = stream.read(&mut room).await.unwrap_or(0);
            counted.fetch_add(1, Ordering::Relaxed);
            asked.send_replace(String::from_utf8_lossy(&room[..n]).into_owned());
            // Whoever hangs up has heard enough.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (client(register(), "register", port).await, requests, last)
}

fn told(completion: &Completion) -> (&'static str, &str) {
    match completion {
        Completion::Ok(_) => ("ok", ""),
        Completion::Fail(error) => ("fail", error.class),
        Completion::Info(error) => ("info", error.class),
    }
}

#[tokio::test]
async fn what_fits_no_answer_is_certain_only_where_nothing_changes() {
    let close = "connection: close\r\n";
    for (answer, read, write, cas) in [
        ("200 OK", ("fail", "protocol"), ("ok", ""), ("info", "http-200")),
        ("204 No Content", ("fail", "http-204"), ("ok", ""), ("info", "http-204")),
        ("404 Not Found", ("ok", ""), ("info", "http-404"), ("info", "http-404")),
        ("302 Found\r\nlocation: /x", ("fail", "http-302"), ("info", "http-302"), ("info", "http-302")),
        ("500 Error", ("fail", "http-500"), ("info", "http-500"), ("info", "http-500")),
    ] {
        let text: &'static str =
            Box::leak(format!("HTTP/1.1 {answer}\r\n{close}content-length: 0\r\n\r\n").into());
        for (f, value, expected) in
            [("read", json!(null), read), ("write", json!(5), write), ("cas", json!([5, 6]), cas)]
        {
            let (mut client, requests, _) = server(text).await;
            let completion = client.invoke(&Invocation::new(f, json!([7, value]))).await;
            assert_eq!(told(&completion), expected, "{f}: {answer}: {completion:?}");
            assert_eq!(requests.load(Ordering::Relaxed), 1, "{f}: {answer}");
        }
    }
    let broken_off = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n7";
    let (mut client, requests, _) = server(broken_off).await;
    assert_eq!(told(&client.invoke(&Invocation::new("write", json!([7, 5]))).await).0, "info");
    assert_eq!(requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn requests_are_as_the_template_says() {
    let refuse = "HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: 20\r\n\r\n{\"code\":\"read-only\"}";
    let (mut client, _, asked) = server(refuse).await;
    let completion = client.invoke(&Invocation::new("write", json!([7, 5]))).await;
    assert_eq!(told(&completion), ("fail", "read-only"), "{completion:?}");
    let text = asked.borrow().clone();
    assert!(text.starts_with("PUT /7 HTTP/1.1\r\n") && text.ends_with("{\"v\":5}"), "{text}");
    assert!(text.contains("x-token: t\r\n"), "{text}");
    let no = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nfalse";
    let (mut client, _, asked) = server(no).await;
    let completion = client.invoke(&Invocation::new("cas", json!([7, [5, 6]]))).await;
    assert_eq!(told(&completion), ("fail", "precondition"), "{completion:?}");
    let text = asked.borrow().clone();
    assert!(text.starts_with("POST /7?if=5 HTTP/1.1\r\n") && text.ends_with("\r\n\r\nv=6"), "{text}");
    let held = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n-3";
    let (mut client, _, _) = server(held).await;
    let read = client.invoke(&Invocation::new("read", json!([7, null]))).await;
    assert_eq!(read, Completion::Ok(json!([7, -3])));
}

/// How a server ends a connection on which it has a request.
#[derive(Clone, Copy)]
enum End {
    /// In order.
    Close,
    /// By a reset.
    Reset,
}

/// A server that reads a request, answers this, and hangs up.
async fn hangs_up(answer: &'static str, how: End) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 4_096]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        if matches!(how, End::Reset) {
            stream.set_zero_linger().expect("an option");
        }
    });
    port
}

#[tokio::test]
async fn who_hangs_up_on_a_request_may_have_done_it() {
    for (answer, how) in [("", End::Close), ("", End::Reset), ("HTTP/1.1 200 OK\r\ncontent-le", End::Close)] {
        for (f, value) in [("write", json!(5)), ("cas", json!([5, 6]))] {
            let mut client = client(register(), "register", hangs_up(answer, how).await).await;
            let completion = client.invoke(&Invocation::new(f, json!([7, value]))).await;
            assert_eq!(told(&completion).0, "info", "{f} {answer:?}: {completion:?}");
        }
    }
    // Nobody listens there any more.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let mut client = client(register(), "register", port).await;
    let completion = client.invoke(&Invocation::new("write", json!([7, 5]))).await;
    assert_eq!(told(&completion), ("fail", ClientError::REFUSED), "{completion:?}");
}

#[tokio::test]
async fn what_is_absent_is_what_the_workload_begins_with() {
    let nothing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let number = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"v\":3}";
    let several = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"v\":[3]}";
    let wrong = Err("fail");
    for (workload, value, answer, expected) in [
        ("register", "/v", nothing, Ok(json!(null))),
        ("counter", "/v", nothing, Ok(json!(0))),
        ("set", "/v/*", nothing, Ok(json!([]))),
        ("register", "/v", number, Ok(json!(3))),
        ("counter", "/v", number, Ok(json!(3))),
        ("set", "/v/*", several, Ok(json!([3]))),
        // One is not the other.
        ("set", "/v", number, wrong.clone()),
        ("counter", "/v/*", several, wrong),
    ] {
        let read = json!({ "method": "GET", "path": "/{key}", "value": value, "ok": { "status": 200 },
                           "absent": { "status": 404 } });
        let template = json!({ "url": "http://{address}:{port}", "read": read });
        let mut client = client(template, workload, hangs_up(answer, End::Close).await).await;
        let completion = client.invoke(&Invocation::new("read", json!([7, null]))).await;
        match expected {
            Ok(value) => assert_eq!(completion, Completion::Ok(json!([7, value])), "{workload} {answer}"),
            Err(kind) => assert_eq!(told(&completion).0, kind, "{workload} {answer}: {completion:?}"),
        }
    }
}

/// A template may say that an answer is a failure; it is one then, whatever else it looks like.
#[tokio::test]
async fn what_is_a_failure_is_not_read() {
    let busy = "HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{\"v\":3,\"code\":\"busy\"}";
    let mut template = register();
    template["read"]["value"] = json!("/v");
    template["read"]["fail"] = json!({ "status": 200, "json": "/code", "is": "busy" });
    let mut client = client(template, "register", hangs_up(busy, End::Close).await).await;
    let completion = client.invoke(&Invocation::new("read", json!([7, null]))).await;
    assert_eq!(told(&completion), ("fail", "error"), "{completion:?}");
}
