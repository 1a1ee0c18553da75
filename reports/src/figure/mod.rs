//! Figures of our own: the counterexample, the lanes of the timeline, the sparklines. Whole
//! pixels throughout, so that no coordinate can be anything but a number; text widths by
//! estimate, so that no browser is needed. Written by the page's own template engine, so that
//! there is one place where foreign text is escaped.

mod context;
mod lanes;
mod layout;
mod order;
mod picture;
mod spark;
mod tracks;

pub(crate) use context::Context;
pub(crate) use lanes::lanes;
pub(crate) use layout::{Bar, Layout, Metrics};
pub(crate) use order::{order, process};
pub(crate) use picture::picture;
pub(crate) use spark::Sparks;
pub(crate) use tracks::{Spacing, Tracks};

/// Advance of a character of the monospaced font at 12.5 pixels, in tenths of a pixel.
const MONO_TENTHS: i64 = 76;

/// Width in pixels of a label in the monospaced font.
fn mono_width(text: &str) -> i64 {
    columns(text) * MONO_TENTHS / 10 + 1
}

/// Width in pixels of a label in the text font at 12 pixels, generously.
fn text_width(text: &str) -> i64 {
    columns(text) * 68 / 10
}

/// Columns that a text takes on a terminal: East Asian wide characters and emoji take two.
pub(crate) fn columns(text: &str) -> i64 {
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

fn wide(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}')
}
