//! What is done to a queue of integers.

use serde_json::Value;

/// What is done to a queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Enqueue(i64),
    Dequeue,
}

impl Action {
    pub(crate) fn parse(f: &str, asked: &Value) -> Option<Self> {
        match (f, asked) {
            ("enqueue", element) => Some(Self::Enqueue(element.as_i64()?)),
            ("dequeue", Value::Null) => Some(Self::Dequeue),
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
        assert_eq!(Action::parse("enqueue", &json!(3)), Some(Action::Enqueue(3)));
        assert_eq!(Action::parse("dequeue", &json!(null)), Some(Action::Dequeue));
        for (f, asked) in [("enqueue", json!(null)), ("dequeue", json!(3)), ("read", json!(null))] {
            assert_eq!(Action::parse(f, &asked), None, "{f} {asked}");
        }
    }
}
