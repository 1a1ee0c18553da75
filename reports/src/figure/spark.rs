//! What a fault did to the rate, at a glance: one small figure per fault, all on the same scale.

use crate::artifact::FaultWindow;
use crate::measure::Calls;
use crate::palette::{BAND, FAIL, INK3, OK};
use crate::words::SECOND;
use duress_checkers::Kind;
use maud::{Markup, html};

const WIDTH: i64 = 190;
const HEIGHT: i64 = 34;
/// Where zero is; below it is what did not succeed.
const ZERO: i64 = 26;
const STEP: u64 = SECOND / 4;
const BEFORE: u64 = 5 * SECOND;
const AFTER: u64 = 10 * SECOND;
/// Bins in memory; a run of a day has 345,600.
const MAX_BINS: usize = 2_000_000;

/// Rates in steps of a quarter of a second.
pub(crate) struct Sparks {
    ok: Vec<u32>,
    other: Vec<u32>,
    most: u32,
    quiet: Option<f64>,
}

impl Sparks {
    pub(crate) fn new(calls: &Calls, quiet: Option<f64>) -> Self {
        let bins = usize::try_from(calls.end / STEP + 1).unwrap_or(MAX_BINS).min(MAX_BINS);
        let (mut ok, mut other) = (vec![0_u32; bins], vec![0_u32; bins]);
        for row in &calls.rows {
            let at = usize::try_from(row.completed.unwrap_or(row.invoked) / STEP).unwrap_or(usize::MAX);
            let bins = if row.shown() == Kind::Ok { &mut ok } else { &mut other };
            if let Some(bin) = bins.get_mut(at) {
                *bin += 1;
            }
        }
        let most = ok.iter().copied().max().unwrap_or(0).max(1);
        Self { ok, other, most, quiet }
    }

    /// From five seconds before the fault to ten after it.
    pub(crate) fn figure(&self, window: &FaultWindow) -> Markup {
        let last = self.ok.len() as u64 * STEP;
        let healed = window.heal.unwrap_or(last).clamp(window.start.min(last), last);
        let from = window.start.saturating_sub(BEFORE).min(last) / STEP;
        let to = ((healed + AFTER).min(last) / STEP).max(from + 1);
        let x = |ns: u64| {
            let bins = (ns / (STEP / 100)).saturating_sub(from * 100);
            (bins as i64 * WIDTH / ((to - from) as i64 * 100)).clamp(0, WIDTH)
        };
        let bins = from..to;
        let band = (x(window.in_effect.unwrap_or(window.start)), x(healed));
        html! {
            svg.spark width=(WIDTH) height=(HEIGHT) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) fill="none" stroke="none"
                role="img" aria-label="operations answered per second around the fault" {
                @if window.bit() {
                    rect x=(band.0) y="0" width=((band.1 - band.0).max(1)) height=(HEIGHT) fill=(BAND.paint) opacity="0.2" {}
                }
                path fill=(OK.paint) d=(self.area(&self.ok, bins.clone(), &x, true)) {}
                path fill=(FAIL.paint) d=(self.area(&self.other, bins, &x, false)) {}
                @if let Some(quiet) = self.quiet {
                    @let y = self.height(quiet * STEP as f64 / SECOND as f64, ZERO);
                    line x1="0" y1=(ZERO - y) x2=(WIDTH) y2=(ZERO - y) stroke=(INK3.paint) stroke-dasharray="2 3" {}
                }
                line x1="0" y1=(ZERO) x2=(WIDTH) y2=(ZERO) stroke=(INK3.paint) stroke-width="0.6" {}
            }
        }
    }

    fn height(&self, n: f64, room: i64) -> i64 {
        ((n / f64::from(self.most) * room as f64).ceil() as i64).min(room)
    }

    /// Bars as one path, up or down from zero.
    fn area(&self, counts: &[u32], bins: std::ops::Range<u64>, x: &impl Fn(u64) -> i64, up: bool) -> String {
        let mut path = String::new();
        for bin in bins {
            let n = usize::try_from(bin).ok().and_then(|at| counts.get(at)).copied().unwrap_or(0);
            if n == 0 {
                continue;
            }
            let (from, to) = (x(bin * STEP), x((bin + 1) * STEP));
            let height = self.height(f64::from(n), if up { ZERO } else { HEIGHT - ZERO }).max(2);
            let y = if up { ZERO - height } else { ZERO };
            path.push_str(&format!("M{from} {y}H{to}v{height}H{from}z"));
        }
        path
    }
}
