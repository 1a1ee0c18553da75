//! Linearizability while the run goes on: a history comes in event by event, and the first answer
//! that cannot be is reported when it has come.
//!
//! What is kept is what can still matter: the operations that are open, those in doubt, and for each
//! key the configurations that are possible after the last return. That is a kilobyte
//! for a key in use, however many operations it has seen. A run of hours meets ten thousands of keys and
//! leaves them: of these no more is kept than states and operations in doubt, and mostly that is one state.
//!
//! An alarm is exact: no order of what was seen up to that event exists, whatever comes later. Silence
//! is not: a key may be given up because it takes too much ([`Deferral`]), and is then counted. The
//! verdict, with proof and explanation, is for [`crate::Linearizable`] and the recorded history.
//!
//! An operation that ended in `info` cannot be completed later: a history that does so is refused
//! ([`HistoryError::Orphan`]), here as everywhere.
//!
//! Reading order: `config` (a way in which things can have happened), `alphabet` (states by number),
//! `frontier` (layer by layer), `lane` (one key, and what waits for an outcome).

mod alphabet;
mod config;
mod frontier;
mod lane;

use super::partition::{Unfit, read_call, unwrap};
use crate::history::{Call, HistoryError, Kind, Op, Process};
use crate::model::Model;
use crate::words;
use frontier::{Rest, Stop};
use lane::{Lane, Return, Stopped};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::collections::BTreeMap;

/// Operations open at once on a key: one bit each.
const MAX_OPEN: u32 = u64::BITS;

/// Different operations in doubt on a key. Each is tried in each layer.
const MAX_OPTIONAL: usize = 1024;

/// Configurations of a key between two layers.
const MAX_WIDTH: usize = 2048;

/// Steps that a layer may take, at most and on average: what one leaves over is for those after it.
const MAX_STEPS: usize = 100_000;
const STEPS_PER_LAYER: usize = 4_096;

/// Steps that one look at a key may take.
const MAX_LOOK_STEPS: usize = 20_000;

/// Events of a key that wait for the outcome of an operation.
const MAX_WAITING: usize = 1 << 16;

/// Why a key is left to the checker of whole histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deferral {
    /// Too many operations open at once.
    Open,
    /// Too many different operations in doubt.
    Doubt,
    /// Too many ways in which things can have happened.
    Width,
    /// Too much happened while an operation was open.
    Waiting,
}

impl std::fmt::Display for Deferral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open => write!(f, "more than {MAX_OPEN} operations open at once"),
            Self::Doubt => write!(f, "more than {MAX_OPTIONAL} different operations in doubt"),
            Self::Width => f.write_str("too many possible orders at once"),
            Self::Waiting => write!(f, "more than {MAX_WAITING} events while an operation was open"),
        }
    }
}

/// Something was answered that cannot be.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// The key, in keyed histories.
    pub key: Option<Value>,
    /// Index of the first return that no order reaches.
    pub index: u64,
    /// When that was, in nanoseconds since the start of the run.
    pub time: u64,
}

/// `violation at op 1234, key 7, 12.3 s`.
impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "violation at op {}", self.index)?;
        if let Some(key) = &self.key {
            write!(f, ", key {}", words::bare(key))?;
        }
        write!(f, ", {:.1} s", self.time as f64 / 1e9)
    }
}

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events taken in, those of the nemesis included.
    pub events: u64,
    /// Keys met.
    pub keys: u64,
    /// Keys with an alarm.
    pub violated: u64,
    /// Keys that were given up, by reason.
    pub deferred: BTreeMap<Deferral, u64>,
}

/// Why events cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum OnlineError {
    /// They are no history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// They do not fit the model; in words.
    #[error("{0}")]
    Shape(String),
}

/// Judges a history while it happens.
pub trait Watch: Send {
    /// Takes in the next event.
    ///
    /// # Errors
    /// See [`OnlineError`]. Nothing can be said about what follows.
    fn push(&mut self, op: &Op) -> Result<Option<Alarm>, OnlineError>;

    /// Can what was taken in so far be, whatever the operations did that are open now? [`Watch::push`]
    /// alone waits for the outcome of these. Costs time for everything that waits for them.
    fn look(&mut self) -> Vec<Alarm>;

    /// How things stand.
    fn tally(&self) -> &Tally;
}

/// One copy of a model per key, judged while a history happens.
///
/// ```
/// use duress_checkers::{Online, Register, Watch};
/// use serde_json::json;
///
/// let mut online = Online::keyed(Register::default());
/// let events = [
///     (1, "invoke", "write", json!([7, 5])),
///     (1, "ok", "write", json!([7, 5])),
///     (2, "invoke", "read", json!([7, null])),
///     (2, "ok", "read", json!([7, null])),
/// ];
/// let mut alarms = Vec::new();
/// for (index, (process, kind, f, value)) in events.into_iter().enumerate() {
///     let op = json!({"index": index, "process": process, "type": kind, "f": f, "value": value});
///     alarms.extend(online.push(&serde_json::from_value(op).expect("an operation")).expect("a history"));
/// }
/// assert_eq!(alarms.len(), 1);
/// assert_eq!((&alarms[0].key, alarms[0].index), (&Some(json!(7)), 3));
/// ```
pub struct Online<M: Model> {
    model: M,
    keyed: bool,
    keys: Vec<Key<M>>,
    by_key: FxHashMap<Value, u32>,
    open: FxHashMap<Process, Pending>,
    last: Option<u64>,
    tally: Tally,
    /// The key that may rest next.
    hand: usize,
}

/// A key.
enum Key<M: Model> {
    Watched(Box<Lane<M>>),
    /// Nobody uses it at present.
    Resting(Rest<M>),
    /// An alarm was given, or it takes too much.
    Closed,
}

/// An operation that is open.
struct Pending {
    key: u32,
    /// Absent on a closed key.
    call: Option<u32>,
    invoke: Op,
}

impl<M: Model> Online<M> {
    /// Every value is `[key, value]`.
    pub fn keyed(model: M) -> Self {
        Self::new(model, true)
    }

    /// There is one object, and values are taken as they are.
    pub fn single(model: M) -> Self {
        Self::new(model, false)
    }

    fn new(model: M, keyed: bool) -> Self {
        Self {
            model,
            keyed,
            keys: Vec::new(),
            by_key: FxHashMap::default(),
            open: FxHashMap::default(),
            last: None,
            tally: Tally::default(),
            hand: 0,
        }
    }

    /// The number of the key that an invocation is about.
    fn key(&mut self, op: &Op) -> Result<u32, OnlineError> {
        let key = match unwrap(&op.value) {
            Some((key, _)) if self.keyed => key,
            None if self.keyed => return Err(self.unfit(op)),
            _ => &Value::Null,
        };
        if let Some(&known) = self.by_key.get(key) {
            return Ok(known);
        }
        let number = u32::try_from(self.keys.len()).map_err(|_| HistoryError::TooLong)?;
        self.keys.push(Key::Resting(Rest::Settled(self.model.initial())));
        self.by_key.insert(key.clone(), number);
        self.tally.keys += 1;
        Ok(number)
    }

    /// What is wrong with an invocation without a key.
    fn unfit(&self, op: &Op) -> OnlineError {
        let call = Call { invoke: op, completion: None };
        match read_call(&self.model, self.keyed, &call) {
            Err(unfit) => shape(unfit),
            Ok(_) => unreachable!("a call without a key is not read"),
        }
    }

    fn invoke(&mut self, op: &Op) -> Result<Option<Alarm>, OnlineError> {
        if let Some(other) = self.open.get(&op.process) {
            let (process, index, open) = (op.process, op.index, other.invoke.index);
            return Err(HistoryError::Overlap { process, index, open }.into());
        }
        let key = self.key(op)?;
        let slot = &mut self.keys[key as usize];
        if let Key::Resting(_) = slot
            && let Key::Resting(rest) = std::mem::replace(slot, Key::Closed)
        {
            *slot = Key::Watched(Box::new(Lane::wake(&self.model, rest)));
        }
        let begun = match slot {
            Key::Watched(lane) => lane.invoke().map(Some),
            Key::Resting(_) | Key::Closed => Ok(None),
        };
        let (call, stopped) = match begun {
            Ok(call) => (call, Ok(())),
            Err(stopped) => (None, Err(stopped)),
        };
        self.open.insert(op.process, Pending { key, call, invoke: op.clone() });
        Ok(self.settle(key, stopped))
    }

    fn complete(&mut self, op: &Op) -> Result<Option<Alarm>, OnlineError> {
        let (process, index) = (op.process, op.index);
        let Some(pending) = self.open.remove(&process) else {
            return Err(HistoryError::Orphan { process, index }.into());
        };
        let Pending { key, call, invoke } = pending;
        if invoke.f != op.f {
            let (expected, got) = (invoke.f.to_string(), op.f.to_string());
            return Err(HistoryError::Mismatch { process, index, expected, got }.into());
        }
        let whole = Call { invoke: &invoke, completion: Some(op) };
        let (_, read) = read_call(&self.model, self.keyed, &whole).map_err(shape)?;
        let (Key::Watched(lane), Some(call)) = (&mut self.keys[key as usize], call) else { return Ok(None) };
        let at = Return { index, time: op.time };
        let stopped = match (read, op.kind) {
            (Some(op), Kind::Ok) => lane.returned(&self.model, call, op, at),
            (Some(op), Kind::Info) => lane.doubtful(&self.model, call, op),
            (None, _) | (_, Kind::Fail | Kind::Invoke) => lane.gone(&self.model, call),
        };
        Ok(self.settle(key, stopped))
    }

    /// Closes a key of which enough is known.
    fn settle(&mut self, key: u32, stopped: Result<(), Stopped>) -> Option<Alarm> {
        let (stop, at) = stopped.err()?;
        self.keys[key as usize] = Key::Closed;
        match (stop, at) {
            (Stop::Impossible, Some(Return { index, time })) => {
                self.tally.violated += 1;
                let name = self.by_key.iter().find(|(_, number)| **number == key).map(|(name, _)| name);
                Some(Alarm { key: name.filter(|_| self.keyed).cloned(), index, time })
            }
            (Stop::Deferred(why), _) => {
                *self.tally.deferred.entry(why).or_default() += 1;
                None
            }
            (Stop::Impossible, None) => unreachable!("only a return is impossible"),
        }
    }

    /// Lets one key rest, if nothing has happened on it since its last turn.
    fn rest(&mut self) {
        self.hand = if self.hand + 1 < self.keys.len() { self.hand + 1 } else { 0 };
        if let Some(slot) = self.keys.get_mut(self.hand)
            && let Key::Watched(lane) = slot
            && let Some(rest) = lane.rest()
        {
            *slot = Key::Resting(rest);
        }
    }

    /// The most configurations of a key at present, and the events that wait, over all keys. Looks
    /// at every key.
    pub fn load(&self) -> (usize, usize) {
        let lanes = self.keys.iter().map(|key| match key {
            Key::Watched(lane) => (lane.width(), lane.waiting()),
            Key::Resting(rest) => (rest.width(), 0),
            Key::Closed => (0, 0),
        });
        lanes.fold((0, 0), |(widest, all), (width, waiting)| (widest.max(width), all + waiting))
    }

    /// Everything that it holds, in pieces.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let lanes = self.keys.iter().map(|key| match key {
            Key::Watched(lane) => lane.held(),
            Key::Resting(rest) => rest.held(),
            Key::Closed => 0,
        });
        lanes.sum::<usize>() + self.keys.len() + self.by_key.len() + self.open.len()
    }
}

impl<M: Model> Watch for Online<M> {
    fn push(&mut self, op: &Op) -> Result<Option<Alarm>, OnlineError> {
        if let Some(previous) = self.last.replace(op.index)
            && op.index <= previous
        {
            return Err(HistoryError::Order { index: op.index, previous }.into());
        }
        self.tally.events += 1;
        if !op.process.is_client() {
            return Ok(None);
        }
        self.rest();
        if op.kind == Kind::Invoke { self.invoke(op) } else { self.complete(op) }
    }

    fn look(&mut self) -> Vec<Alarm> {
        // By key, so that the order of alarms does not depend on that of a table.
        let mut open: BTreeMap<u32, FxHashMap<u32, &Op>> = BTreeMap::new();
        for pending in self.open.values() {
            if let Some(call) = pending.call {
                open.entry(pending.key).or_default().insert(call, &pending.invoke);
            }
        }
        let mut found = Vec::new();
        for (key, calls) in open {
            let Key::Watched(lane) = &mut self.keys[key as usize] else { continue };
            let (model, keyed) = (&self.model, self.keyed);
            let mut unreadable = false;
            let looked = lane.look(model, |call| {
                let invoke = *calls.get(&call)?;
                match read_call(model, keyed, &Call { invoke, completion: None }) {
                    Ok((_, op)) => op,
                    Err(_) => {
                        unreadable = true;
                        None
                    }
                }
            });
            // An operation that makes no sense is an error when it completes; nothing is said here.
            if !unreadable {
                found.push((key, looked));
            }
        }
        found.into_iter().filter_map(|(key, looked)| self.settle(key, looked)).collect()
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

fn shape(unfit: Unfit) -> OnlineError {
    match unfit {
        Unfit::Shape(why) | Unfit::Keys(why) => OnlineError::Shape(why),
        Unfit::Spent(_) => unreachable!("reading a call has no limits"),
    }
}
