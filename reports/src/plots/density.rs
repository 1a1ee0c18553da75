//! Raw latency: where the operations lie, every one of them.

use super::chart::{Axis, Chart, Layer};
use super::s;
use super::series::{Frame, latency_axis};
use crate::measure::{Calls, Row};
use crate::palette;
use duress_checkers::Kind;

/// Marks in the plot; a page with ten times as many scrolls badly.
const MAX_MARKS: usize = 4_000;
/// Sizes of a cell in pixels, finest first. The last one is always coarse enough.
const CELLS: [u64; 7] = [2, 3, 4, 5, 6, 8, 13];
/// Steps of opacity; more of them nobody sees.
const SHADES: f64 = 20.0;
/// Up to here every call is a dot of its own.
const MAX_DOTS: usize = 4_000;

/// By invocation; colour is how it ended; rare outcomes on top.
pub(super) fn latency_raw<'a>(frame: &Frame<'a>, calls: &Calls) -> Chart<'a> {
    let mut chart = frame.latency_chart(latency_axis(calls));
    let Axis::Log(low, high) = chart.y else { return chart };
    let kinds = [(Kind::Ok, palette::OK), (Kind::Fail, palette::FAIL), (Kind::Info, palette::INFO)];
    let latest = frame.axis.1;
    let point = |row: &Row| {
        // A call that never returned has no latency yet; it stands where the run ended.
        let took = row.completed.unwrap_or(latest).saturating_sub(row.invoked);
        (s(row.invoked.min(latest)), s(took).clamp(low, high))
    };
    if calls.rows.len() <= MAX_DOTS {
        for (kind, colour) in kinds {
            let dots = calls.rows.iter().filter(|r| r.shown() == kind).map(point).collect();
            chart.layers.push(Layer::Dots(colour, dots));
        }
        return chart;
    }
    let (grids, cell) = binned(frame, calls, (low, high), point, kinds.map(|(kind, _)| kind));
    let most = f64::from(grids.iter().flatten().copied().max().unwrap_or(1)).ln_1p();
    let columns = columns(frame, cell);
    let (decades, rows) = ((high / low).log10(), rows(frame, cell));
    for (grid, (kind, colour)) in grids.iter().zip(kinds) {
        let boxes = grid.iter().enumerate().filter(|(_, n)| **n > 0).map(|(at, n)| {
            let (x, y) = ((at % columns) as f64, (at / columns) as f64);
            let time = |x: f64| s(frame.axis.1) * (x / columns as f64).min(1.0);
            let value = |y: f64| low * 10_f64.powf(decades * (y / rows as f64));
            // Many calls look dense; a single one that failed is as visible as a thousand.
            let opacity = if kind == Kind::Ok { 0.25 + 0.75 * f64::from(*n).ln_1p() / most } else { 1.0 };
            (time(x), value(y), time(x + 1.0), value(y + 1.0), (opacity * SHADES).round() / SHADES)
        });
        let mut boxes: Vec<_> = boxes.collect();
        // Cells do not overlap: those of one shade can stand together.
        boxes.sort_by(|a, b| a.4.total_cmp(&b.4));
        chart.layers.push(Layer::Boxes(colour, boxes));
    }
    chart
}

fn columns(frame: &Frame<'_>, cell: u64) -> usize {
    usize::try_from(frame.pixels() / cell).unwrap_or(1)
}

fn rows(frame: &Frame<'_>, cell: u64) -> usize {
    usize::try_from(frame.latency_pixels() / cell).unwrap_or(1)
}

/// Counts per cell and outcome, on the finest grid that keeps within [`MAX_MARKS`].
fn binned(
    frame: &Frame<'_>,
    calls: &Calls,
    (low, high): (f64, f64),
    point: impl Fn(&Row) -> (f64, f64),
    kinds: [Kind; 3],
) -> ([Vec<u32>; 3], u64) {
    let decades = (high / low).log10();
    let width = s(frame.axis.1);
    // Logarithms are dear: each call is placed once, on a scale of 65,536 steps either way.
    let fine = |share: f64| (share * 65_535.0) as u16;
    let placed: Vec<(u16, u16, u8)> = calls
        .rows
        .iter()
        .map(|row| {
            let (x, y) = point(row);
            let kind = kinds.iter().position(|k| *k == row.shown()).unwrap_or(2) as u8;
            (fine(x / width), fine((y / low).log10() / decades), kind)
        })
        .collect();
    let mut best = (Default::default(), CELLS[0]);
    for cell in CELLS {
        let (columns, rows) = (columns(frame, cell), rows(frame, cell));
        let mut grids = [const { Vec::new() }; 3].map(|_: Vec<u32>| vec![0_u32; columns * rows]);
        for (x, y, kind) in &placed {
            let (x, y) = (usize::from(*x), usize::from(*y));
            let at = (y * rows / 65_536) * columns + x * columns / 65_536;
            let count = &mut grids[usize::from(*kind)][at];
            *count = count.saturating_add(1);
        }
        let marks = grids.iter().flatten().filter(|n| **n > 0).count();
        best = (grids, cell);
        if marks <= MAX_MARKS {
            break;
        }
    }
    best
}
