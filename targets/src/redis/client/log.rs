//! Logs: the list `duress/log/<key>`. Its length after an append is the entry's index, and one.

use super::super::connection::Connection;
use super::super::resp::Reply;
use super::{Ended, Outcome, all_held, change, held, read, unexpected};
use crate::action::log::Action;
use serde_json::json;

pub(super) async fn perform(server: &mut Connection, key: i64, action: Action) -> Outcome {
    let key = format!("duress/log/{key}");
    match action {
        Action::Append(entry) => match change(server, &["RPUSH", &key, &entry.to_string()]).await? {
            Reply::Integer(length @ 1..) => Ok(json!([length - 1, entry])),
            other => Err(Ended::of_change(unexpected(&other))),
        },
        Action::Read => {
            let reply = read(server, &["LRANGE", &key, "0", "-1"]).await?;
            Ok(json!(all_held(&reply).map_err(Ended::of_read)?))
        }
        Action::ReadAt(index) => {
            let reply = read(server, &["LINDEX", &key, &index.to_string()]).await?;
            Ok(json!([index, held(&reply).map_err(Ended::of_read)?]))
        }
    }
}
