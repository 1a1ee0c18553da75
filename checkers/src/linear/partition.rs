//! From a history to one list of operations per key, and per component of it.
//!
//! Failed operations had no effect and are set aside; operations whose outcome is in doubt stay
//! open for ever and may or may not have happened; what the model leaves out (reads without an
//! answer) is gone.

use super::components;
use super::limits::{Charge, Spent};
use super::numbers::Numbers;
use crate::history::{Call, History, Kind, Op};
use crate::model::{Element, Model};
use rustc_hash::{FxBuildHasher, FxHashMap};
use serde_json::Value;
use std::hash::BuildHasher;

/// Calls between two looks at the clock.
const LOOK_EVERY: usize = 1024;

/// Calls that are read before their classes are looked up.
const AHEAD: usize = 64;

/// Calls between two looks at the memory held.
const WEIGH_EVERY: usize = 1 << 16;

/// Bytes that operations may own in between.
const WEIGH_BYTES: usize = 1 << 24;

/// Are the values of a history wrapped as `[key, value]`?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// Decide from the invocations. An invocation speaks for keys if its value is
    /// `[key, null]`; it speaks against keys if its value is not a pair with a key that is neither
    /// `null` nor a list nor an object, or if the model can read the whole value but not what the
    /// pair wraps (`cas [1, null]`). Everything else is silent. Without a voice against, the history is
    /// keyed; with one, and none for, it is not; with both, the answer is `unknown`.
    ///
    /// A history without any read, whose values are all pairs, counts as keyed.
    #[default]
    Auto,
    /// Every value is `[key, value]`; anything else is an error.
    Keyed,
    /// There is one object, and values are taken as they are.
    Single,
}

/// When something happened: its position in the history.
pub(super) type Moment = u32;

/// One call on one key, as far as order is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Position in [`Part::classes`].
    pub(super) class: u32,
    pub(super) invoke: Moment,
    /// Absent when the outcome is in doubt.
    pub(super) ret: Option<Moment>,
}

/// Everything on one key.
pub(super) struct Part<'h, M: Model> {
    /// What the object may do.
    pub(super) model: &'h M,
    /// Absent in histories without keys.
    pub(super) key: Option<Value>,
    /// The cells that it is about, sorted; none: all of them. See [`Model::cells`].
    pub(super) cells: Vec<Element>,
    /// Distinct operations.
    pub(super) classes: Vec<M::Op>,
    /// By invocation.
    pub(super) entries: Vec<Entry>,
    /// Calls that certainly did not happen, by the position of their invocation.
    pub(super) failed: Vec<Moment>,
    /// Bytes that the classes own beside themselves.
    pub(super) heap: usize,
    pub(super) history: &'h History,
}

/// A history by key, in the order of the keys' first calls, and by component.
pub(super) struct Parts<'h, M: Model> {
    pub(super) parts: Vec<Part<'h, M>>,
    /// How many keys there are.
    pub(super) keys: usize,
    pub(super) counts: Counts,
}

/// How the calls ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) ok: u64,
    pub(super) fail: u64,
    pub(super) info: u64,
}

/// Why there are no parts.
pub(super) enum Unfit {
    /// In words, with the operation's index.
    Shape(String),
    /// Some of its values look like `[key, value]` and some do not; in words.
    Keys(String),
    Spent(Spent),
}

impl From<Spent> for Unfit {
    fn from(spent: Spent) -> Self {
        Self::Spent(spent)
    }
}

/// A call that has an operation.
struct Read<O> {
    /// Its part.
    part: usize,
    op: O,
    /// Of the operation.
    hash: u64,
    /// As [`Model::op_heap_bytes`].
    bytes: usize,
    kind: Kind,
    invoke: Moment,
    returned: Option<Moment>,
}

/// Splits a history by key.
pub(super) fn partition<'h, M: Model>(
    model: &'h M,
    keys: Keys,
    history: &'h History,
    charge: &mut Charge,
) -> Result<Parts<'h, M>, Unfit> {
    let keyed = match keys {
        Keys::Keyed => true,
        Keys::Single => false,
        Keys::Auto => {
            let reads = |op: &Op, value: &Value| model.op(op.process, &op.f, value, None).is_ok();
            is_keyed(&reads, history, charge)?
        }
    };
    let mut parts: Vec<Part<'h, M>> = Vec::new();
    // For each part the numbers of its classes.
    let mut classes: Vec<Numbers> = Vec::new();
    let mut by_key: FxHashMap<Option<&'h Value>, usize> = FxHashMap::default();
    let mut counts = Counts::default();
    let mut positions = history.positions();
    // Looking at a few calls ahead, and where their classes would be, lets memory answer for all of them
    // at once: waiting for it is what takes most of the time.
    let mut ahead: Vec<(Moment, Option<Moment>)> = Vec::with_capacity(AHEAD);
    let mut read: Vec<Read<M::Op>> = Vec::with_capacity(AHEAD);
    // Since memory was weighed: calls, and what their operations own.
    let (mut calls, mut owned) = (WEIGH_EVERY, 0);
    loop {
        charge.time()?;
        ahead.extend(positions.by_ref().take(AHEAD));
        if ahead.is_empty() {
            break;
        }
        for (invoke, returned) in ahead.drain(..) {
            let call = history.call_at(invoke as usize);
            let kind = call.kind();
            match kind {
                Kind::Ok => counts.ok += 1,
                Kind::Fail => counts.fail += 1,
                Kind::Info | Kind::Invoke => counts.info += 1,
            }
            let (key, op) = read_call(model, keyed, &call)?;
            let part = *by_key.entry(key).or_insert_with(|| {
                let mut part = Part::new(model, key.cloned(), history);
                if !keyed {
                    // All are its: a list that grows is copied.
                    part.entries.reserve_exact(history.len().div_ceil(2));
                }
                parts.push(part);
                classes.push(Numbers::new());
                parts.len() - 1
            });
            calls += 1;
            if let Some(op) = op {
                let (hash, bytes) = (FxBuildHasher.hash_one(&op), model.op_heap_bytes(&op));
                owned += bytes;
                read.push(Read { part, op, hash, bytes, kind, invoke, returned });
            }
            if calls > WEIGH_EVERY || owned > WEIGH_BYTES {
                (calls, owned) = (0, 0);
                place(&mut read, &mut parts, &mut classes);
                let numbers: usize = classes.iter().map(Numbers::bytes).sum();
                charge.can_hold(numbers + parts.iter().map(Part::bytes).sum::<usize>())?;
            }
        }
        place(&mut read, &mut parts, &mut classes);
    }
    drop(classes);
    let keys = parts.len();
    let mut components = Vec::with_capacity(keys);
    for part in parts {
        components.extend(components::split(part, charge)?);
    }
    charge.can_hold(components.iter().map(Part::bytes).sum())?;
    Ok(Parts { parts: components, keys, counts })
}

/// Adds calls to their parts, in their order.
fn place<M: Model>(read: &mut Vec<Read<M::Op>>, parts: &mut [Part<'_, M>], classes: &mut [Numbers]) {
    Numbers::touch(read.iter().map(|read| (&classes[read.part], read.hash)));
    for Read { part: at, op, hash, bytes, kind, invoke, returned } in read.drain(..) {
        let part = &mut parts[at];
        if kind == Kind::Fail {
            part.failed.push(invoke);
            continue;
        }
        let known = part.classes.len();
        let class = part.class(op, hash, &mut classes[at]);
        if class as usize == known {
            part.heap += bytes;
        }
        part.entries.push(Entry { class, invoke, ret: returned.filter(|_| kind == Kind::Ok) });
    }
}

impl<'h, M: Model> Part<'h, M> {
    /// Nothing yet.
    pub(super) fn new(model: &'h M, key: Option<Value>, history: &'h History) -> Self {
        let (cells, classes, entries, failed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { model, key, cells, classes, entries, failed, heap: 0, history }
    }

    pub(super) fn bytes(&self) -> usize {
        self.heap
            + self.classes.capacity() * size_of::<M::Op>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.failed.capacity() * size_of::<Moment>()
            + self.cells.capacity() * size_of::<Element>()
    }

    fn class(&mut self, op: M::Op, hash: u64, numbers: &mut Numbers) -> u32 {
        let known = &self.classes;
        let class = numbers.number(hash, |class| known[class as usize] == op);
        if class as usize == self.classes.len() {
            self.classes.push(op);
        }
        class
    }

    /// The call that was invoked at this position.
    pub(super) fn call(&self, invoke: Moment) -> Call<'h> {
        self.history.call_at(invoke as usize)
    }

    /// The operation of a call that was invoked at this position, read once more.
    pub(super) fn read(&self, invoke: Moment) -> Option<M::Op> {
        read_call(self.model, self.key.is_some(), &self.call(invoke)).ok()?.1
    }
}

pub(super) type KeyAndOp<'h, O> = (Option<&'h Value>, Option<O>);

/// The key and the operation of a call; no operation when it can be left out.
pub(super) fn read_call<'h, M: Model>(
    model: &M,
    keyed: bool,
    call: &Call<'h>,
) -> Result<KeyAndOp<'h, M::Op>, Unfit> {
    let Said { key, asked, answered } = said(keyed, call)?;
    let invoke = call.invoke;
    let op = model.op(invoke.process, &invoke.f, asked, answered).map_err(|why| unfit(invoke.index, &why))?;
    Ok((key, op))
}

/// What a model is told of a call, without the key.
struct Said<'h> {
    key: Option<&'h Value>,
    asked: &'h Value,
    answered: Option<&'h Value>,
}

fn said<'h>(keyed: bool, call: &Call<'h>) -> Result<Said<'h>, Unfit> {
    let invoke = call.invoke;
    let no_pair = |op: &Op| unfit(op.index, &format!("expected [key, value], found {}", op.value));
    let (key, asked) = match (keyed, unwrap(&invoke.value)) {
        (false, _) => (None, &invoke.value),
        (true, Some((key, asked))) => (Some(key), asked),
        (true, None) => return Err(no_pair(invoke)),
    };
    let ok = call.completion.filter(|op| op.kind == Kind::Ok);
    let answered = match ok.map(|op| (op, unwrap(&op.value))) {
        None => None,
        Some((op, _)) if !keyed => Some(&op.value),
        Some((op, Some((also, _)))) if Some(also) != key => {
            let key = key.unwrap_or(&Value::Null);
            return Err(unfit(op.index, &format!("it answers for key {also}, but key {key} was asked for")));
        }
        Some((_, Some((_, answered)))) => Some(answered),
        Some((op, None)) => return Err(no_pair(op)),
    };
    Ok(Said { key, asked, answered })
}

fn unfit(index: u64, why: &str) -> Unfit {
    Unfit::Shape(format!("operation {index} does not fit: {why}"))
}

pub(super) fn unwrap(value: &Value) -> Option<(&Value, &Value)> {
    match value.as_array().map(Vec::as_slice) {
        Some([key, inner]) => Some((key, inner)),
        _ => None,
    }
}

/// See [`Keys::Auto`]. Does the model read such a value?
fn is_keyed(reads: &dyn Fn(&Op, &Value) -> bool, history: &History, charge: &Charge) -> Result<bool, Unfit> {
    let (mut speaks_for, mut against) = (None, None);
    for (n, call) in history.calls().enumerate() {
        if n.is_multiple_of(LOOK_EVERY) {
            charge.time()?;
        }
        let op = call.invoke;
        // A key is a word or a number, but for a pair with `nil`: no read asks for one as a value.
        let plain = |key: &Value| !(key.is_null() || key.is_array() || key.is_object());
        let inner =
            unwrap(&op.value).filter(|(key, inner)| inner.is_null() || plain(key)).map(|(_, inner)| inner);
        match inner {
            Some(inner) if !reads(op, inner) && reads(op, &op.value) => {
                against = against.or(Some(op.index));
            }
            Some(Value::Null) => speaks_for = speaks_for.or(Some(op.index)),
            Some(_) => {}
            None => against = against.or(Some(op.index)),
        }
    }
    match (speaks_for, against) {
        (Some(with), Some(without)) => Err(Unfit::Keys(format!(
            "operation {with} carries a [key, value] pair and operation {without} does not; say which it is (`--keys keyed` or `--keys single`)"
        ))),
        (_, against) => Ok(against.is_none()),
    }
}
