//! A violation over time as text: the same rows as the figure, in columns instead of pixels.

use super::example::Line;
use super::wrapped;
use crate::figure::{Spacing, Tracks, columns};
use crate::words;
use duress_checkers::verdict::Picture;
use std::fmt::Write;

/// Wider than this and a terminal wraps it into nonsense.
const WIDEST: i64 = 150;
/// For the name of a row.
const LEFT: i64 = 18;
/// Longest name of a row, in characters.
const LONGEST_ROW: usize = 16;
/// Between two times on the axis.
const TICK_APART: i64 = 10;

const COLUMNS: Spacing = Spacing { left: LEFT + 1, moment: 2, widest: 2, label, tail: 10, longest: 30 };

fn label(text: &str) -> i64 {
    columns(text) + 4
}

pub(super) fn picture(out: &mut String, picture: &Picture) {
    let _ = writeln!(out, "  {}", picture.caption);
    let tracks = Tracks::new(picture, &COLUMNS);
    if tracks.right <= WIDEST {
        let mut line = Line::default();
        line.put(0, "seconds");
        for (x, time) in tracks.labelled(TICK_APART) {
            line.put(x, &words::at_bare(time));
        }
        line.end(out);
        for row in &tracks.rows {
            for lane in 0..row.lanes {
                let mut line = Line::default();
                if lane == 0 {
                    line.put(0, &words::short(&row.label, LONGEST_ROW));
                }
                for bar in row.bars.iter().filter(|bar| bar.lane == lane) {
                    line.put(bar.from, "[");
                    line.put(bar.from + 1, &bar.label);
                    line.put(bar.to, if bar.open { "…" } else { "]" });
                }
                line.end(out);
            }
        }
        if let Some((from, to)) = tracks.clash {
            let mut line = Line::default();
            (from..=to.max(from)).for_each(|x| line.put(x, "^"));
            line.end(out);
        }
    }
    if let Some(clash) = &picture.clash {
        wrapped(out, &format!("✕ {}", clash.words), "    ");
    }
    out.push('\n');
}
