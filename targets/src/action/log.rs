//! What is done to a log: entries are appended, and read by their index, counted from 0.

use serde_json::Value;

/// What is done to a log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Append(i64),
    Read,
    ReadAt(u64),
}

/// Far more entries than an object ever gets; an index beyond it is not ours.
pub(crate) const MAX_ENTRIES: u64 = 1 << 20;

impl Action {
    pub(crate) fn parse(f: &str, asked: &Value) -> Option<Self> {
        match (f, asked) {
            ("append", entry) => Some(Self::Append(entry.as_i64()?)),
            ("read", Value::Null) => Some(Self::Read),
            ("read", Value::Array(pair)) => match pair.as_slice() {
                [index, Value::Null] => index.as_u64().filter(|i| *i < MAX_ENTRIES).map(Self::ReadAt),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn actions_are_understood_or_refused() {
        assert_eq!(Action::parse("append", &json!(3)), Some(Action::Append(3)));
        assert_eq!(Action::parse("read", &json!(null)), Some(Action::Read));
        assert_eq!(Action::parse("read", &json!([0, null])), Some(Action::ReadAt(0)));
        for (f, asked) in [
            ("append", json!(null)),
            ("read", json!(3)),
            ("read", json!([-1, null])),
            ("read", json!([MAX_ENTRIES, null])),
            ("read", json!([1, 3])),
            ("write", json!(3)),
        ] {
            assert_eq!(Action::parse(f, &asked), None, "{f} {asked}");
        }
    }
}
