//! Counts for the whole run, in columns of time: what wide views of a long run are drawn from.
//! It is the pass over all operations that the script would make, made once.
//!
//! Varints, each for every column: completions that are ok, failed, in doubt; for each bin of
//! latency the answers and then the rest, by invocation; for each class of errors how many, by
//! invocation. Then a byte per row and column: the worst outcome of what was open there,
//! `0` nothing, `1` an answer, `2` fail, `3` info.

use super::columns::{Writer, extent, step};
use super::rows::Rows;
use crate::measure::{Calls, Row};
use duress_checkers::Kind;
use serde::Serialize;

const COLUMNS: usize = 2_048;
const BINS: usize = 48;

/// Its size.
#[derive(Debug, Serialize)]
pub(super) struct Shape {
    pub(super) columns: usize,
    pub(super) bins: usize,
}

pub(super) fn write(writer: &mut Writer, calls: &Calls, rows: &Rows, axis: (u64, u64)) -> Shape {
    let mut grid = Grid::new(calls, rows, axis);
    for (row, at) in calls.rows.iter().zip(&rows.row) {
        grid.count(row, usize::from(*at));
    }
    for counts in [&grid.done, &grid.bins, &grid.errors] {
        counts.iter().for_each(|n| writer.varint(u64::from(*n)));
    }
    writer.bytes(&grid.worst);
    Shape { columns: COLUMNS, bins: BINS }
}

struct Grid {
    axis: (u64, u64),
    steps: (u8, u8),
    done: Vec<u32>,
    bins: Vec<u32>,
    errors: Vec<u32>,
    worst: Vec<u8>,
}

impl Grid {
    fn new(calls: &Calls, rows: &Rows, axis: (u64, u64)) -> Self {
        Self {
            axis,
            steps: extent(calls),
            done: vec![0; 3 * COLUMNS],
            bins: vec![0; 2 * BINS * COLUMNS],
            errors: vec![0; calls.classes.len() * COLUMNS],
            worst: vec![0; rows.nodes.len() * COLUMNS],
        }
    }

    fn column(&self, at: u64) -> usize {
        let along = u128::from(at.saturating_sub(self.axis.0)) * COLUMNS as u128;
        let column = along / u128::from((self.axis.1 - self.axis.0).max(1));
        usize::try_from(column).unwrap_or(COLUMNS).min(COLUMNS - 1)
    }

    /// Bins share the steps that occur.
    fn bin(&self, step: u8) -> usize {
        let (low, high) = (usize::from(self.steps.0), usize::from(self.steps.1));
        let along = usize::from(step).clamp(low, high) - low;
        along * (BINS - 1) / (high - low).max(1)
    }

    fn count(&mut self, row: &Row, lane: usize) {
        let outcome = match row.shown() {
            Kind::Ok => 0,
            Kind::Fail => 1,
            Kind::Info | Kind::Invoke => 2,
        };
        let from = self.column(row.invoked);
        let to = self.column(row.completed.unwrap_or(self.axis.1)).max(from);
        if row.completed.is_some() {
            self.done[outcome * COLUMNS + to] += 1;
        }
        let took = row.completed.unwrap_or(self.axis.1).saturating_sub(row.invoked);
        let bin = self.bin(step(Some(took)));
        let answers = usize::from(outcome > 0);
        self.bins[(answers * BINS + bin) * COLUMNS + from] += 1;
        if row.kind != Kind::Ok {
            self.errors[row.class as usize * COLUMNS + from] += 1;
        }
        for cell in &mut self.worst[lane * COLUMNS + from..=lane * COLUMNS + to] {
            *cell = (*cell).max(outcome as u8 + 1);
        }
    }
}
