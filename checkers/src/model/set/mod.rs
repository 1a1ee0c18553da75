//! A set: elements come and go; one is asked for, or all are read at once.

mod anomaly;

use super::persist::{Element, Map};
use super::{Anomaly, Case, Growth, Model, NamedModel, Refusal, listed};
use crate::history::Process;
use crate::verdict::Picture;
use serde_json::Value;

/// A set of JSON values.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `add` | the element | the same, or `null` |
/// | `remove` | the element | the same, or `null` |
/// | `contains` | `[element, null]` | `[element, is it there?]` |
/// | `read` | anything, `null` by custom | all elements, in any order |
#[derive(Clone, Debug, Default)]
pub struct Set {
    /// What is in it at first.
    pub initial: Vec<Element>,
}

/// What happened to a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetOp {
    /// This was added, or was there already.
    Add(Element),
    /// This was removed, or was not there.
    Remove(Element),
    /// This was asked for, and this was the answer.
    Contains(Element, bool),
    /// It was read as a whole.
    Read(Elements),
}

/// The answer to a read: its distinct elements, and one that it held twice, which no set does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Elements {
    distinct: Map<Element, bool>,
    twice: Option<Element>,
}

/// What is in a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Members {
    /// Elements that are known to be there. Where others are unknown also those that are known not
    /// to be there.
    known: Map<Element, bool>,
    /// May there be more?
    others: bool,
}

impl Members {
    /// Is it there? Absent: nobody knows.
    fn has(&self, element: &Element) -> Option<bool> {
        self.known.get(element).copied().or((!self.others).then_some(false))
    }

    fn with(&self, element: &Element, there: bool) -> Self {
        let known = if there || self.others {
            self.known.with(element.clone(), there)
        } else {
            self.known.without(element)
        };
        Self { known, ..*self }
    }
}

impl Model for Set {
    type State = Members;
    type Op = SetOp;

    fn name(&self) -> String {
        format!("a set, initially {}", self.show(&self.initial()))
    }

    fn initial(&self) -> Members {
        let known = self.initial.iter().map(|element| (element.clone(), true)).collect();
        Members { known, others: false }
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<SetOp>, String> {
        match f {
            "add" | "remove" if answered.is_some_and(|value| !value.is_null() && value != asked) => {
                Err(format!("{f} of {asked} was answered with another value"))
            }
            "add" => Ok(Some(SetOp::Add(asked.into()))),
            "remove" => Ok(Some(SetOp::Remove(asked.into()))),
            "contains" => contains(asked, answered),
            "read" => answered.map(elements).transpose(),
            _ => Err(format!("a set knows add, remove, contains and read, not `{f}`")),
        }
    }

    fn step(&self, state: &Members, op: &SetOp) -> Result<Members, Refusal> {
        match op {
            SetOp::Add(element) => Ok(state.with(element, true)),
            SetOp::Remove(element) => Ok(state.with(element, false)),
            SetOp::Contains(element, there) => match state.has(element) {
                Some(known) if known == *there => Ok(state.clone()),
                None => Ok(state.with(element, *there)),
                Some(known) => {
                    Err(Refusal::Returned { returned: there.to_string(), held: known.to_string() })
                }
            },
            SetOp::Read(Elements { twice: Some(element), .. }) => {
                Err(Refusal::Other(format!("returned {element} twice")))
            }
            SetOp::Read(Elements { distinct, .. }) => read(state, distinct),
        }
    }

    fn is_observer(&self, op: &SetOp) -> bool {
        matches!(op, SetOp::Contains(..) | SetOp::Read(_))
    }

    fn label(&self, op: &SetOp) -> String {
        match op {
            SetOp::Add(element) => format!("add {element}"),
            SetOp::Remove(element) => format!("remove {element}"),
            SetOp::Contains(element, there) => format!("contains {element} → {there}"),
            SetOp::Read(elements) => format!("read → {}", elements.word()),
        }
    }

    fn show(&self, state: &Members) -> String {
        let each = state.known.iter().map(
            |(element, &there)| {
                if there { element.to_string() } else { format!("not {element}") }
            },
        );
        listed("{", each.chain(state.others.then(|| "…".to_owned())), "}")
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::holding("set", &self.initial)
    }

    fn noun(&self) -> &'static str {
        "set"
    }

    fn told(&self, op: &SetOp, object: &str) -> String {
        match op {
            SetOp::Add(element) => format!("added {element} to {object}"),
            SetOp::Remove(element) => format!("removed {element} from {object}"),
            SetOp::Contains(element, true) => format!("found {element} in {object}"),
            SetOp::Contains(element, false) => format!("did not find {element} in {object}"),
            SetOp::Read(elements) => format!("read {} from {object}", elements.word()),
        }
    }

    fn any_state(&self, _: &[&SetOp], _: &[&SetOp]) -> Option<Vec<Members>> {
        Some(vec![Members { known: Map::default(), others: true }])
    }

    fn heap_bytes(&self, state: &Members) -> usize {
        state.known.path_bytes()
    }

    fn op_heap_bytes(&self, op: &SetOp) -> usize {
        match op {
            SetOp::Read(all) => all.distinct.bytes() + all.distinct.len() * Element::BYTES,
            SetOp::Add(_) | SetOp::Remove(_) | SetOp::Contains(..) => Element::BYTES,
        }
    }

    fn growth<'a>(&self, op: &'a SetOp) -> Option<Growth<'a>> {
        match op {
            _ if !self.initial.is_empty() => None,
            SetOp::Add(element) => Some(Growth::Add(element)),
            SetOp::Read(elements) => Some(Growth::Members(elements)),
            SetOp::Remove(_) | SetOp::Contains(..) => None,
        }
    }

    fn cells(&self, op: &SetOp) -> Option<Vec<Element>> {
        match op {
            SetOp::Add(element) | SetOp::Remove(element) | SetOp::Contains(element, _) => {
                Some(vec![element.clone()])
            }
            SetOp::Read(_) => None,
        }
    }

    fn cell_nouns(&self) -> (&'static str, &'static str) {
        ("element", "elements")
    }

    fn within(&self, op: &SetOp, cells: &[Element]) -> Option<SetOp> {
        match op {
            SetOp::Add(element) | SetOp::Remove(element) | SetOp::Contains(element, _) => {
                cells.contains(element).then(|| op.clone())
            }
            SetOp::Read(all) => {
                let there = cells.iter().filter(|cell| all.distinct.get(cell).is_some());
                let distinct = there.map(|cell| (cell.clone(), true)).collect();
                let twice = all.twice.clone().filter(|element| cells.contains(element));
                Some(SetOp::Read(Elements { distinct, twice }))
            }
        }
    }

    fn picture(&self, case: &Case<'_, SetOp>, anomaly: &Anomaly) -> Option<Picture> {
        anomaly::picture(case, anomaly)
    }

    fn anomaly(&self, case: &Case<'_, SetOp>) -> Option<Anomaly> {
        anomaly::classify(&self.initial, case)
    }
}

fn contains(asked: &Value, answered: Option<&Value>) -> Result<Option<SetOp>, String> {
    let pair = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([element, there]) => Ok((element.clone(), there.clone())),
        _ => Err(format!("contains wants [element, true or false], not {value}")),
    };
    let (element, _) = pair(asked)?;
    let Some(answered) = answered else { return Ok(None) };
    match pair(answered)? {
        (same, _) if same != element => Err(format!("contains {element} was answered for {same}")),
        (_, Value::Bool(there)) => Ok(Some(SetOp::Contains((&element).into(), there))),
        (_, other) => Err(format!("contains {element} was answered with {other}, not true or false")),
    }
}

fn elements(answered: &Value) -> Result<SetOp, String> {
    let list = answered.as_array().ok_or_else(|| format!("read wants a list of elements, not {answered}"))?;
    let mut sorted: Vec<Element> = list.iter().map(Element::from).collect();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone());
    let distinct = sorted.into_iter().map(|element| (element, true)).collect();
    Ok(SetOp::Read(Elements { distinct, twice }))
}

impl Elements {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Element> {
        self.distinct.iter().map(|(element, _)| element)
    }

    pub(crate) fn len(&self) -> usize {
        self.distinct.len()
    }

    pub(crate) fn has(&self, element: &Element) -> bool {
        self.distinct.get(element).is_some()
    }

    /// One that was returned twice.
    pub(crate) fn twice(&self) -> Option<&Element> {
        self.twice.as_ref()
    }

    fn word(&self) -> String {
        listed("{", self.distinct.iter().map(|(element, _)| element).chain(&self.twice), "}")
    }
}

/// A read of the whole set.
fn read(state: &Members, seen: &Map<Element, bool>) -> Result<Members, Refusal> {
    if !state.others && state.known == *seen {
        return Ok(state.clone());
    }
    let missing = state.known.iter().find(|&(element, &there)| there && seen.get(element).is_none());
    if let Some((element, _)) = missing {
        return Err(Refusal::Other(format!("did not return {element}, which was there")));
    }
    if let Some((element, _)) = seen.iter().find(|(element, _)| state.has(element) == Some(false)) {
        return Err(Refusal::Other(format!("returned {element}, which was not there")));
    }
    Ok(Members { known: seen.clone(), others: false })
}
