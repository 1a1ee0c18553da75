//! A lock with owners that hands out a token each time it is acquired.

use super::super::{Anomaly, Case, Model, NamedModel, Refusal};
use super::{Holder, split, was_got};
use crate::history::Process;
use crate::verdict::Picture;
use crate::words::who;
use serde_json::Value;

/// A lock that knows its owner and gives out fencing tokens: each greater than all before it,
/// so that whoever sees them can turn away those who think that they still hold it.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `acquire` | anything, `null` by custom | the token, a whole number, or `null`: not known |
/// | `release` | anything, `null` by custom | anything but `false` |
///
/// Without tokens it is a mutex with owners that is not reentrant.
#[derive(Clone, Copy, Debug, Default)]
pub struct FencedLock;

/// What happened to a fenced lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FencedOp {
    /// This process got it, with this token if it is known.
    Acquire(Process, Option<i64>),
    /// This process gave it back.
    Release(Process),
}

/// What a fenced lock is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fencing {
    holder: Holder,
    /// Tokens up to here are used up; absent when none was given out yet.
    used: Option<i64>,
}

impl Model for FencedLock {
    type State = Fencing;
    type Op = FencedOp;

    fn name(&self) -> String {
        "a fenced lock, initially free".to_owned()
    }

    fn initial(&self) -> Fencing {
        Fencing { holder: Holder::Nobody, used: None }
    }

    fn op(
        &self,
        process: Process,
        f: &str,
        _: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<FencedOp>, String> {
        was_got(f, answered)?;
        match (f, answered) {
            ("acquire", None | Some(Value::Null)) => Ok(Some(FencedOp::Acquire(process, None))),
            ("acquire", Some(token)) => match token.as_i64() {
                Some(token) => Ok(Some(FencedOp::Acquire(process, Some(token)))),
                None => Err(format!("a fencing token is a whole number, not {token}")),
            },
            ("release", _) => Ok(Some(FencedOp::Release(process))),
            _ => Err(format!("a fenced lock knows acquire and release, not `{f}`")),
        }
    }

    fn step(&self, state: &Fencing, op: &FencedOp) -> Result<Fencing, Refusal> {
        match *op {
            FencedOp::Acquire(..) if state.holder != Holder::Nobody => {
                Err(state.holder.refuses("was acquired"))
            }
            FencedOp::Acquire(by, token) => {
                if let (Some(token), Some(used)) = (token, state.used)
                    && token <= used
                {
                    return Err(Refusal::Other(format!(
                        "gave out token {token} after tokens up to {used} had been used"
                    )));
                }
                // A token that nobody knows is greater than those before, too.
                let used = token.or(state.used.map(|used| used.saturating_add(1)));
                Ok(Fencing { holder: Holder::Process(by), used })
            }
            FencedOp::Release(by) if state.holder == Holder::Process(by) => {
                Ok(Fencing { holder: Holder::Nobody, ..*state })
            }
            FencedOp::Release(by) => Err(state.holder.refuses(&format!("was released by process {by}"))),
        }
    }

    fn is_observer(&self, _: &FencedOp) -> bool {
        false
    }

    fn label(&self, op: &FencedOp) -> String {
        match op {
            FencedOp::Acquire(_, Some(token)) => format!("acquire → token {token}"),
            FencedOp::Acquire(_, None) => "acquire".to_owned(),
            FencedOp::Release(_) => "release".to_owned(),
        }
    }

    fn show(&self, state: &Fencing) -> String {
        let holder = state.holder.word();
        state.used.map_or_else(|| holder.clone(), |used| format!("{holder}, tokens used up to {used}"))
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("fenced-lock", None)
    }

    fn noun(&self) -> &'static str {
        "lock"
    }

    fn told(&self, op: &FencedOp, object: &str) -> String {
        match op {
            FencedOp::Acquire(_, Some(token)) => format!("acquired {object} with token {token}"),
            FencedOp::Acquire(_, None) => format!("acquired {object}"),
            FencedOp::Release(_) => format!("released {object}"),
        }
    }

    /// Where no token is used up everything can happen that can happen otherwise.
    fn any_state(&self, past: &[&FencedOp], ops: &[&FencedOp]) -> Option<Vec<Fencing>> {
        let has = |process| past.iter().any(|op| matches!(op, FencedOp::Acquire(by, _) if *by == process));
        let mut holders = vec![Holder::Nobody];
        for op in ops {
            let (FencedOp::Acquire(process, _) | FencedOp::Release(process)) = **op;
            if has(process) && !holders.contains(&Holder::Process(process)) {
                holders.push(Holder::Process(process));
            }
        }
        holders.push(Holder::Other);
        Some(holders.into_iter().map(|holder| Fencing { holder, used: None }).collect())
    }

    fn picture(&self, case: &Case<'_, FencedOp>, _: &Anomaly) -> Option<Picture> {
        split::picture(case, |op| matches!(op, FencedOp::Acquire(..)))
    }

    fn anomaly(&self, case: &Case<'_, FencedOp>) -> Option<Anomaly> {
        let holds = |op: &FencedOp| match *op {
            FencedOp::Acquire(by, _) => (by, 1),
            FencedOp::Release(by) => (by, -1),
        };
        split::by_owner(case, holds).or_else(|| stale_token(case))
    }
}

/// A token that is not greater than one that had been given out before it was asked for.
fn stale_token(case: &Case<'_, FencedOp>) -> Option<Anomaly> {
    let culprit = &case.calls[case.culprit];
    let token = |op: &FencedOp| match *op {
        FencedOp::Acquire(_, token) => token,
        FencedOp::Release(_) => None,
    };
    let mine = token(culprit.op)?;
    let earlier = (0..case.calls.len()).find(|&at| {
        let other = &case.calls[at];
        token(other.op) >= Some(mine) && other.returned().is_some_and(|end| end < culprit.invoked())
    })?;
    let other = &case.calls[earlier];
    Some(Anomaly {
        name: "stale token",
        because: format!(
            "although {} had been given to {} before that was asked for",
            token(other.op).map_or_else(String::new, |token| format!("token {token}")),
            who(&other.call)
        ),
        evidence: vec![earlier],
    })
}
