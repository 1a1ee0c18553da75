//! A violation over time, drawn: what became of an element, who held a lock.

use super::context::{Being, Context};
use super::layout::place;
use super::order::Drawn;
use super::text_width;
use super::tracks::{Row, Spacing, Span, Tracks};
use crate::palette::{BAD, BAD_INK, BAD_TINT, BAND, INFO, INFO_TINT, INK, INK2, INK3, LINE, OK, OK_TINT};
use crate::words;
use duress_checkers::verdict::{Picture, Tone};
use maud::{Markup, html};

const LEFT: i64 = 130;
const TOP: i64 = 10;
/// Of a fault above the rows.
const STRIP: i64 = 18;
const LANE: i64 = 25;
const BAR: i64 = 20;
/// Between two rows.
const BETWEEN: i64 = 9;
/// Room for the words about what is wrong.
const CLASH: i64 = 28;
const AXIS: i64 = 30;
/// Between two times on the axis.
const TICK_APART: i64 = 58;
/// Widths that may be shrunk to their column and are still readable.
const FITTING: std::ops::RangeInclusive<i64> = 620..=980;
/// Longest name of a row, in characters.
const LONGEST_ROW: usize = 17;

const PIXELS: Spacing = Spacing { left: LEFT + 26, moment: 20, widest: 60, label, tail: 40, longest: 40 };

fn label(text: &str) -> i64 {
    text_width(text) + 14
}

/// Bold letters are wider.
fn bold_width(text: &str) -> i64 {
    text_width(text) * 11 / 10
}

/// The figure.
pub(crate) fn picture(picture: &Picture, context: &Context<'_>) -> Drawn {
    let tracks = Tracks::new(picture, &PIXELS);
    let times = || tracks.ticks.iter().map(|(_, time)| *time);
    let faults = context.faults(times().min().unwrap_or(0), times().max().unwrap_or(0));
    let told = picture.clash.as_ref().map(|clash| words::short(&clash.words, 120));
    let told_width = told.as_ref().map_or(0, |words| LEFT + bold_width(words) + 10);
    let width = tracks.right.max(told_width) + 10;
    let mut tops = Vec::new();
    let mut y = TOP + STRIP * faults.len() as i64;
    for row in &tracks.rows {
        tops.push(y);
        y += LANE * row.lanes as i64 + BETWEEN;
    }
    let bottom = y;
    let height = bottom + if told.is_some() { CLASH } else { 0 } + AXIS;
    let svg = html! {
        svg.fit[FITTING.contains(&width)] width=(width) height=(height) viewBox=(format!("0 0 {width} {height}"))
            fill="none" stroke="none" font-family="system-ui,sans-serif" font-size="12" role="img"
            aria-label=(format!("{}{}", picture.caption, told.as_ref().map_or(String::new(), |t| format!(": {t}")))) {
            @if let Some((from, to)) = tracks.clash {
                rect x=(from) y=(TOP - 6) width=((to - from).max(2)) height=(bottom - TOP + 8) fill=(BAD.paint) opacity="0.13" {}
            }
            @for (at, fault) in faults.iter().enumerate() { (strip(fault, &tracks, TOP + STRIP * at as i64)) }
            @for (row, top) in tracks.rows.iter().zip(&tops) { (draw(row, *top, width)) }
            @if let (Some(told), Some((from, to))) = (&told, tracks.clash) {
                (clash(told, (from, to), bottom, width))
            }
            (axis(&tracks, height - AXIS + 6, width))
        }
    };
    Drawn { svg, width }
}

/// A fault that was in effect meanwhile; its name may run past its end.
fn strip(fault: &Being, tracks: &Tracks, y: i64) -> Markup {
    let at = |time| place(&tracks.ticks, time).unwrap_or(LEFT);
    let (from, to) = (at(fault.from), at(fault.to));
    let words = words::short(&fault.words, 60);
    // Near the right edge it stands before the bar.
    let fits = from + text_width(&words) + 6 < tracks.right;
    html! {
        g {
            title { (fault.words) ", " (words::at(fault.from)) " to " (words::at(fault.to)) }
            rect x=(from) y=(y) width=((to - from).max(3)) height=(STRIP - 4) rx="2" fill=(BAND.paint) opacity="0.34" {}
            @if fits {
                text x=(from + 5) y=(y + 11) font-size="11" fill=(INK.paint) { (words) }
            } @else {
                text x=(from - 5) y=(y + 11) text-anchor="end" font-size="11" fill=(INK.paint) { (words) }
            }
        }
    }
}

fn draw(row: &Row, top: i64, width: i64) -> Markup {
    let middle = top + LANE * row.lanes as i64 / 2;
    html! {
        line x1=(LEFT) y1=(middle) x2=(width - 8) y2=(middle) stroke=(LINE.paint) stroke-dasharray="1 4" {}
        text x=(LEFT - 12) y=(middle + 4) text-anchor="end" fill=(INK.paint) font-weight="600" {
            (words::short(&row.label, LONGEST_ROW))
        }
        @for bar in &row.bars { (span(bar, top + LANE * bar.lane as i64 + (LANE - BAR) / 2)) }
    }
}

fn span(bar: &Span, y: i64) -> Markup {
    let (fill, line, ink) = match bar.tone {
        Tone::Plain => (OK_TINT.paint, OK.paint, INK.paint),
        Tone::Doubt => (INFO_TINT.paint, INFO.paint, INK.paint),
        Tone::Wrong => (BAD_TINT.paint, BAD.paint, BAD_INK.paint),
    };
    let weight = if bar.tone == Tone::Wrong { "2.2" } else { "1" };
    let width = (bar.to - bar.from).max(3);
    html! {
        g {
            title { (bar.spoken) }
            @if bar.open {
                path d=(format!("M{} {y}H{}v{BAR}H{}", bar.to, bar.from, bar.to)) fill=(fill) stroke=(line) stroke-width=(weight) {}
            } @else {
                rect x=(bar.from) y=(y) width=(width) height=(BAR) rx="3" fill=(fill) stroke=(line) stroke-width=(weight) {}
            }
            @if label(&bar.label) <= width + 2 {
                text x=(bar.from + 7) y=(y + 14) fill=(ink) {
                    (bar.label)
                }
            }
        }
    }
}

fn clash(told: &str, (from, to): (i64, i64), y: i64, width: i64) -> Markup {
    let room = bold_width(told);
    let x = i64::midpoint(from, to) - room / 2;
    let x = x.clamp(LEFT, (width - room - 8).max(LEFT));
    html! {
        path d=(format!("M{from} {}v4H{}v-4", y - 2, to.max(from + 2))) stroke=(BAD.paint) stroke-width="1.6" {}
        text x=(x) y=(y + 19) fill=(BAD_INK.paint) font-weight="650" { (told) }
    }
}

fn axis(tracks: &Tracks, y: i64, width: i64) -> Markup {
    html! {
        line x1=(LEFT) y1=(y) x2=(width - 8) y2=(y) stroke=(INK3.paint) {}
        @for x in &tracks.breaks {
            path d=(format!("M{} {}l4-10M{} {}l4-10", x - 4, y + 5, x, y + 5)) stroke=(INK3.paint) {}
        }
        @for (x, time) in tracks.labelled(TICK_APART) {
            line x1=(x) y1=(y) x2=(x) y2=(y + 4) stroke=(INK3.paint) {}
            text x=(x) y=(y + 18) text-anchor="middle" font-size="11" fill=(INK2.paint) { (words::at_bare(time)) }
        }
        text x=(LEFT - 12) y=(y + 18) text-anchor="end" font-size="11" fill=(INK2.paint) { "seconds" }
    }
}
