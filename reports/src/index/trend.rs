//! Figures over runs that can be compared, and the range that is usual for them.
//!
//! A point is out of range when it is on the bad side of the 5th to 95th percentile of those before it *and*
//! more than a tenth worse than their median: with few runs the first alone would be chance, and the second
//! alone noise. No probability is claimed.

use super::RunLine;
use std::collections::BTreeMap;

/// So many runs before a point make a range; with fewer there is none.
const ENOUGH: usize = 8;
/// So many runs before a point make its range, at most.
const WINDOW: usize = 30;
/// Points of a trend; older ones are left out.
const SHOWN: usize = 60;
/// Trends shown, of the tests that ran last.
const MAX_TRENDS: usize = 40;
/// Within this share of the median nothing is out of range.
const NOISE: f64 = 0.1;

/// What is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Acknowledged calls per second while nothing was broken: more is better.
    Rate,
    /// 99th percentile, milliseconds.
    P99,
    /// Longest gap without any answer under a fault, milliseconds.
    NoAnswer,
    /// What the checkers took, milliseconds.
    Check,
}

impl Metric {
    /// All of them, as they are shown.
    pub const ALL: [Self; 4] = [Self::Rate, Self::P99, Self::NoAnswer, Self::Check];

    fn of(self, run: &RunLine) -> Option<f64> {
        let value = match self {
            Self::Rate => run.rate,
            Self::P99 => run.p99_ms,
            Self::NoAnswer => run.no_answer_ns.map(|ns| ns as f64 / 1e6),
            Self::Check => run.check_ms.map(|ms| ms as f64),
        };
        // A line of a file is data: what is no number is no point.
        value.filter(|value| value.is_finite() && *value >= 0.0)
    }
}

/// Runs that can be compared: same test, faults, settings, rate, number of nodes, minor version.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// `etcd register, kill+partition`.
    pub name: String,
    /// What else they have in common: `5 nodes, 400/s, 3.4`.
    pub common: String,
    /// The runs, as positions in [`super::Index::runs`].
    pub runs: Vec<usize>,
    /// For each of [`Metric::ALL`], the points of the runs that have one.
    pub points: [Vec<Point>; 4],
}

/// A run's figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// As a position in [`super::Index::runs`].
    pub run: usize,
    /// The figure.
    pub value: f64,
    /// 5th percentile, median and 95th percentile of the runs before it, where they are enough.
    pub usual: Option<[f64; 3]>,
    /// It is worse than that.
    pub out: bool,
}

/// For each group of comparable runs, the one that ran last first.
pub(super) fn trends(runs: &[RunLine]) -> Vec<Trend> {
    let mut groups: BTreeMap<(String, String, String), Vec<usize>> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate().filter(|(_, run)| run.finished && !run.canary) {
        let settings = run.settings.iter().map(|(name, value)| format!("{name}={value}"));
        let settings = settings.collect::<Vec<_>>().join(" ");
        groups.entry((run.name(), common(run), settings)).or_default().push(at);
    }
    let names: Vec<(String, String)> =
        groups.keys().map(|(name, common, _)| (name.clone(), common.clone())).collect();
    let mut trends: Vec<Trend> = groups
        .into_iter()
        .filter(|(_, group)| group.len() > 1)
        .map(|((name, common, settings), group)| {
            // Settings are named where nothing else tells two groups apart.
            let alike = names.iter().filter(|(a, b)| (a, b) == (&name, &common)).count();
            Trend {
                points: Metric::ALL.map(|metric| points(runs, &group, metric)),
                runs: group.iter().copied().skip(group.len().saturating_sub(SHOWN)).collect(),
                common: if alike > 1 { format!("{common}, {settings}") } else { common },
                name,
            }
        })
        .collect();
    trends.sort_by_key(|trend| std::cmp::Reverse(trend.runs.last().copied()));
    trends.truncate(MAX_TRENDS);
    trends
}

fn common(run: &RunLine) -> String {
    let minor = |version: &str| version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    let nodes = crate::words::counted(run.nodes as u64, "node", "nodes");
    let parts = [Some(nodes), run.asked_rate.clone(), run.version.as_deref().map(minor)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn points(runs: &[RunLine], group: &[usize], metric: Metric) -> Vec<Point> {
    let values: Vec<(usize, f64)> =
        group.iter().filter_map(|at| Some((*at, metric.of(&runs[*at])?))).collect();
    let shown = values.len().saturating_sub(SHOWN);
    let point = |at: usize| {
        let (run, value) = values[at];
        let usual = usual(&values[at.saturating_sub(WINDOW)..at]);
        let out = usual.is_some_and(|[low, median, high]| match metric {
            Metric::Rate => value < low && value < median * (1.0 - NOISE),
            Metric::P99 | Metric::NoAnswer | Metric::Check => value > high && value > median * (1.0 + NOISE),
        });
        Point { run, value, usual, out }
    };
    (shown..values.len()).map(point).collect()
}

/// Nearest ranks: each of them was measured.
fn usual(before: &[(usize, f64)]) -> Option<[f64; 3]> {
    if before.len() < ENOUGH {
        return None;
    }
    let mut sorted: Vec<f64> = before.iter().map(|(_, value)| *value).collect();
    sorted.sort_by(f64::total_cmp);
    let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
    Some([rank(5), rank(50), rank(95)])
}
