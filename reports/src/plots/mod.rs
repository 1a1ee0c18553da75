//! The classic plots of a run: rate, raw latency, latency quantiles, availability, clocks. Here is
//! decided what to show; [`chart`] draws it.
//!
//! Nothing is sampled: a mark stands for a cell of a grid, and every cell with an operation in
//! it has one, so that the one slow read is there among a million fast ones.

mod availability;
mod bitmap;
mod chart;
mod clock;
mod density;
mod fold;
mod glyphs;
mod series;

pub(crate) use chart::{LEFT, RIGHT};

use crate::artifact::{Run, file};
use crate::conclusion::Conclusion;
use crate::measure::{Calls, Quiet, clocks, windows_in_effect};
use crate::palette;
use crate::words::SECOND;

/// Width of every plot and of the lanes above them, in shown pixels.
pub(crate) const WIDTH: u32 = 1180;

/// As what the plots of a run are written into its directory. The page has its own either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlotFormat {
    /// `plots/*.svg`
    #[default]
    Svg,
    /// `plots/*.png`, for what shows no SVG
    Png,
    /// Not at all
    None,
}

impl PlotFormat {
    /// Paths of the plots of a run, relative to its directory.
    pub(crate) fn files(self, run: &Run) -> Vec<String> {
        let skewed = (!clocks(&run.faults).is_empty()).then_some(file::CLOCK);
        let always = [file::RATE, file::LATENCY_RAW, file::LATENCY_QUANTILES, file::AVAILABILITY];
        let name = |plot: &str| match self {
            Self::Svg => Some(format!("{plot}{SVG}")),
            Self::Png => Some(format!("{plot}{PNG}")),
            Self::None => None,
        };
        always.into_iter().chain(skewed).filter_map(name).collect()
    }
}

const SVG: &str = ".svg";
const PNG: &str = ".png";

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
    /// How many of the calls were answered.
    availability: Plot,
    /// How wrong the nodes' clocks were; drawn only where a fault skewed them.
    clock: Plot,
}

/// One plot.
pub(crate) struct Plot {
    /// An `<svg>` element in light colours.
    svg: String,
    /// The same as a PNG file; empty where nobody asks for it.
    png: Vec<u8>,
}

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
        let quiet = Quiet::new(calls, &run.faults, &run.info);
        // What is listed is written: pixels cost time.
        let pixels = conclusion.files.iter().any(|file| file.ends_with(PNG));
        let draw = |chart: &chart::Chart<'_>| Plot {
            svg: chart.draw(),
            png: if pixels { chart.png() } else { Vec::new() },
        };
        Self {
            rate: draw(&rate),
            rate_step,
            latency_raw: draw(&density::latency_raw(&frame, calls)),
            latency_quantiles: draw(&series::latency_quantiles(&frame, calls)),
            axis,
            availability: draw(&availability::availability(&frame, calls, &quiet)),
            clock: draw(&clock::clock(&frame, &clocks(&run.faults))),
        }
    }

    /// The bytes of a file of [`PlotFormat::files`].
    pub(crate) fn file(&self, path: &str) -> Option<Vec<u8>> {
        let (name, png) = match path.strip_suffix(PNG) {
            Some(name) => (name, true),
            None => (path.strip_suffix(SVG)?, false),
        };
        let plot = match name {
            file::RATE => &self.rate,
            file::LATENCY_RAW => &self.latency_raw,
            file::LATENCY_QUANTILES => &self.latency_quantiles,
            file::AVAILABILITY => &self.availability,
            file::CLOCK => &self.clock,
            _ => return None,
        };
        Some(if png { plot.png.clone() } else { plot.alone().into_bytes() })
    }
}

impl Plot {
    /// For the page: colours become variables of its style sheet, and marks are folded.
    pub(crate) fn themed(&self) -> String {
        let folded = fold::folded(&self.svg);
        let mut out = String::with_capacity(folded.len() * 5 / 4);
        let mut rest = folded.as_str();
        // Every colour that plotters writes is `#` and six capital digits, as an attribute of
        // its own; quotes in what is foreign are escaped.
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
    fn alone(&self) -> String {
        let (head, body) = self.svg.split_once('\n').unwrap_or((&self.svg, ""));
        let head = head.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
        format!("{head}\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}")
    }
}

/// Seconds.
fn s(ns: u64) -> f64 {
    ns as f64 / 1e9
}
