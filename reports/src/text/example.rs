//! The counterexample as text: the same layout as the figure, in columns instead of pixels.

use super::{picture, wrapped};
use crate::figure::{Bar, Layout, Metrics, columns, process};
use crate::words;
use duress_checkers::Counterexample;
use std::fmt::Write;

/// Wider than this and a terminal wraps it into nonsense: then a list has to do.
const WIDEST: i64 = 150;
/// Longest label of an operation, in characters.
const LONGEST: usize = 24;
/// For the process and its node.
const LEFT: i64 = 16;

const COLUMNS: Metrics = Metrics {
    left: LEFT + 6,
    event: 2,
    lead: 1,
    marker: 2,
    label: 2,
    pad: 1,
    width: columns,
    tail: 12,
    longest: LONGEST,
};

pub(super) fn example(out: &mut String, example: &Counterexample) {
    if let Some(over_time) = &example.picture {
        picture::picture(out, over_time);
    }
    match Layout::new(example, &COLUMNS).filter(|layout| layout.right <= WIDEST) {
        Some(layout) => {
            bars(out, example, &layout);
            holds(out, example, &layout);
        }
        None => list(out, example),
    }
    out.push('\n');
    let (before, rest) = words::argument(example);
    if !before.is_empty() {
        let _ = writeln!(
            out,
            "    ({} that lead there are in the report)",
            words::counted(before.len() as u64, "step", "steps")
        );
    }
    for line in rest {
        wrapped(out, line, "    ");
    }
    for state in &example.finals {
        wrapped(
            out,
            &format!("If {}: it holds {}; {}.", state.assumption, state.state, state.refusal),
            "      ",
        );
    }
    if example.finals_omitted > 0 {
        let more = words::counted(example.finals_omitted as u64, "more state", "more states");
        let _ = writeln!(out, "      And {more}, none of which allows it.");
    }
    wrapped(out, &words::checked(example), "    ");
}

/// A line of text that is written into at any column.
#[derive(Default)]
pub(super) struct Line(Vec<(char, bool)>);

impl Line {
    pub(super) fn put(&mut self, at: i64, text: &str) {
        let Ok(mut at) = usize::try_from(at) else { return };
        for c in text.chars() {
            let cells = usize::try_from(columns(&c.to_string())).unwrap_or(1);
            if self.0.len() < at + cells {
                self.0.resize(at + cells, (' ', true));
            }
            self.0[at] = (c, true);
            // A wide character covers the next cell as well.
            (at + 1..at + cells).for_each(|covered| self.0[covered] = (' ', false));
            at += cells;
        }
    }

    pub(super) fn end(self, out: &mut String) {
        let text: String = self.0.into_iter().filter(|(_, shown)| *shown).map(|(c, _)| c).collect();
        let _ = writeln!(out, "  {}", text.trim_end());
    }
}

fn bars(out: &mut String, example: &Counterexample, layout: &Layout) {
    times(out, layout);
    for (row, (who, nodes)) in layout.rows.iter().enumerate() {
        let mut line = Line::default();
        line.put(0, &words::short(&process(*who), 6));
        if !nodes.is_empty() {
            line.put(7, &words::short(&format!("via {}", nodes.join(",")), 8));
        }
        for (at, bar) in layout.bars.iter().enumerate().filter(|(_, bar)| bar.row == row) {
            draw(&mut line, bar);
            for (number, (_, x)) in layout.markers.iter().enumerate().filter(|(_, (op, _))| *op == at) {
                let culprit = at == example.culprit && number + 1 == layout.markers.len();
                let sign = if culprit { "✕".to_owned() } else { (number + 1).to_string() };
                line.put(*x, &sign);
            }
        }
        line.end(out);
    }
}

fn draw(line: &mut Line, bar: &Bar) {
    line.put(bar.from, "[");
    line.put(bar.label_at, &bar.label);
    let after = bar.label_at + columns(&bar.label);
    if bar.open {
        (after + 1..bar.to - 9).for_each(|x| line.put(x, "┄"));
        line.put((bar.to - 9).max(after + 1), "no answer");
    } else {
        line.put(bar.to, "]");
    }
}

fn times(out: &mut String, layout: &Layout) {
    let mut line = Line::default();
    line.put(0, "seconds");
    let mut free = 0;
    for (x, time) in &layout.ticks {
        let text = words::at_bare(*time);
        if *x >= free {
            line.put(*x, &text);
            free = x + columns(&text) + 2;
        }
    }
    line.end(out);
}

/// What it held after each step, and that this allows no place for the culprit.
fn holds(out: &mut String, example: &Counterexample, layout: &Layout) {
    let mut line = Line::default();
    line.put(0, "holds");
    line.put(LEFT, &words::short(&example.initial, 5));
    let mut last = &example.initial;
    for (at, (step, (_, x))) in example.order.iter().zip(&layout.markers).enumerate() {
        let room = layout.markers.get(at + 1).map_or(8, |next| next.1 - x - 1);
        if step.state != *last {
            line.put(*x, &words::short(&step.state, usize::try_from(room.max(1)).unwrap_or(8)));
        }
        last = &step.state;
    }
    let refusal = example.finals.first().map_or("impossible", |f| f.refusal.as_str());
    line.put(layout.refused, &format!("✕ {refusal}"));
    line.end(out);
}

fn list(out: &mut String, example: &Counterexample) {
    for (at, op) in example.ops.iter().enumerate() {
        let returned = op.returned.map_or("no answer".to_owned(), words::at);
        let mark = if at == example.culprit { '✕' } else { ' ' };
        let node = op.node.as_ref().map_or(String::new(), |n| format!(" via {n}"));
        let _ = writeln!(
            out,
            "  {mark} {:>10} – {returned:<10}  {}{node}: {}",
            words::at_bare(op.invoked),
            process(op.process),
            words::short(&op.label, 80)
        );
    }
}
