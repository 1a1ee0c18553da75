//! The classic plots of a run: rate, raw latency, latency quantiles. Here is decided what to
//! show; [`chart`] draws it.
//!
//! Nothing is sampled: a mark stands for a cell of a grid, and every cell with an operation in
//! it has one, so that the one slow read is there among a million fast ones.

mod chart;
mod density;
mod fold;
mod series;

pub(crate) use chart::{LEFT, RIGHT};

use crate::artifact::Run;
use crate::conclusion::Conclusion;
use crate::measure::{Calls, windows_in_effect};
use crate::palette;
use crate::words::SECOND;

/// Width of every plot and of the lanes above them, in shown pixels.
pub(crate) const WIDTH: u32 = 1180;

/// The plots of a run.
pub(crate) struct Plots {
    /// Acknowledged up, failed and in doubt down, per second.
    pub(crate) rate: Plot,
    /// How wide its bars are; nanoseconds.
    pub(crate) rate_step: u64,
    /// Every operation.
    pub(crate) latency_raw: Plot,
    /// p50, p95, p99 and the slowest over time.
    pub(crate) latency_quantiles: Plot,
    /// The time axis that they share, in nanoseconds.
    pub(crate) axis: (u64, u64),
}

/// One plot, as an `<svg>` element in light colours.
pub(crate) struct Plot(String);

impl Plots {
    pub(crate) fn new(run: &Run, conclusion: &Conclusion, calls: &Calls) -> Self {
        // An empty run has an axis of one second, for there is no division by nothing.
        let axis = (0, conclusion.evidence.duration_ns.max(calls.end).max(SECOND));
        let bands: Vec<(f64, f64)> = windows_in_effect(&run.faults, axis.1)
            .into_iter()
            .map(|(from, to)| (s(from.min(axis.1)), s(to.min(axis.1))))
            .collect();
        let marks: Vec<f64> = conclusion.findings.iter().map(|f| s(f.time.min(axis.1))).collect();
        let frame = series::Frame { axis, bands: &bands, marks: &marks };
        let (rate, rate_step) = series::rate(&frame, calls);
        Self {
            rate: Plot(rate.draw()),
            rate_step,
            latency_raw: Plot(density::latency_raw(&frame, calls).draw()),
            latency_quantiles: Plot(series::latency_quantiles(&frame, calls).draw()),
            axis,
        }
    }
}

impl Plot {
    /// For the page: colours become variables of its style sheet, and marks are folded.
    pub(crate) fn themed(&self) -> String {
        let folded = fold::folded(&self.0);
        let mut out = String::with_capacity(folded.len() * 5 / 4);
        let mut rest = folded.as_str();
        // Every colour that plotters writes is `#` and six capital digits, as an attribute of
        // its own; nothing foreign is drawn.
        while let Some(at) = rest.find("\"#") {
            let (before, colour) = rest.split_at(at + 1);
            let (colour, after) = colour.split_at(7.min(colour.len()));
            out.push_str(before);
            let known = palette::ALL.iter().find(|c| c.light.eq_ignore_ascii_case(colour));
            out.push_str(known.map_or(colour, |c| c.paint));
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// For a file of its own: on white, in plain colours that every viewer knows.
    pub(crate) fn alone(&self) -> String {
        let (head, body) = self.0.split_once('\n').unwrap_or((&self.0, ""));
        let head = head.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
        format!("{head}\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}")
    }
}

/// Seconds.
fn s(ns: u64) -> f64 {
    ns as f64 / 1e9
}
