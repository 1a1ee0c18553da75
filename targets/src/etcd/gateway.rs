//! One request to one member's v3 JSON gateway, and what its failure means. What is said in
//! requests and answers is in [`super::message`].

use crate::ClientError;
use crate::outcome::Failure;
use crate::web::{self, receive, shown};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Where members talk to clients.
pub(super) const CLIENT_PORT: u16 = 2379;
/// Our answers have a few hundred bytes.
const MAX_ANSWER: usize = 1 << 20;

/// The way to one member.
pub(super) struct Gateway {
    http: reqwest::Client,
    base: String,
}

impl Gateway {
    pub(super) fn new(addr: IpAddr) -> Result<Self, ClientError> {
        Self::at(SocketAddr::new(addr, CLIENT_PORT))
    }

    /// The way to something else that the member serves.
    pub(super) fn at(addr: SocketAddr) -> Result<Self, ClientError> {
        let http = web::client()?;
        // An address, never a name: a look-up would run on another thread, which may be in
        // another network namespace.
        Ok(Self { http, base: format!("http://{addr}") })
    }

    /// Sends one request, once, and reads its answer.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    /// The same for an answer of many lines, each of them JSON, with so many bytes at most.
    pub(super) async fn post_lines<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        most: usize,
    ) -> Result<Vec<T>, Failure> {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        let (status, text) = receive(request, most).await?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| answer(status, line)).collect()
    }

    /// The same without a body.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    async fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        let (status, text) = receive(request, MAX_ANSWER).await?;
        answer(status, &text)
    }
}

fn answer<T: DeserializeOwned>(status: u16, text: &[u8]) -> Result<T, Failure> {
    if status == 200 {
        serde_json::from_slice(text).map_err(|e| Failure::protocol(format!("{e} in {}", shown(text))))
    } else {
        Err(answered(status, text))
    }
}

/// The member answered with an error: `{"message": …, "code": <gRPC status>}`, or, to requests that it answers
/// line by line, `{"error": {"message": …, "grpc_code": <gRPC status>, …}}`.
fn answered(status: u16, text: &[u8]) -> Failure {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
        #[serde(alias = "grpc_code")]
        code: u32,
    }
    #[derive(Deserialize)]
    struct OfLines {
        error: Refusal,
    }
    let of_lines = || serde_json::from_slice::<OfLines>(text).map(|answer| answer.error);
    let Ok(refusal) = serde_json::from_slice::<Refusal>(text).or_else(|_| of_lines()) else {
        return Failure::protocol(format!("HTTP {status}: {}", shown(text)));
    };
    let message = refusal.message.as_str();
    // Certain: the member refuses before it proposes the request to Raft, because it
    // lags too far behind in applying (`processInternalRaftRequestOnce`, the only place
    // that makes this error). The code alone would not do: `mvcc: database space
    // exceeded` shares it, and is also returned after the write has been applied.
    if message == "etcdserver: too many requests" {
        return Failure::certain("too-many-requests", message);
    }
    // Certain: a learner refuses before it looks at the request (`newUnaryInterceptor`).
    if message == "etcdserver: rpc not supported for learner" {
        return Failure::certain("learner", message);
    }
    // In doubt, all of them: the proposal may be on its way to the leader, or in a log.
    // `raft proposal dropped` would be definite if it always came from this member's own
    // Raft; nothing in the answer says so.
    let class = match message {
        "context deadline exceeded" => "timeout",
        "raft proposal dropped" => "dropped",
        "etcdserver: leader changed" => "leader-changed",
        "etcdserver: no leader" => "no-leader",
        "etcdserver: server stopped" => "stopped",
        _ if message.starts_with("etcdserver: request timed out") => "timeout",
        _ if refusal.code == GRPC_DEADLINE_EXCEEDED => "timeout",
        _ if refusal.code == GRPC_UNAVAILABLE => "unavailable",
        _ => "error",
    };
    Failure::in_doubt(class, format!("{message} (code {})", refusal.code))
}

const GRPC_DEADLINE_EXCEEDED: u32 = 4;
const GRPC_UNAVAILABLE: u32 = 14;

#[cfg(test)]
mod tests {
    use super::super::message::{Int64, Ranged};
    use super::*;

    /// Answers as etcd 3.4.23 and 3.5.1 gave them, with what we make of them.
    #[test]
    fn every_refusal_has_a_class_and_two_are_certain() {
        let table: &[(u16, &str, &str, bool)] = &[
            (
                503,
                r#"{"error":"etcdserver: request timed out","message":"etcdserver: request timed out","code":14}"#,
                "timeout",
                false,
            ),
            (
                503,
                r#"{"error":"etcdserver: request timed out","code":14,"message":"etcdserver: request timed out, possibly due to previous leader failure"}"#,
                "timeout",
                false,
            ),
            (
                500,
                r#"{"error":"context deadline exceeded","message":"context deadline exceeded","code":2}"#,
                "timeout",
                false,
            ),
            (503, r#"{"message":"etcdserver: leader changed","code":14}"#, "leader-changed", false),
            (503, r#"{"message":"etcdserver: no leader","code":14}"#, "no-leader", false),
            // To a lease that is kept alive, by 3.4.23.
            (
                503,
                r#"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}}"#,
                "no-leader",
                false,
            ),
            (503, r#"{"message":"etcdserver: server stopped","code":14}"#, "stopped", false),
            (500, r#"{"message":"raft proposal dropped","code":2}"#, "dropped", false),
            (503, r#"{"message":"transport is closing","code":14}"#, "unavailable", false),
            (504, r#"{"message":"stream deadline","code":4}"#, "timeout", false),
            (429, r#"{"message":"etcdserver: mvcc: database space exceeded","code":8}"#, "error", false),
            (429, r#"{"message":"etcdserver: too many requests","code":8}"#, "too-many-requests", true),
            (503, r#"{"message":"etcdserver: too many requests, or so","code":8}"#, "error", false),
            (
                400,
                r#"{"error":"etcdserver: key is not provided","message":"etcdserver: key is not provided","code":3}"#,
                "error",
                false,
            ),
            (404, "Not Found\n", "protocol", false),
            (502, "", "protocol", false),
        ];
        for (status, text, class, no_effect) in table {
            let failure = answer::<Ranged>(*status, text.as_bytes()).expect_err("an error");
            assert_eq!((failure.error.class, failure.no_effect), (*class, *no_effect), "{text}");
        }
    }

    #[test]
    fn an_answer_without_a_header_is_none() {
        for text in ["{}", "", "null", r#"{"header":{}}"#, r#"{"header":{"revision":"x"}}"#, "[1]"] {
            let failure = answer::<Ranged>(200, text.as_bytes()).expect_err("an error");
            assert_eq!((failure.error.class, failure.no_effect), ("protocol", false), "{text}");
        }
    }

    #[test]
    fn what_is_left_out_is_zero() {
        let text = r#"{"header":{"cluster_id":"1","member_id":"2","revision":"1","raft_term":"2"}}"#;
        let ranged: Ranged = answer(200, text.as_bytes()).expect("an answer");
        assert_eq!((ranged.kvs.len(), ranged.count), (0, Int64(0)));
    }

    /// A server that reads a request and hangs up; how many requests came?
    #[tokio::test]
    async fn p16_a_request_that_broke_off_is_in_doubt_and_not_sent_again() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let gateway = Gateway::at(listener.local_addr().expect("an address")).expect("a gateway");
        let requests = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&requests);
        let server = tokio::spawn(async move {
            // The first is answered, so that a connection is kept; that one then breaks off.
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut room = [0; 4096];
                while stream.read(&mut room).await.is_ok_and(|n| n > 0) {
                    if counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0 {
                        break;
                    }
                    let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}";
                    stream.write_all(answer.as_bytes()).await.expect("a listener");
                }
            }
        });
        for expected in 1..=2 {
            let failure = gateway.get::<Ranged>("/").await.expect_err("no answer");
            assert!(!failure.no_effect, "{:?}", failure.error);
            assert_eq!(requests.load(std::sync::atomic::Ordering::Relaxed), expected);
        }
        server.abort();
    }
}
