//! Operations, in the order of their lines, become a history; what cannot be is named with its line.

use super::repair::{self, Repair, RepairKind};
use super::{ReadOptions, fields, nil};
use crate::history::pairing::{ALONE, pair};
use crate::history::{History, HistoryError, Op};
use serde_json::{Map, Value};

/// The operations read so far, and where each of them stood.
#[derive(Default)]
pub(super) struct Collector {
    pub(super) ops: Vec<Op>,
    /// Line of each operation.
    pub(super) lines: Vec<u32>,
    /// Some came with an index.
    pub(super) some_indexed: bool,
    /// Some came without one.
    pub(super) some_numbered: bool,
    /// Some came with a time.
    pub(super) some_timed: bool,
}

impl Collector {
    /// Takes the fields of one operation. A missing index is the next one, a missing time that of
    /// the operation before; without any times they are positions.
    ///
    /// # Errors
    /// In words, when it is no operation.
    pub(super) fn push(&mut self, line: usize, fields: Map<String, Value>) -> Result<(), String> {
        let fields::Draft { mut op, has_index, has_time } = fields::draft(fields)?;
        if self.ops.len() + 1 >= ALONE as usize {
            return Err(HistoryError::TooLong.to_string());
        }
        let last = self.ops.last();
        if !has_index {
            op.index = match last {
                None => 0,
                Some(last) => last.index.checked_add(1).ok_or("no index is left after the one before")?,
            };
        }
        if !has_time {
            op.time = match last {
                Some(last) if self.some_timed => last.time,
                _ => self.ops.len() as u64,
            };
        }
        self.some_indexed |= has_index;
        self.some_numbered |= !has_index;
        self.some_timed |= has_time;
        self.ops.push(op);
        self.lines.push(u32::try_from(line).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Pairs, and repairs if asked to.
    pub(super) fn finish(mut self, options: &ReadOptions) -> Result<(History, Vec<Repair>), HistoryError> {
        let mut repairs = Vec::new();
        if options.repair {
            repair::places(&mut self, &mut repairs);
        }
        self.clock()?;
        let partner = if options.repair {
            repair::pairs(&mut self, &mut repairs).map_err(|(at, why)| self.at(at, why))?
        } else {
            pair(&self.ops).map_err(|(at, why)| self.at(at, why))?
        };
        nil::read_as(options.nil, &mut self.ops, &partner);
        repairs.sort_by_key(|repair| repair.kind as u8);
        Ok((History::paired(self.ops, partner), repairs))
    }

    /// Does time stand or go forward?
    fn clock(&self) -> Result<(), HistoryError> {
        let mut previous = 0;
        for (at, op) in self.ops.iter().enumerate() {
            if op.time < previous {
                return Err(self.at(at, HistoryError::Time { index: op.index, time: op.time, previous }));
            }
            previous = op.time;
        }
        Ok(())
    }

    fn at(&self, at: usize, source: HistoryError) -> HistoryError {
        HistoryError::At { line: self.line(at), source: Box::new(source) }
    }

    fn line(&self, at: usize) -> usize {
        self.lines.get(at).map_or(0, |line| *line as usize)
    }

    pub(super) fn repaired(&self, kind: RepairKind, at: usize) -> Repair {
        Repair { kind, line: self.line(at) }
    }
}
