//! A time chart as SVG, or as pixels: with `bitmap.rs`, all that knows plotters.
//!
//! plotters places everything on whole pixels, so it draws at twice the size and the view box
//! scales it back. It needs no font: labels are placed by estimate and set by the viewer.
//! It knows no style sheets either; the page puts variables in place of the colours afterwards
//! ([`super::Plot::themed`]).

use super::bitmap::Bitmap;
use crate::palette::{self, Colour};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::fmt::Write;

/// Drawn at this many times the size that is shown.
const SCALE: u32 = 2;
/// Of the plotting area, in shown pixels.
pub(crate) const LEFT: u32 = 84;
/// To the right edge, likewise.
pub(crate) const RIGHT: u32 = 26;
const TOP: u32 = 8;
const BOTTOM: u32 = 22;
/// Font size in shown pixels; plotters divides it by this where it has no font to measure.
const FONT: f64 = 11.5 * 1.24;
const FONT_FAMILY: &str = "sans-serif";
const BAND_OPACITY: f64 = 0.14;
const X_LABELS: usize = 9;

/// The vertical axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Axis {
    /// From, to.
    Linear(f64, f64),
    /// From, to; both above zero.
    Log(f64, f64),
}

/// What is drawn into the chart. Coordinates are seconds and the unit of the axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Layer {
    /// Filled rectangles `(x0, y0, x1, y1, opacity)`.
    Boxes(Colour, Vec<(f64, f64, f64, f64, f64)>),
    /// Small dots.
    Dots(Colour, Vec<(f64, f64)>),
    /// Lines, each without a gap; width in half pixels.
    Lines(Colour, u32, Vec<Vec<(f64, f64)>>),
    /// Words, each from its point to the right.
    Labels(Colour, Vec<((f64, f64), String)>),
}

/// A chart, ready to be drawn.
pub(super) struct Chart<'a> {
    pub(super) size: (u32, u32),
    /// Seconds.
    pub(super) x: (f64, f64),
    pub(super) y: Axis,
    /// How values of the axis are written.
    pub(super) label: fn(f64) -> String,
    /// Faults in effect, in seconds; drawn behind everything.
    pub(super) bands: &'a [(f64, f64)],
    pub(super) layers: Vec<Layer>,
    /// Moments of violations, drawn over everything.
    pub(super) marks: &'a [f64],
}

impl Chart<'_> {
    /// The inside of an `<svg>` element, in the light palette.
    pub(super) fn draw(&self) -> String {
        let mut svg = String::new();
        let (width, height) = (self.size.0 * SCALE, self.size.1 * SCALE);
        self.draw_into(&SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area());
        wrap(&svg, self.size)
    }

    /// The same as a PNG file, as large as it is drawn.
    pub(super) fn png(&self) -> Vec<u8> {
        let mut bitmap = Bitmap::new(self.size.0 * SCALE, self.size.1 * SCALE);
        self.draw_into(&(&mut bitmap).into_drawing_area());
        bitmap.png()
    }

    fn draw_into<B: DrawingBackend>(&self, area: &DrawingArea<B, plotters::coord::Shift>) {
        let drawn = match self.y {
            Axis::Linear(low, high) => self.draw_on(area, low..high),
            Axis::Log(low, high) => self.draw_on(area, (low..high).log_scale()),
        };
        // Writing to memory fails for no reason that data could cause.
        if let Err(e) = drawn.and_then(|()| area.present().map_err(|e| e.to_string())) {
            unreachable!("a chart is drawn into memory: {e}");
        }
    }

    fn draw_on<B, Y, V>(&self, area: &DrawingArea<B, plotters::coord::Shift>, y: Y) -> Result<(), String>
    where
        B: DrawingBackend,
        Y: AsRangedCoord<CoordDescType = V, Value = f64>,
        V: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Cartesian2d<RangedCoordf64, V>: CoordTranslate<From = (f64, f64)>,
    {
        let (low, high) = match self.y {
            Axis::Linear(low, high) | Axis::Log(low, high) => (low, high),
        };
        let failed = |e: &dyn std::fmt::Display| e.to_string();
        let mut chart = ChartBuilder::on(area)
            .margin_top(TOP * SCALE)
            .margin_right(RIGHT * SCALE)
            .set_label_area_size(LabelAreaPosition::Left, LEFT * SCALE)
            .set_label_area_size(LabelAreaPosition::Bottom, BOTTOM * SCALE)
            .build_cartesian_2d(self.x.0..self.x.1, y)
            .map_err(|e| failed(&e))?;
        let bands = self.bands.iter().map(|(from, to)| {
            Rectangle::new([(*from, low), (*to, high)], rgb(palette::BAND).mix(BAND_OPACITY).filled())
        });
        chart.draw_series(bands).map_err(|e| failed(&e))?;
        let font = (FONT_FAMILY, FONT * f64::from(SCALE)).into_font().color(&rgb(palette::INK2));
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(X_LABELS)
            .y_labels(5)
            .x_label_formatter(&|x| seconds(*x))
            .y_label_formatter(&|y| (self.label)(*y))
            .label_style(font)
            .axis_style(rgb(palette::INK3))
            .bold_line_style(rgb(palette::LINE).stroke_width(SCALE))
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(|e| failed(&e))?;
        for layer in &self.layers {
            draw_layer(&mut chart, layer).map_err(|e| failed(&e))?;
        }
        let style = rgb(palette::BAD).stroke_width(SCALE);
        let marks = self.marks.iter().map(|t| PathElement::new(vec![(*t, low), (*t, high)], style));
        chart.draw_series(marks).map_err(|e| failed(&e))?;
        Ok(())
    }
}

fn draw_layer<B: DrawingBackend, V: Ranged<ValueType = f64>>(
    chart: &mut ChartContext<'_, B, Cartesian2d<RangedCoordf64, V>>,
    layer: &Layer,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    match layer {
        Layer::Boxes(colour, boxes) => chart
            .draw_series(boxes.iter().map(|(x0, y0, x1, y1, opacity)| {
                Rectangle::new([(*x0, *y0), (*x1, *y1)], rgb(*colour).mix(*opacity).filled())
            }))
            .map(|_| ()),
        Layer::Dots(colour, dots) => chart
            .draw_series(dots.iter().map(|at| Circle::new(*at, SCALE + 1, rgb(*colour).filled())))
            .map(|_| ()),
        Layer::Lines(colour, width, lines) => chart
            .draw_series(
                lines.iter().map(|line| PathElement::new(line.clone(), rgb(*colour).stroke_width(*width))),
            )
            .map(|_| ()),
        Layer::Labels(colour, labels) => {
            let font = (FONT_FAMILY, FONT * f64::from(SCALE)).into_font().color(&rgb(*colour));
            chart
                .draw_series(labels.iter().map(|(at, text)| Text::new(text.clone(), *at, font.clone())))
                .map(|_| ())
        }
    }
}

/// Its own `<svg>` replaced by one that is shown at the intended size.
fn wrap(svg: &str, (width, height): (u32, u32)) -> String {
    let inside = svg.split_once(">\n").map_or("", |(_, rest)| rest);
    let mut out = String::with_capacity(svg.len() + 200);
    let (w, h) = (width * SCALE, height * SCALE);
    let _ = write!(
        out,
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {w} {h}\" fill=\"none\" stroke=\"none\">\n{inside}"
    );
    out
}

fn seconds(x: f64) -> String {
    // Ticks are multiples of a power of ten: rounding to the millisecond loses nothing but noise.
    format!("{} s", (x * 1000.0).round() / 1000.0)
}

fn rgb(colour: Colour) -> RGBColor {
    let channel = |at: usize| {
        colour.light.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or_default()
    };
    RGBColor(channel(1), channel(3), channel(5))
}
