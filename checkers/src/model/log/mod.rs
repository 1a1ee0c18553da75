//! An append-only log.

mod anomaly;

use super::persist::{Chain, Element};
use super::{Anomaly, Case, Growth, Model, NamedModel, Refusal, listed};
use crate::history::Process;
use crate::verdict::Picture;
use serde_json::Value;

/// A log of JSON values: what is appended stays where it is. The first index is 0.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `append` | the value, not `null` | `[index, value]`, or the value or `null`: index not known |
/// | `read` | `[index, null]` | `[index, value]`, or `[index, null]`: nothing is there yet |
/// | `read` | `null` | all values, in order |
///
/// A value that is itself an array has to be answered with its index: `[1, 2]` would be 2 at 1.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// What is in it at first.
    pub initial: Vec<Element>,
}

/// What happened to a log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogOp {
    /// This was appended, at this index if that is known.
    Append(Element, Option<u64>),
    /// This was at an index, or nothing.
    Get(u64, Option<Element>),
    /// This was all.
    Read(Entries),
}

/// Values in order, the first at index 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Entries(Chain);

impl Entries {
    pub(crate) fn get(&self, index: u64) -> Option<&Element> {
        usize::try_from(index).ok().and_then(|index| self.0.get(index))
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// With their indices, the last first.
    pub(crate) fn backwards(&self) -> impl Iterator<Item = (u64, &Element)> {
        (0..self.len()).rev().zip(self.0.back_to(0))
    }

    fn word(&self) -> String {
        let mut entries: Vec<&Element> = self.0.back_to(0).collect();
        entries.reverse();
        listed("[", entries.into_iter(), "]")
    }
}

impl Model for Log {
    type State = Entries;
    type Op = LogOp;

    fn name(&self) -> String {
        format!("a log, initially {}", self.initial().word())
    }

    fn initial(&self) -> Entries {
        Entries(self.initial.iter().cloned().collect())
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<LogOp>, String> {
        match f {
            "append" if asked.is_null() => Err("append wants a value, and null is none".to_owned()),
            "append" => {
                let index = match answered {
                    None | Some(Value::Null) => None,
                    Some(answer) => match pair(answer) {
                        Some((index, value)) if value == asked => Some(index),
                        _ if answer == asked => None,
                        _ => return Err(format!("append of {asked} was answered with {answer}")),
                    },
                };
                Ok(Some(LogOp::Append(asked.into(), index)))
            }
            "read" if asked.is_null() => match answered {
                None => Ok(None),
                Some(Value::Array(all)) => {
                    Ok(Some(LogOp::Read(Entries(all.iter().map(Element::from).collect()))))
                }
                Some(answer) => Err(format!("read wants a list, not {answer}")),
            },
            "read" => {
                let wrong = |value| format!("read wants [index, value], not {value}");
                let (index, _) = pair(asked).ok_or_else(|| wrong(asked))?;
                let Some(answer) = answered else { return Ok(None) };
                match pair(answer) {
                    Some((same, _)) if same != index => {
                        Err(format!("read of index {index} was answered for {same}"))
                    }
                    Some((_, value)) => Ok(Some(LogOp::Get(index, (!value.is_null()).then(|| value.into())))),
                    None => Err(wrong(answer)),
                }
            }
            _ => Err(format!("a log knows append and read, not `{f}`")),
        }
    }

    fn step(&self, state: &Entries, op: &LogOp) -> Result<Entries, Refusal> {
        match op {
            LogOp::Append(value, index) if index.is_none_or(|index| index == state.len()) => {
                Ok(Entries(state.0.with(value.clone())))
            }
            LogOp::Append(_, index) => Err(Refusal::Returned {
                returned: format!("index {}", index.unwrap_or_default()),
                held: format!("index {}", state.len()),
            }),
            LogOp::Get(index, value) if value.as_ref() == state.get(*index) => Ok(state.clone()),
            LogOp::Get(index, value) => {
                Err(Refusal::Returned { returned: at(value.as_ref()), held: at(state.get(*index)) })
            }
            LogOp::Read(all) if all == state => Ok(state.clone()),
            LogOp::Read(all) => Err(Refusal::Returned { returned: all.word(), held: state.word() }),
        }
    }

    fn is_observer(&self, op: &LogOp) -> bool {
        matches!(op, LogOp::Get(..) | LogOp::Read(_))
    }

    fn label(&self, op: &LogOp) -> String {
        match op {
            LogOp::Append(value, Some(index)) => format!("append {value} → index {index}"),
            LogOp::Append(value, None) => format!("append {value}"),
            LogOp::Get(index, value) => format!("read index {index} → {}", at(value.as_ref())),
            LogOp::Read(all) => format!("read → {}", all.word()),
        }
    }

    fn show(&self, state: &Entries) -> String {
        state.word()
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::holding("log", &self.initial)
    }

    fn noun(&self) -> &'static str {
        "log"
    }

    fn told(&self, op: &LogOp, object: &str) -> String {
        match op {
            LogOp::Append(value, Some(index)) => format!("appended {value} to {object} at index {index}"),
            LogOp::Append(value, None) => format!("appended {value} to {object}"),
            LogOp::Get(index, value) => format!("read {} at index {index} of {object}", at(value.as_ref())),
            LogOp::Read(all) => format!("read {} from {object}", all.word()),
        }
    }

    fn heap_bytes(&self, _: &Entries) -> usize {
        Chain::LINK_BYTES
    }

    fn op_heap_bytes(&self, op: &LogOp) -> usize {
        match op {
            LogOp::Read(all) => all.0.len() * (Chain::LINK_BYTES + Element::BYTES),
            LogOp::Append(..) | LogOp::Get(..) => Element::BYTES,
        }
    }

    fn growth<'a>(&self, op: &'a LogOp) -> Option<Growth<'a>> {
        match op {
            _ if !self.initial.is_empty() => None,
            LogOp::Append(value, index) => Some(Growth::Append(value, *index)),
            LogOp::Get(index, value) => Some(Growth::Entry(*index, value.as_ref())),
            LogOp::Read(all) => Some(Growth::Entries(all)),
        }
    }

    fn picture(&self, case: &Case<'_, LogOp>, anomaly: &Anomaly) -> Option<Picture> {
        anomaly::picture(case, anomaly)
    }

    fn anomaly(&self, case: &Case<'_, LogOp>) -> Option<Anomaly> {
        anomaly::classify(&self.initial, case)
    }
}

fn at(value: Option<&Element>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

fn pair(value: &Value) -> Option<(u64, &Value)> {
    match value.as_array().map(Vec::as_slice) {
        Some([index, inner]) => Some((index.as_u64()?, inner)),
        _ => None,
    }
}
