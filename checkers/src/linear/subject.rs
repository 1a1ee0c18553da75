//! One key as everything here looks at it: the calls, the model that judges them, and what may
//! be spent on that.

use super::access::{Access, Accesses};
use super::collection::Contents;
use super::limits::Limits;
use super::partition::{Moment, Part};
use super::problem::Item;
use crate::history::Call;
use crate::model::Model;

/// What is decided. Operations are given as positions in [`Part::entries`].
pub(super) struct Subject<'a, M: Model> {
    pub(super) model: &'a M,
    pub(super) part: &'a Part<'a, M::Op>,
    pub(super) limits: &'a Limits<'a>,
    /// If the model describes all operations like this.
    pub(super) accesses: Option<Accesses>,
    /// If the model is a container.
    pub(super) contents: Option<Contents>,
    /// By class.
    observers: Vec<bool>,
    /// By class.
    overwrites: Vec<bool>,
}

impl<'a, M: Model> Subject<'a, M> {
    pub(super) fn new(model: &'a M, part: &'a Part<'a, M::Op>, limits: &'a Limits<'a>) -> Self {
        let observers = part.classes.iter().map(|op| model.is_observer(op)).collect();
        let accesses = Accesses::new(model, &part.classes);
        let overwrites = match &accesses {
            Some(accesses) => accesses.iter().map(Access::is_blind).collect(),
            None => part.classes.iter().map(|op| model.overwrites(op)).collect(),
        };
        let contents = Contents::new(model, &part.classes);
        Self { model, part, limits, accesses, contents, observers, overwrites }
    }

    /// What it holds itself.
    pub(super) fn bytes(&self) -> usize {
        self.observers.capacity()
            + self.overwrites.capacity()
            + self.accesses.as_ref().map_or(0, Accesses::bytes)
            + self.contents.as_ref().map_or(0, Contents::bytes)
    }

    pub(super) fn op(&self, entry: u32) -> &M::Op {
        &self.part.classes[self.class(entry)]
    }

    pub(super) fn is_observer(&self, entry: u32) -> bool {
        self.observers[self.class(entry)]
    }

    /// An entry as a search sees it, with this return.
    pub(super) fn item(&self, entry: u32, ret: Option<Moment>) -> Item {
        let known = &self.part.entries[entry as usize];
        Item {
            entry,
            class: known.class,
            observer: self.is_observer(entry),
            invoke: known.invoke,
            ret,
            slot: 0,
            twin: None,
            dead: false,
            overwrites: self.overwrites[known.class as usize],
        }
    }

    pub(super) fn call(&self, entry: u32) -> Call<'a> {
        self.part.call(self.invoke(entry))
    }

    pub(super) fn label(&self, entry: u32) -> String {
        self.model.label(self.op(entry))
    }

    pub(super) fn invoke(&self, entry: u32) -> Moment {
        self.part.entries[entry as usize].invoke
    }

    /// When it returned, if that is known.
    pub(super) fn ret(&self, entry: u32) -> Option<Moment> {
        self.part.entries[entry as usize].ret
    }

    fn class(&self, entry: u32) -> usize {
        self.part.entries[entry as usize].class as usize
    }
}
