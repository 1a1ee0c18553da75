//! What can be put right in a history that cannot be.
//!
//! Every repair takes information away and adds none: an operation whose outcome cannot be told
//! any more may have happened or not. So a violation found afterwards is one of the history as it
//! was; `valid` speaks of what is left.
//!
//! What is *not* repaired: a completion without an invocation, or of another function than the
//! one invoked. Lines are missing there, and nobody knows which others: an invocation made up
//! would put the operation at a time when it may not have run, and leaving a write out would
//! turn its readers into accusers. The same goes for different operations under one index, which
//! are two histories in one file.

use super::collect::Collector;
use crate::history::pairing::{ALONE, position};
use crate::history::{HistoryError, Kind, Op, Process};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use std::fmt;

/// Something that was put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What.
    pub kind: RepairKind,
    /// Where, counted from 1.
    pub line: usize,
}

/// What can be put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepairKind {
    /// The same operation stood there twice, index and all: once is enough.
    Repeated,
    /// Indices decide the order, not lines: sorted.
    Moved,
    /// Time went backwards; order is decided by index or line, so the clock stood still instead.
    Clock,
    /// The process went on while this operation was open: its outcome stays in doubt.
    LeftOpen,
    /// A completion that more than one open operation of its process may have had: left out, and
    /// they stay in doubt.
    Ambiguous,
    /// A completion of what was complete: left out. If it said something else than the first,
    /// the operation is in doubt.
    Again,
}

impl fmt::Display for RepairKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "stood there twice and was left out once",
            Self::Moved => "was moved to where its index says",
            Self::Clock => "was given the time of the one before, since time went backwards",
            Self::LeftOpen => "was invoked while another one of its process was open, which stays in doubt",
            Self::Ambiguous => {
                "may complete either of two open operations and was left out; they stay in doubt"
            }
            Self::Again => "completes what was complete and was left out",
        })
    }
}

/// Puts indices and times right.
pub(super) fn places(all: &mut Collector, repairs: &mut Vec<Repair>) {
    let rising = |ops: &[Op]| ops.windows(2).all(|pair| pair[0].index < pair[1].index);
    // Indices that were made up here say nothing about the order.
    if !all.some_numbered && all.some_indexed && !rising(&all.ops) {
        by_index(all, repairs);
    }
    let mut latest = 0;
    for at in 0..all.ops.len() {
        if all.ops[at].time < latest {
            all.ops[at].time = latest;
            repairs.push(all.repaired(RepairKind::Clock, at));
        }
        latest = all.ops[at].time;
    }
}

fn by_index(all: &mut Collector, repairs: &mut Vec<Repair>) {
    let mut highest: Option<u64> = None;
    for at in 0..all.ops.len() {
        let index = all.ops[at].index;
        if highest.is_some_and(|highest| index < highest) {
            repairs.push(all.repaired(RepairKind::Moved, at));
        }
        highest = highest.max(Some(index));
    }
    let mut numbered: Vec<(Op, u32)> =
        std::mem::take(&mut all.ops).into_iter().zip(std::mem::take(&mut all.lines)).collect();
    // Stable, so that of two equal ones the first stays.
    numbered.sort_by_key(|(op, _)| op.index);
    for (mut op, line) in numbered {
        if !all.some_timed {
            // It was the position of the line.
            op.time = all.ops.len() as u64;
        }
        let same =
            |last: &Op| *last == Op { time: if all.some_timed { op.time } else { last.time }, ..op.clone() };
        if all.ops.last().is_some_and(same) {
            repairs.push(Repair { kind: RepairKind::Repeated, line: line as usize });
        } else {
            all.ops.push(op);
            all.lines.push(line);
        }
    }
}

/// One function of one process.
#[derive(Default)]
struct Lane {
    /// Invocations whose completion was not seen.
    open: Vec<usize>,
    /// Completions that belong to some of them, but not known to which.
    lost: usize,
    /// The last pair of invocation and completion.
    last: Option<(usize, usize)>,
}

/// Pairs as [`History::new`](crate::History::new) does, but lets a process have several operations open.
///
/// # Errors
/// With the position of what cannot be repaired.
pub(super) fn pairs(
    all: &mut Collector,
    repairs: &mut Vec<Repair>,
) -> Result<Vec<u32>, (usize, HistoryError)> {
    let mut partner = vec![ALONE; all.ops.len()];
    let mut dropped = vec![false; all.ops.len()];
    let mut lanes: FxHashMap<(Process, SmolStr), Lane> = FxHashMap::default();
    let mut busy: FxHashMap<Process, bool> = FxHashMap::default();
    for at in 0..all.ops.len() {
        let op = &all.ops[at];
        if at > 0 && op.index <= all.ops[at - 1].index {
            return Err((at, HistoryError::Order { index: op.index, previous: all.ops[at - 1].index }));
        }
        if !op.process.is_client() {
            continue;
        }
        let lane = lanes.entry((op.process, op.f.clone())).or_default();
        let was_busy = busy.insert(op.process, op.kind == Kind::Invoke).unwrap_or_default();
        if op.kind == Kind::Invoke {
            if was_busy {
                repairs.push(all.repaired(RepairKind::LeftOpen, at));
            }
            lane.open.push(at);
            continue;
        }
        match (lane.open.as_slice(), lane.lost) {
            (&[invoked], 0) => {
                partner[invoked] = position(at);
                partner[at] = position(invoked);
                lane.open.clear();
                lane.last = Some((invoked, at));
            }
            ([], _) => {
                let Some((invoked, completed)) = lane.last else {
                    return Err((at, HistoryError::Orphan { process: op.process, index: op.index }));
                };
                let first = &all.ops[completed];
                if (first.kind, &first.value) != (op.kind, &op.value) {
                    partner[invoked] = ALONE;
                    dropped[completed] = true;
                }
                dropped[at] = true;
                repairs.push(all.repaired(RepairKind::Again, at));
            }
            (several, lost) => {
                dropped[at] = true;
                repairs.push(all.repaired(RepairKind::Ambiguous, at));
                lane.lost = lost + 1;
                // All of them are accounted for.
                if lane.lost == several.len() {
                    *lane = Lane::default();
                }
            }
        }
    }
    Ok(without(all, &partner, &dropped))
}

/// Leaves operations out; gives the partners of those that stay.
fn without(all: &mut Collector, partner: &[u32], dropped: &[bool]) -> Vec<u32> {
    let mut moved = vec![ALONE; partner.len()];
    let mut next = 0;
    for (at, gone) in dropped.iter().enumerate() {
        if !gone {
            moved[at] = position(next);
            next += 1;
        }
    }
    let keep = |at: usize| !dropped[at];
    let mut at = 0..;
    all.ops.retain(|_| at.next().is_some_and(keep));
    let mut at = 0..;
    all.lines.retain(|_| at.next().is_some_and(keep));
    (0..partner.len())
        .filter(|&at| keep(at))
        .map(|at| moved.get(partner[at] as usize).copied().unwrap_or(ALONE))
        .collect()
}
