//! What is said to a member, and what it answers.
//!
//! The gateway speaks protobuf's JSON: keys and values are base64, 64-bit numbers are
//! strings, and what is zero, false or empty is left out. Not here: what an answer means.

use crate::outcome::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that travel as base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BASE64.decode(String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// A 64-bit number that travels as a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Int64(pub(super) u64);

impl Serialize for Int64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Int64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A question for one key, or for all that begin alike, in the order of their names.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Range {
    key: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    range_end: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Int64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort_order: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort_target: Option<&'static str>,
    count_only: bool,
    serializable: bool,
}

impl Range {
    /// One key.
    pub(super) fn key(key: &str) -> Self {
        Self { key: key.into(), ..Self::default() }
    }

    /// All keys in a folder, whose name ends in `/`.
    pub(super) fn folder(folder: &str) -> Self {
        // `0` is the byte after `/`, and the end is exclusive.
        let end = format!("{}0", folder.trim_end_matches('/'));
        Self { key: folder.into(), range_end: Some(end.as_str().into()), ..Self::default() }
    }

    /// The one that was created first.
    pub(super) fn oldest(self) -> Self {
        Self { limit: Some(Int64(1)), sort_order: Some("ASCEND"), sort_target: Some("CREATE"), ..self }
    }

    /// How many there are.
    pub(super) fn count(self) -> Self {
        Self { count_only: true, ..self }
    }

    /// From the member's own, possibly stale state?
    pub(super) fn serializable(self, serializable: bool) -> Self {
        Self { serializable, ..self }
    }
}

/// Every answer carries one; an answer without it comes from something else than etcd.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    #[serde(rename = "revision")]
    _revision: Int64,
}

/// The answer to [`Range`].
#[derive(Debug, Deserialize)]
pub(super) struct Ranged {
    #[serde(rename = "header")]
    _header: Header,
    #[serde(default)]
    pub(super) kvs: Vec<KeyValue>,
    #[serde(default)]
    pub(super) count: Int64,
}

/// One key of a [`Ranged`].
#[derive(Debug, Deserialize)]
pub(super) struct KeyValue {
    pub(super) key: Bytes,
    #[serde(default)]
    pub(super) value: Bytes,
    /// The revision that made the key: no other key, and no later one of this name, has it.
    pub(super) create_revision: Int64,
    /// The revision that wrote this value.
    pub(super) mod_revision: Int64,
}

impl Ranged {
    /// One key, or none.
    pub(super) fn at_most_one(&self, key: &str) -> Result<Option<&KeyValue>, Failure> {
        match (self.count.0, self.kvs.as_slice()) {
            (0, []) => Ok(None),
            (1, [kv]) if kv.key.0 == key.as_bytes() => Ok(Some(kv)),
            _ => Err(Failure::protocol(format!("asked for {key}, got {self:?}"))),
        }
    }

    /// All keys in a folder, each with what follows the folder in its name.
    pub(super) fn all(&self, folder: &str) -> Result<Vec<(&str, &KeyValue)>, Failure> {
        if self.count.0 != self.kvs.len() as u64 {
            return Err(Failure::protocol(format!("{} keys of {}", self.kvs.len(), self.count.0)));
        }
        self.kvs.iter().map(|kv| Ok((kv.name_in(folder)?, kv))).collect()
    }
}

impl KeyValue {
    /// What follows a folder in its name.
    pub(super) fn name_in(&self, folder: &str) -> Result<&str, Failure> {
        std::str::from_utf8(&self.key.0)
            .ok()
            .and_then(|key| key.strip_prefix(folder))
            .ok_or_else(|| Failure::protocol(format!("asked for {folder}, got {self:?}")))
    }

    /// The value as what we write: an integer in decimal text.
    pub(super) fn number(&self) -> Result<i64, Failure> {
        let text = String::from_utf8_lossy(&self.value.0);
        text.parse().map_err(|_| Failure::protocol(format!("a value is `{text}`, which we do not write")))
    }
}

/// Sets a key.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Put {
    key: Bytes,
    value: Bytes,
}

impl Put {
    /// To an integer, as decimal text.
    pub(super) fn new(key: &str, value: i64) -> Self {
        Self { key: key.into(), value: value.to_string().as_str().into() }
    }
}

/// The answer to requests of which nothing but the header matters.
#[derive(Debug, Deserialize)]
pub(super) struct Acknowledged {
    #[serde(rename = "header")]
    _header: Header,
}

/// A condition of a [`Txn`].
#[derive(Clone, Debug)]
pub(super) enum Compare {
    /// The key has this value.
    Value(Bytes, i64),
    /// The key was made by this revision; 0 if there is no such key.
    Created(Bytes, Int64),
    /// The key's value was written by this revision.
    Written(Bytes, Int64),
}

impl Compare {
    /// The key has this value, or is not there. A key that is not there has no value in etcd, so
    /// comparing values is always false there, also with the empty one.
    pub(super) fn held(key: &str, value: Option<i64>) -> Self {
        match value {
            Some(value) => Self::Value(key.into(), value),
            None => Self::Created(key.into(), Int64(0)),
        }
    }
}

impl Serialize for Compare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut compare = serializer.serialize_struct("Compare", 4)?;
        compare.serialize_field("result", "EQUAL")?;
        match self {
            Self::Value(key, value) => {
                compare.serialize_field("key", key)?;
                compare.serialize_field("target", "VALUE")?;
                compare.serialize_field("value", &Bytes::from(value.to_string().as_str()))?;
            }
            Self::Created(key, revision) => {
                compare.serialize_field("key", key)?;
                compare.serialize_field("target", "CREATE")?;
                compare.serialize_field("create_revision", revision)?;
            }
            Self::Written(key, revision) => {
                compare.serialize_field("key", key)?;
                compare.serialize_field("target", "MOD")?;
                compare.serialize_field("mod_revision", revision)?;
            }
        }
        compare.end()
    }
}

/// All of `success` at once, if all of `compare` holds; else nothing.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Txn {
    pub(super) compare: Vec<Compare>,
    pub(super) success: Vec<Request>,
}

/// A part of a [`Txn`].
#[derive(Clone, Debug, Serialize)]
pub(super) enum Request {
    #[serde(rename = "request_put")]
    Put(Put),
    #[serde(rename = "request_range")]
    Range(Range),
    /// One key.
    #[serde(rename = "request_delete_range")]
    Delete { key: Bytes },
}

/// The answer to a [`Txn`].
#[derive(Debug, Deserialize)]
pub(super) struct Txned {
    #[serde(rename = "header")]
    _header: Header,
    #[serde(default)]
    succeeded: bool,
    #[serde(default)]
    responses: Vec<Response>,
}

/// The answer to a [`Request`].
#[derive(Debug, Deserialize)]
pub(super) enum Response {
    #[serde(rename = "response_put")]
    Put {
        #[serde(rename = "header")]
        _header: Header,
    },
    #[serde(rename = "response_range")]
    Range(Ranged),
    #[serde(rename = "response_delete_range")]
    Delete(Deleted),
}

/// How many keys are gone.
#[derive(Debug, Deserialize)]
pub(super) struct Deleted {
    #[serde(rename = "header")]
    _header: Header,
    #[serde(default)]
    deleted: Int64,
}

impl Txned {
    /// The answers to the parts of a transaction, in their order; `None` when its condition did
    /// not hold, and so nothing was done.
    pub(super) fn answers(self, asked: &Txn) -> Result<Option<Vec<Response>>, Failure> {
        let fits = asked.success.len() == self.responses.len()
            && asked.success.iter().zip(&self.responses).all(|(request, response)| {
                matches!(
                    (request, response),
                    (Request::Put(_), Response::Put { .. })
                        | (Request::Range(_), Response::Range(_))
                        | (Request::Delete { .. }, Response::Delete(Deleted { deleted: Int64(1), .. }))
                )
            });
        match self.succeeded {
            true if fits => Ok(Some(self.responses)),
            false if self.responses.is_empty() && !asked.compare.is_empty() => Ok(None),
            _ => Err(Failure::protocol(format!("not an answer to our transaction: {self:?}"))),
        }
    }
}

/// Asks for a lease.
#[derive(Debug, Serialize)]
pub(super) struct LeaseGrant {
    #[serde(rename = "TTL")]
    pub(super) seconds: Int64,
}

/// The answer to [`LeaseGrant`].
#[derive(Debug, Deserialize)]
pub(super) struct Granted {
    #[serde(rename = "header")]
    _header: Header,
    #[serde(rename = "ID")]
    pub(super) id: Int64,
}

/// Asks to prolong a lease, or to take it back.
#[derive(Debug, Serialize)]
pub(super) struct LeaseId {
    #[serde(rename = "ID")]
    pub(super) id: Int64,
}

/// How long a lease has yet.
#[derive(Debug, Deserialize)]
pub(super) struct Alive {
    #[serde(rename = "header")]
    _header: Header,
    /// 0: there is no such lease any more.
    #[serde(rename = "TTL", default)]
    pub(super) seconds: Int64,
}

/// The first and only answer of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct Streamed<T> {
    pub(super) result: T,
}

/// Asks for a lock, for as long as the lease lasts.
#[derive(Debug, Serialize)]
pub(super) struct LockRequest {
    pub(super) name: Bytes,
    pub(super) lease: Int64,
}

/// The answer to [`LockRequest`].
#[derive(Debug, Deserialize)]
pub(super) struct Locked {
    #[serde(rename = "header")]
    _header: Header,
    /// While it exists, the lock is held.
    key: Bytes,
}

impl Locked {
    /// The key's name.
    pub(super) fn name(self) -> Result<String, Failure> {
        String::from_utf8(self.key.0).map_err(|_| Failure::protocol("the lock's key is no text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HEADER: &str = r#""header":{"revision":"3"}"#;

    fn class<T>(result: Result<T, Failure>) -> Result<T, &'static str> {
        result.map_err(|failure| failure.error.class)
    }

    #[test]
    fn questions_look_as_etcd_wants_them() {
        let shown = |range: Range| serde_json::to_value(range).expect("JSON");
        assert_eq!(
            shown(Range::key("a")),
            json!({ "key": "YQ==", "count_only": false, "serializable": false })
        );
        // `a/` to `a0`.
        assert_eq!(
            shown(Range::folder("a/").oldest().count().serializable(true)),
            json!({ "key": "YS8=", "range_end": "YTA=", "limit": "1", "sort_order": "ASCEND",
                "sort_target": "CREATE", "count_only": true, "serializable": true })
        );
        let shown = |compare: Compare| serde_json::to_value(compare).expect("JSON");
        assert_eq!(
            shown(Compare::held("a", Some(-7))),
            json!({ "key": "YQ==", "target": "VALUE", "result": "EQUAL", "value": "LTc=" })
        );
        assert_eq!(
            shown(Compare::held("a", None)),
            json!({ "key": "YQ==", "target": "CREATE", "result": "EQUAL", "create_revision": "0" })
        );
        assert_eq!(
            shown(Compare::Written("a".into(), Int64(5))),
            json!({ "key": "YQ==", "target": "MOD", "result": "EQUAL", "mod_revision": "5" })
        );
    }

    fn txned(asked: &Txn, rest: &str) -> Result<Option<usize>, &'static str> {
        let txned: Txned = serde_json::from_str(&format!("{{{HEADER}{rest}}}")).map_err(|_| "json")?;
        class(txned.answers(asked)).map(|answers| answers.map(|answers| answers.len()))
    }

    #[test]
    fn a_transaction_takes_the_answers_to_its_parts_or_none() {
        let put = Request::Put(Put::new("a", 1));
        let delete = Request::Delete { key: "a".into() };
        let compare = vec![Compare::held("a", None)];
        let swap = Txn { compare: compare.clone(), success: vec![put.clone()] };
        let answer = format!(r#""responses":[{{"response_put":{{{HEADER}}}}}]"#);
        assert_eq!(txned(&swap, &format!(r#","succeeded":true,{answer}"#)), Ok(Some(1)));
        assert_eq!(txned(&swap, ""), Ok(None));
        for rest in [
            format!(",{answer}"),
            r#","succeeded":true"#.to_owned(),
            format!(r#","succeeded":true,"responses":[{{"response_range":{{{HEADER}}}}}]"#),
        ] {
            assert_eq!(txned(&swap, &rest), Err("protocol"), "{rest}");
        }
        // Without a condition there is nothing that could not have held.
        assert_eq!(txned(&Txn { compare: vec![], success: vec![put] }, ""), Err("protocol"));

        let take = Txn { compare, success: vec![delete] };
        let deleted = |n: &str| {
            let part = format!(r#"{{"response_delete_range":{{{HEADER}{n}}}}}"#);
            txned(&take, &format!(r#","succeeded":true,"responses":[{part}]"#))
        };
        assert_eq!(deleted(r#","deleted":"1""#), Ok(Some(1)));
        assert_eq!(deleted(r#","deleted":"2""#), Err("protocol"));
        assert_eq!(deleted(""), Err("protocol"));
    }

    fn ranged(rest: &str) -> Ranged {
        serde_json::from_str(&format!("{{{HEADER}{rest}}}")).expect("an answer")
    }

    fn kv(key: &str, value: &str) -> String {
        let (key, value) = (BASE64.encode(key), BASE64.encode(value));
        format!(r#"{{"key":"{key}","value":"{value}","create_revision":"2","mod_revision":"2"}}"#)
    }

    #[test]
    fn one_key_is_that_key_or_none() {
        let number = |rest: &str| {
            let ranged = ranged(rest);
            class(ranged.at_most_one("d/1").and_then(|kv| kv.map(KeyValue::number).transpose()))
        };
        let (one, other) = (kv("d/1", "42"), kv("d/11", "42"));
        assert_eq!(number(""), Ok(None));
        assert_eq!(number(&format!(r#","kvs":[{one}],"count":"1""#)), Ok(Some(42)));
        for rest in [
            // No count; count without a value; two values; another key; no value; not a number.
            format!(r#","kvs":[{one}]"#),
            r#","count":"1""#.to_owned(),
            format!(r#","kvs":[{one},{one}],"count":"2""#),
            format!(r#","kvs":[{other}],"count":"1""#),
            format!(r#","kvs":[{}],"count":"1""#, kv("d/1", "")),
            format!(r#","kvs":[{}],"count":"1""#, kv("d/1", "abc")),
        ] {
            assert_eq!(number(&rest), Err("protocol"), "{rest}");
        }
    }

    #[test]
    fn a_folder_is_all_of_it_and_nothing_else() {
        let names = |rest: &str| {
            let ranged = ranged(rest);
            class(ranged.all("d/"))
                .map(|all| all.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>())
        };
        let (one, two, other) = (kv("d/1", "1"), kv("d/2", "2"), kv("e/2", "2"));
        assert_eq!(names(""), Ok(vec![]));
        assert_eq!(
            names(&format!(r#","kvs":[{one},{two}],"count":"2""#)),
            Ok(vec!["1".to_owned(), "2".to_owned()])
        );
        assert_eq!(names(&format!(r#","kvs":[{one}],"count":"2""#)), Err("protocol"));
        assert_eq!(names(&format!(r#","kvs":[{one},{other}],"count":"2""#)), Err("protocol"));
    }
}
