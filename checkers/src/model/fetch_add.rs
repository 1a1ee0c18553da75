//! Fetch-and-add: a counter whose additions answer with what was there before.

use super::counter::{Sum, show, whole};
use super::{Anomaly, Case, Growth, Model, Refusal};
use crate::history::Process;
use crate::words::who;
use serde_json::Value;

/// A counter whose additions answer with what was there before.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `fetch-add` | `[n, null]` | `[n, what was there before]` |
/// | `read` | anything, `null` by custom | the sum |
#[derive(Clone, Copy, Debug, Default)]
pub struct FetchAdd {
    /// What is there at first.
    pub initial: i64,
}

/// What happened to a fetch-and-add object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchAddOp {
    /// So much was added, and this was there before, if that is known.
    FetchAdd(i64, Option<i64>),
    /// It was read, and this was the answer.
    Read(i64),
}

impl Model for FetchAdd {
    /// A number, or any number: until it is seen, nobody knows which.
    type State = Option<i128>;
    type Op = FetchAddOp;

    fn name(&self) -> String {
        format!("a fetch-and-add counter, initially {}", self.initial)
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
    ) -> Result<Option<FetchAddOp>, String> {
        let pair = |value: &Value| match value.as_array().map(Vec::as_slice) {
            Some([more, old]) => Ok((whole(more, f)?, old.clone())),
            _ => Err(format!("{f} wants [n, old value], not {value}")),
        };
        match f {
            "fetch-add" => {
                let (more, _) = pair(asked)?;
                let Some(answered) = answered else { return Ok(Some(FetchAddOp::FetchAdd(more, None))) };
                let (same, old) = pair(answered)?;
                if same != more {
                    return Err(format!("{f} of {more} was answered for {same}"));
                }
                Ok(Some(FetchAddOp::FetchAdd(more, Some(whole(&old, f)?))))
            }
            "read" => answered.map(|value| whole(value, f).map(FetchAddOp::Read)).transpose(),
            _ => Err(format!("a fetch-and-add counter knows fetch-add and read, not `{f}`")),
        }
    }

    fn step(&self, state: &Sum, op: &FetchAddOp) -> Result<Sum, Refusal> {
        let (more, seen) = match *op {
            FetchAddOp::FetchAdd(more, seen) => (more, seen),
            FetchAddOp::Read(seen) => (0, Some(seen)),
        };
        let before = match (seen, state) {
            (Some(seen), Some(sum)) if *sum != i128::from(seen) => {
                return Err(Refusal::Returned { returned: seen.to_string(), held: sum.to_string() });
            }
            (Some(seen), _) => Some(i128::from(seen)),
            (None, _) => *state,
        };
        Ok(before.map(|sum| sum + i128::from(more)))
    }

    fn is_observer(&self, op: &FetchAddOp) -> bool {
        matches!(op, FetchAddOp::Read(_) | FetchAddOp::FetchAdd(0, _))
    }

    fn label(&self, op: &FetchAddOp) -> String {
        match op {
            FetchAddOp::FetchAdd(more, Some(old)) => format!("fetch-add {more} → {old}"),
            FetchAddOp::FetchAdd(more, None) => format!("fetch-add {more}"),
            FetchAddOp::Read(seen) => format!("read → {seen}"),
        }
    }

    fn show(&self, state: &Sum) -> String {
        show(*state)
    }

    fn noun(&self) -> &'static str {
        "counter"
    }

    fn told(&self, op: &FetchAddOp, object: &str) -> String {
        match op {
            FetchAddOp::FetchAdd(more, Some(old)) => format!("added {more} to {object} when it was {old}"),
            FetchAddOp::FetchAdd(more, None) => format!("added {more} to {object}"),
            FetchAddOp::Read(seen) => format!("read {seen} from {object}"),
        }
    }

    fn any_state(&self, _: &[&FetchAddOp], _: &[&FetchAddOp]) -> Option<Vec<Sum>> {
        Some(vec![None])
    }

    fn growth<'a>(&self, op: &'a FetchAddOp) -> Option<Growth<'a>> {
        let at = |seen: i64| i128::from(seen) - i128::from(self.initial);
        Some(match *op {
            FetchAddOp::FetchAdd(0, None) => Growth::Nothing,
            FetchAddOp::FetchAdd(0, Some(seen)) | FetchAddOp::Read(seen) => Growth::At(at(seen)),
            FetchAddOp::FetchAdd(more, seen) => Growth::By(more.into(), seen.map(at)),
        })
    }

    /// Where nothing is ever subtracted, no number is left twice.
    fn anomaly(&self, case: &Case<'_, FetchAddOp>) -> Option<Anomaly> {
        let culprit = &case.calls[case.culprit];
        let FetchAddOp::FetchAdd(1.., Some(old)) = *culprit.op else { return None };
        let ended = culprit.returned()?;
        let falls = |call: &super::Seen<'_, FetchAddOp>| {
            matches!(call.op, FetchAddOp::FetchAdd(..0, _)) && call.invoked() < ended
        };
        if case.calls.iter().any(falls) {
            return None;
        }
        let other = (0..case.calls.len()).find(|&at| {
            let call = &case.calls[at];
            at != case.culprit
                && call.returned().is_some_and(|end| end < ended)
                && matches!(*call.op, FetchAddOp::FetchAdd(1.., Some(seen)) if seen == old)
        })?;
        Some(Anomaly {
            name: "lost update",
            because: format!(
                "although {} had seen {old} and added to it, too, and nothing ever subtracts",
                who(&case.calls[other].call)
            ),
            evidence: vec![other],
        })
    }
}
