//! Counters: the string `duress/counter/<key>` holds the count; without it, it is 0.

use super::super::connection::Connection;
use super::super::resp::Reply;
use super::{Ended, Outcome, change, held, read, unexpected};
use crate::action::counter::Action;
use serde_json::json;

pub(super) async fn perform(server: &mut Connection, key: i64, action: Action) -> Outcome {
    let key = format!("duress/counter/{key}");
    match action {
        Action::Add(amount) => match change(server, &["INCRBY", &key, &amount.to_string()]).await? {
            // The sum, which only a read is asked for.
            Reply::Integer(_) => Ok(json!(amount)),
            other => Err(Ended::of_change(unexpected(&other))),
        },
        Action::Read => {
            let reply = read(server, &["GET", &key]).await?;
            Ok(json!(held(&reply).map_err(Ended::of_read)?.unwrap_or(0)))
        }
    }
}
