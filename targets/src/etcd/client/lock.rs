//! Counters under a lock: the key `duress/lock/<key>/count` holds the count, and etcd's own lock
//! service keeps the lock `duress/lock/<key>/lock`.
//!
//! A fetch-and-add takes the lock, reads the count, works for a while, writes the new count, and
//! gives the lock back. What this promises, and what it does not, is said in the workload `lock`.
//!
//! etcd's lock is a key below its name that belongs to a lease; its owner is who made the oldest
//! of these keys. The revision that made the key is the fencing token: with fencing, the new count
//! is written only if the key of that revision is still there. Everything before that leaves the
//! count alone, so only this last step can be in doubt.

use super::super::message::{
    Acknowledged, Alive, Compare, Granted, Int64, LeaseGrant, LeaseId, LockRequest, Locked, Put, Range,
    Ranged, Request, Streamed, Txn,
};
use super::counter::sum;
use super::{Ended, Member, Outcome};
use crate::ClientError;
use serde_json::{Value, json};

/// The shortest lease that etcd grants with its usual election timeout (one and a half of it,
/// rounded up to seconds).
const LEASE_SECONDS: u64 = 2;

/// What is done to a counter under a lock.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    FetchAdd(i64),
    Read,
}

impl Action {
    pub(super) fn parse(f: &str, asked: &Value) -> Option<Self> {
        match (f, asked) {
            ("fetch-add", Value::Array(pair)) => match pair.as_slice() {
                [amount, Value::Null] => Some(Self::FetchAdd(amount.as_i64()?)),
                _ => None,
            },
            ("read", Value::Null) => Some(Self::Read),
            _ => None,
        }
    }
}

pub(super) async fn perform(member: &Member, key: i64, action: Action) -> Outcome {
    let count = format!("duress/lock/{key}/count");
    let Action::FetchAdd(amount) = action else {
        return Ok(json!(member.number(&count).await?.unwrap_or(0)));
    };
    let lease = grant(member).await?;
    let done = match acquire(member, &format!("duress/lock/{key}/lock"), lease).await {
        Ok(held) => work(member, &count, amount, &held).await,
        Err(ended) => Err(ended),
    };
    // While our write may still be on its way, nobody else is let in before the lease runs out.
    if !matches!(done, Err(Ended::Info(_))) {
        release(member, lease).await;
    }
    done
}

/// A lock that we got.
struct Held {
    /// The key that shows it.
    key: String,
    /// The revision that made it.
    token: Int64,
}

async fn grant(member: &Member) -> Result<Int64, Ended> {
    let request = LeaseGrant { seconds: Int64(LEASE_SECONDS) };
    // Certain: a lease is nothing to the count.
    let granted: Granted = member.gateway.post("/v3/lease/grant", &request).await.map_err(Ended::of_read)?;
    Ok(granted.id)
}

/// Waits until the lock is ours; etcd does the waiting.
async fn acquire(member: &Member, name: &str, lease: Int64) -> Result<Held, Ended> {
    let gateway = &member.gateway;
    let request = LockRequest { name: name.into(), lease };
    // Certain, here and below: a lock is nothing to the count, nor is a look.
    let locked: Locked = gateway.post("/v3/lock/lock", &request).await.map_err(Ended::of_read)?;
    // Whoever waited has used up some of the lease, and begins with a whole one.
    let alive: Streamed<Alive> =
        gateway.post("/v3/lease/keepalive", &LeaseId { id: lease }).await.map_err(Ended::of_read)?;
    if alive.result.seconds.0 == 0 {
        return Err(gone());
    }
    // etcd 3.4 gives the lock even to those whose key has gone meanwhile, and does not say the
    // token to those who waited.
    let key = locked.name().map_err(Ended::of_read)?;
    let ranged: Ranged = gateway.post("/v3/kv/range", &Range::key(&key)).await.map_err(Ended::of_read)?;
    let token = ranged.at_most_one(&key).map_err(Ended::of_read)?.ok_or_else(gone)?.create_revision;
    Ok(Held { key, token })
}

/// Certain: so far, the count has not been touched.
fn gone() -> Ended {
    Ended::Fail(ClientError::new("lease-expired", "the lease ran out while we waited for the lock"))
}

async fn work(member: &Member, count: &str, amount: i64, held: &Held) -> Outcome {
    let old = member.number(count).await?;
    let put = Put::new(count, sum(old, amount)?);
    tokio::time::sleep(member.work).await;
    if member.fencing {
        let txn = Txn {
            compare: vec![Compare::Created(held.key.as_str().into(), held.token)],
            success: vec![Request::Put(put)],
        };
        member.txn(&txn).await?.ok_or_else(|| Ended::lost("the lock was lost"))?;
    } else {
        member.put(put).await?;
    }
    Ok(json!([amount, old.unwrap_or(0)]))
}

/// Takes the lease back, and with it the lock. Should that fail, the lease runs out by itself.
async fn release(member: &Member, lease: Int64) {
    let _: Result<Acknowledged, _> = member.gateway.post("/v3/lease/revoke", &LeaseId { id: lease }).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_understood_or_refused() {
        assert_eq!(Action::parse("fetch-add", &json!([3, null])), Some(Action::FetchAdd(3)));
        assert_eq!(Action::parse("read", &json!(null)), Some(Action::Read));
        for (f, asked) in [
            ("fetch-add", json!(3)),
            ("fetch-add", json!([3, 4])),
            ("fetch-add", json!([null, null])),
            ("read", json!(3)),
            ("acquire", json!(null)),
        ] {
            assert_eq!(Action::parse(f, &asked), None, "{f} {asked}");
        }
    }
}
