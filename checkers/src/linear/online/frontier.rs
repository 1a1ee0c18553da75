//! One key, layer by layer: after each return the configurations that can be, and nothing older.
//!
//! The configurations are those of [`crate::linear::search`], breadth first. A layer begins with
//! those in which everything that returned before has taken effect. It closes with a return: from
//! each of them operations take effect until the one that returns has (Lowe 2017 calls that just
//! in time), and no further, for whatever else happens can as well happen in a later layer. No
//! configuration left means that no order exists.
//!
//! What the layers know is what operations were invoked so far, and how each of these ended or will
//! end. They do not know what will be invoked, so only reductions that hold whatever follows are
//! used: observers are taken as soon as they are possible, equal optional operations are counted,
//! dominated configurations dropped ([`super::config`]), an optional operation is taken only
//! if the next one in its layer notices (there is a next one: the layer ends with the operation that
//! returns).
//!
//! And one of our own. An operation that overwrites whatever is there can take effect just before
//! any other that does, and then nothing of it remains. So when one takes effect, all others that
//! are open become *free*: each may be done by now or not, and one configuration stands for all
//! these combinations. With *k* writes open that is *k* configurations instead of *k* times 2^(*k*-1).
//!
//! Not here: operations whose outcome is not known yet; [`super::lane`] keeps these back.

use super::alphabet::{Alphabet, Effect, Known, NONE};
use super::config::{Antichain, Config, Used};
use super::{Deferral, MAX_OPEN, MAX_OPTIONAL, MAX_STEPS, MAX_WIDTH, STEPS_PER_LAYER};
use crate::model::Model;
use rustc_hash::{FxHashMap, FxHashSet};

/// Why a layer did not close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The operation that returned cannot have.
    Impossible,
    /// It takes too much.
    Deferred(Deferral),
}

/// Equal optional operations.
#[derive(Clone)]
struct Optional<O> {
    known: Known<O>,
    /// How many were invoked so far.
    supply: u32,
}

/// Which optional operations can matter, by state, as far as all are accesses to a value: to try each
/// of hundreds in each configuration would take most of the time.
#[derive(Clone, Default)]
struct Index {
    /// Classes that leave a state behind.
    leaving: FxHashMap<u32, Vec<u32>>,
    /// Classes that leave behind what another one expects.
    chained: Vec<u32>,
    /// What classes expect.
    expected: FxHashSet<u32>,
    /// Classes that are no accesses.
    others: Vec<u32>,
}

impl Index {
    fn new<O>(optional: &[Optional<O>]) -> Self {
        let mut index = Self::default();
        for (class, optional) in (0..).zip(optional) {
            match optional.known.effect {
                Effect::Access { expects, leaves } => {
                    index.leaving.entry(leaves).or_default().push(class);
                    if expects != NONE {
                        index.expected.insert(expects);
                    }
                }
                Effect::Any => index.others.push(class),
            }
        }
        let chained = index.expected.iter().filter_map(|state| index.leaving.get(state));
        index.chained = chained.flatten().copied().collect();
        // The order of a table depends on more than what is in it.
        index.chained.sort_unstable();
        index
    }
}

/// All that is kept of a key that nobody uses at present: a run of hours leaves ten thousands of them behind.
pub(super) enum Rest<M: Model> {
    /// One state that can be, and nothing in doubt.
    Settled(M::State),
    /// More than that.
    InDoubt(Box<InDoubt<M>>),
}

/// What can be, and what may still take effect.
pub(super) struct InDoubt<M: Model> {
    /// Nothing is open, so that there is no more to a configuration than this.
    configs: Box<[(M::State, Used)]>,
    /// Operations, and how many of each were invoked: by class.
    doubts: Box<[(M::Op, u32)]>,
}

impl<M: Model> Rest<M> {
    /// How many configurations there are.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Settled(_) => 1,
            Self::InDoubt(rest) => rest.configs.len(),
        }
    }

    /// States and operations that it holds, but for the one state that there always is.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Settled(_) => 0,
            Self::InDoubt(rest) => rest.configs.len() + rest.doubts.len(),
        }
    }
}

/// What can be at present.
pub(super) struct Frontier<M: Model> {
    alphabet: Alphabet<M>,
    /// By slot.
    open: Vec<Option<Known<M::Op>>>,
    taken: u64,
    observers: u64,
    blind: u64,
    optional: Vec<Optional<M::Op>>,
    index: Index,
    configs: Antichain,
    /// Steps that the next layer may take.
    allowance: usize,
}

impl<M: Model> Clone for Frontier<M> {
    fn clone(&self) -> Self {
        Self {
            alphabet: self.alphabet.clone(),
            open: self.open.clone(),
            optional: self.optional.clone(),
            index: self.index.clone(),
            configs: self.configs.clone(),
            ..*self
        }
    }
}

/// The slots of a mask.
fn slots(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let slot = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(slot)
    })
}

impl<M: Model> Frontier<M> {
    /// Nothing has happened yet but what led to this state.
    pub(super) fn new(state: M::State) -> Self {
        let mut alphabet = Alphabet::new();
        let state = alphabet.id(state);
        let first = Config { state, done: 0, free: 0, used: Used::default() };
        Self {
            alphabet,
            open: Vec::new(),
            taken: 0,
            observers: 0,
            blind: 0,
            optional: Vec::new(),
            index: Index::default(),
            configs: Antichain(vec![first]),
            allowance: MAX_STEPS,
        }
    }

    /// An operation begins that will return. Answers with its slot.
    pub(super) fn begin(&mut self, model: &M, op: M::Op) -> Result<u32, Stop> {
        let slot = (!self.taken).trailing_zeros();
        if slot >= MAX_OPEN {
            return Err(Stop::Deferred(Deferral::Open));
        }
        let known = self.alphabet.know(model, op);
        let bit = 1 << slot;
        self.taken |= bit;
        if known.observer {
            self.observers |= bit;
        }
        if known.is_blind() {
            self.blind |= bit;
        }
        if slot as usize == self.open.len() {
            self.open.push(None);
        }
        self.open[slot as usize] = Some(known);
        Ok(slot)
    }

    /// An operation begins that will stay in doubt.
    pub(super) fn doubt(&mut self, model: &M, op: M::Op) -> Result<(), Stop> {
        // It changes nothing and owes nothing.
        if model.is_observer(&op) {
            return Ok(());
        }
        if let Some(same) = self.optional.iter_mut().find(|optional| optional.known.op == op) {
            same.supply = same.supply.saturating_add(1);
            return Ok(());
        }
        if self.optional.len() >= MAX_OPTIONAL {
            return Err(Stop::Deferred(Deferral::Doubt));
        }
        let known = self.alphabet.know(model, op);
        self.optional.push(Optional { known, supply: 1 });
        self.index = Index::new(&self.optional);
        Ok(())
    }

    /// The operation in a slot returns: closes the layer.
    pub(super) fn close(&mut self, model: &M, slot: u32) -> Result<(), Stop> {
        let bit = 1 << slot;
        let (mut met, mut passed) = (Antichain::default(), Antichain::default());
        let mut ahead = std::mem::take(&mut self.configs.0);
        let mut steps = 0;
        while let Some(mut config) = ahead.pop() {
            self.observe(model, &mut config);
            if config.done & bit != 0 {
                config.done &= !bit;
                passed.admit(&config, self.observers);
                continue;
            }
            if config.free & bit != 0 {
                config.free &= !bit;
                passed.admit(&config, self.observers);
            }
            if met.admit(&config, self.observers) {
                steps += self.expand(model, &config, slot, &mut ahead);
            }
            if steps > self.allowance || passed.0.len() > MAX_WIDTH {
                return Err(Stop::Deferred(Deferral::Width));
            }
        }
        self.open[slot as usize] = None;
        self.taken &= !bit;
        self.observers &= !bit;
        self.blind &= !bit;
        self.configs = passed;
        self.allowance = (self.allowance - steps + STEPS_PER_LAYER).min(MAX_STEPS);
        if self.configs.0.is_empty() {
            return Err(Stop::Impossible);
        }
        if self.alphabet.is_full() {
            self.forget();
        }
        Ok(())
    }

    /// Takes the observers that find the state as they saw it.
    fn observe(&mut self, model: &M, config: &mut Config) {
        for slot in slots(self.observers & !config.done) {
            let known = self.open[slot].as_ref().expect("a taken slot holds an operation");
            if self.alphabet.step(model, config.state, known) == Some(config.state) {
                config.done |= 1 << slot;
            }
        }
    }

    /// Every step from a configuration that can lead to the return from `due`. Answers with what
    /// that took.
    fn expand(&mut self, model: &M, config: &Config, due: u32, ahead: &mut Vec<Config>) -> usize {
        let undone = self.taken & !config.done;
        let mut steps = 1;
        for slot in slots(undone) {
            steps += 1;
            let (bit, blind) = (1 << slot, self.blind >> slot & 1 == 1);
            let known = self.open[slot].as_ref().expect("a taken slot holds an operation");
            let Some(state) = self.alphabet.step(model, config.state, known) else { continue };
            // If the next one overwrites, this one is free there anyway.
            if blind && slot != due as usize && !self.leads_on(model, None, undone & !bit, state) {
                continue;
            }
            let done = config.done | bit;
            let free = config.free & !bit | if blind { self.blind & !done } else { 0 };
            ahead.push(Config { state, done, free, used: config.used.clone() });
        }
        for class in self.that_may_matter(undone) {
            steps += 1;
            let optional = &self.optional[class as usize];
            if config.used.count(class) >= optional.supply {
                continue;
            }
            let Some(state) = self.alphabet.step(model, config.state, &optional.known) else { continue };
            let free = config.free | if optional.known.is_blind() { self.blind & undone } else { 0 };
            if state == config.state || !self.leads_on(model, Some(config.state), undone, state) {
                continue;
            }
            ahead.push(Config { state, done: config.done, free, used: config.used.plus(class) });
        }
        steps
    }

    /// Classes of optional operations that one of the open ones or another class may notice.
    fn that_may_matter(&self, undone: u64) -> Vec<u32> {
        let (mut classes, index) = (self.index.chained.clone(), &self.index);
        classes.extend(&index.others);
        for known in slots(undone & !self.blind).filter_map(|slot| self.open[slot].as_ref()) {
            match known.effect {
                Effect::Access { expects, .. } => {
                    classes.extend(index.leaving.get(&expects).into_iter().flatten());
                }
                Effect::Any => classes.extend(index.leaving.values().flatten()),
            }
        }
        if !index.others.is_empty() {
            classes.extend(index.leaving.values().flatten());
        }
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// Is there an operation that is possible in `state` and does not overwrite it, so that it matters
    /// what was there; and that would go differently in the state `without`?
    fn leads_on(&mut self, model: &M, without: Option<u32>, undone: u64, state: u32) -> bool {
        if self.index.expected.contains(&state) {
            return true;
        }
        let open = slots(undone & !self.blind).filter_map(|slot| self.open[slot].as_ref());
        let others = self.index.others.iter().map(|&class| &self.optional[class as usize].known);
        for known in open.chain(others) {
            let next = self.alphabet.step(model, state, known);
            if next.is_some()
                && without.is_none_or(|without| self.alphabet.step(model, without, known) != next)
            {
                return true;
            }
        }
        false
    }

    /// Drops the states that nothing leads to any more.
    fn forget(&mut self) {
        let states = self.configs.0.iter_mut().map(|config| &mut config.state);
        let open = self.open.iter_mut().flatten();
        let known = open.chain(self.optional.iter_mut().map(|optional| &mut optional.known));
        let effects = known.flat_map(|known| match &mut known.effect {
            Effect::Access { expects, leaves } => [Some(expects), Some(leaves)],
            Effect::Any => [None, None],
        });
        self.alphabet.keep(states.chain(effects.flatten()));
        self.index = Index::new(&self.optional);
    }

    /// All that what happened means for what follows, unless something is open.
    pub(super) fn rest(&self) -> Option<Rest<M>> {
        if self.taken != 0 {
            return None;
        }
        debug_assert!(self.configs.0.iter().all(|config| config.done | config.free == 0), "nothing is open");
        let state = |config: &Config| self.alphabet.state(config.state).clone();
        if let ([one], true) = (&self.configs.0[..], self.optional.is_empty()) {
            return Some(Rest::Settled(state(one)));
        }
        let configs = self.configs.0.iter().map(|config| (state(config), config.used.clone())).collect();
        let doubts = self.optional.iter().map(|doubt| (doubt.known.op.clone(), doubt.supply)).collect();
        Some(Rest::InDoubt(Box::new(InDoubt { configs, doubts })))
    }

    /// Goes on from there.
    pub(super) fn wake(model: &M, rest: Rest<M>) -> Self {
        let InDoubt { configs, doubts } = match rest {
            Rest::Settled(state) => return Self::new(state),
            Rest::InDoubt(rest) => *rest,
        };
        let mut alphabet = Alphabet::new();
        let optional = doubts.into_iter().map(|(op, supply)| (alphabet.know(model, op), supply));
        let optional: Vec<_> = optional.map(|(known, supply)| Optional { known, supply }).collect();
        let config = |(state, used)| Config { state: alphabet.id(state), done: 0, free: 0, used };
        let configs = Antichain(configs.into_iter().map(config).collect());
        let index = Index::new(&optional);
        Self {
            alphabet,
            open: Vec::new(),
            taken: 0,
            observers: 0,
            blind: 0,
            optional,
            index,
            configs,
            allowance: MAX_STEPS,
        }
    }

    /// Lets the layers from here on take no more steps than that.
    pub(super) fn limit(&mut self, steps: usize) {
        self.allowance = self.allowance.min(steps);
    }

    /// How many configurations there are.
    pub(super) fn width(&self) -> usize {
        self.configs.0.len()
    }

    /// Configurations, states and operations that it holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.configs.0.len() + self.alphabet.len() + self.open.len() + self.optional.len()
    }
}
