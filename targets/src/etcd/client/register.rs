//! Registers: the key `duress/register/<key>` holds the integer.

use super::super::message::{Compare, Put, Request, Txn};
use super::{Ended, Member, Outcome};
use serde_json::{Value, json};

/// What is done to a register.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    Write(i64),
    Cas(Option<i64>, i64),
}

impl Action {
    pub(super) fn parse(f: &str, asked: &Value) -> Option<Self> {
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

pub(super) async fn perform(member: &Member, key: i64, action: Action) -> Outcome {
    let key = format!("duress/register/{key}");
    match action {
        Action::Read => Ok(json!(member.number(&key).await?)),
        Action::Write(new) => {
            member.put(Put::new(&key, new)).await?;
            Ok(json!(new))
        }
        Action::Cas(old, new) => {
            let txn = Txn {
                compare: vec![Compare::held(&key, old)],
                success: vec![Request::Put(Put::new(&key, new))],
            };
            member.txn(&txn).await?.ok_or_else(|| Ended::lost("the value was another"))?;
            Ok(json!([old, new]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
