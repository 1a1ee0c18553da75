//! Objects that elements are put into and taken out of again: queues, bag, stack.
//!
//! They differ in their discipline only: which element comes out. What is asked and answered,
//! and how that is written, is the same and is here.

mod anomaly;
mod bag;
mod counts;
mod picture;
mod priority;
mod queue;
mod stack;

pub use bag::{Bag, Bagged, Unordered};
pub use priority::{Heap, PriorityQueue, SmallestFirst};
pub use queue::{Fifo, Line, Queue};
pub use stack::{Lifo, Pile, Stack};

use super::persist::Element;
use super::{Anomaly, Case, Model, NamedModel, Refusal};
use crate::history::Process;
use crate::verdict::Picture;
use serde_json::Value;
use std::hash::Hash;

/// An object that elements are put into and taken out of again.
///
/// | `f` (of a queue) | invocation | `ok` |
/// |---|---|---|
/// | `enqueue` | the element, not `null` | the same, or `null` |
/// | `dequeue` | anything, `null` by custom | the element, or `null`: it was empty |
///
/// A stack has `push` and `pop`, a priority queue `insert` and `delete-min`.
#[derive(Clone, Debug, Default)]
pub struct Container<D> {
    /// What is put into it before anything happens.
    pub initial: Vec<Element>,
    /// Which element comes out.
    pub discipline: D,
}

/// Which element comes out of a container.
pub trait Discipline: Default + Clone + Send + Sync + 'static {
    /// What the container can be like.
    type State: Clone + Default + Eq + Hash + Send + Sync;

    /// What it and its operations are called.
    const WORDS: Words;

    /// Which element comes out, if it is always one of these. Without, everything is searched for.
    const FIRST_OUT: Option<FirstOut> = None;

    /// Is this an element at all? In words, if not.
    ///
    /// # Errors
    /// What is wrong with it.
    fn admits(_element: &Value) -> Result<(), String> {
        Ok(())
    }

    /// The state with one more element.
    fn put(state: &Self::State, element: &Element) -> Self::State;

    /// The state after `element` came out.
    ///
    /// # Errors
    /// What would have come out instead.
    fn took(state: &Self::State, element: &Element) -> Result<Self::State, Refusal>;

    /// The state after something came out, if there was anything.
    fn take(state: &Self::State) -> Self::State;

    /// The state after it was found empty.
    ///
    /// # Errors
    /// What is in it.
    fn found_empty(state: &Self::State) -> Result<Self::State, Refusal>;

    /// What is in it, in words.
    fn show(state: &Self::State) -> String;

    /// See [`Model::any_state`].
    fn any_state() -> Option<Vec<Self::State>> {
        None
    }

    /// A proof that elements came out in the wrong order.
    fn out_of_order(_case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
        None
    }
}

/// Which of the elements in a container is the first to come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstOut {
    /// Any of them.
    Any,
    /// The one that was put in before all others.
    Oldest,
    /// The one that was put in after all others.
    Newest,
    /// The smallest, by the order of [`Element`].
    Smallest,
}

/// What a container and its operations are called.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// With its article: `a queue`.
    pub a: &'static str,
    /// `queue`.
    pub noun: &'static str,
    /// The function that puts something in, and what somebody did who used it.
    pub put: (&'static str, &'static str),
    /// The function that takes something out, and what somebody did who used it.
    pub take: (&'static str, &'static str),
}

/// What happened to a container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ContainerOp {
    /// This was put in.
    Put(Element),
    /// This came out.
    Took(Element),
    /// Something came out, if there was anything; nobody knows what.
    Take,
    /// Something was to come out, but nothing was there.
    Empty,
}

impl<D: Discipline> Model for Container<D> {
    type State = D::State;
    type Op = ContainerOp;

    fn name(&self) -> String {
        format!("{}, initially {}", D::WORDS.a, D::show(&self.initial()))
    }

    fn initial(&self) -> D::State {
        self.initial.iter().fold(D::State::default(), |state, element| D::put(&state, element))
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<ContainerOp>, String> {
        let Words { a, put, take, .. } = D::WORDS;
        if f == put.0 {
            if asked.is_null() {
                return Err(format!("{f} wants an element, and null is none"));
            }
            if answered.is_some_and(|value| !value.is_null() && value != asked) {
                return Err(format!("{f} of {asked} was answered with another value"));
            }
            D::admits(asked)?;
            return Ok(Some(ContainerOp::Put(asked.into())));
        }
        if f != take.0 {
            return Err(format!("{a} knows {} and {}, not `{f}`", put.0, take.0));
        }
        Ok(Some(match answered {
            None => ContainerOp::Take,
            Some(Value::Null) => ContainerOp::Empty,
            Some(element) => {
                D::admits(element)?;
                ContainerOp::Took(element.into())
            }
        }))
    }

    fn step(&self, state: &D::State, op: &ContainerOp) -> Result<D::State, Refusal> {
        match op {
            ContainerOp::Put(element) => Ok(D::put(state, element)),
            ContainerOp::Took(element) => D::took(state, element),
            ContainerOp::Take => Ok(D::take(state)),
            ContainerOp::Empty => D::found_empty(state),
        }
    }

    fn is_observer(&self, op: &ContainerOp) -> bool {
        *op == ContainerOp::Empty
    }

    fn label(&self, op: &ContainerOp) -> String {
        let (put, take) = (D::WORDS.put.0, D::WORDS.take.0);
        match op {
            ContainerOp::Put(element) => format!("{put} {element}"),
            ContainerOp::Took(element) => format!("{take} → {element}"),
            ContainerOp::Take => take.to_owned(),
            ContainerOp::Empty => format!("{take} → nothing"),
        }
    }

    fn show(&self, state: &D::State) -> String {
        D::show(state)
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::holding(&D::WORDS.noun.replace(' ', "-"), &self.initial)
    }

    fn noun(&self) -> &'static str {
        D::WORDS.noun
    }

    fn told(&self, op: &ContainerOp, object: &str) -> String {
        let (put, take) = (D::WORDS.put.1, D::WORDS.take.1);
        match op {
            ContainerOp::Put(element) => format!("{put} {element} to {object}"),
            ContainerOp::Took(element) => format!("{take} {element} from {object}"),
            ContainerOp::Take => format!("{take} something from {object}"),
            ContainerOp::Empty => format!("found {object} empty"),
        }
    }

    fn any_state(&self, _past: &[&ContainerOp], _ops: &[&ContainerOp]) -> Option<Vec<D::State>> {
        D::any_state()
    }

    fn container(&self) -> Option<(FirstOut, &[Element])> {
        D::FIRST_OUT.map(|first_out| (first_out, &*self.initial))
    }

    fn container_op(&self, op: &ContainerOp) -> Option<ContainerOp> {
        Some(op.clone())
    }

    fn picture(&self, case: &Case<'_, ContainerOp>, anomaly: &Anomaly) -> Option<Picture> {
        picture::picture(case, anomaly, |op| self.label(op))
    }

    fn anomaly(&self, case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
        anomaly::classify(&self.initial, case).or_else(|| D::out_of_order(case))
    }
}

/// Something else came out than could have.
fn returned(element: &Element, held: impl Into<String>) -> Refusal {
    Refusal::Returned { returned: element.to_string(), held: held.into() }
}

fn not_empty(held: &impl std::fmt::Display) -> Refusal {
    Refusal::Returned { returned: "nothing".to_owned(), held: held.to_string() }
}
