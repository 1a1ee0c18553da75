//! Registers: the key `duress/register/<key>` holds the integer.

use super::super::message::{Compare, Put, Request, Txn};
use super::{Ended, Member, Outcome};
use crate::action::register::Action;
use serde_json::json;

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
