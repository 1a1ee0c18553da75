//! What is said of an event, in one line. Lines are for people; [`super::json`] is for programs.

use super::line::Tone;
use super::state::State;
use crate::event::Event;
use duress_checkers::words;
use duress_reports::artifact::{JournalEvent, NodeSeen, NodeState};
use std::time::Duration;

/// A line to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) tone: Tone,
    pub(super) text: String,
    /// The live view shows it anyway, for as long as it lasts.
    pub(super) on_view: bool,
}

fn line(tone: Tone, text: impl Into<String>) -> Option<Told> {
    Some(Told { tone, text: text.into(), on_view: false })
}

/// What there is to say about an event, given what was known before it.
pub(super) fn told(state: &State, event: &Event<'_>) -> Option<Told> {
    match event {
        Event::Planned(_)
        | Event::Started(_)
        | Event::Invoked
        | Event::Completed { .. }
        | Event::Links(_)
        | Event::Watched { .. } => None,
        Event::Phase(_, what) => line(Tone::Bold, *what),
        Event::Note(what) => line(Tone::Plain, *what),
        Event::Alarm(alarm) => line(Tone::Bad, format!("{alarm}; the run goes on")),
        Event::Fault { id, time, event } => fault(state, *id, Duration::from_nanos(*time), event),
        Event::Node(seen) => node(state, seen),
    }
}

fn fault(state: &State, id: u32, time: Duration, event: &JournalEvent) -> Option<Told> {
    let known = state.faults.get(&id);
    let what = known.map_or("", |fault| &fault.what);
    let lasted = known.map_or_else(String::new, |fault| span(time.saturating_sub(fault.since)));
    match event {
        JournalEvent::Applying { description, .. } => line(Tone::Warn, format!("fault F{id} {description}")),
        JournalEvent::Bit { evidence } => {
            line(Tone::Good, format!("fault F{id} {what}: in effect after {lasted}: {evidence}"))
        }
        JournalEvent::DidNotBite { evidence } => {
            line(Tone::Bad, format!("fault F{id} {what} DID NOT BITE: {evidence}"))
        }
        JournalEvent::Skipped { why } => line(Tone::Warn, format!("fault F{id} {what} skipped: {why}")),
        JournalEvent::Healing => None,
        // Of one that was skipped enough has been said.
        JournalEvent::Healed { .. } if known.is_none() => None,
        JournalEvent::Healed { evidence } => {
            line(Tone::Plain, format!("fault F{id} {what}: healed after {lasted}: {evidence}"))
        }
        JournalEvent::HealFailed { why } => line(Tone::Bad, format!("fault F{id} {what} HEAL FAILED: {why}")),
    }
}

fn node(state: &State, seen: &NodeSeen) -> Option<Told> {
    let leads = state.leader_by(seen);
    if let Some(leads) = &leads {
        let named = |(node, term): &(String, Option<u64>)| match term {
            Some(term) => format!("{node} (term {term})"),
            None => node.clone(),
        };
        let before = state.leader.as_ref().map(|before| format!("{} → ", named(before)));
        return line(Tone::Plain, format!("leader {}{}", before.unwrap_or_default(), named(leads)));
    }
    let before = state.nodes.iter().find(|node| node.name == seen.node)?.seen.as_ref()?;
    let changed = before.state != seen.state;
    let told = Told { tone: Tone::Plain, text: format!("node {} {}", seen.node, word(seen)), on_view: true };
    changed.then_some(told)
}

/// How a node is, in words.
pub(super) fn word(seen: &NodeSeen) -> &'static str {
    match (seen.state, seen.leads) {
        (NodeState::Answers, Some(true)) => "LEADER",
        (NodeState::Answers, Some(false)) => "follower",
        (NodeState::Answers, None) => "answers",
        (NodeState::Silent, _) => "silent",
        (NodeState::Paused, _) => "paused",
        (NodeState::Down, _) => "down",
    }
}

/// `no violation so far in 12 keys`, `3 keys violated`, and what it has not looked at.
pub(super) fn watch(state: &State) -> Option<(Tone, String)> {
    let (behind, tally) = state.watch.as_ref()?;
    let (tone, found) = match tally.violated {
        0 => (Tone::Good, format!("no violation so far, {} seen", words::counted(tally.keys, "key", "keys"))),
        n => {
            let first = state.alarm.as_deref().unwrap_or_default();
            (Tone::Bad, format!("VIOLATION on {}{first}", words::counted(n, "key", "keys")))
        }
    };
    let deferred = match tally.deferred.values().sum() {
        0 => String::new(),
        n => format!(", {} left to the end", words::counted(n, "key", "keys")),
    };
    let behind = match behind {
        0 => String::new(),
        n => format!(", {} behind", words::counted(*n, "operation", "operations")),
    };
    Some((tone, found + &deferred + &behind))
}

/// How long something took.
pub(super) fn span(duration: Duration) -> String {
    words::span(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
