//! What is done to a register: an integer, or nothing at first.

use serde_json::Value;

/// What is done to a register.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Read,
    Write(i64),
    Cas(Option<i64>, i64),
}

impl Action {
    pub(crate) fn parse(f: &str, asked: &Value) -> Option<Self> {
        match (f, asked) {
            ("read", Value::Null) => Some(Self::Read),
            ("write", new) => Some(Self::Write(new.as_i64()?)),
            ("cas", Value::Array(pair)) => match pair.as_slice() {
                [Value::Null, new] => Some(Self::Cas(None, new.as_i64()?)),
                [old, new] => Some(Self::Cas(Some(old.as_i64()?), new.as_i64()?)),
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
        for (f, asked, action) in [
            ("read", json!(null), Action::Read),
            ("write", json!(7), Action::Write(7)),
            ("cas", json!([7, 8]), Action::Cas(Some(7), 8)),
            ("cas", json!([null, 8]), Action::Cas(None, 8)),
        ] {
            assert_eq!(Action::parse(f, &asked), Some(action));
        }
        for (f, asked) in [
            ("append", json!(7)),
            ("read", json!(7)),
            ("write", json!(null)),
            ("write", json!(1.5)),
            ("cas", json!([7])),
            ("cas", json!([7, null])),
        ] {
            assert_eq!(Action::parse(f, &asked), None, "{f} {asked}");
        }
    }
}
