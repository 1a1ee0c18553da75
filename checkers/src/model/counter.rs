//! A counter: additions whose results nobody is told, and reads.

use super::{Anomaly, Case, Growth, Model, NamedModel, Refusal, Seen, picture};
use crate::history::Process;
use crate::verdict::{Clash, Picture, Track};
use serde_json::Value;

/// A counter of whole numbers.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `add` | how much, negative to subtract | the same, or `null` |
/// | `read` | anything, `null` by custom | the sum |
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter {
    /// What it shows at first.
    pub initial: i64,
}

/// What happened to a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterOp {
    /// So much was added.
    Add(i64),
    /// It was read, and this was the answer.
    Read(i64),
}

/// A number, or any number: until it is read, nobody knows which.
pub(super) type Sum = Option<i128>;

pub(super) fn show(sum: Sum) -> String {
    sum.map_or_else(|| "any number".to_owned(), |sum| sum.to_string())
}

pub(super) fn whole(value: &Value, what: &str) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| format!("{what} wants a whole number, not {value}"))
}

impl Model for Counter {
    type State = Option<i128>;
    type Op = CounterOp;

    fn name(&self) -> String {
        format!("a counter, initially {}", self.initial)
    }

    fn initial(&self) -> Sum {
        Some(self.initial.into())
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<CounterOp>, String> {
        match f {
            "add" if answered.is_some_and(|value| !value.is_null() && value != asked) => {
                Err(format!("add of {asked} was answered with another value"))
            }
            "add" => Ok(Some(CounterOp::Add(whole(asked, f)?))),
            "read" => answered.map(|value| whole(value, f).map(CounterOp::Read)).transpose(),
            _ => Err(format!("a counter knows add and read, not `{f}`")),
        }
    }

    fn step(&self, state: &Sum, op: &CounterOp) -> Result<Sum, Refusal> {
        match (*op, state) {
            (CounterOp::Add(more), _) => Ok(state.map(|sum| sum + i128::from(more))),
            (CounterOp::Read(seen), Some(sum)) if *sum != i128::from(seen) => {
                Err(Refusal::Returned { returned: seen.to_string(), held: sum.to_string() })
            }
            (CounterOp::Read(seen), _) => Ok(Some(seen.into())),
        }
    }

    fn is_observer(&self, op: &CounterOp) -> bool {
        matches!(op, CounterOp::Read(_) | CounterOp::Add(0))
    }

    fn label(&self, op: &CounterOp) -> String {
        match op {
            CounterOp::Add(more) => format!("add {more}"),
            CounterOp::Read(seen) => format!("read → {seen}"),
        }
    }

    fn show(&self, state: &Sum) -> String {
        show(*state)
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("counter", (self.initial != 0).then(|| self.initial.into()))
    }

    fn noun(&self) -> &'static str {
        "counter"
    }

    fn told(&self, op: &CounterOp, object: &str) -> String {
        match op {
            CounterOp::Add(more) => format!("added {more} to {object}"),
            CounterOp::Read(seen) => format!("read {seen} from {object}"),
        }
    }

    fn any_state(&self, _: &[&CounterOp], _: &[&CounterOp]) -> Option<Vec<Sum>> {
        Some(vec![None])
    }

    fn growth<'a>(&self, op: &'a CounterOp) -> Option<Growth<'a>> {
        Some(match *op {
            CounterOp::Add(0) => Growth::Nothing,
            CounterOp::Add(more) => Growth::By(more.into(), None),
            CounterOp::Read(seen) => Growth::At(i128::from(seen) - i128::from(self.initial)),
        })
    }

    fn anomaly(&self, case: &Case<'_, CounterOp>) -> Option<Anomaly> {
        let Bounds { seen, least, most, falls, certain } = self.bounds(case, case.culprit)?;
        if seen < least {
            let because = format!("although what had been added before that makes at least {least}");
            return Some(Anomaly {
                name: if falls { "impossible count" } else { "lost update" },
                because,
                evidence: certain.into_iter().rev().take(4).collect(),
            });
        }
        (seen > most).then(|| Anomaly {
            name: "impossible count",
            because: format!("although all that had ever been added by then makes at most {most}"),
            evidence: Vec::new(),
        })
    }

    fn picture(&self, case: &Case<'_, CounterOp>, _: &Anomaly) -> Option<Picture> {
        let culprit = &case.calls[case.culprit];
        let is_read = |at: &usize| matches!(case.calls[*at].op, CounterOp::Read(_));
        let mut reads: Vec<usize> = (0..=case.culprit).rev().filter(is_read).take(MAX_READS).collect();
        reads.reverse();
        let drawn: Vec<(&Seen<'_, CounterOp>, Bounds)> =
            reads.iter().filter_map(|&at| Some((&case.calls[at], self.bounds(case, at)?))).collect();
        let row = |label: &str, words: fn(&Bounds) -> String| Track {
            label: label.to_owned(),
            node: None,
            stretches: drawn.iter().map(|(call, it)| picture::stretch(call, words(it), culprit)).collect(),
        };
        let (_, Bounds { seen, least, most, .. }) = drawn.last()?;
        Some(Picture {
            caption: "what was read, and what was possible".to_owned(),
            tracks: vec![
                row("possible", |it| format!("{}..{}", it.least, it.most)),
                row("read", |it| it.seen.to_string()),
            ],
            clash: (seen < least || seen > most).then(|| Clash {
                from: culprit.call.invoke.time,
                to: picture::end(culprit),
                words: format!("read {seen}, possible {least}..{most}"),
            }),
        })
    }
}

/// Reads drawn, the last ones.
const MAX_READS: usize = 8;

/// What a read can have seen, whatever the order.
struct Bounds {
    seen: i128,
    least: i128,
    most: i128,
    /// Something was subtracted.
    falls: bool,
    /// Additions that had happened for certain.
    certain: Vec<usize>,
}

impl Counter {
    fn bounds(&self, case: &Case<'_, CounterOp>, at: usize) -> Option<Bounds> {
        let read = &case.calls[at];
        let CounterOp::Read(seen) = *read.op else { return None };
        let (began, ended) = (read.invoked(), read.returned()?);
        let initial = i128::from(self.initial);
        let mut bounds =
            Bounds { seen: seen.into(), least: initial, most: initial, falls: false, certain: Vec::new() };
        for (at, call) in case.calls.iter().enumerate() {
            let CounterOp::Add(more) = *call.op else { continue };
            if more == 0 || call.invoked() > ended {
                continue;
            }
            let happened = call.returned().is_some_and(|end| end < began);
            bounds.falls |= more < 0;
            if happened || more < 0 {
                bounds.least += i128::from(more);
            }
            if happened || more > 0 {
                bounds.most += i128::from(more);
            }
            if happened {
                bounds.certain.push(at);
            }
        }
        Some(bounds)
    }
}
