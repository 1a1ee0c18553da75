//! One key as everything here looks at it: the calls, the object that judges them, and what may
//! be spent on that.

use super::access::{Access, Accesses};
use super::collection::Contents;
use super::limits::Limits;
use super::object::Object;
use super::partition::{Entry, Moment};
use super::problem::Item;
use crate::history::Call;

/// What is decided. Operations are given as positions in `entries`.
pub(super) struct Subject<'a> {
    pub(super) object: &'a dyn Object,
    /// By invocation.
    pub(super) entries: &'a [Entry],
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

impl<'a> Subject<'a> {
    pub(super) fn new(object: &'a dyn Object, limits: &'a Limits<'a>) -> Self {
        let classes = || 0..u32::try_from(object.classes()).expect("no more classes than operations");
        let observers = classes().map(|class| object.is_observer(class)).collect();
        let accesses = object.accesses();
        let overwrites = match &accesses {
            Some(accesses) => accesses.iter().map(Access::is_blind).collect(),
            None => classes().map(|class| object.overwrites(class)).collect(),
        };
        let contents = object.contents();
        Self { object, entries: object.entries(), limits, accesses, contents, observers, overwrites }
    }

    /// What it holds itself.
    pub(super) fn bytes(&self) -> usize {
        self.observers.capacity()
            + self.overwrites.capacity()
            + self.accesses.as_ref().map_or(0, Accesses::bytes)
            + self.contents.as_ref().map_or(0, Contents::bytes)
    }

    pub(super) fn is_observer(&self, entry: u32) -> bool {
        self.observers[self.class(entry) as usize]
    }

    /// An entry as a search sees it, with this return.
    pub(super) fn item(&self, entry: u32, ret: Option<Moment>) -> Item {
        let known = &self.entries[entry as usize];
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
        self.object.history().call_at(self.invoke(entry) as usize)
    }

    pub(super) fn label(&self, entry: u32) -> String {
        self.object.label(self.class(entry))
    }

    pub(super) fn invoke(&self, entry: u32) -> Moment {
        self.entries[entry as usize].invoke
    }

    /// When it returned, if that is known.
    pub(super) fn ret(&self, entry: u32) -> Option<Moment> {
        self.entries[entry as usize].ret
    }

    /// What kind of operation it is.
    pub(super) fn class(&self, entry: u32) -> u32 {
        self.entries[entry as usize].class
    }
}
