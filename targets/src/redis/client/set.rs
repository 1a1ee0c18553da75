//! Sets: the set `duress/set/<key>`.

use super::super::connection::Connection;
use super::super::resp::Reply;
use super::{Ended, Outcome, all_held, change, read, unexpected};
use crate::action::set::Action;
use serde_json::json;

pub(super) async fn perform(server: &mut Connection, key: i64, action: Action) -> Outcome {
    let key = format!("duress/set/{key}");
    match action {
        Action::Add(element) => match change(server, &["SADD", &key, &element.to_string()]).await? {
            // How many are new.
            Reply::Integer(0 | 1) => Ok(json!(element)),
            other => Err(Ended::of_change(unexpected(&other))),
        },
        Action::Read => {
            let reply = read(server, &["SMEMBERS", &key]).await?;
            Ok(json!(all_held(&reply).map_err(Ended::of_read)?))
        }
    }
}
