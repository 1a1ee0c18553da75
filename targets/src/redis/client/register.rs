//! Registers: the string `duress/register/<key>` holds the integer.

use super::super::connection::Connection;
use super::super::resp::Reply;
use super::{Ended, Outcome, change, held, read, unexpected};
use crate::action::register::Action;
use serde_json::json;

/// Redis has no command that compares. A script is one request, done as a whole, so that only one
/// thing can be in doubt; `WATCH`, `GET`, `MULTI`, `SET`, `EXEC` would be five.
const SWAP: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[1], ARGV[2]) return 1";

pub(super) async fn perform(server: &mut Connection, key: i64, action: Action) -> Outcome {
    let key = format!("duress/register/{key}");
    match action {
        Action::Read => {
            let reply = read(server, &["GET", &key]).await?;
            Ok(json!(held(&reply).map_err(Ended::of_read)?))
        }
        Action::Write(new) => match change(server, &["SET", &key, &new.to_string()]).await? {
            Reply::Simple(ok) if ok == "OK" => Ok(json!(new)),
            other => Err(Ended::of_change(unexpected(&other))),
        },
        Action::Cas(old, new) => {
            let new_text = new.to_string();
            let reply = match old {
                None => change(server, &["SET", &key, &new_text, "NX"]).await?,
                Some(old) => change(server, &["EVAL", SWAP, "1", &key, &old.to_string(), &new_text]).await?,
            };
            match reply {
                Reply::Integer(1) => Ok(json!([old, new])),
                Reply::Simple(ok) if ok == "OK" => Ok(json!([old, new])),
                Reply::Integer(0) | Reply::Nil => Err(Ended::lost("the value was another")),
                other => Err(Ended::of_change(unexpected(&other))),
            }
        }
    }
}
