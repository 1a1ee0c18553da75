//! The live view: what is known of a run, as a few lines. A function of its arguments.
//!
//! Narrow terminals see less: below [`MAP_COLUMNS`] no map of the network, below [`NODE_COLUMNS`] no
//! nodes and nothing that is drawn.

use super::line::{LABEL, Line, Tone};
use super::map;
use super::rate::{Quantiles, SECONDS};
use super::state::{Fault, Node, Plan, Standing, State};
use super::told::{span, watch, word};
use crate::event::{Counts, Stage};
use duress_checkers::words::count;
use duress_reports::artifact::{NodeSeen, NodeState};
use std::time::Duration;

const MAP_COLUMNS: usize = 100;
const NODE_COLUMNS: usize = 70;
/// Faults in force that are shown one by one.
const MAX_FAULTS: usize = 4;
/// Length of the bar.
const BAR: usize = 20;
/// Eighths of a block, from an empty one.
const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// From the lowest to the highest.
const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws the state as of now. `rows` is how many lines there may be.
pub(super) fn frame(mut state: State, now: Duration, columns: usize, rows: usize) -> Vec<Line> {
    let mut lines = vec![header(&state, now, columns)];
    if state.invoked > 0 {
        lines.push(operations(&mut state, now, columns));
    }
    if state.zero.is_some() && state.stage() < Some(Stage::Check) {
        lines.push(latencies(&mut state, now, columns));
        lines.extend(faults(&state, now));
        if columns >= NODE_COLUMNS {
            lines.extend(nodes(&mut state, now, columns));
        }
        if columns >= MAP_COLUMNS && !state.cuts.is_empty() {
            let names: Vec<&str> = state.nodes.iter().map(|node| node.name.as_str()).collect();
            lines.push(Line::labelled("network").and(Tone::Warn, map::shape(&names, &state.cuts)));
        }
    }
    lines.extend(watch(&state).map(|(tone, text)| Line::labelled("checks").and(tone, text)));
    lines.truncate(rows);
    lines
}

/// Which run it is, and how far.
fn header(state: &State, now: Duration, columns: usize) -> Line {
    let Some(Plan { name, seed, time, check_time, .. }) = &state.plan else {
        let Some((_, what, since)) = &state.stage else { return Line::default() };
        let passed = clock(now.saturating_sub(*since));
        return Line::default().and(Tone::Bold, what).and(Tone::Plain, format!("  {passed}"));
    };
    let line = Line::default().and(Tone::Bold, name.clone()).and(Tone::Dim, format!("  seed {seed}"));
    let since = state.stage.as_ref().map_or(Duration::ZERO, |(_, _, since)| now.saturating_sub(*since));
    let far = match state.stage() {
        None | Some(Stage::SetUp) => format!("setting up  {}", clock(since)),
        Some(Stage::Main) => {
            let passed = state.clock(now).unwrap_or_default().min(*time);
            let bar = if columns < NODE_COLUMNS { String::new() } else { bar(passed, *time) };
            format!("{} / {}  {bar}", clock(passed), clock(*time))
        }
        Some(Stage::Heal) => format!("healing  {}", clock(since)),
        Some(Stage::Final) => format!("final reads  {}", clock(since)),
        Some(Stage::Check) => format!("checking  {}, at most {}", clock(since), clock(*check_time)),
    };
    let room = columns.saturating_sub(1 + far.chars().count());
    line.pad_to(room.min(MAP_COLUMNS)).and(Tone::Plain, far)
}

fn operations(state: &mut State, now: Duration, columns: usize) -> Line {
    let Counts { ok, fail, info } = state.counts;
    let line = Line::labelled("ops");
    let line = if state.stage() < Some(Stage::Check) {
        let rate = format!("{}/s", count(state.rate.per_second(now)));
        let line = line.and(Tone::Bold, format!("{rate:<9} "));
        let spark = spark(&state.rate.seconds(now));
        if columns < NODE_COLUMNS { line } else { line.and(Tone::Plain, format!("{spark:<SECONDS$}   ")) }
    } else {
        line
    };
    let doubt = if info > 0 { Tone::Warn } else { Tone::Plain };
    let line = line
        .and(Tone::Good, format!("{} ok", count(ok)))
        .and(Tone::Plain, format!("   {} fail", count(fail)))
        .and(doubt, format!("   {} info", count(info)));
    line.and(Tone::Dim, format!("   {} in flight", count(state.in_flight())))
}

fn latencies(state: &mut State, now: Duration, columns: usize) -> Line {
    let line = Line::labelled("latency");
    let Some(Quantiles { p50, p95, p99, max }) = state.latencies.quantiles(now) else {
        return line.and(Tone::Warn, "no operation was ok in the last 5 s");
    };
    let width = if columns < NODE_COLUMNS { 9 } else { 10 };
    let told = |name: &str, value| format!("{name} {:<width$}", span(value));
    let text = told("p50", p50) + &told("p95", p95) + &told("p99", p99) + &told("max", max);
    let line = line.and(Tone::Plain, text);
    if columns < NODE_COLUMNS { line } else { line.and(Tone::Dim, "ok, last 5 s") }
}

/// Those in force, and the next.
fn faults(state: &State, now: Duration) -> Vec<Line> {
    let clock = state.clock(now).unwrap_or_default();
    let told = |(id, fault): (&u32, &Fault)| {
        let lasted = seconds(clock.saturating_sub(fault.since));
        let of = state.planned(*id).map(|planned| Duration::from_millis(planned.for_ms));
        let of = of.map_or_else(String::new, |of| format!(" of {}", seconds(of)));
        let (tone, standing) = match fault.standing {
            Standing::Unproven => (Tone::Warn, format!("{lasted}{of}, not verified")),
            Standing::Verified => (Tone::Good, format!("in effect {lasted}{of}, verified")),
            Standing::DidNotBite => (Tone::Bad, format!("{lasted}{of}, DID NOT BITE")),
            Standing::Healing => (Tone::Warn, format!("{lasted}{of}, healing")),
            Standing::HealFailed => (Tone::Bad, "HEAL FAILED".to_owned()),
        };
        (format!("F{id} {}  ", fault.what), tone, standing)
    };
    let mut lines: Vec<Line> = Vec::new();
    let label = |lines: &[Line]| Line::labelled(if lines.is_empty() { "faults" } else { "" });
    for (what, tone, standing) in state.faults.iter().take(MAX_FAULTS).map(told) {
        lines.push(label(&lines).and(Tone::Plain, what).and(tone, standing));
    }
    if state.faults.len() > MAX_FAULTS {
        let more = format!("and {} more", state.faults.len() - MAX_FAULTS);
        lines.push(label(&lines).and(Tone::Plain, more));
    }
    if state.stage() <= Some(Stage::Main) {
        lines.push(label(&lines).and(Tone::Dim, next(state, clock)));
    }
    lines
}

/// What comes next, as planned.
fn next(state: &State, clock: Duration) -> String {
    let planned = state.plan.iter().flat_map(|plan| (1..).zip(&plan.faults));
    let mut coming: Vec<_> = planned.filter(|(id, _)| !state.came.contains(id)).collect();
    coming.sort_by_key(|(_, planned)| planned.at_ms);
    let now_ms = clock.as_millis();
    let due = |at_ms: u64| u128::from(at_ms) > now_ms;
    match coming.iter().find(|(_, planned)| planned.on.is_some() || due(planned.at_ms)) {
        None => "none to come".to_owned(),
        Some((id, planned)) if due(planned.at_ms) => {
            let left = Duration::from_millis(planned.at_ms).saturating_sub(clock);
            format!("next F{id} {} in {}", planned.fault.kind(), seconds(left))
        }
        Some((id, planned)) => {
            let told = planned.on.as_ref().map(|trigger| trigger.told()).unwrap_or_default();
            format!("F{id} {} waits to strike {told}", planned.fault.kind())
        }
    }
}

/// One cell for each, of two lines.
fn nodes(state: &mut State, now: Duration, columns: usize) -> Vec<Line> {
    let clients = state.nodes.len();
    let cuts = &state.cuts;
    let cells: Vec<(Tone, String, String)> = state
        .nodes
        .iter_mut()
        .enumerate()
        .map(|(at, node)| {
            let reached = !cuts.contains(&(clients, at)) && !cuts.contains(&(at, clients));
            let (tone, role) = role(node);
            let rate = format!("ok {}/s", count(node.rate.per_second(now)));
            (tone, role, if reached { rate } else { format!("{rate}, cut off") })
        })
        .collect();
    let width = cells.iter().flat_map(|(_, role, rate)| [role.len(), rate.len()]).max().unwrap_or(0) + 3;
    let per_row = (columns.saturating_sub(LABEL) / width).max(1);
    let mut lines = Vec::new();
    for row in cells.chunks(per_row) {
        let mut first = Line::labelled(if lines.is_empty() { "nodes" } else { "" });
        let mut second = Line::labelled("");
        for (tone, role, rate) in row {
            first = first.and(*tone, format!("{role:<width$}"));
            second = second.and(Tone::Dim, format!("{rate:<width$}"));
        }
        lines.extend([first, second]);
    }
    lines
}

/// `n3 LEADER t5`, `n4 paused !`.
fn role(node: &Node) -> (Tone, String) {
    let name = &node.name;
    let Some(seen) = &node.seen else { return (Tone::Dim, format!("{name} not seen")) };
    let NodeSeen { state, leads, term, .. } = seen;
    let term = term.map_or_else(String::new, |term| format!(" t{term}"));
    let (tone, mark) = match (state, leads) {
        (NodeState::Answers, Some(true)) => (Tone::Bold, ""),
        (NodeState::Answers, _) => (Tone::Plain, ""),
        (NodeState::Silent, _) => (Tone::Warn, " !"),
        (NodeState::Paused | NodeState::Down, _) => (Tone::Bad, " !"),
    };
    (tone, format!("{name} {}{term}{mark}", word(seen)))
}

/// Each second as a block as high as its share of the highest; a dot where nothing was.
fn spark(seconds: &[u64]) -> String {
    let most = seconds.iter().copied().max().unwrap_or(0).max(1);
    let top = SPARKS.len() as u64 - 1;
    let one = |n: &u64| if *n == 0 { '·' } else { SPARKS[(n * top / most) as usize] };
    seconds.iter().map(one).collect()
}

fn bar(passed: Duration, of: Duration) -> String {
    let whole = of.as_millis().max(1);
    let eighths = usize::try_from(passed.as_millis() * (BAR as u128 * 8) / whole).unwrap_or(0).min(BAR * 8);
    let mut bar = "█".repeat(eighths / 8);
    if eighths % 8 > 0 {
        bar.push(EIGHTHS[eighths % 8]);
    }
    let rest = BAR - bar.chars().count();
    bar + &"·".repeat(rest)
}

/// `1:34`, `2:03:04`.
fn clock(duration: Duration) -> String {
    let s = duration.as_secs();
    match s / 3600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        h => format!("{h}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

/// With one digit, so that it does not dance.
fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
