//! Queues: the element `v` is the key `duress/queue/<key>/<v>`, which holds `v` as well.
//!
//! An element is put; the revision that makes its key is its place. A dequeue looks for the oldest
//! key and deletes it if it is still there as it was seen. That takes the head of the queue even if
//! what was looked at is old: keys made later have higher revisions, so nothing ever gets before
//! the oldest. Only *empty* may be stale.

use super::super::message::{Compare, Put, Range, Request, Txn};
use super::{Ended, Member, Outcome};
use crate::action::queue::Action;
use crate::outcome::Failure;
use serde_json::{Value, json};

pub(super) async fn perform(member: &Member, key: i64, action: Action) -> Outcome {
    let folder = format!("duress/queue/{key}/");
    match action {
        Action::Enqueue(element) => {
            member.put(Put::new(&format!("{folder}{element}"), element)).await?;
            Ok(json!(element))
        }
        Action::Dequeue => dequeue(member, &folder).await,
    }
}

async fn dequeue(member: &Member, folder: &str) -> Outcome {
    let ranged = member.range(Range::folder(folder).oldest()).await?;
    let head = match (ranged.count.0, ranged.kvs.as_slice()) {
        (0, []) => return Ok(Value::Null),
        (1.., [head]) => head,
        _ => {
            let message = format!("asked for the oldest in {folder}, got {ranged:?}");
            return Err(Ended::of_read(Failure::protocol(message)));
        }
    };
    head.name_in(folder).map_err(Ended::of_read)?;
    let element = head.number().map_err(Ended::of_read)?;
    let txn = Txn {
        compare: vec![Compare::Written(head.key.clone(), head.mod_revision)],
        success: vec![Request::Delete { key: head.key.clone() }],
    };
    member.txn(&txn).await?.ok_or_else(|| Ended::lost("another dequeue took the element"))?;
    Ok(json!(element))
}
