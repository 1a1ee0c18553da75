//! States by number: each distinct state is kept once, and steps between them are remembered.

use super::problem::Problem;
use crate::model::Model;
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
pub(super) struct States<'a, M: Model> {
    model: &'a M,
    classes: &'a [M::Op],
    ids: FxHashMap<M::State, u32>,
    states: Vec<M::State>,
    /// Successors: one row per state, one column per class. The first states have one, or none
    /// when there are many classes.
    rows: Vec<u32>,
    /// What the states own beside themselves, twice: here and as keys.
    heap: usize,
    /// The state that stands for all that are doomed for every one of these classes: [`Model::doomed`].
    doomed: Option<(M::State, Vec<u32>)>,
}

impl<'a, M: Model> States<'a, M> {
    pub(super) fn new(model: &'a M, classes: &'a [M::Op]) -> Self {
        let (ids, states, rows) = (FxHashMap::default(), Vec::new(), Vec::new());
        Self { model, classes, ids, states, rows, heap: 0, doomed: None }
    }

    /// The same, but all states from which nothing can come about that is seen in `problem` are one.
    pub(super) fn among(self, problem: &Problem) -> Self {
        let doomed = self.model.doomed().map(|doomed| {
            let observers = problem.items.iter().filter(|item| item.observer);
            let mut observers: Vec<u32> = observers.map(|item| item.class).collect();
            observers.sort_unstable();
            observers.dedup();
            (doomed, observers)
        });
        Self { doomed, ..self }
    }

    /// The number of a state.
    pub(super) fn id(&mut self, state: M::State) -> u32 {
        if let Some(&id) = self.ids.get(&state) {
            return id;
        }
        if let Some((doomed, observers)) = &self.doomed
            && state != *doomed
            && self.is_lost(&state, observers)
        {
            let doomed = doomed.clone();
            return self.id(doomed);
        }
        let id = u32::try_from(self.states.len()).expect("memory ends before 2^32 states");
        self.heap += 2 * self.model.heap_bytes(&state);
        self.states.push(state.clone());
        self.ids.insert(state, id);
        if self.classes.len() <= MAX_ROW && self.rows.len() < MAX_CELLS {
            self.rows.resize(self.rows.len() + self.classes.len(), NOT_TRIED);
        }
        id
    }

    pub(super) fn state(&self, id: u32) -> &M::State {
        &self.states[id as usize]
    }

    /// As [`Model::is_doomed`].
    pub(super) fn is_doomed(&self, state: u32, seen: u32) -> bool {
        self.model.is_doomed(&self.states[state as usize], &self.classes[seen as usize])
    }

    fn is_lost(&self, state: &M::State, observers: &[u32]) -> bool {
        observers.iter().all(|&seen| self.model.is_doomed(state, &self.classes[seen as usize]))
    }

    /// The state after an operation of `class`, unless the model refuses it.
    pub(super) fn step(&mut self, state: u32, class: u32) -> Option<u32> {
        let cell = state as usize * self.classes.len() + class as usize;
        match self.rows.get(cell) {
            None => self.ask(state, class),
            Some(&NOT_TRIED) => {
                let next = self.ask(state, class);
                self.rows[cell] = next.unwrap_or(REFUSED);
                next
            }
            Some(&REFUSED) => None,
            Some(&next) => Some(next),
        }
    }

    fn ask(&mut self, state: u32, class: u32) -> Option<u32> {
        let next = self.model.after(&self.states[state as usize], &self.classes[class as usize])?;
        Some(self.id(next))
    }

    /// About how much it holds.
    pub(super) fn bytes(&self) -> usize {
        let state = size_of::<M::State>();
        // One control byte per bucket, and an eighth of the buckets stays empty.
        let ids = self.ids.capacity() * 8 / 7 * (state + size_of::<u32>() + 1);
        self.states.capacity() * state + ids + self.rows.capacity() * size_of::<u32>() + self.heap
    }
}
