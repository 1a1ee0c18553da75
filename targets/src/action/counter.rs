//! What is done to a counter, which begins at 0.

use serde_json::Value;

/// What is done to a counter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Add(i64),
    Read,
}

impl Action {
    pub(crate) fn parse(f: &str, asked: &Value) -> Option<Self> {
        match (f, asked) {
            ("add", amount) => Some(Self::Add(amount.as_i64()?)),
            ("read", Value::Null) => Some(Self::Read),
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
        assert_eq!(Action::parse("add", &json!(-3)), Some(Action::Add(-3)));
        assert_eq!(Action::parse("read", &json!(null)), Some(Action::Read));
        for (f, asked) in [("add", json!(null)), ("add", json!(0.5)), ("read", json!(3)), ("inc", json!(3))] {
            assert_eq!(Action::parse(f, &asked), None, "{f} {asked}");
        }
    }
}
