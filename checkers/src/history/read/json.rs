//! JSON in which every name is there once, and errors that know where.
//!
//! JSON's parsers take the last one of two equal names and say nothing: of
//! `"value": 1, "value": 2` nobody knows which was meant.

use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Map, Value};
use std::fmt;

/// What is wrong with a text, and where: counted from 1, the column in bytes.
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) why: String,
}

/// A whole text.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(text).map_err(|why| {
        let said = why.to_string();
        Wrong {
            line: why.line().max(1),
            column: why.column().max(1),
            // Without serde's own idea of where.
            why: said.rsplit_once(" at line ").map_or(&*said, |(why, _)| why).to_owned(),
        }
    })
}

/// The fields of an object.
pub(super) struct Fields(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Strict::deserialize(deserializer)? {
            Strict(Value::Object(fields)) => Ok(Self(fields)),
            Strict(_) => Err(D::Error::custom("expected an object with process, type, f and value")),
        }
    }
}

/// A value in which no name is there twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Build).map(Strict)
    }
}

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let Strict(value) = entries.next_value()?;
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("{name:?} is there twice")));
            }
            map.insert(name, value);
        }
        Ok(map.into())
    }
}
