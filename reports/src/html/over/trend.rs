//! Trends as small figures: points, the usual range behind them, and what is out of it.

use super::{link, shown};
use crate::index::{Index, Metric, Point, Trend};
use crate::palette::{BAD, BAND, INK3, LINE, OK, OK_INK};
use crate::words::{self, counted};
use maud::{Markup, html};

const WIDTH: i64 = 250;
const HEIGHT: i64 = 64;
/// Room for half a point.
const EDGE: i64 = 6;

pub(super) fn section(index: &Index) -> Markup {
    html! {
        @if !index.trends.is_empty() {
            section #trends {
                h2 { "Trends" }
                p.sub {
                    "Runs with the same test, faults, settings, rate, nodes and minor version. The band is the 5th to 95th "
                    "percentile of up to 30 runs before each, from 8 on; red is worse than that, and by more than a tenth "
                    "worse than their median. The axes begin at zero."
                }
                @for trend in &index.trends { (group(index, trend)) }
            }
        }
    }
}

fn group(index: &Index, trend: &Trend) -> Markup {
    html! {
        div.panel.trend {
            h3 { (shown(&trend.name)) " " span.dim { (shown(&trend.common)) ", " (counted(trend.runs.len() as u64, "run", "runs")) } }
            div.figures {
                @for (metric, points) in Metric::ALL.into_iter().zip(&trend.points) {
                    @if !points.is_empty() { (figure(index, metric, points)) }
                }
            }
        }
    }
}

fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Rate => "operations per second, quiet",
        Metric::P99 => "p99",
        Metric::NoAnswer => "longest without an answer",
        Metric::Check => "checkers",
    }
}

fn value(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Rate => format!("{}/s", words::count(value as u64)),
        Metric::P99 | Metric::NoAnswer | Metric::Check => words::span_ms(value),
    }
}

fn figure(index: &Index, metric: Metric, points: &[Point]) -> Markup {
    let last = points[points.len() - 1];
    let high =
        points.iter().flat_map(|p| [p.value, p.usual.map_or(0.0, |usual| usual[2])]).fold(0.0, f64::max);
    let scale = Scale { high: high.max(f64::MIN_POSITIVE), points: points.len() };
    let out = points.iter().filter(|point| point.out).count() as u64;
    let spoken = format!(
        "{}: {} points, the last {}, {} worse than usual",
        name(metric),
        points.len(),
        value(metric, last.value),
        out
    );
    html! {
        figure {
            figcaption {
                (name(metric)) " " b.no[last.out] { (value(metric, last.value)) }
                @if let Some([low, _, high]) = last.usual {
                    small { "usual: " (value(metric, low)) " to " (value(metric, high)) }
                }
            }
            svg width=(WIDTH) height=(HEIGHT) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) fill="none" stroke="#567" role="img" aria-label=(spoken) {
                path d=(scale.band(points)) fill=(BAND.paint) opacity="0.25" stroke="none" {}
                line x1="0" y1=(HEIGHT - 1) x2=(WIDTH) y2=(HEIGHT - 1) stroke=(LINE.paint) {}
                path d=(scale.line(points, |p| Some(p.value))) stroke=(OK_INK.paint) {}
                path d=(scale.line(points, |p| p.usual.map(|usual| usual[1]))) stroke=(INK3.paint) stroke-dasharray="2 3" {}
                @for (at, point) in points.iter().enumerate() { (dot(index, metric, &scale, at, point)) }
            }
        }
    }
}

/// A link to its run; what is out of range is a cross, not only another colour.
fn dot(index: &Index, metric: Metric, scale: &Scale, at: usize, point: &Point) -> Markup {
    let run = &index.runs[point.run];
    let (x, y) = (scale.x(at), scale.y(point.value));
    let drawn = html! {
        g {
            title { (shown(&run.id)) ": " (value(metric, point.value)) }
            @if point.out {
                path d=(format!("M{} {}l8 8m0-8l-8 8", x - 4, y - 4)) stroke=(BAD.paint) stroke-width="2" {}
            } @else {
                circle cx=(x) cy=(y) r="2.5" fill=(OK.paint) stroke=(OK_INK.paint) {}
            }
        }
    };
    match link(&format!("{}/report.html", run.path)).filter(|_| !run.gone) {
        Some(href) => html! { a href=(href) { (drawn) } },
        None => drawn,
    }
}

/// Whole pixels, so that no coordinate can be anything but a number.
struct Scale {
    high: f64,
    points: usize,
}

impl Scale {
    fn x(&self, at: usize) -> i64 {
        let room = WIDTH - 2 * EDGE;
        EDGE + room * at as i64 / (self.points as i64 - 1).max(1)
    }

    fn y(&self, value: f64) -> i64 {
        let room = HEIGHT - 2 * EDGE;
        HEIGHT - EDGE - ((value / self.high * room as f64) as i64).clamp(0, room)
    }

    fn line(&self, points: &[Point], of: impl Fn(&Point) -> Option<f64>) -> String {
        let mut path = String::new();
        let mut pen = 'M';
        for (at, point) in points.iter().enumerate() {
            let Some(value) = of(point) else { continue };
            path.push_str(&format!("{pen}{} {}", self.x(at), self.y(value)));
            pen = 'L';
        }
        path
    }

    /// There and back; empty where there is no range.
    fn band(&self, points: &[Point]) -> String {
        let low = self.line(points, |p| p.usual.map(|usual| usual[0]));
        let mut back = String::new();
        for (at, point) in points.iter().enumerate().rev() {
            if let Some([_, _, high]) = point.usual {
                back.push_str(&format!("L{} {}", self.x(at), self.y(high)));
            }
        }
        if low.is_empty() { String::new() } else { format!("{low}{back}z") }
    }
}
