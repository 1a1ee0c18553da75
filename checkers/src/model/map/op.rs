//! A transaction on a map, and how that is written.

use crate::model::persist::Element;
use serde_json::Value;
use std::fmt;

/// A transaction: its micro-operations, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MapOp(Box<[Micro]>);

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Micro {
    /// A key was read, and this was the answer, if it is known.
    Read(Element, Option<Element>),
    /// A key was overwritten.
    Write(Element, Element),
}

impl MapOp {
    pub(super) fn micros(&self) -> &[Micro] {
        &self.0
    }

    /// Keys and values written.
    pub(super) fn writes(&self) -> impl Iterator<Item = (&Element, &Element)> {
        self.0.iter().filter_map(|micro| match micro {
            Micro::Write(key, value) => Some((key, value)),
            Micro::Read(..) => None,
        })
    }

    /// What was asked, with the answers if there are any.
    pub(super) fn parse(asked: &Value, answered: Option<&Value>) -> Result<Self, String> {
        let wrong = |value: &Value| {
            format!(r#"txn wants a list of ["r", key, null] and ["w", key, value], not {value}"#)
        };
        let asked_list = asked.as_array().ok_or_else(|| wrong(asked))?;
        let answers = match answered {
            None | Some(Value::Null) => None,
            Some(answer) => Some(answer.as_array().ok_or_else(|| wrong(answer))?),
        };
        if answers.is_some_and(|answers| answers.len() != asked_list.len()) {
            return Err(format!("a txn of {} steps was answered with another number", asked_list.len()));
        }
        // Null answers nothing; if something was read, that is no answer.
        let reads = |micro: &Value| micro.get(0).is_some_and(|f| f == "r");
        if answered.is_some_and(Value::is_null) && asked_list.iter().any(reads) {
            return Err("a txn with reads was answered with null".to_owned());
        }
        let micro = |(at, asked): (usize, &Value)| {
            let answer = answers.map(|answers| &answers[at]);
            let [f, key, value] = triple(asked).ok_or_else(|| wrong(asked))?;
            let answer = answer.map(|answer| triple(answer).ok_or_else(|| wrong(answer))).transpose()?;
            let same = |[g, other, _]: [&Value; 3]| g == f && other == key;
            match (f.as_str(), answer) {
                (_, Some(answer)) if !same(answer) => Err(format!(
                    "step {asked} was answered for another: {}",
                    Value::from_iter(answer.map(Clone::clone))
                )),
                (Some("r"), answer) => Ok(Micro::Read(key.into(), answer.map(|[_, _, seen]| seen.into()))),
                (Some("w"), Some([_, _, other])) if other != value => {
                    Err(format!("step {asked} was answered with another value: {other}"))
                }
                (Some("w"), _) => Ok(Micro::Write(key.into(), value.into())),
                _ => Err(wrong(asked)),
            }
        };
        Ok(Self(asked_list.iter().enumerate().map(micro).collect::<Result<_, _>>()?))
    }
}

fn triple(value: &Value) -> Option<[&Value; 3]> {
    match value.as_array().map(Vec::as_slice) {
        Some([f, key, inner]) => Some([f, key, inner]),
        _ => None,
    }
}

impl fmt::Display for Micro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(key, Some(value)) => write!(f, "r {key} → {value}"),
            Self::Read(key, None) => write!(f, "r {key}"),
            Self::Write(key, value) => write!(f, "w {key} {value}"),
        }
    }
}
