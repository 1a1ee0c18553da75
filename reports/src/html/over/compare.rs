//! Two runs side by side.

use super::{head, mark, shown};
use crate::compare::{Comparison, Figure, Side, fault_figures, fault_names, figures};
use crate::palette::{INFO, INK2, LINE, OK_INK};
use crate::words::{self, count, counted};
use maud::{DOCTYPE, Markup, html};

/// Faults shown.
const MAX_FAULTS: usize = 100;
/// Findings shown.
const MAX_FINDINGS: usize = 100;

/// The page. Depends on nothing but its argument.
pub fn page(comparison: &Comparison) -> String {
    let comparison = &comparison.presentable();
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&format!("Duress: {} and {}", shown(&comparison.a.info.id), shown(&comparison.b.info.id)), None))
            body {
                div.top { header { span.crumb { "duress / compare" } } }
                main {
                    section #verdicts { div.sides { (side("A", &comparison.a)) (side("B", &comparison.b)) } }
                    (differences(comparison))
                    (findings(comparison))
                    (latency(comparison))
                    section #figures { h2 { "Figures" } div.panel tabindex="0" { (table(&figures(comparison))) } }
                    (faults(comparison))
                }
                footer { p { "One run of each: a difference between them may be chance." } }
            }
        }
    }
    .into_string()
}

fn side(letter: &str, side: &Side) -> Markup {
    html! {
        div.panel {
            h2 { (letter) " " (mark(Some(side.conclusion.outcome))) " " (side.conclusion.outcome.word()) }
            p.sub { (shown(&side.conclusion.headline)) }
            p.note { (shown(&side.info.name)) " / " (shown(&side.info.id)) ", " (shown(&side.info.started)) br; code { (shown(&side.name)) } }
        }
    }
}

fn differences(comparison: &Comparison) -> Markup {
    let same = counted(comparison.same as u64, "thing is", "things are");
    html! {
        section #differences {
            h2 { "What was asked differently" }
            @if comparison.differences.is_empty() { p.sub { "Nothing: all " (same) " the same." } } @else {
                p.sub { (same) " the same." }
                div.panel tabindex="0" { table {
                    thead { tr { th { "What" } th { "A" } th { "B" } } }
                    tbody { @for (name, a, b) in &comparison.differences {
                        tr { th { (shown(name)) } @for value in [a, b] {
                            td { @match value { Some(value) => code { (shown(value)) }, None => span.dim { "–" } } }
                        } }
                    } }
                } }
            }
        }
    }
}

fn findings(comparison: &Comparison) -> Markup {
    let all = &comparison.findings;
    html! {
        section #findings {
            h2 { "Findings" }
            @if all.is_empty() { p.sub { "None in either." } } @else {
                div.panel tabindex="0" { table {
                    thead { tr { th { "Finding" } th { "Where" } th.r { "A" } th.r { "B" } th { "Fingerprint" } } }
                    tbody { @for pair in all.iter().take(MAX_FINDINGS) {
                        tr {
                            th { (shown(&pair.signature)) }
                            td { (match (pair.a, pair.b) { (_, 0) => "only A", (0, _) => "only B", _ => "both" }) }
                            td.r { (count(pair.a)) } td.r { (count(pair.b)) }
                            td { code { (shown(&pair.fingerprint)) } }
                        }
                    } }
                } }
                @if all.len() > MAX_FINDINGS { p.sub { "And " (all.len() - MAX_FINDINGS) " more." } }
            }
        }
    }
}

fn faults(comparison: &Comparison) -> Markup {
    html! {
        @if !comparison.faults.is_empty() {
            section #faults {
                h2 { "Faults" }
                p.sub { "The first of a kind with the first of that kind, and so on." }
                @for pair in comparison.faults.iter().take(MAX_FAULTS) {
                    @let (a, b) = fault_names(comparison, pair);
                    h3 { br; (shown(&a)) @if a != b { " / " (shown(&b)) } }
                    div.panel tabindex="0" { (table(&fault_figures(comparison, pair))) }
                }
                @if comparison.faults.len() > MAX_FAULTS { p.sub { "And " (comparison.faults.len() - MAX_FAULTS) " more." } }
            }
        }
    }
}

fn table(figures: &[Figure]) -> Markup {
    html! {
        table {
            thead { tr { th {} th.r { "A" } th.r { "B" } th.r { "A to B" } } }
            tbody { @for figure in figures.iter().filter(|f| f.a.is_some() || f.b.is_some()) {
                tr {
                    th { (shown(&figure.name)) }
                    td.r { (figure.words(figure.a)) } td.r { (figure.words(figure.b)) } td.r { (figure.delta()) }
                }
            } }
        }
    }
}

const WIDTH: i64 = 860;
const HEIGHT: i64 = 260;
const LEFT: i64 = 64;
const BOTTOM: i64 = 26;
/// Nines on the axis.
const NINES: [(u64, &str); 5] =
    [(0, "0"), (500_000, "50 %"), (900_000, "90 %"), (990_000, "99 %"), (999_000, "99.9 %")];

fn latency(comparison: &Comparison) -> Markup {
    let (a, b) = (&comparison.a.curve, &comparison.b.curve);
    let all = || a.iter().chain(b).map(|(_, ms)| *ms).filter(|ms| *ms > 0.0);
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
    html! {
        @if high > 0.0 {
            @let axis = Axis { low: low.log10().floor(), high: high.log10().ceil().max(low.log10().floor() + 1.0) };
            section #latency {
                h2 { "Latency" }
                p.sub {
                    "Of all ok operations: how many take at most how long. "
                    span."key a" {} "A" span."key b" {} "B, dashed"
                }
                div."panel curves" {
                    svg width=(WIDTH) height=(HEIGHT) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) fill="none" stroke="#567"
                        role="img" aria-label="latency curves of both runs" font-size="11" {
                        (axis.grid())
                        path d=(axis.curve(a)) stroke=(OK_INK.paint) stroke-width="2" {}
                        path d=(axis.curve(b)) stroke=(INFO.paint) stroke-width="2" stroke-dasharray="6 3" {}
                    }
                }
            }
        }
    }
}

/// Logarithms of milliseconds, from decade to decade.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn y(&self, ms: f64) -> i64 {
        let room = (HEIGHT - BOTTOM - 10) as f64;
        let share = (ms.max(1e-9).log10() - self.low) / (self.high - self.low);
        HEIGHT - BOTTOM - ((share.clamp(0.0, 1.0) * room) as i64)
    }

    /// In nines: from 90 to 99 % is as far as from 0 to 90 %.
    fn x(ppm: u64) -> i64 {
        let nines = -((1_000_050 - ppm.min(1_000_000)) as f64 / 1_000_050.0).log10();
        LEFT + (nines / 4.31 * (WIDTH - LEFT - 10) as f64) as i64
    }

    fn curve(&self, points: &[(u64, f64)]) -> String {
        let mut path = String::new();
        for (at, (ppm, ms)) in points.iter().enumerate() {
            let pen = if at == 0 { 'M' } else { 'L' };
            path.push_str(&format!("{pen}{} {}", Self::x(*ppm), self.y(*ms)));
        }
        path
    }

    fn grid(&self) -> Markup {
        let decades = (self.low as i64)..=(self.high as i64);
        html! {
            @for decade in decades {
                @let ms = 10_f64.powi(i32::try_from(decade).unwrap_or(0));
                @let y = self.y(ms);
                line x1=(LEFT) y1=(y) x2=(WIDTH - 8) y2=(y) stroke=(LINE.paint) {}
                text x=(LEFT - 8) y=(y + 4) text-anchor="end" fill=(INK2.paint) stroke="none" { (words::span_ms(ms)) }
            }
            @for (ppm, label) in NINES {
                @let x = Self::x(ppm);
                line x1=(x) y1="10" x2=(x) y2=(HEIGHT - BOTTOM) stroke=(LINE.paint) {}
                text x=(x) y=(HEIGHT - 8) text-anchor="middle" fill=(INK2.paint) stroke="none" { (label) }
            }
        }
    }
}
