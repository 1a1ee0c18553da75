//! Where things go in a counterexample, in units of whoever draws it: pixels or columns.
//!
//! One scan over the events in the order of the history. Time is warped: each event is a
//! little to the right of the one before, labels fit, and long gaps are marked as broken.
//! Order comes from the history's indices, never from times.

use duress_checkers::{Counterexample, Kind, Process};

/// A gap this many times the median gap is marked as a break.
const BREAK_FACTOR: u64 = 10;

/// Distances, in the units of the drawing.
pub(crate) struct Metrics {
    /// Where time begins.
    pub(crate) left: i64,
    /// Between two events.
    pub(crate) event: i64,
    /// From a bar's start to the number on it.
    pub(crate) lead: i64,
    /// Between two numbers.
    pub(crate) marker: i64,
    /// From a number to the label right of it.
    pub(crate) label: i64,
    /// From the end of the label to the end of the bar.
    pub(crate) pad: i64,
    /// Of a label.
    pub(crate) width: fn(&str) -> i64,
    /// Beyond the last event, for operations that never returned.
    pub(crate) tail: i64,
    /// Labels are cut to this many characters.
    pub(crate) longest: usize,
}

/// A counterexample with everything in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Processes from top to bottom, with the nodes that they talk to.
    pub(crate) rows: Vec<(Process, Vec<String>)>,
    /// In the order of the counterexample's operations.
    pub(crate) bars: Vec<Bar>,
    /// The legal order: operation and place, then the culprit.
    pub(crate) markers: Vec<(usize, i64)>,
    /// Where the culprit is refused; also in `markers`, last.
    pub(crate) refused: i64,
    /// Events on the axis: place and time.
    pub(crate) ticks: Vec<(i64, u64)>,
    /// Places of breaks in the axis.
    pub(crate) breaks: Vec<i64>,
    /// Where everything ends.
    pub(crate) right: i64,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Position in [`Layout::rows`].
    pub(crate) row: usize,
    /// Where it begins.
    pub(crate) from: i64,
    /// Where it ends; the right edge when it never returned.
    pub(crate) to: i64,
    /// Nobody saw it return.
    pub(crate) open: bool,
    /// Where its label begins.
    pub(crate) label_at: i64,
    /// Its label, cut.
    pub(crate) label: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Start(usize),
    Marker(usize),
    End(usize),
}

impl Layout {
    /// Where a time stands on the warped axis.
    pub(crate) fn place(&self, time: u64) -> i64 {
        place(&self.ticks, time).unwrap_or(self.right)
    }

    /// `None` when the counterexample does not hold together, such as one read from a file
    /// that somebody changed: then its words have to do.
    pub(crate) fn new(example: &Counterexample, metrics: &Metrics) -> Option<Self> {
        let ops = &example.ops;
        let mentioned = example.order.iter().map(|s| s.op).chain([example.culprit]);
        let mentioned: Vec<usize> = mentioned.chain(example.core.iter().copied()).collect();
        let in_range = mentioned.iter().chain(example.finals.iter().flat_map(|f| &f.taken));
        if in_range.into_iter().any(|op| *op >= ops.len()) {
            return None;
        }
        let events = events(example)?;
        let rows = rows(example);
        let mut scan = Scan::new(example, metrics);
        for event in &events {
            scan.place(*event)?;
        }
        let right = scan.x.max(scan.needed) + metrics.tail;
        let bars = ops
            .iter()
            .zip(&scan.bars)
            .map(|(op, bar)| {
                let row = rows.iter().position(|(p, _)| *p == op.process)?;
                Some(Bar { row, to: if bar.open { right } else { bar.to }, ..bar.clone() })
            })
            .collect::<Option<Vec<Bar>>>()?;
        let breaks = breaks(&scan.ticks);
        let markers = scan.markers.into_iter().collect::<Option<Vec<_>>>()?;
        let refused = markers.last()?.1;
        Some(Self { rows, bars, markers, refused, ticks: scan.ticks, breaks, right })
    }
}

/// Where a time stands between moments that have their places; what is beyond them, at the ends.
pub(super) fn place(ticks: &[(i64, u64)], time: u64) -> Option<i64> {
    let after = ticks.partition_point(|(_, tick)| *tick <= time);
    match (after.checked_sub(1).map(|at| ticks[at]), ticks.get(after)) {
        (Some((x, from)), Some((next, to))) => {
            let along = u128::from(time - from) * u128::from((next - x).unsigned_abs());
            Some(x + i64::try_from(along / u128::from((to - from).max(1))).unwrap_or(0))
        }
        (Some((last, _)), None) => Some(last),
        (None, first) => first.map(|(x, _)| *x),
    }
}

/// Starts and ends in the order of the history, and each number as early as it can stand:
/// after the start of its own operation and after the number before it.
fn events(example: &Counterexample) -> Option<Vec<Event>> {
    let mut edges: Vec<(u64, Event)> = Vec::new();
    for (at, op) in example.ops.iter().enumerate() {
        edges.push((op.index, Event::Start(at)));
        if op.returned.is_some() && op.kind != Kind::Info {
            edges.push((op.completion_index?, Event::End(at)));
        }
    }
    edges.sort_unstable();
    let mut events: Vec<Event> = edges.into_iter().map(|(_, e)| e).collect();
    let mut after = 0;
    for (number, op) in order(example).enumerate() {
        let start = events.iter().position(|e| *e == Event::Start(op))?;
        after = after.max(start) + 1;
        events.insert(after, Event::Marker(number));
    }
    Some(events)
}

/// The legal order, and the culprit behind it.
fn order(example: &Counterexample) -> impl Iterator<Item = usize> {
    example.order.iter().map(|s| s.op).chain([example.culprit])
}

fn rows(example: &Counterexample) -> Vec<(Process, Vec<String>)> {
    let mut rows: Vec<(Process, Vec<String>)> = Vec::new();
    // The culprit's process stands last, right above what the object holds.
    let culprit = example.ops[example.culprit].process;
    let others = example.ops.iter().filter(|op| op.process != culprit);
    for op in others.chain(example.ops.iter().filter(|op| op.process == culprit)) {
        let at = rows.iter().position(|(p, _)| *p == op.process).unwrap_or_else(|| {
            rows.push((op.process, Vec::new()));
            rows.len() - 1
        });
        if let Some(node) = op.node.as_ref().filter(|node| !rows[at].1.contains(node)) {
            rows[at].1.push(node.clone());
        }
    }
    rows
}

struct Scan<'a> {
    example: &'a Counterexample,
    metrics: &'a Metrics,
    order: Vec<usize>,
    bars: Vec<Bar>,
    markers: Vec<Option<(usize, i64)>>,
    ticks: Vec<(i64, u64)>,
    x: i64,
    last_marker: Option<i64>,
    /// The right end of labels on bars that never end.
    needed: i64,
}

impl<'a> Scan<'a> {
    fn new(example: &'a Counterexample, metrics: &'a Metrics) -> Self {
        let order: Vec<usize> = order(example).collect();
        let bars = example.ops.iter().map(|op| Bar {
            row: 0,
            from: 0,
            to: 0,
            open: op.returned.is_none() || op.kind == Kind::Info,
            label_at: 0,
            label: crate::words::short(&op.label, metrics.longest),
        });
        Self {
            example,
            metrics,
            bars: bars.collect(),
            markers: vec![None; order.len()],
            order,
            ticks: Vec::new(),
            x: metrics.left - metrics.event,
            last_marker: None,
            needed: 0,
        }
    }

    fn place(&mut self, event: Event) -> Option<()> {
        let m = self.metrics;
        match event {
            Event::Start(op) => {
                self.x += m.event;
                let bar = &mut self.bars[op];
                (bar.from, bar.label_at) = (self.x, self.x + m.lead);
                self.needed = self.needed.max(bar.label_at + (m.width)(&bar.label));
                self.ticks.push((self.x, self.example.ops[op].invoked));
            }
            Event::Marker(number) => {
                let op = *self.order.get(number)?;
                let bar = &mut self.bars[op];
                let apart = self.last_marker.map_or(i64::MIN, |last| last + m.marker);
                self.x = self.x.max(bar.from + m.lead).max(apart);
                self.last_marker = Some(self.x);
                self.markers[number] = Some((op, self.x));
                bar.label_at = bar.label_at.max(self.x + m.label);
                self.needed = self.needed.max(bar.label_at + (m.width)(&bar.label));
            }
            Event::End(op) => {
                let bar = &mut self.bars[op];
                self.x = (self.x + m.event).max(bar.label_at + (m.width)(&bar.label) + m.pad);
                bar.to = self.x;
                self.ticks.push((self.x, self.example.ops[op].returned?));
            }
        }
        Some(())
    }
}

fn breaks(ticks: &[(i64, u64)]) -> Vec<i64> {
    let mut gaps: Vec<u64> = ticks.windows(2).map(|w| w[1].1.saturating_sub(w[0].1)).collect();
    gaps.sort_unstable();
    let Some(median) = gaps.get(gaps.len() / 2).copied().filter(|m| *m > 0) else { return Vec::new() };
    let long = |w: &&[(i64, u64)]| w[1].1.saturating_sub(w[0].1) > median.saturating_mul(BREAK_FACTOR);
    ticks.windows(2).filter(long).map(|w| i64::midpoint(w[0].0, w[1].0)).collect()
}
