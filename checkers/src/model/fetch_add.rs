//! Fetch-and-add: a counter whose additions answer with what was there before.

use super::counter::{Sum, show, whole};
use super::{Anomaly, Case, Growth, Model, NamedModel, Refusal, Seen, picture};
use crate::history::Process;
use crate::verdict::Picture;
use crate::words::{after, who};
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

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("fetch-add", (self.initial != 0).then(|| self.initial.into()))
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

    fn picture(&self, case: &Case<'_, FetchAddOp>, anomaly: &Anomaly) -> Option<Picture> {
        let culprit = &case.calls[case.culprit];
        let proof = *anomaly.evidence.first()?;
        let other = &case.calls[proof];
        let (mine, theirs) = (picture::who(culprit), picture::who(other));
        let told = match (*other.op, *culprit.op) {
            (FetchAddOp::FetchAdd(a, Some(old)), FetchAddOp::FetchAdd(b, Some(same))) if old == same => {
                format!("{theirs} added {a} and {mine} added {b} to the same {old}: one addition is lost")
            }
            _ => format!(
                "{} was there with {theirs}, and only {} later with {mine}",
                show(left(*other.op)),
                show(found(*culprit.op))
            ),
        };
        let rows = [proof, case.culprit].into_iter().map(|at| (picture::who(&case.calls[at]), vec![at]));
        let clash = Some((picture::end(other), told));
        Some(picture::elements(case, "who added to what", rows, |call| self.label(call.op), clash))
    }

    fn anomaly(&self, case: &Case<'_, FetchAddOp>) -> Option<Anomaly> {
        too_much(self.initial, case).or_else(|| {
            let ended = case.calls[case.culprit].returned()?;
            let falls =
                |call: &Call| matches!(call.op, FetchAddOp::FetchAdd(..0, _)) && call.invoked() < ended;
            if case.calls.iter().any(falls) {
                return None;
            }
            added_twice(case).or_else(|| went_back(case))
        })
    }
}

type Call<'a> = Seen<'a, FetchAddOp>;

/// The sum that a call found.
fn found(op: FetchAddOp) -> Option<i128> {
    match op {
        FetchAddOp::FetchAdd(_, seen) => seen.map(i128::from),
        FetchAddOp::Read(seen) => Some(seen.into()),
    }
}

/// The sum that a call left.
fn left(op: FetchAddOp) -> Option<i128> {
    match op {
        FetchAddOp::FetchAdd(more, seen) => seen.map(|seen| i128::from(seen) + i128::from(more)),
        FetchAddOp::Read(seen) => Some(seen.into()),
    }
}

/// More than everything that anybody had begun to add.
fn too_much(initial: i64, case: &Case<'_, FetchAddOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let (seen, ended) = (found(*culprit.op)?, culprit.returned()?);
    let mut most = i128::from(initial);
    for (at, call) in case.calls.iter().enumerate() {
        if let FetchAddOp::FetchAdd(more @ 1.., _) = *call.op
            && at != case.culprit
            && call.invoked() < ended
        {
            most += i128::from(more);
        }
    }
    (seen > most).then(|| Anomaly {
        name: "impossible count",
        because: format!("although all that had ever been added by then makes at most {most}"),
        evidence: Vec::new(),
    })
}

/// Two have added to the same sum. Where nothing is ever subtracted, none is left twice.
fn added_twice(case: &Case<'_, FetchAddOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let FetchAddOp::FetchAdd(1.., Some(old)) = *culprit.op else { return None };
    let ended = culprit.returned()?;
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

/// The sum had been larger before the culprit began. Where nothing is ever subtracted, it only grows.
fn went_back(case: &Case<'_, FetchAddOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let (seen, ended) = (found(*culprit.op)?, culprit.returned()?);
    let before = |call: &&(usize, i128)| {
        case.calls[call.0].returned().is_some_and(|end| end < culprit.invoked()) && call.1 > seen
    };
    let sums: Vec<(usize, i128)> =
        (0..).zip(case.calls).filter_map(|(at, call)| Some((at, left(*call.op)?))).collect();
    let &(over, sum) = sums.iter().filter(before).max_by_key(|&&(at, sum)| (sum, at))?;
    let again = case.calls.iter().any(|call| call.invoked() > ended && found(*call.op) == Some(sum));
    let call = &case.calls[over];
    let outcome = if again { "was seen again later" } else { "was never seen again" };
    Some(Anomaly {
        name: if again { "stale read" } else { "lost update" },
        because: format!(
            "in an operation that began {} the sum had been {sum} for {}; nothing ever subtracts, and that sum {outcome}",
            after(call.return_time(), culprit.call.invoke.time),
            who(&call.call)
        ),
        evidence: vec![over],
    })
}
