//! States by number: each distinct state is kept once, and steps between them are remembered.
//!
//! What remembers knows no model, so that whoever searches is compiled once and not once for each.
//! The states themselves are behind it, with the model that makes them.

use super::problem::Problem;
use crate::model::{Model, Refusal};
use rustc_hash::FxHashMap;

/// Up to this many kinds of operation, a row of successors per state pays; beyond it (unique
/// values) nearly every step is taken once, and remembering it costs more than it saves.
const MAX_ROW: usize = 256;

/// Steps remembered at most. Objects with few states need far fewer; where every order leads to
/// a state of its own, nothing is met twice.
const MAX_CELLS: usize = 1 << 18;

const NOT_TRIED: u32 = u32::MAX;
const REFUSED: u32 = u32::MAX - 1;

/// The states met so far.
pub(super) struct States<'a> {
    table: Box<dyn Table + 'a>,
    classes: usize,
    /// Successors: one row per state, one column per class. The first states have one, or none
    /// when there are many classes.
    rows: Vec<u32>,
}

/// The states themselves.
trait Table {
    /// As [`States::initial`].
    fn initial(&mut self) -> u32;

    /// As [`States::any`].
    fn any(&mut self, past: usize, ops: &[u32]) -> Option<Vec<u32>>;

    /// What the model says of a step.
    fn step(&mut self, state: u32, class: u32) -> Option<u32>;

    /// As [`Model::LOOKS_AHEAD`].
    fn looks_ahead(&self) -> bool;

    /// As [`Model::is_doomed`].
    fn is_doomed(&self, state: u32, seen: u32) -> bool;

    /// As [`States::among`].
    fn keep_one_of_the_doomed(&mut self, problem: &Problem);

    /// As [`Model::show`].
    fn show(&self, state: u32) -> String;

    /// Why the model refuses a step, if it does.
    fn refusal(&self, state: u32, class: u32) -> Option<Refusal>;

    /// About how much it holds.
    fn bytes(&self) -> usize;
}

impl<'a> States<'a> {
    /// None met yet.
    pub(super) fn new<M: Model>(model: &'a M, classes: &'a [M::Op]) -> Self {
        let (ids, states) = (FxHashMap::default(), Vec::new());
        let table = Box::new(Known { model, classes, ids, states, heap: 0, doomed: None });
        Self { table, classes: classes.len(), rows: Vec::new() }
    }

    /// The same, but all states from which nothing can come about that is seen in `problem` are one.
    pub(super) fn among(mut self, problem: &Problem) -> Self {
        self.table.keep_one_of_the_doomed(problem);
        self
    }

    /// The state before anything happened.
    pub(super) fn initial(&mut self) -> u32 {
        let state = self.table.initial();
        self.make_room(state);
        state
    }

    /// As [`Model::any_state`], with the classes below `past` in the past.
    pub(super) fn any(&mut self, past: usize, ops: &[u32]) -> Option<Vec<u32>> {
        let states = self.table.any(past, ops)?;
        states.iter().for_each(|&state| self.make_room(state));
        Some(states)
    }

    /// Does the model ever say of a state that it is doomed?
    pub(super) fn looks_ahead(&self) -> bool {
        self.table.looks_ahead()
    }

    /// As [`Model::is_doomed`].
    pub(super) fn is_doomed(&self, state: u32, seen: u32) -> bool {
        self.table.is_doomed(state, seen)
    }

    /// The state after an operation of `class`, unless the model refuses it.
    pub(super) fn step(&mut self, state: u32, class: u32) -> Option<u32> {
        let cell = state as usize * self.classes + class as usize;
        match self.rows.get(cell) {
            None | Some(&NOT_TRIED) => self.ask(state, class, cell),
            Some(&REFUSED) => None,
            Some(&next) => Some(next),
        }
    }

    fn ask(&mut self, state: u32, class: u32, cell: usize) -> Option<u32> {
        let next = self.table.step(state, class);
        if let Some(next) = next {
            self.make_room(next);
        }
        if let Some(known) = self.rows.get_mut(cell) {
            *known = next.unwrap_or(REFUSED);
        }
        next
    }

    /// Gives a row to a state that may be new.
    fn make_room(&mut self, state: u32) {
        let end = (state as usize + 1) * self.classes;
        while self.classes <= MAX_ROW && self.rows.len() < end.min(MAX_CELLS) {
            self.rows.resize(self.rows.len() + self.classes, NOT_TRIED);
        }
    }

    /// As [`Model::show`].
    pub(super) fn show(&self, state: u32) -> String {
        self.table.show(state)
    }

    /// Why the model refuses an operation of `class`, if it does.
    pub(super) fn refusal(&self, state: u32, class: u32) -> Option<Refusal> {
        self.table.refusal(state, class)
    }

    /// About how much it holds.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + self.rows.capacity() * size_of::<u32>()
    }
}

/// The states of a model.
struct Known<'a, M: Model> {
    model: &'a M,
    classes: &'a [M::Op],
    ids: FxHashMap<M::State, u32>,
    states: Vec<M::State>,
    /// What the states own beside themselves, twice: here and as keys.
    heap: usize,
    /// The state that stands for all that are doomed for every one of these classes: [`Model::doomed`].
    doomed: Option<(M::State, Vec<u32>)>,
}

impl<M: Model> Known<'_, M> {
    /// The number of a state.
    fn id(&mut self, state: M::State) -> u32 {
        if let Some(&id) = self.ids.get(&state) {
            return id;
        }
        if let Some((doomed, observers)) = &self.doomed
            && state != *doomed
            && observers.iter().all(|&seen| self.model.is_doomed(&state, &self.classes[seen as usize]))
        {
            let doomed = doomed.clone();
            return self.id(doomed);
        }
        let id = u32::try_from(self.states.len()).expect("memory ends before 2^32 states");
        self.heap += 2 * self.model.heap_bytes(&state);
        self.states.push(state.clone());
        self.ids.insert(state, id);
        id
    }
}

impl<M: Model> Table for Known<'_, M> {
    fn initial(&mut self) -> u32 {
        self.id(self.model.initial())
    }

    fn any(&mut self, past: usize, ops: &[u32]) -> Option<Vec<u32>> {
        let past: Vec<_> = self.classes[..past].iter().collect();
        let ops: Vec<_> = ops.iter().map(|&class| &self.classes[class as usize]).collect();
        let states = self.model.any_state(&past, &ops)?;
        Some(states.into_iter().map(|state| self.id(state)).collect())
    }

    fn step(&mut self, state: u32, class: u32) -> Option<u32> {
        let next = self.model.after(&self.states[state as usize], &self.classes[class as usize])?;
        Some(self.id(next))
    }

    fn looks_ahead(&self) -> bool {
        M::LOOKS_AHEAD
    }

    fn is_doomed(&self, state: u32, seen: u32) -> bool {
        self.model.is_doomed(&self.states[state as usize], &self.classes[seen as usize])
    }

    fn keep_one_of_the_doomed(&mut self, problem: &Problem) {
        self.doomed = self.model.doomed().map(|doomed| (doomed, problem.observers()));
    }

    fn show(&self, state: u32) -> String {
        self.model.show(&self.states[state as usize])
    }

    fn refusal(&self, state: u32, class: u32) -> Option<Refusal> {
        self.model.step(&self.states[state as usize], &self.classes[class as usize]).err()
    }

    fn bytes(&self) -> usize {
        let state = size_of::<M::State>();
        // One control byte per bucket, and an eighth of the buckets stays empty.
        let ids = self.ids.capacity() * 8 / 7 * (state + size_of::<u32>() + 1);
        self.states.capacity() * state + ids + self.heap
    }
}
