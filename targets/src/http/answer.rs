//! What an answer means: by its status, and by what is in its body.

use serde::{Deserialize, Deserializer, de};
use serde_json::Value as Json;

/// An answer of this kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct When {
    /// One of these: `200`, `[200, 201]`.
    pub status: Statuses,
    /// And this is in the JSON of its body: a pointer such as `/errorCode` (RFC 6901).
    pub json: Option<String>,
    /// And it is this, or the whole body is, as text: `101`, `true`.
    pub is: Option<String>,
}

/// Statuses of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a status is a number, or several in brackets: 200, [200, 201]")]
pub enum Statuses {
    /// This one.
    One(u16),
    /// One of these.
    Some(Vec<u16>),
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// It is the body.
    Body,
    /// There in the JSON of the body: `/node/value`. A `*` stands for every element of a list, of which
    /// there may be none: `/node/nodes/*/value`.
    Json(Vec<String>),
}

impl When {
    /// Is this such an answer?
    pub(super) fn fits(&self, status: u16, body: &[u8], json: Option<&Json>) -> bool {
        let status = match &self.status {
            Statuses::One(one) => *one == status,
            Statuses::Some(some) => some.contains(&status),
        };
        let found = match &self.json {
            None => Some(String::from_utf8_lossy(body).trim().to_owned()),
            Some(pointer) => json.and_then(|json| json.pointer(pointer)).map(text),
        };
        status && found.is_some_and(|found| self.is.as_ref().is_none_or(|is| found == *is))
    }
}

impl Value {
    /// The number that is there, or the numbers.
    ///
    /// # Errors
    /// In words, when there are none.
    pub(super) fn read(&self, body: &[u8], json: Option<&Json>) -> Result<Json, String> {
        match self {
            Self::Body => whole(&Json::String(String::from_utf8_lossy(body).into_owned())),
            Self::Json(steps) => step(json.ok_or("it is no JSON")?, steps),
        }
    }

    /// Can it be several?
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Json(steps) if steps.iter().any(|step| step == "*"))
    }
}

fn step(json: &Json, steps: &[String]) -> Result<Json, String> {
    let Some((first, rest)) = steps.split_first() else { return whole(json) };
    if first == "*" {
        let Some(items) = json.as_array() else { return Err(format!("{json} is no list")) };
        return items.iter().map(|item| step(item, rest)).collect();
    }
    match json.pointer(&format!("/{first}")) {
        Some(inner) => step(inner, rest),
        // An empty list is often not there at all.
        None if rest.first().is_some_and(|next| next == "*") => Ok(Json::Array(Vec::new())),
        None => Err(format!("there is no `{first}`")),
    }
}

/// Many systems hold text.
fn whole(json: &Json) -> Result<Json, String> {
    let number = match json {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.map(Json::from).ok_or_else(|| format!("{json} is no whole number"))
}

fn text(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        let text = String::deserialize(text)?;
        match text.strip_prefix('/') {
            _ if text == "body" => Ok(Self::Body),
            Some(rest) => Ok(Self::Json(rest.split('/').map(str::to_owned).collect())),
            None => Err(de::Error::custom(format!(
                "`{text}` is no place: \"body\", or a pointer such as \"/node/value\""
            ))),
        }
    }
}
