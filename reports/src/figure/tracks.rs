//! Where things go in a picture of a violation, in units of whoever draws it. Like the layout of a
//! counterexample, but for rows of anything that lasts: the axis is warped, and every label fits.

use crate::words;
use duress_checkers::verdict::{Picture, Stretch, Tone};

/// A gap this many times the median gap is marked as a break.
const BREAK_FACTOR: u64 = 10;

/// So many moments and more stand close together.
const ROOMY: usize = 12;

/// A gap is drawn wider each time it doubles, so many times.
const MAX_DOUBLED: i64 = 9;

/// Distances.
pub(crate) struct Spacing {
    /// Where time begins.
    pub(crate) left: i64,
    /// Between two moments.
    pub(crate) moment: i64,
    /// At most so much more, where much time lies between them.
    pub(crate) widest: i64,
    /// Of a label and what surrounds it in its bar.
    pub(crate) label: fn(&str) -> i64,
    /// Beyond the last moment, for what never ended.
    pub(crate) tail: i64,
    /// Labels are cut to this many characters.
    pub(crate) longest: usize,
}

/// A picture with everything in its place.
pub(crate) struct Tracks {
    pub(crate) rows: Vec<Row>,
    /// Place and time of each moment.
    pub(crate) ticks: Vec<(i64, u64)>,
    /// Places of breaks in the axis.
    pub(crate) breaks: Vec<i64>,
    /// Where it goes wrong.
    pub(crate) clash: Option<(i64, i64)>,
    pub(crate) right: i64,
}

pub(crate) struct Row {
    pub(crate) label: String,
    /// Bars that overlap lie in lanes of their own.
    pub(crate) lanes: usize,
    pub(crate) bars: Vec<Span>,
}

pub(crate) struct Span {
    pub(crate) lane: usize,
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Nobody saw it end.
    pub(crate) open: bool,
    pub(crate) label: String,
    pub(crate) tone: Tone,
    /// Exact times, for whoever points at it.
    pub(crate) spoken: String,
}

impl Tracks {
    pub(crate) fn new(picture: &Picture, spacing: &Spacing) -> Self {
        let axis = Axis::new(picture, spacing);
        let right = axis.right(picture, spacing);
        let rows = picture.tracks.iter().map(|track| {
            let mut ends: Vec<i64> = Vec::new();
            let mut bars = Vec::new();
            for stretch in &track.stretches {
                let from = axis.place(stretch.from);
                let to = stretch.to.map_or(right, |to| axis.place(to));
                let lane = ends.iter().position(|end| *end <= from).unwrap_or_else(|| {
                    ends.push(0);
                    ends.len() - 1
                });
                ends[lane] = to.max(from + 1);
                let until =
                    stretch.to.map_or("nobody saw it end".to_owned(), |to| format!("to {}", words::at(to)));
                bars.push(Span {
                    lane,
                    from,
                    to,
                    open: stretch.to.is_none(),
                    label: label(stretch, spacing),
                    tone: stretch.tone,
                    spoken: format!("{}, from {}, {until}", stretch.label, words::at(stretch.from)),
                });
            }
            let label = match &track.node {
                Some(node) => format!("{} via {node}", track.label),
                None => track.label.clone(),
            };
            Row { label, lanes: ends.len().max(1), bars }
        });
        let clash = picture.clash.as_ref().map(|clash| (axis.place(clash.from), axis.place(clash.to)));
        Self { rows: rows.collect(), breaks: axis.breaks(), clash, right, ticks: axis.moments }
    }

    /// Times that have room, those of what is wrong first.
    pub(crate) fn labelled(&self, apart: i64) -> Vec<(i64, u64)> {
        let wrong = |x: i64| {
            let bars = self.rows.iter().flat_map(|row| &row.bars);
            bars.filter(|bar| bar.tone == Tone::Wrong).any(|bar| bar.from == x || bar.to == x)
                || self.clash.is_some_and(|(from, to)| from == x || to == x)
        };
        let mut wanted: Vec<(bool, i64, u64)> =
            self.ticks.iter().map(|&(x, time)| (!wrong(x), x, time)).collect();
        wanted.sort_unstable();
        let mut shown: Vec<(i64, u64)> = Vec::new();
        for (_, x, time) in wanted {
            if shown.iter().all(|(other, _)| (x - other).abs() >= apart) {
                shown.push((x, time));
            }
        }
        shown.sort_unstable();
        shown
    }
}

/// As it is drawn: what is wrong carries a sign, since colour alone is not enough.
fn label(stretch: &Stretch, spacing: &Spacing) -> String {
    let sign = if stretch.tone == Tone::Wrong { "✕ " } else { "" };
    format!("{sign}{}", words::short(&stretch.label, spacing.longest))
}

struct Axis {
    moments: Vec<(i64, u64)>,
}

impl Axis {
    fn new(picture: &Picture, spacing: &Spacing) -> Self {
        let all = || picture.tracks.iter().flat_map(|track| &track.stretches);
        let mut times: Vec<u64> =
            all().flat_map(|stretch| [Some(stretch.from), stretch.to]).flatten().collect();
        times.extend(picture.clash.iter().flat_map(|clash| [clash.from, clash.to]));
        times.sort_unstable();
        times.dedup();
        let mut axis = Self { moments: Vec::with_capacity(times.len()) };
        let least = times.windows(2).map(|w| w[1] - w[0]).min().unwrap_or(1).max(1);
        // A few moments have more room.
        let roomy = (ROOMY / times.len().max(1)).clamp(1, 3);
        let moment = spacing.moment * i64::try_from(roomy).unwrap_or(1);
        let mut x = spacing.left;
        let mut before = None;
        for time in times {
            let gap = before.replace(time).map_or(0, |before: u64| time - before);
            let doubled = i64::from((1 + gap / least).ilog2()).min(MAX_DOUBLED);
            x += if gap > 0 { moment + spacing.widest * doubled / MAX_DOUBLED } else { 0 };
            for stretch in all().filter(|stretch| stretch.to == Some(time)) {
                x = x.max(axis.place(stretch.from) + (spacing.label)(&label(stretch, spacing)));
            }
            axis.moments.push((x, time));
        }
        axis
    }

    /// A moment that is none of them is drawn at the one before.
    fn place(&self, time: u64) -> i64 {
        let after = self.moments.partition_point(|(_, moment)| *moment <= time);
        self.moments.get(after.saturating_sub(1)).map_or(0, |(x, _)| *x)
    }

    fn right(&self, picture: &Picture, spacing: &Spacing) -> i64 {
        let open = picture.tracks.iter().flat_map(|track| &track.stretches).filter(|s| s.to.is_none());
        let needed = open.map(|stretch| self.place(stretch.from) + (spacing.label)(&label(stretch, spacing)));
        let last = self.moments.last().map_or(spacing.left, |(x, _)| *x);
        needed.chain([last]).max().unwrap_or(last) + spacing.tail
    }

    fn breaks(&self) -> Vec<i64> {
        let mut gaps: Vec<u64> = self.moments.windows(2).map(|w| w[1].1 - w[0].1).collect();
        gaps.sort_unstable();
        let Some(median) = gaps.get(gaps.len() / 2).copied() else { return Vec::new() };
        let long = |w: &&[(i64, u64)]| w[1].1 - w[0].1 > median.saturating_mul(BREAK_FACTOR);
        self.moments.windows(2).filter(long).map(|w| i64::midpoint(w[0].0, w[1].0)).collect()
    }
}
