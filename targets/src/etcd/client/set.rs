//! Sets: the element `v` is the key `duress/set/<key>/<v>`, which holds `v` as well.
//!
//! A read is one range over all elements, hence of one revision.

use super::super::gateway::Failure;
use super::super::message::{KeyValue, Put, Range, Ranged};
use super::{Ended, Member, Outcome};
use serde_json::{Value, json};

/// What is done to a set.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Add(i64),
    Read,
}

impl Action {
    pub(super) fn parse(f: &str, asked: &Value) -> Option<Self> {
        match (f, asked) {
            ("add", element) => Some(Self::Add(element.as_i64()?)),
            ("read", Value::Null) => Some(Self::Read),
            _ => None,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_understood_or_refused() {
        assert_eq!(Action::parse("add", &json!(-3)), Some(Action::Add(-3)));
        assert_eq!(Action::parse("read", &json!(null)), Some(Action::Read));
        for (f, asked) in
            [("add", json!(null)), ("add", json!("3")), ("read", json!(3)), ("remove", json!(3))]
        {
            assert_eq!(Action::parse(f, &asked), None, "{f} {asked}");
        }
    }
}
