//! A semaphore: so many permits and no more.

use super::super::{Anomaly, Case, Model, NamedModel, Refusal};
use super::{split, was_got};
use crate::history::Process;
use crate::verdict::Picture;
use serde_json::Value;

/// States listed for a refutation at most.
const MAX_STATES: u32 = 256;

/// A semaphore. It does not know who holds its permits: at most `permits` are out, and no more
/// come back than are out.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `acquire` | how many permits, `null`: one | anything but `false` |
/// | `release` | how many permits, `null`: one | anything but `false` |
#[derive(Clone, Copy, Debug)]
pub struct Semaphore {
    /// How many permits there are.
    pub permits: u32,
}

/// What happened to a semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SemaphoreOp {
    /// Somebody got so many permits.
    Acquire(u32),
    /// Somebody gave so many permits back.
    Release(u32),
}

impl Model for Semaphore {
    /// Permits that are out.
    type State = u32;
    type Op = SemaphoreOp;

    fn name(&self) -> String {
        format!("a semaphore of {}", crate::words::counted(u64::from(self.permits), "permit", "permits"))
    }

    fn initial(&self) -> u32 {
        0
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<SemaphoreOp>, String> {
        was_got(f, answered)?;
        let permits = || match asked {
            Value::Null => Ok(1),
            asked => asked
                .as_u64()
                .and_then(|permits| u32::try_from(permits).ok())
                .ok_or_else(|| format!("{f} wants a number of permits, not {asked}")),
        };
        match f {
            "acquire" => Ok(Some(SemaphoreOp::Acquire(permits()?))),
            "release" => Ok(Some(SemaphoreOp::Release(permits()?))),
            _ => Err(format!("a semaphore knows acquire and release, not `{f}`")),
        }
    }

    fn step(&self, out: &u32, op: &SemaphoreOp) -> Result<u32, Refusal> {
        match *op {
            SemaphoreOp::Acquire(n) if n <= self.permits - out => Ok(out + n),
            SemaphoreOp::Release(n) if n <= *out => Ok(out - n),
            SemaphoreOp::Acquire(n) => Err(Refusal::Other(format!(
                "gave out {n} while {} of {} were left",
                self.permits - out,
                self.permits
            ))),
            SemaphoreOp::Release(n) => Err(Refusal::Other(format!("took back {n} while {out} were out"))),
        }
    }

    fn is_observer(&self, op: &SemaphoreOp) -> bool {
        matches!(op, SemaphoreOp::Acquire(0) | SemaphoreOp::Release(0))
    }

    fn label(&self, op: &SemaphoreOp) -> String {
        match op {
            SemaphoreOp::Acquire(n) => format!("acquire {n}"),
            SemaphoreOp::Release(n) => format!("release {n}"),
        }
    }

    fn show(&self, out: &u32) -> String {
        format!("{out} out")
    }

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("semaphore", (self.permits != 1).then(|| self.permits.into()))
    }

    fn noun(&self) -> &'static str {
        "semaphore"
    }

    fn told(&self, op: &SemaphoreOp, object: &str) -> String {
        let permits = |n: &u32| crate::words::counted(u64::from(*n), "permit", "permits");
        match op {
            SemaphoreOp::Acquire(n) => format!("acquired {} of {object}", permits(n)),
            SemaphoreOp::Release(n) => format!("released {} of {object}", permits(n)),
        }
    }

    fn any_state(&self, _: &[&SemaphoreOp], _: &[&SemaphoreOp]) -> Option<Vec<u32>> {
        (self.permits < MAX_STATES).then(|| (0..=self.permits).collect())
    }

    fn picture(&self, case: &Case<'_, SemaphoreOp>, _: &Anomaly) -> Option<Picture> {
        split::picture(case, |op| matches!(op, SemaphoreOp::Acquire(_)))
    }

    fn anomaly(&self, case: &Case<'_, SemaphoreOp>) -> Option<Anomaly> {
        split::by_count(case, i64::from(self.permits), |op| match *op {
            SemaphoreOp::Acquire(n) => i64::from(n),
            SemaphoreOp::Release(n) => -i64::from(n),
        })
    }
}
