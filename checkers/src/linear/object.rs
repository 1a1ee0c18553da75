//! The object of one key without its model: operations by the number of their class, states by that
//! in [`States`].
//!
//! Models end here. Whatever decides, proves and explains asks an [`Object`], and is compiled once; what
//! knows the types of a model, and is compiled for each, is behind it: this file, the states, how
//! calls are read and dealt out ([`super::partition`], [`super::components`]), and the second opinion.

use super::access::Accesses;
use super::certify::certify;
use super::collection::Contents;
use super::found::Evidence;
use super::narrow::narrow;
use super::partition::{Entry, Moment, Part};
use super::states::States;
use crate::history::History;
use crate::model::{Anomaly, Case, Element, Growth, Model, NamedModel, Seen};
use crate::verdict::Picture;
use crate::words;
use serde_json::Value;

/// Cells that are named; further ones are counted.
const MAX_NAMED: usize = 6;

/// One key: its calls, and what its model says of them.
pub(super) trait Object: Sync {
    /// As [`Part::key`].
    fn key(&self) -> Option<&Value>;

    /// As [`Part::cells`].
    fn cells(&self) -> &[Element];

    /// As [`Part::entries`].
    fn entries(&self) -> &[Entry];

    /// As [`Part::failed`].
    fn failed(&self) -> &[Moment];

    /// Where the calls are from.
    fn history(&self) -> &History;

    /// How many classes of operations there are.
    fn classes(&self) -> usize;

    /// As [`Model::is_observer`].
    fn is_observer(&self, class: u32) -> bool;

    /// As [`Model::overwrites`].
    fn overwrites(&self, class: u32) -> bool;

    /// All classes as accesses to a value, if they are that: [`Model::access`].
    fn accesses(&self) -> Option<Accesses>;

    /// All classes as operations of a container, if they are that: [`Model::container`].
    fn contents(&self) -> Option<Contents>;

    /// As [`Model::growth`].
    fn growth(&self, class: u32) -> Option<Growth<'_>>;

    /// No state met yet.
    fn states(&self) -> States<'_>;

    /// As [`certify`].
    fn certify(&self, entries: &[Entry], order: &[u32]) -> Result<(), String>;

    /// As [`narrow`].
    fn narrow(&self, until: Moment, evidence: &Evidence, cells: &[Element]) -> Box<dyn Object + '_>;

    /// As [`Model::name`].
    fn name(&self) -> String;

    /// As [`Model::named`].
    fn named(&self) -> Option<NamedModel>;

    /// As [`Model::noun`].
    fn noun(&self) -> &'static str;

    /// As [`Model::cell_nouns`].
    fn cell_nouns(&self) -> (&'static str, &'static str);

    /// As [`Model::label`].
    fn label(&self, class: u32) -> String;

    /// As [`Model::told`].
    fn told(&self, class: u32, object: &str) -> String;

    /// As [`Model::anomaly`], with an entry that cannot be placed.
    fn anomaly(&self, culprit: u32) -> Option<Anomaly>;

    /// As [`Model::picture`].
    fn picture(&self, culprit: u32, anomaly: &Anomaly) -> Option<Picture>;
}

impl dyn Object + '_ {
    /// `keys x, y`; absent where it is about all cells.
    pub(super) fn told_cells(&self) -> Option<String> {
        let (one, several) = self.cell_nouns();
        let cells = self.cells();
        let named: Vec<String> = cells.iter().take(MAX_NAMED).map(|cell| words::bare(cell.value())).collect();
        let more = match cells.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let noun = if cells.len() == 1 { one } else { several };
        (!named.is_empty()).then(|| format!("{noun} {}{more}", named.join(", ")))
    }
}

impl<M: Model> Part<'_, M> {
    fn op(&self, class: u32) -> &M::Op {
        &self.classes[class as usize]
    }

    /// A violation as the model sees it.
    fn with_case(&self, culprit: u32, look: &mut dyn FnMut(&Case<'_, M::Op>)) {
        let seen = |entry: &Entry| Seen { op: self.op(entry.class), call: self.call(entry.invoke) };
        let calls: Vec<_> = self.entries.iter().map(seen).collect();
        let read = |&invoke: &Moment| Some((self.read(invoke)?, self.call(invoke)));
        let failed: Vec<_> = self.failed.iter().filter_map(read).collect();
        let failed: Vec<_> = failed.iter().map(|(op, call)| Seen { op, call: *call }).collect();
        look(&Case { calls: &calls, failed: &failed, culprit: culprit as usize });
    }
}

impl<M: Model> Object for Part<'_, M> {
    fn key(&self) -> Option<&Value> {
        self.key.as_ref()
    }

    fn cells(&self) -> &[Element] {
        &self.cells
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn failed(&self) -> &[Moment] {
        &self.failed
    }

    fn history(&self) -> &History {
        self.history
    }

    fn classes(&self) -> usize {
        self.classes.len()
    }

    fn is_observer(&self, class: u32) -> bool {
        self.model.is_observer(self.op(class))
    }

    fn overwrites(&self, class: u32) -> bool {
        self.model.overwrites(self.op(class))
    }

    fn accesses(&self) -> Option<Accesses> {
        Accesses::new(self.model, &self.classes)
    }

    fn contents(&self) -> Option<Contents> {
        let does = |class: usize| self.model.container_op(&self.classes[class]);
        Contents::new(self.model.container()?, self.classes.len(), &does)
    }

    fn growth(&self, class: u32) -> Option<Growth<'_>> {
        self.model.growth(self.op(class))
    }

    fn states(&self) -> States<'_> {
        States::new(self.model, &self.classes)
    }

    fn certify(&self, entries: &[Entry], order: &[u32]) -> Result<(), String> {
        certify(self.model, &self.classes, entries, order)
    }

    fn narrow(&self, until: Moment, evidence: &Evidence, cells: &[Element]) -> Box<dyn Object + '_> {
        Box::new(narrow(self, until, evidence, cells))
    }

    fn name(&self) -> String {
        self.model.name()
    }

    fn named(&self) -> Option<NamedModel> {
        self.model.named()
    }

    fn noun(&self) -> &'static str {
        self.model.noun()
    }

    fn cell_nouns(&self) -> (&'static str, &'static str) {
        self.model.cell_nouns()
    }

    fn label(&self, class: u32) -> String {
        self.model.label(self.op(class))
    }

    fn told(&self, class: u32, object: &str) -> String {
        self.model.told(self.op(class), object)
    }

    fn anomaly(&self, culprit: u32) -> Option<Anomaly> {
        let mut anomaly = None;
        self.with_case(culprit, &mut |case| anomaly = self.model.anomaly(case));
        anomaly
    }

    fn picture(&self, culprit: u32, anomaly: &Anomaly) -> Option<Picture> {
        let mut picture = None;
        self.with_case(culprit, &mut |case| picture = self.model.picture(case, anomaly));
        picture
    }
}
