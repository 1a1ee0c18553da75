//! The search: is there a legal order that respects real time?
//!
//! Wing and Gong's search with Lowe's memory of configurations, made relative to the frontier.
//! Let *r* be the earliest return that is not linearized yet. Whatever returned before *r* is
//! linearized, whatever is invoked after *r* cannot be, so a configuration is the position of
//! *r*, a bit for each operation open at *r*, the state, and how many optional operations of
//! each class were used. Its size is the concurrency, not the length of the history.
//!
//! Depth first with an explicit stack, one successor at a time: a valid history is walked
//! through in little more than its length. (Wing & Gong 1993; Lowe 2017; Horn & Kroening 2015.)

use super::ahead::Ahead;
use super::limits::{Charge, Limits, Spent};
use super::mask::Mask;
use super::memo::{Config, Memo};
use super::problem::{Flags, Problem};
use super::states::States;
use super::uses::{self, Uses};
use rustc_hash::FxHashMap;

/// How often memory is weighed: once in so many configurations.
const WEIGH_EVERY: u64 = 512;

/// How often the clock is looked at while optional classes are tried: once in so many.
const LOOK_EVERY: usize = 16;

/// How a search ended, or where it paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Every return was passed; the trail is an order.
    Linearizable,
    /// There is no order.
    Impossible,
    /// As much effort as was asked for; can go on.
    Paused,
    /// Out of time or memory.
    Spent(Spent),
}

/// A search over one problem.
pub(super) struct Search<'a, 'm, K> {
    problem: &'a Problem,
    flags: Flags,
    pub(super) states: States<'m>,
    uses: Uses,
    memo: Memo<K>,
    ahead: Option<Ahead>,
    /// Where it may begin, and has not yet.
    starts: Vec<Config<K>>,
    stack: Vec<Frame<K>>,
    /// Items in the order in which they were linearized.
    trail: Vec<u32>,
    /// For a step by an optional operation, the optional classes that notice it.
    noticing: FxHashMap<(u32, u32), Box<[u32]>>,
    charge: Charge<'a>,
    /// Configurations looked at.
    pub(super) configurations: u64,
    /// Steps tried or looked up: what the search has cost so far, on any machine.
    pub(super) effort: u64,
    /// The most returns passed.
    pub(super) furthest: u32,
    /// The effort when it got there.
    pub(super) furthest_at: u64,
    /// The last return that made it leave a configuration before it got there.
    doomed: u32,
    /// When asked for: the states met before the last return is passed.
    pub(super) finals: Option<Vec<Final>>,
}

/// A state met before the last return is passed, with the shortest way found to it.
pub(super) struct Final {
    pub(super) state: u32,
    /// Optional operations on the way.
    pub(super) used: u32,
    /// Items in order.
    pub(super) trail: Vec<u32>,
}

struct Frame<K> {
    config: Config<K>,
    /// The next successor to try: open operations first, then optional classes.
    cursor: u32,
    /// The trail's length before the step that led here.
    trail: usize,
}

impl<'a, 'm, K: Mask> Search<'a, 'm, K> {
    /// A search that has to pass every return, from the starts it is given afterwards.
    pub(super) fn new(
        problem: &'a Problem,
        states: States<'m>,
        flags: Flags,
        limits: &'a Limits<'a>,
    ) -> Self {
        let ahead = if flags.ahead && states.looks_ahead() { Ahead::new(problem) } else { None };
        Self {
            problem,
            flags,
            states,
            ahead,
            uses: Uses::new(),
            memo: Memo::new(flags.dominance, !problem.optional.is_empty()),
            starts: Vec::new(),
            stack: Vec::new(),
            trail: Vec::new(),
            noticing: FxHashMap::default(),
            charge: Charge::new(limits),
            configurations: 0,
            effort: 0,
            furthest: 0,
            furthest_at: 0,
            doomed: 0,
            finals: None,
        }
    }

    /// After [`End::Impossible`]: everything up to this return is impossible.
    pub(super) fn culprit(&self) -> u32 {
        self.furthest.max(self.doomed)
    }

    /// Adds a place to begin: before the first return, with the items in `done` linearized.
    pub(super) fn start(&mut self, state: u32, done: impl Iterator<Item = u32>) {
        let mut mask = K::empty(self.problem.slots);
        for item in done {
            mask.set(self.problem.items[item as usize].slot);
        }
        self.starts.push(Config { pos: 0, state, uses: uses::NONE, mask });
    }

    /// The order that [`End::Linearizable`] found, as items: the trail with a different member of
    /// the class wherever an abundant one was used. With endless supply there may be too few.
    pub(super) fn order(&self) -> Option<Vec<u32>> {
        let mut used: FxHashMap<u32, usize> = FxHashMap::default();
        let mut member = |&at: &u32| {
            let item = &self.problem.items[at as usize];
            if item.ret.is_some() {
                return Some(at);
            }
            let next = used.entry(item.slot).or_default();
            *next += 1;
            self.problem.optional[item.slot as usize].members.get(*next - 1).map(|&(_, at)| at)
        };
        self.trail.iter().map(&mut member).collect()
    }

    /// Goes on until `effort` has been spent in all, or a little more.
    pub(super) fn run(&mut self, effort: u64) -> End {
        match self.try_run(effort) {
            Ok(end) => end,
            Err(spent) => End::Spent(spent),
        }
    }

    fn try_run(&mut self, effort: u64) -> Result<End, Spent> {
        loop {
            if self.effort >= effort {
                return Ok(End::Paused);
            }
            self.charge.time()?;
            let Some(top) = self.stack.len().checked_sub(1) else {
                let Some(config) = self.starts.pop() else { return Ok(End::Impossible) };
                if self.enter(config, 0)? {
                    return Ok(End::Linearizable);
                }
                continue;
            };
            let before = self.trail.len();
            match self.successor(top)? {
                Some((item, config)) => {
                    self.trail.push(item);
                    if self.enter(config, before)? {
                        return Ok(End::Linearizable);
                    }
                }
                None => {
                    let frame = self.stack.pop().expect("the top was just looked at");
                    self.trail.truncate(frame.trail);
                }
            }
        }
    }

    /// Takes what is free, and puts the configuration on the stack if it is news. True: done.
    fn enter(&mut self, mut config: Config<K>, trail: usize) -> Result<bool, Spent> {
        let done = self.advance(&mut config);
        if config.pos > self.furthest {
            self.furthest = config.pos;
            self.furthest_at = self.effort;
        }
        if done {
            return Ok(true);
        }
        if self.is_doomed(&config) {
            self.trail.truncate(trail);
            return Ok(false);
        }
        let is_news = self.memo.admit(&config, &self.uses, &mut self.charge)?;
        self.effort += std::mem::take(&mut self.memo.walked);
        if !is_news {
            self.trail.truncate(trail);
            return Ok(false);
        }
        self.configurations += 1;
        if self.configurations.is_multiple_of(WEIGH_EVERY) {
            let bytes = self.bytes();
            self.charge.can_hold(bytes)?;
        }
        self.note_final(&config);
        self.stack.push(Frame { config, cursor: 0, trail });
        Ok(false)
    }

    /// Does something that was seen rule out that this goes on to the end?
    fn is_doomed(&mut self, config: &Config<K>) -> bool {
        let Some(ahead) = &self.ahead else { return false };
        let (problem, states) = (self.problem, &mut self.states);
        let doom = ahead.doom(problem, states, (config.pos, config.state), |slot| config.mask.has(slot));
        // Where final states are collected, what refuses them must not take them away.
        let doom = doom.filter(|&pos| self.finals.is_none() || pos + 1 < problem.len());
        self.effort += problem.open(config.pos).len() as u64;
        self.doomed = self.doomed.max(doom.unwrap_or(0));
        doom.is_some()
    }

    /// Linearizes legal observers and passes the returns that are linearized.
    fn advance(&mut self, config: &mut Config<K>) -> bool {
        let problem = self.problem;
        loop {
            if config.pos >= problem.len() {
                return true;
            }
            if self.flags.eager {
                self.effort += problem.open(config.pos).len() as u64;
                for &at in problem.open(config.pos) {
                    let item = &problem.items[at as usize];
                    if item.observer
                        && !config.mask.has(item.slot)
                        && self.states.step(config.state, item.class) == Some(config.state)
                    {
                        config.mask.set(item.slot);
                        self.trail.push(at);
                    }
                }
            }
            let due = problem.items[problem.returns[config.pos as usize] as usize].slot;
            if !config.mask.has(due) {
                return false;
            }
            config.mask.clear(due);
            config.pos += 1;
        }
    }

    /// The next step from a frame, if there is one left.
    fn successor(&mut self, frame: usize) -> Result<Option<(u32, Config<K>)>, Spent> {
        let problem = self.problem;
        let frame = &mut self.stack[frame];
        let open = problem.open(frame.config.pos);
        while let Some(&at) = open.get(frame.cursor as usize) {
            frame.cursor += 1;
            self.effort += 1;
            let item = &problem.items[at as usize];
            // An eager search has taken the observers that change nothing here; those left are
            // refused, or make a state that stands for several stand for fewer.
            if frame.config.mask.has(item.slot) {
                continue;
            }
            if item.dead && at != problem.returns[frame.config.pos as usize] {
                continue;
            }
            if self.flags.due
                && let Some(twin) = problem.twin(item, frame.config.pos)
                && !frame.config.mask.has(twin.slot)
            {
                continue;
            }
            if let Some(state) = self.states.step(frame.config.state, item.class) {
                let mut config = frame.config.clone();
                config.mask.set(item.slot);
                if item.overwrites {
                    self.bury(&mut config);
                }
                config.state = state;
                return Ok(Some((at, config)));
            }
        }
        let config = frame.config.clone();
        let mut cursor = frame.cursor as usize;
        let found = self.optional_step(&config, open.len(), &mut cursor);
        self.stack.last_mut().expect("the frame is the top").cursor =
            u32::try_from(cursor).expect("fewer successors than operations");
        found
    }

    fn optional_step(
        &mut self,
        config: &Config<K>,
        open: usize,
        cursor: &mut usize,
    ) -> Result<Option<(u32, Config<K>)>, Spent> {
        let problem = self.problem;
        while *cursor - open < problem.optional.len() {
            let group = *cursor - open;
            *cursor += 1;
            self.effort += 1;
            if group.is_multiple_of(LOOK_EVERY) {
                self.charge.time()?;
            }
            let optional = &problem.optional[group];
            let used = self.uses.count(config.uses, id(group)) as usize;
            if used >= problem.available(group, config.pos) {
                continue;
            }
            let Some(state) = self.states.step(config.state, optional.class) else { continue };
            let is_owed = |&at: &u32| {
                let item = &problem.items[at as usize];
                item.class == optional.class && !config.mask.has(item.slot)
            };
            if self.flags.due && problem.open(config.pos).iter().any(is_owed) {
                continue;
            }
            let mut config = config.clone();
            let before = self.trail.len();
            if optional.overwrites {
                self.bury(&mut config);
            }
            // What follows notices if it would go differently from the state just before, and that is
            // the one that the buried ones left behind.
            if self.flags.noticed && !self.is_noticed(&config, group, state) {
                self.trail.truncate(before);
                continue;
            }
            if !optional.abundant {
                config.uses = self.uses.plus(config.uses, id(group));
            }
            config.state = state;
            return Ok(Some((optional.members[used].1, config)));
        }
        Ok(None)
    }

    /// Linearizes what is dead and legal, now that its value is overwritten.
    fn bury(&mut self, config: &mut Config<K>) {
        if !self.flags.dead {
            return;
        }
        let problem = self.problem;
        self.effort += problem.open(config.pos).len() as u64;
        // Those that compare first: they find their value only until something else is written.
        for blind in [false, true] {
            for &at in problem.open(config.pos) {
                let item = &problem.items[at as usize];
                if item.dead
                    && item.overwrites == blind
                    && !config.mask.has(item.slot)
                    && let Some(state) = self.states.step(config.state, item.class)
                {
                    config.state = state;
                    config.mask.set(item.slot);
                    self.trail.push(at);
                }
            }
        }
    }

    /// Can anything follow that would go differently without this step to `state`?
    fn is_noticed(&mut self, config: &Config<K>, group: usize, state: u32) -> bool {
        if state == config.state {
            return false;
        }
        // Where final states are collected, a last step needs nobody to notice it.
        if self.finals.is_some() && self.is_last(config) {
            return true;
        }
        let problem = self.problem;
        self.effort += problem.open(config.pos).len() as u64;
        for &at in problem.open(config.pos) {
            let item = &problem.items[at as usize];
            if !config.mask.has(item.slot)
                && let Some(next) = self.states.step(state, item.class)
                && self.states.step(config.state, item.class) != Some(next)
            {
                return true;
            }
        }
        if !self.noticing.contains_key(&(config.state, state)) {
            let noticing = self.who_notices(config.state, state);
            self.noticing.insert((config.state, state), noticing);
        }
        self.noticing[&(config.state, state)].iter().any(|&other| {
            let used = self.uses.count(config.uses, other) + u32::from(other == id(group));
            let enough = problem.optional[other as usize].abundant;
            (used as usize) < problem.available(other as usize, config.pos) + usize::from(enough)
        })
    }

    /// The optional classes that tell one state from another.
    fn who_notices(&mut self, without: u32, with: u32) -> Box<[u32]> {
        let problem = self.problem;
        self.effort += problem.optional.len() as u64;
        let mut noticing = Vec::new();
        for (group, optional) in problem.optional.iter().enumerate() {
            let next = self.states.step(with, optional.class);
            if next.is_some() && next != self.states.step(without, optional.class) {
                noticing.push(id(group));
            }
        }
        noticing.into_boxed_slice()
    }

    fn note_final(&mut self, config: &Config<K>) {
        if !self.is_last(config) {
            return;
        }
        let Some(mut finals) = self.finals.take() else { return };
        let is_optional = |&&at: &&u32| self.problem.items[at as usize].ret.is_none();
        let used = id(self.trail.iter().filter(is_optional).count());
        match finals.iter_mut().find(|known| known.state == config.state) {
            Some(known) if used < known.used => {
                known.used = used;
                known.trail = self.order().unwrap_or_default();
            }
            Some(_) => {}
            None => {
                finals.push(Final { state: config.state, used, trail: self.order().unwrap_or_default() });
            }
        }
        self.finals = Some(finals);
    }

    /// Is only the last return left to pass?
    fn is_last(&self, config: &Config<K>) -> bool {
        config.pos + 1 == self.problem.len()
    }

    fn bytes(&self) -> usize {
        let mask = K::empty(self.problem.slots).heap_bytes();
        let frames = self.stack.capacity() * size_of::<Frame<K>>() + self.stack.len() * mask;
        let noticing: usize = self.noticing.values().map(|groups| groups.len() * 4 + 48).sum();
        self.memo.bytes()
            + self.ahead.as_ref().map_or(0, Ahead::bytes)
            + self.states.bytes()
            + self.uses.bytes()
            + frames
            + self.trail.capacity() * 4
            + noticing
    }
}

fn id(group: usize) -> u32 {
    u32::try_from(group).expect("fewer classes than operations")
}
