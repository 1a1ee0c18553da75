//! What each fault did to the clients: availability in the six numbers of rystsov's perseus,
//! made exact and per fault.

use super::errors::{explains, overlaps};
use super::latency::milliseconds;
use super::quiet::{Quiet, between, merged};
use super::{Calls, access, quantile};
use crate::artifact::{FaultWindow, Volume};
use crate::words::SECOND;
use duress_checkers::Kind;
use serde::{Deserialize, Serialize};

/// A fault's own span of time ends this long before the next one starts, at the latest …
const BEFORE_NEXT: u64 = SECOND / 2;
/// … and this long after it was healed.
const AFTER_HEAL: u64 = 20 * SECOND;
/// Recovered means this share of the quiet rate …
const RECOVERED_SHARE: f64 = 0.85;
/// … in windows this long …
const RECOVERED_WINDOW: u64 = SECOND;
/// … which start this far apart …
const RECOVERED_STEP: u64 = SECOND / 2;
/// … as many times.
const RECOVERED_WINDOWS: u64 = 3;
/// How finely the moment of recovery is searched.
const RECOVERED_GRAIN: u64 = SECOND / 20;

/// A fault and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultEffect {
    /// When, what, where, and what the probes saw.
    pub window: FaultWindow,
    /// Did it take effect?
    pub state: FaultState,
    /// Nanoseconds in effect.
    pub in_effect_ns: u64,
    /// Nanoseconds of the longest time without any answer from any node although clients asked; an answer is
    /// an `ok` or a comparison that failed. Absent when it was never applied, or when no answer had come
    /// for long enough before it, without a fault, to be its doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_answer: Option<Reached>,
    /// From when it took effect to the first `ok` of a write invoked after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_write: Option<Reached>,
    /// From the end of its undoing to the usual rate, with every node answering; absent when
    /// it was not undone, there is no usual rate to compare with, or the next fault followed
    /// too soon to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Reached>,
    /// 99th percentile of `ok` calls invoked while it was in effect; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// `ok` calls invoked while it was in effect.
    pub ok: u64,
    /// Failed calls that were open during it or up to two seconds later; expected ones
    /// (a comparison that failed) left out.
    pub fail: u64,
    /// Calls in doubt, likewise.
    pub info: u64,
    /// What it kept from crossing the network; absent when that is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Volume>,
}

impl FaultEffect {
    /// For one that did not take effect: which, and what its probe saw instead.
    pub(crate) fn toothless(&self) -> String {
        format!("{} did not take effect: {}", self.window.name(), self.window.probed())
    }
}

/// Did a fault take effect?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultState {
    /// Its probe saw it.
    Bit,
    /// It was applied, and no probe saw it.
    DidNotBite,
    /// There was nothing to break.
    Skipped,
    /// The run ended before its probe.
    CutOff,
}

impl FaultState {
    /// In words, after the name of the fault.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Bit => "in effect",
            Self::DidNotBite => "did not take effect",
            Self::Skipped => "skipped",
            Self::CutOff => "the run ended before its probe",
        }
    }
}

/// A length of time, or how much of it there is proof of: never a zero for "not seen".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// Nanoseconds.
    After(u64),
    /// It had not come when nobody could see it any more.
    Not {
        /// Nanoseconds waited.
        within: u64,
        /// What came instead: `end of run`, `F4`.
        before: String,
        /// It had come by then all the same, when it was looked for again; nanoseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<u64>,
    },
}

/// When a fault was in effect; `None` if it never was.
pub(crate) fn windows_in_effect(faults: &[FaultWindow], end: u64) -> Vec<(u64, u64)> {
    merged(faults.iter().filter_map(|w| w.span_in_effect(end)))
}

/// In order of the schedule. `cut_short`: the run did not end by itself.
pub(crate) fn effects(
    calls: &Calls,
    quiet: &Quiet,
    faults: &[FaultWindow],
    cut_short: bool,
) -> Vec<FaultEffect> {
    faults.iter().map(|window| Measuring { calls, quiet, faults, window }.effect(cut_short)).collect()
}

struct Measuring<'a> {
    calls: &'a Calls,
    quiet: &'a Quiet,
    faults: &'a [FaultWindow],
    window: &'a FaultWindow,
}

impl Measuring<'_> {
    fn effect(&self, cut_short: bool) -> FaultEffect {
        let window = self.window;
        let state = state(window, cut_short);
        let mut effect = FaultEffect {
            window: window.clone(),
            state,
            in_effect_ns: window
                .span_in_effect(self.calls.end)
                .map_or(0, |(from, to)| to.saturating_sub(from)),
            no_answer: None,
            first_write: None,
            recovered: None,
            p99_ms: None,
            ok: 0,
            fail: 0,
            info: 0,
            taken: None,
        };
        if state == FaultState::Skipped {
            return effect;
        }
        self.count(&mut effect);
        effect.no_answer = self.no_answer();
        effect.first_write = self.first_write();
        effect.recovered = self.recovered();
        effect
    }

    fn count(&self, effect: &mut FaultEffect) {
        let span = explains(self.window, self.calls.end);
        let active = self.window.span_in_effect(self.calls.end);
        let mut ok = Vec::new();
        for row in &self.calls.rows {
            if row.kind == Kind::Ok {
                if active.is_some_and(|(from, to)| (from..to).contains(&row.invoked)) {
                    ok.extend(row.latency());
                }
                continue;
            }
            if row.expected || !overlaps((row.invoked, row.completed.unwrap_or(self.calls.end)), span) {
                continue;
            }
            match row.kind {
                Kind::Fail => effect.fail += 1,
                Kind::Ok | Kind::Info | Kind::Invoke => effect.info += 1,
            }
        }
        ok.sort_unstable();
        effect.ok = ok.len() as u64;
        effect.p99_ms = quantile(&ok, 990).map(milliseconds);
    }

    /// Where this fault's own time ends, and what ends it. Never before its own heal: faults
    /// may overlap.
    fn horizon(&self) -> (u64, String) {
        let end = self.calls.end.max(self.window.start);
        let healed = self.window.healed.or(self.window.heal).unwrap_or(end);
        let next = self.faults.iter().filter(|w| !w.skipped && w.start > healed).min_by_key(|w| w.start);
        let limit = healed.saturating_add(AFTER_HEAL);
        match next {
            Some(next) if next.start - BEFORE_NEXT.min(next.start) < limit.min(end) => {
                ((next.start - BEFORE_NEXT.min(next.start)).max(healed), format!("F{}", next.id))
            }
            _ if end <= limit => (end, "end of run".to_owned()),
            _ => (limit, "20 s after heal".to_owned()),
        }
    }

    fn no_answer(&self) -> Option<Reached> {
        let (to, before) = self.horizon();
        let from = self.window.start;
        if from >= to {
            return None;
        }
        // The last answer may be the last that happened.
        let to = if to == self.calls.end { to + 1 } else { to };
        let silences: Vec<Silence> = silences(self.quiet, from, to).collect();
        if silences.first().is_some_and(|first| first.from == from) && self.silent_before() {
            return None;
        }
        let least = silences.iter().map(|silence| silence.least).max().unwrap_or(0);
        let most = silences.iter().filter_map(|silence| silence.most).max().unwrap_or(0);
        // What runs into the end of what can be seen may be longer than anything before.
        let open = silences.last().is_some_and(|last| last.most.is_none());
        Some(match open {
            true => Reached::Not { within: least, before, at_most: None },
            false if least == most => Reached::After(least),
            false => Reached::Not { within: least, before: "end of run".to_owned(), at_most: Some(most) },
        })
    }

    /// Was there an outage when it began, and no other fault to explain it?
    fn silent_before(&self) -> bool {
        let began = self.window.start;
        let answers = &self.quiet.answers;
        let last = match answers.partition_point(|t| *t < began) {
            0 => self.calls.start,
            n => answers[n - 1],
        };
        let others = self.faults.iter().filter(|other| other.id != self.window.id);
        let mut explained = others.map(|other| explains(other, self.calls.end));
        asked_in(self.quiet, last, began) > self.quiet.outage
            && !explained.any(|span| overlaps((last, began), span))
    }

    fn first_write(&self) -> Option<Reached> {
        let start = self.window.in_effect.unwrap_or(self.window.start);
        let writes: Vec<bool> = self.calls.fs.iter().map(|f| access(f).writes).collect();
        let asked = |row: &&super::Row| row.invoked >= start && writes[row.f as usize];
        // Without a write that asked there is nothing to be measured, nor after the last one.
        let given_up = self.calls.rows.iter().filter(asked);
        let given_up = given_up.map(|row| row.completed.unwrap_or(self.calls.end)).max()?;
        let first = self.calls.rows.iter().filter(asked).filter_map(super::Row::succeeded).min();
        Some(match first {
            Some(t) => Reached::After(t - start),
            None => Reached::Not {
                within: given_up.saturating_sub(start),
                before: "no more writes".to_owned(),
                at_most: None,
            },
        })
    }

    fn recovered(&self) -> Option<Reached> {
        let healed = self.window.healed?;
        let wanted = self.quiet.rate? * RECOVERED_SHARE;
        let (mut to, mut before) = self.horizon();
        // After the main phase the clients ask at another rate.
        if self.quiet.main.1 < to {
            (to, before) = (self.quiet.main.1, "end of run".to_owned());
        }
        let all_back = self.all_nodes_back(healed);
        let needed = RECOVERED_WINDOW + RECOVERED_STEP * (RECOVERED_WINDOWS - 1);
        // Seen for less time than it takes to tell, it is neither recovered nor not.
        let last = to.checked_sub(needed).filter(|last| *last >= healed)?;
        let mut t = healed;
        while t <= last {
            if all_back.is_some_and(|back| back <= t) && self.usual_rate(t, wanted) {
                return Some(Reached::After(t - healed));
            }
            t += RECOVERED_GRAIN;
        }
        Some(Reached::Not { within: last - healed, before, at_most: None })
    }

    fn usual_rate(&self, from: u64, wanted: f64) -> bool {
        (0..RECOVERED_WINDOWS).all(|n| {
            let start = from + n * RECOVERED_STEP;
            between(&self.quiet.answers, start, start + RECOVERED_WINDOW).len() as f64 >= wanted
        })
    }

    /// When every node that ever answered has answered again. Nodes are not known in every
    /// history; then the rate alone decides.
    fn all_nodes_back(&self, since: u64) -> Option<u64> {
        let mut first: Vec<Option<u64>> = vec![None; self.calls.nodes.len()];
        let mut ever = vec![false; self.calls.nodes.len()];
        for row in &self.calls.rows {
            let (Some(node), Some(t)) = (row.node, row.answered()) else { continue };
            ever[node as usize] = true;
            let first = &mut first[node as usize];
            if t >= since {
                *first = Some(first.map_or(t, |f| f.min(t)));
            }
        }
        let mut back = since;
        for (first, _) in first.into_iter().zip(ever).filter(|(_, ever)| *ever) {
            back = back.max(first?);
        }
        Some(back)
    }
}

fn state(window: &FaultWindow, cut_short: bool) -> FaultState {
    match window {
        w if w.skipped => FaultState::Skipped,
        w if w.bit() => FaultState::Bit,
        // Nothing was seen because nobody lived to look.
        w if cut_short && w.evidence.is_empty() && w.heal.is_none() => FaultState::CutOff,
        _ => FaultState::DidNotBite,
    }
}

/// A gap between answers that counts as an outage.
struct Silence {
    from: u64,
    /// Nanoseconds in which clients asked at their usual rate; none where that is no outage.
    least: u64,
    /// Nanoseconds in which any client waited; absent when nobody saw the end.
    most: Option<u64>,
}

/// Those in `[from, to)`. At the end of the main phase clients stop one by one, and those that are left may
/// all wait for a node that is broken: whether that is an outage nobody can tell.
fn silences(quiet: &Quiet, from: u64, to: u64) -> impl Iterator<Item = Silence> {
    outages(quiet, from, to).into_iter().map(move |(start, end)| {
        let whole = asked_in(quiet, start, end);
        let (least, most) = match end {
            _ if end == to => (whole, None),
            _ => (asked_in(quiet, start, end.min(quiet.asked_until.max(start))), Some(whole)),
        };
        Silence { from: start, least: if least > quiet.outage { least } else { 0 }, most }
    })
}

/// Gaps between answers in `[from, to)` that count as an outage: somebody asked for that long.
pub(crate) fn outages(quiet: &Quiet, from: u64, to: u64) -> Vec<(u64, u64)> {
    let answers = between(&quiet.answers, from, to);
    let edges = || std::iter::once(from).chain(answers.iter().copied()).chain([to]);
    edges().zip(edges().skip(1)).filter(|gap| asked_in(quiet, gap.0, gap.1) > quiet.outage).collect()
}

/// Nanoseconds of `[from, to)` without those in which nobody had anything to ask.
fn asked_in(quiet: &Quiet, from: u64, to: u64) -> u64 {
    let idle = quiet.idle.iter().map(|(start, end)| (*end).min(to).saturating_sub((*start).max(from)));
    to.saturating_sub(from).saturating_sub(idle.sum())
}
