//! Sets: the element `v` is the key `duress/set/<key>/<v>`, which holds `v` as well.
//!
//! A read is one range over all elements, hence of one revision.

use super::super::message::{KeyValue, Put, Range, Ranged};
use super::{Ended, Member, Outcome};
use crate::action::set::Action;
use crate::outcome::Failure;
use serde_json::json;

pub(super) async fn perform(member: &Member, key: i64, action: Action) -> Outcome {
    let folder = format!("duress/set/{key}/");
    match action {
        Action::Add(element) => {
            member.put(Put::new(&format!("{folder}{element}"), element)).await?;
            Ok(json!(element))
        }
        Action::Read => {
            let ranged = member.range(Range::folder(&folder)).await?;
            Ok(json!(elements(&ranged, &folder).map_err(Ended::of_read)?))
        }
    }
}

fn elements(ranged: &Ranged, folder: &str) -> Result<Vec<i64>, Failure> {
    let element = |(name, kv): (&str, &KeyValue)| {
        let element = kv.number()?;
        if name == element.to_string() {
            return Ok(element);
        }
        Err(Failure::protocol(format!("the element {name} of {folder} is {element}")))
    };
    ranged.all(folder)?.into_iter().map(element).collect()
}
