//! Counters: the key `duress/counter/<key>` holds the count; without it, it is 0.
//!
//! etcd cannot add. An addition reads the count and swaps it for another if it is still the same,
//! which is an addition at the moment of the swap, however old the count that was read.

use super::super::message::{Compare, Put, Request, Txn};
use super::{Ended, Member, Outcome};
use crate::ClientError;
use crate::action::counter::Action;
use serde_json::json;

pub(super) async fn perform(member: &Member, key: i64, action: Action) -> Outcome {
    let key = format!("duress/counter/{key}");
    let held = member.number(&key).await?;
    let Action::Add(amount) = action else { return Ok(json!(held.unwrap_or(0))) };
    let new = sum(held, amount)?;
    let txn =
        Txn { compare: vec![Compare::held(&key, held)], success: vec![Request::Put(Put::new(&key, new))] };
    member.txn(&txn).await?.ok_or_else(|| Ended::lost("another addition came between"))?;
    Ok(json!(amount))
}

/// The count after an addition.
pub(super) fn sum(held: Option<i64>, amount: i64) -> Result<i64, Ended> {
    let (held, too_much) = (held.unwrap_or(0), "the sum does not fit into 64 bits");
    // Certain: so far, the count has only been read.
    held.checked_add(amount).ok_or_else(|| Ended::Fail(ClientError::new("unsupported", too_much)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_begins_at_zero_and_does_not_wrap() {
        assert!(matches!(sum(None, -3), Ok(-3)));
        assert!(matches!(sum(Some(5), -3), Ok(2)));
        assert!(matches!(sum(Some(i64::MAX), 1), Err(Ended::Fail(_))));
    }
}
