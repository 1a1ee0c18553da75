//! One client: operations on registers, each one request on one connection to one member.
//!
//! A register is the key `duress/r/<key>`; its value is the integer in decimal text.

use super::gateway::{Bytes, Failure, Gateway, Header, Range, Ranged};
use super::settings::Reads;
use crate::{Client, ClientError, Completion};
use async_trait::async_trait;
use duress_checkers::history::class;
use duress_workloads::Invocation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A client of one member.
pub(super) struct EtcdClient {
    gateway: Gateway,
    reads: Reads,
}

impl EtcdClient {
    pub(super) fn new(gateway: Gateway, reads: Reads) -> Self {
        Self { gateway, reads }
    }

    async fn read(&self, key: &str) -> Result<Option<i64>, Failure> {
        let range = Range::new(key, self.reads == Reads::Serializable);
        value_of(key, &self.gateway.post("/v3/kv/range", &range).await?)
    }

    async fn write(&self, key: &str, new: i64) -> Result<(), Failure> {
        let _: Put = self.gateway.post("/v3/kv/put", &PutRequest::new(key, new)).await?;
        Ok(())
    }

    /// Was it swapped?
    async fn cas(&self, key: &str, old: Option<i64>, new: i64) -> Result<bool, Failure> {
        let txn = json!({
            "compare": [compare(key, old)],
            "success": [{ "request_put": PutRequest::new(key, new) }],
        });
        swapped(&self.gateway.post("/v3/kv/txn", &txn).await?)
    }
}

#[async_trait]
impl Client for EtcdClient {
    async fn invoke(&mut self, invocation: &Invocation) -> Completion {
        let (key, action) = match parse(invocation) {
            Ok(parsed) => parsed,
            // Certain: nothing is sent.
            Err(error) => return Completion::Fail(error),
        };
        let asked = &invocation.value;
        match action {
            Action::Read => match self.read(&key).await {
                Ok(value) => Completion::Ok(json!([asked[0], value])),
                // Certain: a read changes nothing, whatever became of it.
                Err(failure) => Completion::Fail(failure.error),
            },
            Action::Write(new) => match self.write(&key, new).await {
                Ok(()) => Completion::Ok(asked.clone()),
                Err(failure) => unanswered(failure),
            },
            Action::Cas(old, new) => match self.cas(&key, old, new).await {
                Ok(true) => Completion::Ok(asked.clone()),
                // Certain: the transaction was applied, and took its empty branch.
                Ok(false) => Completion::Fail(ClientError::new(class::PRECONDITION, "the value was another")),
                Err(failure) => unanswered(failure),
            },
        }
    }
}

/// How a change ends that got no proper answer.
fn unanswered(failure: Failure) -> Completion {
    if failure.no_effect { Completion::Fail(failure.error) } else { Completion::Info(failure.error) }
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Read,
    Write(i64),
    Cas(Option<i64>, i64),
}

/// The key and what to do with it.
fn parse(invocation: &Invocation) -> Result<(String, Action), ClientError> {
    let Invocation { f, value } = invocation;
    let bad = || ClientError::new("unsupported", format!("etcd's client cannot do `{f}` of {value}"));
    let [key, argument] = value.as_array().map(Vec::as_slice).ok_or_else(bad)? else { return Err(bad()) };
    // Numbers only: as text, the key "1" would be the register of the key 1.
    let key = key.as_i64().ok_or_else(bad)?;
    let action = match (f.as_str(), argument) {
        ("read", Value::Null) => Action::Read,
        ("write", new) => Action::Write(new.as_i64().ok_or_else(bad)?),
        ("cas", Value::Array(pair)) => match pair.as_slice() {
            [Value::Null, new] => Action::Cas(None, new.as_i64().ok_or_else(bad)?),
            [old, new] => Action::Cas(Some(old.as_i64().ok_or_else(bad)?), new.as_i64().ok_or_else(bad)?),
            _ => return Err(bad()),
        },
        _ => return Err(bad()),
    };
    Ok((format!("duress/r/{key}"), action))
}

/// The condition of a compare-and-set. A register that was never written has no value in
/// etcd, so comparing values is always false there, also with the empty one.
fn compare(key: &str, old: Option<i64>) -> Value {
    let key = Bytes(key.as_bytes().to_vec());
    match old {
        Some(old) => json!({ "key": key, "target": "VALUE", "result": "EQUAL", "value": encode(old) }),
        None => json!({ "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0" }),
    }
}

/// The value in the answer to a read: of that key, one integer, or none at all.
fn value_of(key: &str, ranged: &Ranged) -> Result<Option<i64>, Failure> {
    match (ranged.count.0, ranged.kvs.as_slice()) {
        (0, []) => Ok(None),
        (1, [kv]) if kv.key.0 == key.as_bytes() => {
            let text = String::from_utf8_lossy(&kv.value.0);
            text.parse().map(Some).map_err(|_| Failure::protocol(format!("the value of {key} is `{text}`")))
        }
        _ => Err(Failure::protocol(format!("asked for {key}, got {ranged:?}"))),
    }
}

/// Which branch a transaction took; its answer must be that branch's.
fn swapped(txn: &Txn) -> Result<bool, Failure> {
    match (txn.succeeded, txn.responses.as_slice()) {
        (true, [only]) if only.get("response_put").is_some() => Ok(true),
        (false, []) => Ok(false),
        _ => Err(Failure::protocol(format!("not an answer to our transaction: {txn:?}"))),
    }
}

fn encode(value: i64) -> Bytes {
    Bytes(value.to_string().into_bytes())
}

#[derive(Serialize)]
struct PutRequest {
    key: Bytes,
    value: Bytes,
}

impl PutRequest {
    fn new(key: &str, value: i64) -> Self {
        Self { key: Bytes(key.as_bytes().to_vec()), value: encode(value) }
    }
}

#[derive(Debug, Deserialize)]
struct Put {
    #[serde(rename = "header")]
    _header: Header,
}

#[derive(Debug, Deserialize)]
struct Txn {
    #[serde(rename = "header")]
    _header: Header,
    #[serde(default)]
    succeeded: bool,
    #[serde(default)]
    responses: Vec<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(f: &str, value: Value) -> Invocation {
        Invocation { f: f.to_owned(), value }
    }

    #[test]
    fn invocations_are_understood_or_refused() {
        let key = "duress/r/3".to_owned();
        for (f, value, expected) in [
            ("read", json!([3, null]), Action::Read),
            ("write", json!([3, 7]), Action::Write(7)),
            ("cas", json!([3, [7, 8]]), Action::Cas(Some(7), 8)),
            ("cas", json!([3, [null, 8]]), Action::Cas(None, 8)),
        ] {
            assert_eq!(parse(&invocation(f, value)), Ok((key.clone(), expected)));
        }
        for (f, value) in [
            ("append", json!([3, 7])),
            ("read", json!(3)),
            ("read", json!([3, 7])),
            ("read", json!(["3", null])),
            ("write", json!([3, null])),
            ("write", json!([3, 1.5])),
            ("cas", json!([3, [7]])),
            ("cas", json!([3, [7, null]])),
        ] {
            let refused = parse(&invocation(f, value.clone())).expect_err("refused");
            assert_eq!(refused.class, "unsupported", "{f} {value}");
        }
    }

    fn ranged(rest: &str) -> Result<Option<i64>, &'static str> {
        let text = format!(r#"{{"header":{{"revision":"2"}}{rest}}}"#);
        let ranged = serde_json::from_str(&text).map_err(|_| "json")?;
        value_of("duress/r/1", &ranged).map_err(|failure| failure.error.class)
    }

    #[test]
    fn a_read_takes_only_the_answer_to_its_question() {
        const KV: &str = r#""key":"ZHVyZXNzL3IvMQ==","create_revision":"2","mod_revision":"2","version":"1""#;
        assert_eq!(ranged(""), Ok(None));
        assert_eq!(ranged(&format!(r#","kvs":[{{{KV},"value":"NDI="}}],"count":"1""#)), Ok(Some(42)));
        for rest in [
            // No count; count without a value; two values; another key; no value; not a number.
            format!(r#","kvs":[{{{KV},"value":"NDI="}}]"#),
            r#","count":"1""#.to_owned(),
            format!(r#","kvs":[{{{KV},"value":"NDI="}},{{{KV},"value":"NDI="}}],"count":"2""#),
            r#","kvs":[{"key":"ZHVyZXNzL3IvMTE=","value":"NDI="}],"count":"1""#.to_owned(),
            format!(r#","kvs":[{{{KV}}}],"count":"1""#),
            format!(r#","kvs":[{{{KV},"value":"YWJj"}}],"count":"1""#),
        ] {
            assert_eq!(ranged(&rest), Err("protocol"), "{rest}");
        }
    }

    fn txn(rest: &str) -> Result<bool, &'static str> {
        let text = format!(r#"{{"header":{{"revision":"3"}}{rest}}}"#);
        let txn = serde_json::from_str(&text).map_err(|_| "json")?;
        swapped(&txn).map_err(|failure| failure.error.class)
    }

    #[test]
    fn a_swap_needs_its_put_and_a_refusal_needs_nothing() {
        let put = r#""responses":[{"response_put":{"header":{"revision":"3"}}}]"#;
        assert_eq!(txn(&format!(r#","succeeded":true,{put}"#)), Ok(true));
        assert_eq!(txn(""), Ok(false));
        for rest in [
            format!(",{put}"),
            r#","succeeded":true"#.to_owned(),
            r#","succeeded":true,"responses":[{"response_range":{}}]"#.to_owned(),
        ] {
            assert_eq!(txn(&rest), Err("protocol"), "{rest}");
        }
    }
}
