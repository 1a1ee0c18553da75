//! Clocks: how wrong those of each node were, over time. Dots are what the probes read back; lines
//! go on from there as the fault means them to.

use super::chart::{Axis, Chart, Layer};
use super::s;
use super::series::Frame;
use crate::measure::{Clock, Skewed};
use crate::palette;
use crate::words;

const HEIGHT: u32 = 190;
/// Points of a line: on this axis a steady drift is a curve.
const POINTS: u64 = 24;
/// Faults drawn; more are a blot.
const MAX_SHOWN: usize = 200;
/// Longest name of a node, in characters.
const NAME: usize = 12;
/// Least height of the axis: ten milliseconds either way.
const LEAST: f64 = 2.0;

pub(super) fn clock<'a>(frame: &Frame<'a>, skewed: &[Skewed]) -> Chart<'a> {
    let shown = &skewed[..skewed.len().min(MAX_SHOWN)];
    let mut most = LEAST;
    let (mut dots, mut lines): ([Vec<_>; 2], [Vec<_>; 2]) = Default::default();
    let mut labels: Vec<((f64, f64), String)> = Vec::new();
    for skew in shown {
        let to = skew.to.unwrap_or(frame.axis.1).min(frame.axis.1).max(skew.from);
        let which = usize::from(skew.clock == Clock::Monotonic);
        for line in course(skew, to) {
            most = line.iter().fold(most, |most, (_, y)| most.max(y.abs()));
            lines[which].push(line);
        }
        let read = (s(skew.from), height(skew.read as f64));
        most = most.max(read.1.abs());
        dots[which].push(read);
        dots[which].extend(skew.righted.map(|(at, ns)| (s(at.min(frame.axis.1)), height(ns as f64))));
        let name = words::visible(&words::short(&skew.node, NAME), NAME);
        // One fault skews many nodes alike.
        match labels.iter_mut().find(|(at, _)| *at == read) {
            Some((_, names)) => names.push_str(&format!(", {name}")),
            None => labels.push((read, name)),
        }
    }
    let edge = most.ceil() + 1.0;
    let mut chart = frame.chart(HEIGHT, Axis::Linear(-edge, edge), label);
    for ((colour, dots), lines) in [palette::OK_INK, palette::INFO].into_iter().zip(dots).zip(lines) {
        chart.layers.push(Layer::Lines(colour, 4, lines));
        chart.layers.push(Layer::Dots(colour, dots));
    }
    chart.layers.push(Layer::Labels(palette::INK, labels));
    chart
}

/// From when it was read to `to`; both edges of a strobe.
fn course(skew: &Skewed, to: u64) -> Vec<Vec<(f64, f64)>> {
    if let Some(strobe) = skew.strobe {
        let level = |ns: f64| vec![(s(skew.from), height(ns)), (s(to), height(ns))];
        return vec![level(0.0), level(strobe as f64)];
    }
    let points = if skew.drift_ppm == 0 { 1 } else { POINTS };
    let point = |n: u64| {
        let passed = (to - skew.from) as f64 * n as f64 / points as f64;
        let skewed = skew.read as f64 + passed * skew.drift_ppm as f64 / 1e6;
        ((skew.from as f64 + passed) / 1e9, height(skewed))
    };
    vec![(0..=points).map(point).collect()]
}

/// Up to a millisecond as it is, and then a step for every tenfold: a second and an hour both
/// fit.
fn height(ns: f64) -> f64 {
    let ms = ns.abs() / 1e6;
    (if ms < 1.0 { ms } else { 1.0 + ms.log10() }).copysign(ns)
}

fn label(y: f64) -> String {
    if (y - y.round()).abs() > 0.01 {
        return String::new();
    }
    let steps = y.abs().round() as u32;
    let sign = if y < 0.0 { "-" } else { "+" };
    match steps {
        0 => "0".to_owned(),
        1..=3 => format!("{sign}{} ms", 10_u64.pow(steps - 1)),
        _ => format!("{sign}{} s", words::count(10_u64.saturating_pow(steps - 4))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_says_what_it_means() {
        for (ns, told) in [(1e6, "+1 ms"), (-1e8, "-100 ms"), (1e9, "+1 s"), (-1e12, "-1,000 s"), (0.0, "0")]
        {
            assert_eq!(label(height(ns)), told);
        }
        assert_eq!(label(2.5), "");
    }
}
