//! Logs: the entry at index `i`, counted from 0, is the key `duress/log/<key>/<i>`.
//!
//! An append counts the entries and puts its own behind them if nothing is there yet. If the count
//! is old the place is taken, so no entry is overwritten and none left out.

use super::super::message::{Compare, Put, Range, Ranged, Request, Txn};
use super::{Ended, Member, Outcome};
use crate::action::log::{Action, MAX_ENTRIES};
use crate::outcome::Failure;
use serde_json::json;

/// Digits of an index in a key: names then sort as numbers do.
const DIGITS: usize = 10;

pub(super) async fn perform(member: &Member, key: i64, action: Action) -> Outcome {
    let folder = format!("duress/log/{key}/");
    let key = |index: u64| format!("{folder}{index:0DIGITS$}");
    match action {
        Action::Append(entry) => {
            let index = member.range(Range::folder(&folder).count()).await?.count.0;
            let key = key(index);
            let txn = Txn {
                compare: vec![Compare::held(&key, None)],
                success: vec![Request::Put(Put::new(&key, entry))],
            };
            member.txn(&txn).await?.ok_or_else(|| Ended::lost("another append came between"))?;
            Ok(json!([index, entry]))
        }
        Action::Read => {
            let ranged = member.range(Range::folder(&folder)).await?;
            Ok(json!(entries(&ranged, &folder).map_err(Ended::of_read)?))
        }
        Action::ReadAt(index) => Ok(json!([index, member.number(&key(index)).await?])),
    }
}

/// The entries in order. Where one is missing before another there is a hole, which is no answer
/// that we cannot make sense of, but what the log looks like.
fn entries(ranged: &Ranged, folder: &str) -> Result<Vec<Option<i64>>, Failure> {
    let mut entries = Vec::new();
    for (name, kv) in ranged.all(folder)? {
        let index = name.parse().ok().filter(|index| *index < MAX_ENTRIES as usize);
        let Some(index) = index.filter(|index| name.len() == DIGITS && *index >= entries.len()) else {
            return Err(Failure::protocol(format!("`{name}` is no index behind {}", entries.len())));
        };
        entries.resize(index, None);
        entries.push(Some(kv.number()?));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::super::super::message::Bytes;
    use super::*;
    use serde_json::Value;

    fn read(names: &[&str]) -> Result<Vec<Option<i64>>, &'static str> {
        let kv = |name: &&str| {
            let key = Bytes::from(format!("d/{name}").as_str());
            json!({ "key": key, "value": "Nw==", "create_revision": "2", "mod_revision": "2" })
        };
        let kvs: Vec<Value> = names.iter().map(kv).collect();
        let ranged = json!({ "header": { "revision": "2" }, "count": names.len().to_string(), "kvs": kvs });
        let ranged: Ranged = serde_json::from_value(ranged).expect("an answer");
        entries(&ranged, "d/").map_err(|failure| failure.error.class)
    }

    #[test]
    fn a_read_shows_the_order_and_what_is_missing() {
        assert_eq!(read(&[]), Ok(vec![]));
        assert_eq!(read(&["0000000000", "0000000001"]), Ok(vec![Some(7), Some(7)]));
        assert_eq!(read(&["0000000001", "0000000003"]), Ok(vec![None, Some(7), None, Some(7)]));
        for names in [
            &["0000000001", "0000000000"][..],
            &["0000000000", "0000000000"],
            &["0"],
            &["000000000x"],
            &["9999999999"],
        ] {
            assert_eq!(read(names), Err("protocol"), "{names:?}");
        }
    }
}
