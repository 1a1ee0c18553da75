//! `--progress json`: every event as a line of JSON on stderr, for programs.
//!
//! Every line is an object with `v` (the version of this format, [`VERSION`]), `t` (seconds on the run's
//! clock; null where none goes) and `event`. What more there is depends on `event`; readers skip events and
//! fields that they do not know, and `v` grows when one of these changes its meaning:
//!
//! - `run`: `name`, `seed`, `dir`, `nodes` (names), `clients`, `time_s`, `check_time_s`, `faults` (`id`,
//!   `kind`, `at_s`, `for_s`), as planned
//! - `phase`: `phase` (`setup`, `main`, `heal`, `final`, `check`), `text`
//! - `ops`, every second while operations are under way: `ok`, `fail`, `info` (so far), `in_flight`,
//!   `ok_per_s`, and of the last 5 s of ok operations `p50_ms`, `p95_ms`, `p99_ms`, `max_ms` (null when there
//!   were none)
//! - `fault`: `id`, `state` (`applying`, `bit`, `did-not-bite`, `skipped`, `healing`, `healed`,
//!   `heal-failed`), `text` (evidence or reason), and when it is applied `kind`, `description`, `nodes`
//! - `links`: `cut`, all links that are cut now, as pairs of names, `clients` among them
//! - `node`: `node`, `state` (`answers`, `silent`, `paused`, `down`), `leads`, `term` (null when unknown)
//! - `watch`: `behind` (operations), `keys`, `violated`, `deferred` (keys), every second at most
//! - `violation`: `key`, `op` (index), `at_s`; told while the run goes on, proven or not by the verdict
//! - `note`, `error`: `text`
//! - `end`: `outcome`, `exit_code`, `headline`, `dir`
//!
//! In all texts, control and bidirectional characters are spelled out.

use super::state::State;
use crate::event::{Event, Planned, Stage};
use duress_reports::artifact::JournalEvent;
use duress_reports::visible;
use serde_json::{Value, json};
use std::time::Duration;

/// Of this format.
const VERSION: u32 = 1;

/// Longest text in a line, in characters.
const LONGEST: usize = 2_000;

/// The line about an event; `None` where it has none. `state` is what was known before it.
pub(super) fn line(state: &State, now: Duration, event: &Event<'_>) -> Option<String> {
    let (name, fields) = match event {
        Event::Planned(planned) => ("run", run(planned)),
        Event::Started(_) | Event::Invoked | Event::Completed { .. } | Event::Watched { .. } => return None,
        Event::Phase(stage, text) => ("phase", json!({ "phase": phase(*stage), "text": text })),
        Event::Fault { id, event, .. } => ("fault", fault(*id, event)),
        Event::Links(cuts) if **cuts == state.cuts => return None,
        Event::Links(cuts) => {
            let name = |at: usize| state.nodes.get(at).map_or("clients", |node| &node.name);
            let cut: Vec<_> = cuts.iter().map(|&(from, to)| [name(from), name(to)]).collect();
            ("links", json!({ "cut": cut }))
        }
        Event::Node(seen) => {
            let (leads, term) = (seen.leads, seen.term);
            ("node", json!({ "node": seen.node, "state": seen.state, "leads": leads, "term": term }))
        }
        Event::Alarm(alarm) => {
            let at_s = Duration::from_nanos(alarm.time).as_secs_f64();
            ("violation", json!({ "key": alarm.key, "op": alarm.index, "at_s": at_s }))
        }
        Event::Note(text) => ("note", json!({ "text": text })),
    };
    Some(object(state, now, name, fields))
}

/// The lines of every second.
pub(super) fn heartbeat(state: &mut State, now: Duration) -> Vec<String> {
    let mut lines = Vec::new();
    if state.invoked > 0 && state.stage() < Some(Stage::Check) {
        let counts = state.counts;
        let of = state.latencies.quantiles(now);
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let fields = json!({
            "ok": counts.ok,
            "fail": counts.fail,
            "info": counts.info,
            "in_flight": state.in_flight(),
            "ok_per_s": state.rate.per_second(now),
            "p50_ms": of.map(|of| ms(of.p50)),
            "p95_ms": of.map(|of| ms(of.p95)),
            "p99_ms": of.map(|of| ms(of.p99)),
            "max_ms": of.map(|of| ms(of.max)),
        });
        lines.push(object(state, now, "ops", fields));
    }
    if let Some((behind, tally)) = state.watch.take() {
        let deferred: u64 = tally.deferred.values().sum();
        let (keys, violated) = (tally.keys, tally.violated);
        let fields = json!({ "behind": behind, "keys": keys, "violated": violated, "deferred": deferred });
        lines.push(object(state, now, "watch", fields));
    }
    lines
}

/// Something that is no event of a run.
pub(super) fn object(state: &State, now: Duration, event: &str, fields: Value) -> String {
    let t = state.clock(now).map(|clock| (clock.as_secs_f64() * 1e3).round() / 1e3);
    let mut line = json!({ "v": VERSION, "t": t, "event": event });
    if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), spelled(fields)) {
        line.extend(fields);
    }
    line.to_string()
}

fn run(planned: &Planned<'_>) -> Value {
    let s = |ms: u64| Duration::from_millis(ms).as_secs_f64();
    let faults = (1..).zip(planned.faults).map(|(id, fault): (u32, _)| {
        json!({ "id": id, "kind": fault.fault.kind(), "at_s": s(fault.at_ms), "for_s": s(fault.for_ms) })
    });
    json!({
        "name": planned.name,
        "seed": planned.seed,
        "dir": planned.dir.display().to_string(),
        "nodes": planned.nodes.iter().map(|node| &node.name).collect::<Vec<_>>(),
        "clients": planned.clients,
        "time_s": planned.time.as_secs_f64(),
        "check_time_s": planned.check_time.as_secs_f64(),
        "faults": faults.collect::<Vec<_>>(),
    })
}

fn phase(stage: Stage) -> &'static str {
    match stage {
        Stage::SetUp => "setup",
        Stage::Main => "main",
        Stage::Heal => "heal",
        Stage::Final => "final",
        Stage::Check => "check",
    }
}

fn fault(id: u32, event: &JournalEvent) -> Value {
    let (state, text) = match event {
        JournalEvent::Applying { kind, description, nodes, .. } => {
            return json!({
                "id": id, "state": "applying", "kind": kind, "description": description, "nodes": nodes,
            });
        }
        JournalEvent::Bit { evidence } => ("bit", evidence.as_str()),
        JournalEvent::DidNotBite { evidence } => ("did-not-bite", evidence.as_str()),
        JournalEvent::Skipped { why } => ("skipped", why.as_str()),
        JournalEvent::Healing => ("healing", ""),
        JournalEvent::Healed { evidence } => ("healed", evidence.as_str()),
        JournalEvent::HealFailed { why } => ("heal-failed", why.as_str()),
    };
    json!({ "id": id, "state": state, "text": text })
}

/// With nothing in it that acts on a terminal.
fn spelled(value: Value) -> Value {
    match value {
        Value::String(text) => visible(&text, LONGEST).into(),
        Value::Array(items) => items.into_iter().map(spelled).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (visible(&name, LONGEST), spelled(value))).collect()
        }
        other => other,
    }
}
