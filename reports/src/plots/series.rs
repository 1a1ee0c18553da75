//! Rate over time, and quantiles of latency over time.

use super::chart::{Axis, Chart, LEFT, Layer, RIGHT};
use super::{WIDTH, s};
use crate::measure::{Calls, quantile};
use crate::palette;
use crate::words::{SECOND, count};
use duress_checkers::Kind;

const RATE_HEIGHT: u32 = 150;
const LATENCY_HEIGHT: u32 = 190;
/// At most this many bars or points side by side: about six pixels each.
pub(super) const MAX_COLUMNS: u64 = 180;
/// Fewer samples make no quantile.
const MIN_SAMPLES: usize = 9;
/// Widths of a column that are easy to read off, in milliseconds; the last one that is too
/// narrow is doubled until it is not.
const STEPS_MS: [u64; 12] = [10, 20, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000, 30_000];
/// Share of the axis that a single failure gets at least, to be seen at all.
const LEAST_VISIBLE: f64 = 0.02;

/// What all plots of a run share.
pub(super) struct Frame<'a> {
    pub(super) axis: (u64, u64),
    pub(super) bands: &'a [(f64, f64)],
    pub(super) marks: &'a [f64],
}

impl<'a> Frame<'a> {
    pub(super) fn chart(&self, height: u32, y: Axis, label: fn(f64) -> String) -> Chart<'a> {
        Chart {
            size: (WIDTH, height),
            x: (s(self.axis.0), s(self.axis.1)),
            y,
            label,
            bands: self.bands,
            layers: Vec::new(),
            marks: self.marks,
        }
    }

    pub(super) fn latency_chart(&self, y: Axis) -> Chart<'a> {
        self.chart(LATENCY_HEIGHT, y, latency_label)
    }

    /// Pixels of the plotting area.
    pub(super) fn pixels(&self) -> u64 {
        u64::from(WIDTH - LEFT - RIGHT)
    }

    pub(super) fn latency_pixels(&self) -> u64 {
        u64::from(LATENCY_HEIGHT)
    }

    pub(super) fn step(&self, columns: u64) -> u64 {
        let length = self.axis.1 - self.axis.0;
        let wide = |step: &u64| length.div_ceil(*step) <= columns;
        let nice = STEPS_MS.iter().map(|ms| ms * 1_000_000).find(wide);
        nice.unwrap_or_else(|| {
            let last = STEPS_MS[STEPS_MS.len() - 1] * 1_000_000;
            last * length.div_ceil(last * columns).max(1).next_power_of_two()
        })
    }
}

/// Completions per second: `ok` above the axis, `fail` and `info` below. And the width of a bar.
pub(super) fn rate<'a>(frame: &Frame<'a>, calls: &Calls) -> (Chart<'a>, u64) {
    let step = frame.step(MAX_COLUMNS);
    let columns = usize::try_from((frame.axis.1 - frame.axis.0).div_ceil(step)).unwrap_or(1).max(1);
    let mut bins = vec![[0_u64; 3]; columns];
    for row in &calls.rows {
        let at = row.completed.unwrap_or(row.invoked).saturating_sub(frame.axis.0) / step;
        let bin = &mut bins[usize::try_from(at).unwrap_or(usize::MAX).min(columns - 1)];
        match row.shown() {
            Kind::Ok => bin[0] += 1,
            Kind::Fail => bin[1] += 1,
            Kind::Info | Kind::Invoke => bin[2] += 1,
        }
    }
    let per_second = SECOND as f64 / step as f64;
    let most = |f: fn(&[u64; 3]) -> u64| bins.iter().map(f).max().unwrap_or(0) as f64 * per_second;
    let up = most(|b| b[0]).max(1.0) * 1.05;
    let down = most(|b| b[1] + b[2]) * 1.1;
    let down = if down > 0.0 { down.max(up * 0.12) } else { 0.0 };
    let mut layers: [Vec<_>; 3] = Default::default();
    for (at, [ok, fail, info]) in bins.into_iter().enumerate() {
        let x0 = s(frame.axis.0 + at as u64 * step);
        let x1 = s((frame.axis.0 + (at as u64 + 1) * step).min(frame.axis.1));
        let least = (up + down) * LEAST_VISIBLE;
        let height = |n: u64| if n == 0 { 0.0 } else { (n as f64 * per_second).max(least) };
        let (ok, fail, info) = (height(ok), height(fail), height(info));
        layers[0].push((x0, 0.0, x1, ok, 1.0));
        layers[1].push((x0, 0.0, x1, -fail, 1.0));
        layers[2].push((x0, -fail, x1, -(fail + info).min(down.max(fail)), 1.0));
    }
    let mut chart = frame.chart(RATE_HEIGHT, Axis::Linear(-down, up), rate_label);
    for (colour, boxes) in [palette::OK, palette::FAIL, palette::INFO].into_iter().zip(layers) {
        chart.layers.push(Layer::Boxes(colour, boxes.into_iter().filter(|b| b.1 != b.3).collect()));
    }
    (chart, step)
}

/// p50, p95, p99 and the slowest `ok` call, by invocation.
pub(super) fn latency_quantiles<'a>(frame: &Frame<'a>, calls: &Calls) -> Chart<'a> {
    let step = frame.step(MAX_COLUMNS * 2 / 3);
    let columns = usize::try_from((frame.axis.1 - frame.axis.0).div_ceil(step)).unwrap_or(1).max(1);
    let mut bins: Vec<Vec<u64>> = vec![Vec::new(); columns];
    for row in calls.rows.iter().filter(|r| r.kind == Kind::Ok) {
        let at = usize::try_from(row.invoked.saturating_sub(frame.axis.0) / step).unwrap_or(usize::MAX);
        bins[at.min(columns - 1)].extend(row.latency());
    }
    bins.iter_mut().for_each(|bin| bin.sort_unstable());
    let mut chart = frame.latency_chart(latency_axis(calls));
    let Axis::Log(low, high) = chart.y else { return chart };
    let shades = [
        (palette::INK3, 1, 1000, 1),
        (palette::OK_INK, 2, 990, MIN_SAMPLES),
        (palette::OK, 3, 950, MIN_SAMPLES),
        (palette::INK, 4, 500, MIN_SAMPLES),
    ];
    for (colour, width, permille, least) in shades {
        let mut lines: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
        for (at, bin) in bins.iter().enumerate() {
            let value = quantile(bin, permille).filter(|_| bin.len() >= least);
            let x = s((frame.axis.0 + at as u64 * step + step / 2).min(frame.axis.1));
            match (value, lines.last_mut()) {
                (Some(ns), Some(line)) => line.push((x, s(ns).clamp(low, high))),
                // Too few samples: a gap, not a guess.
                _ => lines.push(Vec::new()),
            }
        }
        lines.retain(|line| !line.is_empty());
        // A line of one point has no length; it is drawn as a short one.
        let half = s(step) / 2.0;
        let end = s(frame.axis.1);
        for line in lines.iter_mut().filter(|line| line.len() == 1) {
            let (x, y) = line[0];
            *line = vec![((x - half).max(0.0), y), ((x + half).min(end), y)];
        }
        chart.layers.push(Layer::Lines(colour, width, lines));
    }
    chart
}

/// From the fastest to the slowest, in whole powers of ten.
pub(super) fn latency_axis(calls: &Calls) -> Axis {
    let seconds = calls.rows.iter().filter_map(|r| r.latency()).map(s);
    let (low, high) = seconds.fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    if high == 0.0 {
        return Axis::Log(1e-3, 1.0);
    }
    let low = 10_f64.powi(low.max(1e-5).log10().floor() as i32);
    // Timeouts tend to be round numbers: with room above, they do not stick to the edge.
    let high = 10_f64.powi(high.max(1e-5).log10().ceil() as i32).max(high * 2.0);
    // Ten powers and no more: beyond that nothing is left to see.
    Axis::Log(low.max(high * 1e-10), high.max(low * 10.0))
}

fn rate_label(y: f64) -> String {
    match y.round() {
        0.0 => "0".to_owned(),
        y => format!("{}/s", count(y.abs() as u64)),
    }
}

fn latency_label(seconds: f64) -> String {
    let exponent = seconds.log10();
    if (exponent - exponent.round()).abs() > 0.01 {
        return String::new();
    }
    match exponent.round() as i32 {
        e @ ..=-4 => format!("{} µs", 10_u64.pow((e + 6).unsigned_abs())),
        e @ -3..=-1 => format!("{} ms", 10_u64.pow((e + 3).unsigned_abs())),
        e => format!("{} s", 10_u64.pow(e.unsigned_abs())),
    }
}
