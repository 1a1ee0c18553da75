//! Queues: the list `duress/queue/<key>`, from its head to its tail.

use super::super::connection::Connection;
use super::super::resp::Reply;
use super::{Ended, Outcome, change, held, unexpected};
use crate::action::queue::Action;
use serde_json::json;

pub(super) async fn perform(server: &mut Connection, key: i64, action: Action) -> Outcome {
    let key = format!("duress/queue/{key}");
    match action {
        Action::Enqueue(element) => match change(server, &["RPUSH", &key, &element.to_string()]).await? {
            // The length.
            Reply::Integer(1..) => Ok(json!(element)),
            other => Err(Ended::of_change(unexpected(&other))),
        },
        Action::Dequeue => {
            // A change: the element is gone, whether we hear of it or not.
            let reply = change(server, &["LPOP", &key]).await?;
            Ok(json!(held(&reply).map_err(Ended::of_change)?))
        }
    }
}
