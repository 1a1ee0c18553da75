//! Numbers that only grow, or only fall: counters, and those that answer additions.

use super::super::found::Found;
use super::super::limits::{Charge, Spent};
use super::line::{Line, Observer, Step};
use super::{Calls, NONE};
use crate::model::Growth;

pub(super) fn decide(calls: &Calls<'_>, charge: &Charge) -> Result<Option<Found>, Spent> {
    let mut line = Line::new(calls);
    let (mut grows, mut falls) = (false, false);
    for entry in calls.each() {
        if let Growth::By(by, _) = calls.says(entry) {
            grows |= by > 0;
            falls |= by < 0;
        }
    }
    if grows && falls {
        return Ok(None);
    }
    let sign = if falls { -1 } else { 1 };
    for entry in calls.each() {
        let completed = calls.ret(entry).is_some();
        match calls.says(entry) {
            Growth::By(by, None) => line.fillers.push((entry, by * sign)),
            Growth::By(by, Some(from)) => {
                let (from, to) = (from * sign, (from + by) * sign);
                let witness = if completed { entry } else { NONE };
                let steps = if completed { &mut line.steps } else { &mut line.possible };
                steps.push(Step { from, to, entry, witness });
            }
            Growth::At(at) if completed => {
                line.observers.push(Observer { low: at * sign, high: at * sign, entry });
            }
            Growth::Nothing if completed => {
                line.observers.push(Observer { low: 0, high: i128::MAX, entry });
            }
            Growth::At(_) | Growth::Nothing => {}
            _ => return Ok(None),
        }
    }
    line.decide(charge)
}
