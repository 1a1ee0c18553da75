//! A mutex without owners: whoever releases it, it is free.

use super::super::{Anomaly, Case, Model, NamedModel, Refusal};
use super::{split, was_got};
use crate::history::Process;
use crate::verdict::Picture;
use serde_json::Value;

/// A mutex that does not know who holds it: acquired only when free, released only when held.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `acquire` | anything, `null` by custom | anything but `false` |
/// | `release` | anything, `null` by custom | anything but `false` |
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutex;

/// What happened to a mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutexOp {
    /// Somebody got it.
    Acquire,
    /// Somebody gave it back.
    Release,
}

impl Model for Mutex {
    /// Is it held?
    type State = bool;
    type Op = MutexOp;

    fn name(&self) -> String {
        "a mutex, initially free".to_owned()
    }

    fn initial(&self) -> bool {
        false
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        _: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<MutexOp>, String> {
        was_got(f, answered)?;
        match f {
            "acquire" => Ok(Some(MutexOp::Acquire)),
            "release" => Ok(Some(MutexOp::Release)),
            _ => Err(format!("a mutex knows acquire and release, not `{f}`")),
        }
    }

    fn step(&self, held: &bool, op: &MutexOp) -> Result<bool, Refusal> {
        match (op, held) {
            (MutexOp::Acquire, false) => Ok(true),
            (MutexOp::Release, true) => Ok(false),
            (MutexOp::Acquire, true) => Err(Refusal::Other("was acquired while it was held".to_owned())),
            (MutexOp::Release, false) => Err(Refusal::Other("was released while it was free".to_owned())),
        }
    }

    fn is_observer(&self, _: &MutexOp) -> bool {
        false
    }

    fn label(&self, op: &MutexOp) -> String {
        match op {
            MutexOp::Acquire => "acquire".to_owned(),
            MutexOp::Release => "release".to_owned(),
        }
    }

    fn show(&self, held: &bool) -> String {
        if *held { "held" } else { "free" }.to_owned()
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("mutex", None)
    }

    fn noun(&self) -> &'static str {
        "mutex"
    }

    fn told(&self, op: &MutexOp, object: &str) -> String {
        match op {
            MutexOp::Acquire => format!("acquired {object}"),
            MutexOp::Release => format!("released {object}"),
        }
    }

    fn any_state(&self, past: &[&MutexOp], _: &[&MutexOp]) -> Option<Vec<bool>> {
        Some(if past.contains(&&MutexOp::Acquire) { vec![false, true] } else { vec![false] })
    }

    fn picture(&self, case: &Case<'_, MutexOp>, _: &Anomaly) -> Option<Picture> {
        split::picture(case, |op| matches!(op, MutexOp::Acquire))
    }

    fn anomaly(&self, case: &Case<'_, MutexOp>) -> Option<Anomaly> {
        split::by_count(case, 1, |op| match op {
            MutexOp::Acquire => 1,
            MutexOp::Release => -1,
        })
    }
}
