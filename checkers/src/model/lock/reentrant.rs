//! A mutex that its owner may acquire again.

use super::super::{Anomaly, Case, Model, NamedModel, Refusal};
use super::{Holder, split, was_got};
use crate::history::Process;
use crate::verdict::Picture;
use serde_json::Value;

/// A mutex that knows its owner: only the process that holds it may acquire it again, and only
/// that may release it; it is free after as many releases as acquisitions.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `acquire` | anything, `null` by custom | anything but `false` |
/// | `release` | anything, `null` by custom | anything but `false` |
#[derive(Clone, Copy, Debug)]
pub struct ReentrantMutex {
    /// How often one process may hold it at once; 1: not reentrant.
    pub limit: u32,
}

impl Default for ReentrantMutex {
    /// As often as it likes.
    fn default() -> Self {
        Self { limit: u32::MAX }
    }
}

/// What happened to a lock with owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnedOp {
    /// This process got it.
    Acquire(Process),
    /// This process gave it back.
    Release(Process),
}

impl Model for ReentrantMutex {
    /// Who holds it, and how often.
    type State = (Holder, u32);
    type Op = OwnedOp;

    fn name(&self) -> String {
        match self.limit {
            1 => "a mutex with owners, initially free".to_owned(),
            u32::MAX => "a reentrant mutex, initially free".to_owned(),
            limit => format!("a reentrant mutex, held at most {limit} times at once, initially free"),
        }
    }

    fn initial(&self) -> (Holder, u32) {
        (Holder::Nobody, 0)
    }

    fn op(
        &self,
        process: Process,
        f: &str,
        _: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<OwnedOp>, String> {
        was_got(f, answered)?;
        match f {
            "acquire" => Ok(Some(OwnedOp::Acquire(process))),
            "release" => Ok(Some(OwnedOp::Release(process))),
            _ => Err(format!("a reentrant mutex knows acquire and release, not `{f}`")),
        }
    }

    fn step(&self, &(holder, times): &(Holder, u32), op: &OwnedOp) -> Result<(Holder, u32), Refusal> {
        match *op {
            OwnedOp::Acquire(by) if holder == Holder::Nobody => Ok((Holder::Process(by), 1)),
            OwnedOp::Acquire(by) if holder != Holder::Process(by) => Err(holder.refuses("was acquired")),
            OwnedOp::Acquire(_) if times < self.limit => Ok((holder, times + 1)),
            OwnedOp::Acquire(_) => Err(Refusal::Other(format!("was acquired while held {times} times"))),
            OwnedOp::Release(by) if holder != Holder::Process(by) => {
                Err(holder.refuses(&format!("was released by process {by}")))
            }
            OwnedOp::Release(_) if times == 1 => Ok((Holder::Nobody, 0)),
            OwnedOp::Release(_) => Ok((holder, times - 1)),
        }
    }

    fn is_observer(&self, _: &OwnedOp) -> bool {
        false
    }

    fn label(&self, op: &OwnedOp) -> String {
        match op {
            OwnedOp::Acquire(_) => "acquire".to_owned(),
            OwnedOp::Release(_) => "release".to_owned(),
        }
    }

    fn show(&self, &(holder, times): &(Holder, u32)) -> String {
        match times {
            0 | 1 => holder.word(),
            _ => format!("{} {times} times", holder.word()),
        }
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("reentrant-mutex", (self.limit != u32::MAX).then(|| self.limit.into()))
    }

    fn noun(&self) -> &'static str {
        "mutex"
    }

    fn told(&self, op: &OwnedOp, object: &str) -> String {
        match op {
            OwnedOp::Acquire(_) => format!("acquired {object}"),
            OwnedOp::Release(_) => format!("released {object}"),
        }
    }

    /// How often it is held cannot be told from which operations there were, so only for a limit
    /// of one.
    fn any_state(&self, past: &[&OwnedOp], ops: &[&OwnedOp]) -> Option<Vec<(Holder, u32)>> {
        if self.limit != 1 {
            return None;
        }
        let has = |process| past.contains(&&OwnedOp::Acquire(process));
        let mut holders = vec![Holder::Nobody];
        for op in ops {
            let (OwnedOp::Acquire(process) | OwnedOp::Release(process)) = **op;
            if has(process) && !holders.contains(&Holder::Process(process)) {
                holders.push(Holder::Process(process));
            }
        }
        holders.push(Holder::Other);
        Some(holders.into_iter().map(|holder| (holder, u32::from(holder != Holder::Nobody))).collect())
    }

    fn picture(&self, case: &Case<'_, OwnedOp>, _: &Anomaly) -> Option<Picture> {
        split::picture(case, |op| matches!(op, OwnedOp::Acquire(_)))
    }

    fn anomaly(&self, case: &Case<'_, OwnedOp>) -> Option<Anomaly> {
        split::by_owner(case, |op| match *op {
            OwnedOp::Acquire(by) => (by, 1),
            OwnedOp::Release(by) => (by, -1),
        })
    }
}
