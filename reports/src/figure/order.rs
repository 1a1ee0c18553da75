//! The counterexample as a picture: processes as rows, operations as bars, the longest legal
//! order as numbers, the operation that fits nowhere in red, and below what the object held.

use super::context::{Being, Context, How, Strip};
use super::layout::{Bar, Layout, Metrics};
use super::{MONO_TENTHS, mono_width, text_width};
use crate::palette::{
    BAD, BAD_INK, BAD_TINT, BAND, FAIL, FAIL_TINT, INFO, INFO_TINT, INK, INK2, INK3, LINE, OK, OK_INK,
    OK_TINT, ON_BAD, PANEL,
};
use crate::words;
use duress_checkers::{Counterexample, Kind, Process};
use maud::{Markup, html};

/// Up to this width a figure may be shrunk to its column and is still readable; a wider one
/// scrolls.
const SHRINKS: i64 = 980;
/// A narrower one is shown as it is.
const NARROW: i64 = 620;
const LEFT: i64 = 96;
const TOP: i64 = 14;
const ROW: i64 = 44;
/// Of a node's strip above.
const STRIP: i64 = 18;
const BAR: i64 = 26;
const HOLDS: i64 = 22;
/// Room for the dimension line.
const GAP: i64 = 28;
const RADIUS: i64 = 8;
/// Between two times on the axis, so that they can be read.
const TICK_APART: i64 = 58;
/// Longest label of a bar, in characters.
const LONGEST: usize = 34;
/// Longest state on the track below, in characters.
const LONGEST_STATE: usize = 24;

const PIXELS: Metrics = Metrics {
    left: LEFT + 26,
    event: 22,
    lead: 14,
    marker: 24,
    label: 14,
    pad: 10,
    width: mono_width,
    tail: 64,
    longest: LONGEST,
};

/// The figure; `id` tells its patterns from those of other figures on the page.
pub(crate) fn order(example: &Counterexample, id: &str, context: &Context<'_>) -> Option<Drawn> {
    let layout = Layout::new(example, &PIXELS)?;
    let times = || layout.ticks.iter().map(|(_, time)| *time);
    let strips = context.strips(example, times().min()?, times().max()?);
    let top = TOP + STRIP * i64::try_from(strips.len()).ok()?;
    let held = text_width(&refusal(example)) + 30;
    let width = layout.right.max(layout.refused + held) + 10;
    let rows = top + ROW * i64::try_from(layout.rows.len()).ok()?;
    let gap = gap(example, &layout);
    let bottom = rows + if gap.is_some() { GAP } else { 0 };
    let height = bottom + HOLDS + 62;
    let hatch = format!("hatch-{id}");
    let figure = Figure { example, layout: &layout, width, top, bottom, hatch };
    let svg = html! {
        svg.fit[(NARROW..=SHRINKS).contains(&width)] width=(width) height=(height) viewBox=(format!("0 0 {width} {height}"))
            fill="none" stroke="none" font-family="system-ui,sans-serif" font-size="12" role="img"
            aria-label=(figure.spoken()) {
            (figure.patterns())
            (figure.strips(&strips))
            (figure.rows())
            @if let Some(gap) = &gap { (figure.gap(gap)) }
            (figure.links())
            @for at in 0..example.ops.len() { (figure.bar(at)) }
            (figure.markers())
            (figure.holds())
            (figure.axis())
        }
    };
    Some(Drawn { svg, width })
}

/// A figure and its width in pixels.
pub(crate) struct Drawn {
    pub(crate) svg: Markup,
    pub(crate) width: i64,
}

/// How long before the culprit began the last of the core was over.
struct Gap {
    /// Of the core; its end is where the gap begins.
    before: usize,
    ns: u64,
}

fn gap(example: &Counterexample, layout: &Layout) -> Option<Gap> {
    let culprit = &example.ops[example.culprit];
    let returned = |at: usize| {
        let op = &example.ops[at];
        let over = !layout.bars[at].open && op.completion_index? < culprit.index;
        Some((op.completion_index?, at, op.returned?)).filter(|_| over)
    };
    let (_, before, returned) = example.core.iter().filter_map(|at| returned(*at)).max()?;
    Some(Gap { before, ns: culprit.invoked.saturating_sub(returned) })
}

struct Figure<'a> {
    example: &'a Counterexample,
    layout: &'a Layout,
    width: i64,
    top: i64,
    bottom: i64,
    hatch: String,
}

/// How a bar looks.
struct Look {
    fill: &'static str,
    line: &'static str,
    weight: &'static str,
}

impl Figure<'_> {
    fn spoken(&self) -> String {
        let culprit = &self.example.ops[self.example.culprit];
        format!(
            "{} operations of {} processes; {} by {} fits into no order",
            self.example.ops.len(),
            self.layout.rows.len(),
            culprit.label,
            process(culprit.process)
        )
    }

    fn middle(&self, row: usize) -> i64 {
        self.top + ROW * row as i64 + ROW / 2
    }

    fn look(&self, at: usize) -> Look {
        let core = self.example.core.contains(&at);
        let weight = if core { "2.2" } else { "1" };
        if at == self.example.culprit {
            return Look { fill: BAD_TINT.paint, line: BAD.paint, weight: "2.2" };
        }
        let (fill, thin) = if self.layout.bars[at].open {
            (INFO_TINT.paint, INFO.paint)
        } else if self.example.ops[at].kind == Kind::Fail {
            (FAIL_TINT.paint, FAIL.paint)
        } else {
            (OK_TINT.paint, OK.paint)
        };
        Look { fill, line: if core { OK_INK.paint } else { thin }, weight }
    }

    fn patterns(&self) -> Markup {
        html! {
            defs {
                pattern id=(self.hatch) width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect width="7" height="7" fill=(INFO_TINT.paint) {}
                    rect width="2" height="7" fill=(INFO.paint) opacity="0.45" {}
                }
            }
        }
    }

    /// Above everything: how the nodes that matter were.
    fn strips(&self, strips: &[Strip]) -> Markup {
        html! {
            @for (at, strip) in strips.iter().enumerate() {
                @let y = STRIP * at as i64 + 4;
                text x=(LEFT - 14) y=(y + 12) text-anchor="end" font-size="11" fill=(INK2.paint) { (words::short(&strip.node, 12)) }
                @for being in &strip.stretches { (self.being(being, y)) }
            }
        }
    }

    fn being(&self, being: &Being, y: i64) -> Markup {
        let (from, to) = (self.layout.place(being.from), self.layout.place(being.to));
        let (fill, ink) = match being.how {
            How::Leads => (INK2.paint, PANEL.paint),
            How::Gone => (FAIL.paint, PANEL.paint),
            How::Hit => (BAND.paint, INK.paint),
        };
        let width = (to - from).max(3);
        let fits = |words: &&str| text_width(words) <= width - 8;
        let words = [being.words.as_str(), being.words.split([' ', ':']).next().unwrap_or_default()];
        // What is a fault's stays visible under what the node was.
        let (height, opacity) = if being.how == How::Hit { (STRIP - 3, "0.34") } else { (STRIP - 3, "0.85") };
        html! {
            g {
                title { (being.words) ", " (words::at(being.from)) " to " (words::at(being.to)) }
                rect x=(from) y=(y) width=(width) height=(height) rx="2" fill=(fill) opacity=(opacity) {}
                @if let Some(words) = words.into_iter().find(fits).filter(|_| being.named) {
                    text x=(from + 5) y=(y + 11) font-size="11" fill=(ink) { (words) }
                }
            }
        }
    }

    fn rows(&self) -> Markup {
        html! {
            @for (at, (who, nodes)) in self.layout.rows.iter().enumerate() {
                @let y = self.middle(at);
                line x1=(LEFT) y1=(y) x2=(self.width - 8) y2=(y) stroke=(LINE.paint) stroke-dasharray="1 4" {}
                text x=(LEFT - 14) y=(if nodes.is_empty() { y + 4 } else { y - 2 }) text-anchor="end"
                    fill=(INK.paint) font-weight="600" { (process(*who)) }
                @if !nodes.is_empty() {
                    text x=(LEFT - 14) y=(y + 12) text-anchor="end" fill=(INK2.paint) font-size="11" {
                        "via " (words::short(&nodes.join(", "), 11))
                    }
                }
            }
        }
    }

    /// Under the bars: the order as a line from number to number.
    fn links(&self) -> Markup {
        let last = self.layout.markers.len().saturating_sub(1);
        html! {
            @for (at, pair) in self.layout.markers.windows(2).enumerate() {
                @let (from, to) = (self.spot(pair[0]), self.spot(pair[1]));
                @let culprit = at + 1 == last;
                line x1=(from.0) y1=(from.1) x2=(to.0) y2=(to.1)
                    stroke=(if culprit { BAD.paint } else { INK3.paint })
                    stroke-width="1.4" stroke-dasharray=[culprit.then_some("4 3")] {}
            }
        }
    }

    fn spot(&self, (op, x): (usize, i64)) -> (i64, i64) {
        (x, self.middle(self.layout.bars[op].row))
    }

    fn bar(&self, at: usize) -> Markup {
        let bar = &self.layout.bars[at];
        let op = &self.example.ops[at];
        let (look, y) = (self.look(at), self.middle(bar.row) - BAR / 2);
        html! {
            g {
                title { (self.tooltip(at)) }
                @if bar.open {
                    @let solid = bar.label_at + mono_width(&bar.label) + 8;
                    rect x=(bar.from) y=(y) width=(bar.to - bar.from) height=(BAR) fill=(format!("url(#{})", self.hatch)) {}
                    rect x=(bar.from) y=(y) width=(solid - bar.from) height=(BAR) fill=(look.fill) {}
                    path d=(format!("M{} {y}H{}v{BAR}H{}", bar.to, bar.from, bar.to)) stroke=(look.line)
                        stroke-width=(look.weight) {}
                    (self.no_answer(bar, solid, y))
                } @else {
                    rect x=(bar.from) y=(y) width=(bar.to - bar.from) height=(BAR) rx="3"
                        fill=(look.fill) stroke=(look.line) stroke-width=(look.weight) {}
                }
                text.m x=(bar.label_at) y=(y + 17) font-family="ui-monospace,monospace" font-size="12.5"
                    fill=(if at == self.example.culprit { BAD_INK.paint } else { INK.paint }) { (bar.label) }
            }
            @if op.kind == Kind::Fail {
                line x1=(bar.from + 3) y1=(y + BAR / 2) x2=(bar.to - 3) y2=(y + BAR / 2) stroke=(FAIL.paint) {}
            }
        }
    }

    fn no_answer(&self, bar: &Bar, from: i64, y: i64) -> Markup {
        let words = ["no answer: may have happened", "no answer"];
        let fits = words.into_iter().find(|w| from + 8 + text_width(w) < bar.to);
        html! {
            @if let Some(words) = fits {
                rect x=(from + 4) y=(y + 5) width=(text_width(words) + 6) height=(BAR - 10) rx="3" fill=(INFO_TINT.paint) {}
                text x=(from + 8) y=(y + 17) font-size="11.5" fill=(INK2.paint) { (words) }
            }
        }
    }

    fn tooltip(&self, at: usize) -> String {
        let op = &self.example.ops[at];
        let node = op.node.as_ref().map_or(String::new(), |n| format!(" via {n}"));
        let ended = match op.returned {
            Some(t) if !self.layout.bars[at].open => {
                format!("returned at {} ({})", words::at(t), words::span(t.saturating_sub(op.invoked)))
            }
            _ => "nobody saw it return: it may have happened".to_owned(),
        };
        format!(
            "{}{node}: {}, invoked at {}, {ended}, operation {}",
            process(op.process),
            op.label,
            words::at(op.invoked),
            op.index
        )
    }

    fn markers(&self) -> Markup {
        let last = self.layout.markers.len().saturating_sub(1);
        html! {
            @for (number, marker) in self.layout.markers.iter().enumerate() {
                @let (x, y) = self.spot(*marker);
                @if number == last {
                    circle cx=(x) cy=(y) r=(RADIUS) fill=(BAD.paint) {}
                    path d=(format!("M{} {}l7 7m0-7l-7 7", x - 3, y - 3)) stroke=(ON_BAD.paint) stroke-width="1.8" transform="translate(-.5 -.5)" {}
                } @else {
                    circle cx=(x) cy=(y) r=(RADIUS) fill=(INK.paint) {}
                    text x=(x) y=(y + 4) text-anchor="middle" font-size="11" font-weight="650" fill=(PANEL.paint) { (number + 1) }
                }
            }
        }
    }

    /// A dimension line: this long after it was acknowledged, it must have been seen.
    fn gap(&self, gap: &Gap) -> Markup {
        let (before, culprit) = (&self.layout.bars[gap.before], &self.layout.bars[self.example.culprit]);
        let (from, to, y) = (before.to, culprit.from, self.bottom - GAP + 14);
        let words = format!("{} after {} returned", words::span(gap.ns), before.label);
        // Where there is no room between the two, the words stand left of them.
        let fits = text_width(&words) < to - from;
        html! {
            line x1=(from) y1=(self.middle(before.row) + BAR / 2) x2=(from) y2=(y + 5) stroke=(INK3.paint) stroke-dasharray="2 3" {}
            line x1=(to) y1=(self.middle(culprit.row) + BAR / 2) x2=(to) y2=(y + 5) stroke=(INK3.paint) stroke-dasharray="2 3" {}
            path d=(format!("M{from} {y}H{to}M{} {}l-5 4 5 4M{} {}l5 4-5 4", from + 5, y - 4, to - 5, y - 4)) stroke=(INK.paint) {}
            @if fits {
                text x=(i64::midpoint(from, to)) y=(y - 5) text-anchor="middle" fill=(INK.paint) font-weight="600" { (words) }
            } @else {
                text x=(from - 8) y=(y + 4) text-anchor="end" fill=(INK.paint) font-weight="600" { (words) }
            }
        }
    }

    /// What the object held after each step, up to where no state allows the culprit.
    fn holds(&self) -> Markup {
        let y = self.bottom + 10;
        let mut spans: Vec<(i64, &str)> = vec![(LEFT, &self.example.initial)];
        for (step, (_, x)) in self.example.order.iter().zip(&self.layout.markers) {
            if spans.last().is_none_or(|(_, state)| *state != step.state) {
                spans.push((*x, &step.state));
            }
        }
        let ends: Vec<i64> = spans.iter().skip(1).map(|s| s.0).chain([self.layout.refused]).collect();
        html! {
            text x=(LEFT - 14) y=(y + 15) text-anchor="end" fill=(INK.paint) font-weight="600" { "holds" }
            @for ((from, state), to) in spans.into_iter().zip(ends) {
                @if to > from + 2 {
                    @let room = usize::try_from((to - from - 8).max(0) * 10 / MONO_TENTHS).unwrap_or(0).min(LONGEST_STATE);
                    g {
                        title { "holds " (state) }
                        rect x=(from) y=(y) width=(to - from - 2) height=(HOLDS) rx="3" fill=(FAIL_TINT.paint) {}
                        text.m x=(i64::midpoint(from, to)) y=(y + 15) text-anchor="middle" font-size="12"
                            font-family="ui-monospace,monospace" fill=(INK.paint) { (words::short(state, room)) }
                    }
                }
            }
            text x=(self.layout.refused + 8) y=(y + 15) fill=(BAD_INK.paint) font-weight="650" {
                "✕ " (refusal(self.example))
            }
        }
    }

    fn axis(&self) -> Markup {
        let y = self.bottom + HOLDS + 24;
        html! {
            line x1=(LEFT) y1=(y) x2=(self.width - 8) y2=(y) stroke=(INK3.paint) {}
            @for x in &self.layout.breaks {
                path d=(format!("M{} {}l4-10M{} {}l4-10", x - 4, y + 5, x, y + 5)) stroke=(INK3.paint) {}
            }
            @for (x, _) in &self.layout.ticks { line x1=(x) y1=(y) x2=(x) y2=(y + 4) stroke=(INK3.paint) {} }
            @for (x, time) in self.labelled() {
                text x=(x) y=(y + 18) text-anchor="middle" font-size="11" fill=(INK2.paint) { (words::at_bare(time)) }
            }
            text x=(LEFT - 14) y=(y + 18) text-anchor="end" font-size="11" fill=(INK2.paint) { "seconds" }
        }
    }

    /// Times of the culprit first, then of the core, then of the rest, as far as there is room.
    fn labelled(&self) -> Vec<(i64, u64)> {
        let core = |at: usize| usize::from(!self.example.core.contains(&at));
        let mut wanted: Vec<(usize, i64, u64)> = Vec::new();
        for (at, (bar, op)) in self.layout.bars.iter().zip(&self.example.ops).enumerate() {
            let rank = if at == self.example.culprit { 0 } else { 1 + core(at) };
            wanted.push((rank, bar.from, op.invoked));
            if let Some(returned) = op.returned.filter(|_| !bar.open) {
                wanted.push((rank, bar.to, returned));
            }
        }
        wanted.sort_unstable();
        let mut shown: Vec<(i64, u64)> = Vec::new();
        for (_, x, time) in wanted {
            if shown.iter().all(|(other, _)| (x - other).abs() >= TICK_APART) {
                shown.push((x, time));
            }
        }
        shown.sort_unstable();
        shown
    }
}

fn refusal(example: &Counterexample) -> String {
    let first = example.finals.first().map_or("impossible", |f| f.refusal.as_str());
    words::short(first, 40)
}

/// `p8`.
pub(crate) fn process(process: Process) -> String {
    match process {
        Process::Client(n) => format!("p{n}"),
        Process::Nemesis => "nemesis".to_owned(),
    }
}
