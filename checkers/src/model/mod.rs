//! What one object may do: the sequential specification that a checker compares a history with.
//!
//! Not here: concurrency. A model knows one operation after the other; the search in
//! [`crate::linear`] decides whether some such order explains what happened at the same time.

mod container;
mod counter;
mod etcd;
mod fetch_add;
mod growth;
mod lock;
mod log;
mod map;
mod persist;
mod picture;
mod register;
mod registry;
mod set;
mod text;
mod versioned;

pub use container::{
    Bag, Bagged, Container, ContainerOp, Discipline, Fifo, FirstOut, Heap, Lifo, Line, Pile, PriorityQueue,
    Queue, SmallestFirst, Stack, Unordered, Words,
};
pub use counter::{Counter, CounterOp};
pub use etcd::{Etcd, EtcdOp, EtcdState};
pub use fetch_add::{FetchAdd, FetchAddOp};
pub use growth::Growth;
pub use lock::{
    FencedLock, FencedOp, Fencing, Holder, Mutex, MutexOp, OwnedOp, ReentrantMutex, Semaphore, SemaphoreOp,
};
pub use log::{Entries, Log, LogOp};
pub use map::{Cells, KeyValue, MapOp, Micro};
pub use persist::Element;
pub use register::{Datum, Held, Register, RegisterOp};
pub use registry::{Made, ModelEntry, NamedModel, models};
pub use set::{Elements, Members, Set, SetOp};
pub use text::{Text, TextOp, TextState};
pub use versioned::{Version, Versioned, VersionedOp, VersionedRegister};

use crate::history::{Call, History, Process};
use crate::verdict::Picture;
use serde_json::Value;
use std::fmt;
use std::hash::Hash;

/// Elements of a state that are shown; further ones are counted.
const MAX_LISTED: usize = 16;

/// A list in a few characters: `[1, 2, and 40 more]`.
fn listed(open: &str, items: impl Iterator<Item: fmt::Display>, close: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut more = 0;
    for item in items {
        if words.len() < MAX_LISTED { words.push(item.to_string()) } else { more += 1 }
    }
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    format!("{open}{}{close}", words.join(", "))
}

/// The name of a violation whose kind is not proven.
pub(crate) const NOT_LINEARIZABLE: &str = "not linearizable";

/// A sequential object. Deterministic: a state and an operation have one outcome.
///
/// An implementation gets partitioning by key, the search, certificates and an explanation.
/// What it has to say about words (`label`, `show`, `told`) ends up in reports verbatim.
///
/// A model of one's own takes thirty lines:
///
/// ```
/// use duress_checkers::model::{Model, Refusal};
/// use duress_checkers::{Budget, Checker, History, Keys, Linearizable, Process, Valid};
/// use serde_json::{Value, json};
///
/// /// A register that remembers the greatest number written to it.
/// struct Maximum;
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// enum MaximumOp {
///     Write(u64),
///     Read(u64),
/// }
///
/// impl Model for Maximum {
///     type State = u64;
///     type Op = MaximumOp;
///
///     fn name(&self) -> String {
///         "a maximum, initially 0".to_owned()
///     }
///     fn initial(&self) -> u64 {
///         0
///     }
///     fn op(&self, _: Process, f: &str, asked: &Value, answered: Option<&Value>) -> Result<Option<MaximumOp>, String> {
///         let number = |value: &Value| value.as_u64().ok_or(format!("{value} is no number"));
///         match f {
///             "write" => number(asked).map(MaximumOp::Write).map(Some),
///             "read" => answered.map(|seen| number(seen).map(MaximumOp::Read)).transpose(),
///             _ => Err(format!("a maximum knows read and write, not `{f}`")),
///         }
///     }
///     fn step(&self, state: &u64, op: &MaximumOp) -> Result<u64, Refusal> {
///         match op {
///             MaximumOp::Write(n) => Ok(*state.max(n)),
///             MaximumOp::Read(n) if n == state => Ok(*state),
///             MaximumOp::Read(n) => Err(Refusal::Returned { returned: n.to_string(), held: state.to_string() }),
///         }
///     }
///     fn is_observer(&self, op: &MaximumOp) -> bool {
///         matches!(op, MaximumOp::Read(_))
///     }
///     fn label(&self, op: &MaximumOp) -> String {
///         match op {
///             MaximumOp::Write(n) => format!("write {n}"),
///             MaximumOp::Read(n) => format!("read → {n}"),
///         }
///     }
///     fn show(&self, state: &u64) -> String {
///         state.to_string()
///     }
/// }
///
/// // Two keys. On key 7 a read misses what was written; that write 3 is in doubt does not excuse it.
/// let events = [
///     (1, "invoke", "write", json!([7, 5])),
///     (1, "ok", "write", json!([7, 5])),
///     (2, "invoke", "write", json!([7, 3])),
///     (2, "info", "write", json!([7, 3])),
///     (3, "invoke", "write", json!([8, 1])),
///     (3, "ok", "write", json!([8, 1])),
///     (1, "invoke", "read", json!([7, null])),
///     (1, "ok", "read", json!([7, 3])),
/// ];
/// let ops = events.iter().enumerate().map(|(index, (process, kind, f, value))| {
///     let op = json!({"index": index, "process": process, "type": kind, "f": f, "value": value});
///     serde_json::from_value(op).expect("an operation")
/// });
/// let history = History::new(ops.collect()).expect("a history");
/// let verdict = Linearizable::new(Maximum, Keys::Auto).check(&history, &Budget::default());
///
/// assert_eq!(verdict.valid, Valid::Violation);
/// assert_eq!(verdict.stats["keys"], 2);
/// let finding = &verdict.findings[0];
/// assert_eq!(finding.key, Some(json!(7)));
/// let counterexample = finding.counterexample.as_ref().expect("an explanation");
/// assert_eq!(counterexample.ops[counterexample.culprit].label, "read → 3");
/// assert_eq!(counterexample.finals[0].refusal, "returned 3, not 5");
/// ```
pub trait Model: Send + Sync {
    /// What the object can be like.
    type State: Clone + Eq + Hash + Send + Sync;

    /// What was asked together with what was answered. Equal values are interchangeable: the
    /// search treats them as one kind of operation.
    type Op: Clone + Eq + Hash + Send + Sync;

    /// In words, with its initial state: `a register, initially nil`.
    fn name(&self) -> String;

    /// The state before anything happened.
    fn initial(&self) -> Self::State;

    /// Reads one call. `process` is who made it, for objects that have owners; `asked` is the
    /// invocation's value and `answered` the completion's, absent when the outcome is in doubt.
    /// `None` means that the call can be left out, since it neither changes anything nor says
    /// anything: a read without an answer.
    ///
    /// # Errors
    /// In words, when this is no operation of this object: unknown `f`, or values of another shape.
    fn op(
        &self,
        process: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<Self::Op>, String>;

    /// The same model, but with what only the whole history tells: it may refuse what would
    /// contradict an answer that comes later, and nothing else. `None`: there is nothing to learn.
    fn learned(&self, _history: &History) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// The state after `op`.
    ///
    /// # Errors
    /// A [`Refusal`] when `op` cannot have been answered like this in `state`.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Result<Self::State, Refusal>;

    /// What [`Model::step`] says, without the words of a refusal: a search refuses far more than anybody
    /// reads. A model whose words are long says it here, and makes `step` of it.
    fn after(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State> {
        self.step(state, op).ok()
    }

    /// Does `op` only tell what a state is? It then changes no state; except that a state that
    /// stands for several at once may become one that stands for fewer of them. Must not say yes
    /// wrongly: the search takes such an operation as soon as it leaves the state as it is,
    /// without looking at alternatives.
    fn is_observer(&self, op: &Self::Op) -> bool;

    /// The operation in a few characters: `write 4`, `read → 4`.
    fn label(&self, op: &Self::Op) -> String;

    /// The state in a few characters: `4`, `nil`.
    fn show(&self, state: &Self::State) -> String;

    /// What it is called in a sentence, where no key names it: `register`.
    fn noun(&self) -> &'static str {
        "object"
    }

    /// The operation as the predicate of a sentence: `read 4 from key 17`.
    fn told(&self, op: &Self::Op, object: &str) -> String {
        format!("did {} on {object}", self.label(op))
    }

    /// States such that, towards `ops` alone, every state that some order of some of `past` leads
    /// to behaves like one of them. They are where the search begins when it wants to refute a
    /// history by looking at a few of its operations only. One that can do more than it should is
    /// no mistake, one that is missing is. `None` when they cannot be listed.
    fn any_state(&self, _past: &[&Self::Op], _ops: &[&Self::Op]) -> Option<Vec<Self::State>> {
        None
    }

    /// Bytes that a state owns beside itself, roughly: they count towards the memory limit.
    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }

    /// Bytes that an operation owns beside itself, roughly, where these can be many.
    fn op_heap_bytes(&self, _op: &Self::Op) -> usize {
        0
    }

    /// `op` as an access to the one value that the object holds, where nothing else can be said
    /// about it. It has to agree with [`Model::step`] in every state. A model that answers for all
    /// operations of a history gets more reductions of the search, and a decision without search
    /// where every value is written once.
    fn access(&self, _op: &Self::Op) -> Option<Access<Self::State>> {
        None
    }

    /// Is `op` possible in every state, with the same state after it whatever was before?
    fn overwrites(&self, op: &Self::Op) -> bool {
        self.access(op).is_some_and(|access| access.expects.is_none() && access.leaves.is_some())
    }

    /// Can [`Model::is_doomed`] ever say yes? The search asks only then.
    const LOOKS_AHEAD: bool = false;

    /// Does no order of operations lead from `state` to one in which the observer `seen` is possible?
    /// Operations that overwrite ([`Model::overwrites`]) do not count. A search that knows what is
    /// seen next leaves such states at once: of the many orders of concurrent appends, it goes on with
    /// the one that is read later.
    fn is_doomed(&self, _state: &Self::State, _seen: &Self::Op) -> bool {
        false
    }

    /// The state that stands for every other from which no observer in question can be reached: for
    /// each of them [`Model::is_doomed`] says yes. It has to allow what any of these allows, with the same
    /// state after what overwrites, and with itself after everything else. Then a search need not
    /// tell apart in which order happened what nobody will see.
    fn doomed(&self) -> Option<Self::State> {
        None
    }

    /// The container that the object is, if it is nothing else: which element comes out, and what is
    /// in it at first, in the order in which it was put in. A model that answers gets a decision
    /// without search for all elements that are put in once.
    fn container(&self) -> Option<(FirstOut, &[Element])> {
        None
    }

    /// What `op` does to the container. It has to agree with [`Model::step`] in every state. Absent:
    /// something else, and then nothing is decided without search.
    fn container_op(&self, _op: &Self::Op) -> Option<ContainerOp> {
        None
    }

    /// `op` as a change or a reading of an object that only grows, where it is one. See [`Growth`].
    fn growth<'a>(&self, _op: &'a Self::Op) -> Option<Growth<'a>> {
        None
    }

    /// The independent cells that `op` reads or changes; none: all of them. Where nobody touches all,
    /// a history falls apart into those of groups of cells that no operation touches together. The state of
    /// a cell must neither matter to an operation that does not touch it nor be changed by it.
    fn cells(&self, _op: &Self::Op) -> Option<Vec<Element>> {
        None
    }

    /// What one cell and several are called: `key`, `keys`.
    fn cell_nouns(&self) -> (&'static str, &'static str) {
        ("cell", "cells")
    }

    /// `op` as somebody sees it who looks at these cells only: it is possible wherever `op` is, and
    /// does the same to them. `None` when there is nothing to see.
    fn within(&self, _op: &Self::Op, _cells: &[Element]) -> Option<Self::Op> {
        None
    }

    /// The kind of violation, if it can be proven from the calls. Without: `not linearizable`.
    fn anomaly(&self, _case: &Case<'_, Self::Op>) -> Option<Anomaly> {
        None
    }

    /// The violation over time, where that shows more than the order of the calls.
    fn picture(&self, _case: &Case<'_, Self::Op>, _anomaly: &Anomaly) -> Option<Picture> {
        None
    }

    /// How [`models`] is asked for it; none for a model of somebody's own.
    fn named(&self) -> Option<NamedModel> {
        None
    }
}

/// An operation that is possible in any state or in one, and leads to one state or changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access<S> {
    /// It is possible in this state only; absent: in every state.
    pub expects: Option<S>,
    /// It leaves this state behind, whatever was before; absent: the state that it found.
    pub leaves: Option<S>,
}

/// Why an operation cannot have happened in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It answered with something that was not there.
    Returned {
        /// What it answered.
        returned: String,
        /// What was there.
        held: String,
    },
    /// It succeeded although its condition did not hold.
    Compared {
        /// What it was compared with.
        expected: String,
        /// What was there.
        held: String,
    },
    /// Anything else, in words that continue "it …".
    Other(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned { returned, held } => write!(f, "returned {returned}, not {held}"),
            Self::Compared { expected, held } => {
                write!(f, "succeeded by comparing with {expected}, not {held}")
            }
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// A call as the model read it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a, O> {
    /// What was asked and answered.
    pub op: &'a O,
    /// Who, when and through which node.
    pub call: Call<'a>,
}

impl<O> Seen<'_, O> {
    /// Index of the invocation.
    pub(crate) fn invoked(&self) -> u64 {
        self.call.invoke.index
    }

    /// Index of the return, if it returned.
    pub(crate) fn returned(&self) -> Option<u64> {
        self.call.returned().map(|op| op.index)
    }

    /// When it returned, in nanoseconds since the start of the run.
    pub(crate) fn return_time(&self) -> u64 {
        self.call.returned().map_or(u64::MAX, |op| op.time)
    }
}

/// A violation to be named.
#[derive(Debug)]
pub struct Case<'a, O> {
    /// Everything on this object that happened or may have happened.
    pub calls: &'a [Seen<'a, O>],
    /// What certainly did not happen.
    pub failed: &'a [Seen<'a, O>],
    /// Position in `calls` of the operation that cannot be placed.
    pub culprit: usize,
}

/// A kind of violation, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// As in `stale read`.
    pub name: &'static str,
    /// Continues a sentence that names the culprit: `373 ms after …`.
    pub because: String,
    /// Positions in [`Case::calls`] of the operations that prove it.
    pub evidence: Vec<usize>,
}
