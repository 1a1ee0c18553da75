//! Availability: how many of the calls were answered, over time, and when nobody was.

use super::chart::{Axis, Chart, Layer};
use super::s;
use super::series::{Frame, MAX_COLUMNS};
use crate::measure::{Calls, Quiet, outages};
use crate::palette;
use duress_checkers::Kind;

const HEIGHT: u32 = 150;
/// Where outages are drawn, in percent: above all there is.
const OUTAGE: (f64, f64) = (103.0, 109.0);
const TOP: f64 = 112.0;

/// Of the calls invoked in each step: answered, and above them in doubt, and failed. On top, where
/// nobody got an answer for so long that it counts as an outage.
pub(super) fn availability<'a>(frame: &Frame<'a>, calls: &Calls, quiet: &Quiet) -> Chart<'a> {
    let step = frame.step(MAX_COLUMNS);
    let columns = usize::try_from((frame.axis.1 - frame.axis.0).div_ceil(step)).unwrap_or(1).max(1);
    let mut bins = vec![[0_u64; 3]; columns];
    for row in &calls.rows {
        let at = row.invoked.saturating_sub(frame.axis.0) / step;
        let bin = &mut bins[usize::try_from(at).unwrap_or(usize::MAX).min(columns - 1)];
        match row.shown() {
            Kind::Ok => bin[0] += 1,
            Kind::Info | Kind::Invoke => bin[1] += 1,
            Kind::Fail => bin[2] += 1,
        }
    }
    let mut layers: [Vec<_>; 3] = Default::default();
    for (at, bin) in bins.into_iter().enumerate() {
        let x0 = s(frame.axis.0 + at as u64 * step);
        let x1 = s((frame.axis.0 + (at as u64 + 1) * step).min(frame.axis.1));
        // Where nobody asked there is nothing to say.
        let all = bin.iter().sum::<u64>().max(1) as f64;
        let mut from = 0;
        for (layer, n) in layers.iter_mut().zip(bin).filter(|(_, n)| *n > 0) {
            let share = |n: u64| n as f64 / all * 100.0;
            layer.push((x0, share(from), x1, share(from + n), 1.0));
            from += n;
        }
    }
    let mut chart = frame.chart(HEIGHT, Axis::Linear(0.0, TOP), percent);
    for (colour, boxes) in [palette::OK, palette::INFO, palette::FAIL].into_iter().zip(layers) {
        chart.layers.push(Layer::Boxes(colour, boxes));
    }
    let (from, to) = quiet.main;
    let silent = outages(quiet, from, to);
    let silent = silent.iter().map(|(from, to)| (s(*from), OUTAGE.0, s(*to), OUTAGE.1, 1.0));
    chart.layers.push(Layer::Boxes(palette::BAD, silent.collect()));
    chart
}

fn percent(y: f64) -> String {
    if y > 100.5 { String::new() } else { format!("{} %", y.round()) }
}
