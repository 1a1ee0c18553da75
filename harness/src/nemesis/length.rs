//! Lengths of time in a schedule: milliseconds for us, `"1s 500ms"` for who reads and writes the file.

use serde::{Deserialize, Deserializer, Serializer, de};
use std::time::Duration;

pub(super) fn serialize<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(Duration::from_millis(*ms)))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let length = humantime::parse_duration(&text).map_err(|error| {
        de::Error::custom(format!("{text:?} is no length of time like \"1s 500ms\": {error}"))
    })?;
    u64::try_from(length.as_millis()).map_err(de::Error::custom)
}
