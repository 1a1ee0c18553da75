//! A counter: additions whose results nobody is told, and reads.

use super::{Anomaly, Case, Growth, Model, Refusal};
use crate::history::Process;
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
        let culprit = &case.calls[case.culprit];
        let CounterOp::Read(seen) = *culprit.op else { return None };
        let (began, ended) = (culprit.invoked(), culprit.returned()?);
        let (mut least, mut most) = (i128::from(self.initial), i128::from(self.initial));
        let (mut falls, mut certain) = (false, Vec::new());
        for (at, call) in case.calls.iter().enumerate() {
            let CounterOp::Add(more) = *call.op else { continue };
            if more == 0 || call.invoked() > ended {
                continue;
            }
            let happened = call.returned().is_some_and(|end| end < began);
            falls |= more < 0;
            if happened || more < 0 {
                least += i128::from(more);
            }
            if happened || more > 0 {
                most += i128::from(more);
            }
            if happened {
                certain.push(at);
            }
        }
        let evidence: Vec<usize> = certain.into_iter().rev().take(4).collect();
        if i128::from(seen) < least {
            let because = format!("although what had been added before that makes at least {least}");
            return Some(Anomaly {
                name: if falls { "impossible count" } else { "lost update" },
                because,
                evidence,
            });
        }
        (i128::from(seen) > most).then(|| Anomaly {
            name: "impossible count",
            because: format!("although all that had ever been added by then makes at most {most}"),
            evidence: Vec::new(),
        })
    }
}
