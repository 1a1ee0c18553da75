//! The live view in several states and widths, line by line. `UPDATE_SNAPSHOTS=1` rewrites the files;
//! read the difference before committing it.

use super::frame::frame;
use super::line::Line;
use super::state::State;
use super::*;
use crate::env::trap::{Call, Moment};
use crate::event::Planned;
use crate::nemesis::fault::{Fault, PlannedFault, Victims};
use crate::nemesis::grudge;
use crate::nemesis::trigger::{Happening, Trigger};
use duress_checkers::{Alarm, Kind, Op, Process, Tally};
use duress_reports::artifact::{JournalEvent, NodeSeen, NodeState};
use duress_targets::Node;
use std::path::Path;

const NODES: usize = 5;

fn name(at: usize) -> String {
    format!("n{}", at + 1)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn planned(at_ms: u64, on: Option<Trigger>) -> PlannedFault {
    PlannedFault { at_ms, for_ms: 6_400, on, fault: Fault::Pause { nodes: Victims::one("n4") } }
}

/// A run of a minute, two seconds after the view began.
fn begun() -> State {
    let nodes: Vec<Node> =
        (0..NODES).map(|at| Node { name: name(at), addr: [10, 77, 0, 1].into() }).collect();
    let event = Happening::Call { node: name(0), call: Call::Sync, nth: 3, moment: Moment::Before };
    let faults = [
        planned(3_000, None),
        planned(8_000, Some(Trigger { within_ms: 20_000, event })),
        planned(31_000, None),
    ];
    let mut state = State::default();
    state.take(
        ms(0),
        &Event::Planned(Planned {
            name: "etcd-register-pause-partition",
            seed: 42,
            dir: Path::new("runs/1"),
            nodes: &nodes,
            clients: 10,
            time: ms(60_000),
            faults: &faults,
            check_time: ms(60_000),
        }),
    );
    state.take(ms(0), &Event::Phase(Stage::SetUp, "starting 5 nodes"));
    state
}

/// The same, `until_ms` on the run's clock.
fn running(until_ms: u64) -> State {
    let mut state = begun();
    state.zero = Some(ms(2_000));
    state.take(ms(2_000), &Event::Phase(Stage::Main, "running for 1m"));
    for at in 0..NODES {
        let seen = seen(at, NodeState::Answers, Some((at == 2, 5)));
        state.take(ms(2_000), &Event::Node(&seen));
    }
    for n in 0..until_ms / 5 {
        let now = ms(2_000 + n * 5);
        state.take(now, &Event::Invoked);
        let kind = if n % 50 == 49 { Kind::Fail } else { Kind::Ok };
        let op = Op {
            index: n,
            time: n,
            process: Process::Client(n % 10),
            kind,
            f: "read".into(),
            value: Value::Null,
            error: None,
            node: Some(name(usize::try_from(n).expect("small") % NODES).into()),
        };
        // The load comes and goes.
        if n % 1_000 > 300 || n % 3 == 0 {
            state.take(now, &Event::Completed { op: &op, latency: ms(3 + n % 20) });
        }
    }
    state
}

fn seen(at: usize, state: NodeState, role: Option<(bool, u64)>) -> NodeSeen {
    NodeSeen { at: 0, node: name(at), state, leads: role.map(|r| r.0), term: role.map(|r| r.1) }
}

fn strike(state: &mut State, id: u32, description: &str) {
    let (description, kind) = (description.to_owned(), "pause".to_owned());
    let event = JournalEvent::Applying { kind, description, nodes: Vec::new(), undo: Value::Null };
    state.take(ms(5_000), &Event::Fault { id, time: 3_000_000_000, event: &event });
}

fn bite(state: &mut State, id: u32) {
    let event = JournalEvent::Bit { evidence: "seen".to_owned() };
    state.take(ms(5_000), &Event::Fault { id, time: 3_100_000_000, event: &event });
}

fn watched(state: &mut State, behind: u64, violated: u64) {
    let tally = Tally { keys: 64, violated, ..Tally::default() };
    if violated > 0 {
        let alarm = Alarm { key: Some(7.into()), index: 1_234, time: 6_300_000_000 };
        state.take(ms(8_000), &Event::Alarm(&alarm));
    }
    state.take(ms(8_000), &Event::Watched { behind, tally: &tally });
}

/// A node stands still, in two groups that do not hear each other.
fn broken() -> State {
    let mut state = running(7_000);
    strike(&mut state, 1, "pause the leader n3");
    bite(&mut state, 1);
    strike(&mut state, 2, "partition n1 n2 | n3 n4 n5");
    let halves = grudge::groups(&[vec![0, 1], vec![2, 3, 4]]);
    state.take(ms(5_000), &Event::Links(&halves));
    state.take(ms(5_000), &Event::Node(&seen(2, NodeState::Paused, None)));
    state.take(ms(5_000), &Event::Node(&seen(3, NodeState::Answers, Some((true, 6)))));
    watched(&mut state, 12, 0);
    state
}

#[track_caller]
fn compare(name: &str, state: State, now: Duration, columns: usize) {
    let lines = frame(state, now, columns, 30);
    let room = columns - 1;
    let wide = lines.iter().map(|line| line.render(room, false)).find(|line| line.chars().count() > room);
    assert_eq!(wide, None);
    let text = |color| lines.iter().map(|line: &Line| line.render(room, color) + "\n").collect::<String>();
    assert_eq!(strip(&text(true)), text(false), "colour changes what is said");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/progress/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text(false)).expect("the snapshot can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(expected, text(false), "{name} differs; UPDATE_SNAPSHOTS=1 rewrites it");
}

/// Without colours.
fn strip(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[test]
fn a_run_under_faults() {
    compare("broken-120.txt", broken(), ms(9_000), 120);
    compare("broken-80.txt", broken(), ms(9_000), 80);
    compare("broken-60.txt", broken(), ms(9_000), 60);
}

#[test]
fn a_run_from_its_beginning_to_its_end() {
    compare("setup.txt", begun(), ms(1_500), 100);
    compare("quiet.txt", running(1_000), ms(3_000), 100);
    let mut state = running(8_600);
    watched(&mut state, 0, 3);
    compare("violation.txt", state.clone(), ms(10_600), 100);
    state.take(ms(62_000), &Event::Phase(Stage::Heal, "healing"));
    compare("healing.txt", state.clone(), ms(62_500), 100);
    state.take(ms(63_000), &Event::Phase(Stage::Check, "checking the history"));
    compare("checking.txt", state, ms(75_000), 100);
}

#[test]
fn what_went_wrong_with_a_fault_stays_in_sight() {
    let mut state = running(7_000);
    (1..=6).for_each(|id| strike(&mut state, id, "pause n4"));
    let tell = |state: &mut State, id: u32, event: &JournalEvent| {
        state.take(ms(8_000), &Event::Fault { id, time: 6_000_000_000, event });
    };
    tell(&mut state, 1, &JournalEvent::DidNotBite { evidence: "no".to_owned() });
    tell(&mut state, 2, &JournalEvent::Skipped { why: "nothing there".to_owned() });
    tell(&mut state, 3, &JournalEvent::Healing);
    tell(&mut state, 4, &JournalEvent::HealFailed { why: "gone".to_owned() });
    state.take(ms(8_000), &Event::Links(&grudge::clients(1, NODES)));
    compare("faults.txt", state, ms(9_000), 100);
}

/// Of whatever comes with events, nothing reaches the terminal that acts on it.
#[test]
fn what_nodes_and_faults_say_does_nothing_to_the_terminal() {
    let hostile = "\u{1b}]0;x\u{7}\u{9b}2J\r\u{202e}\n";
    let acts = |c: char| c.is_control() || c == '\u{202e}';
    let mut state = running(1_000);
    strike(&mut state, 1, hostile);
    let alarm = Alarm { key: Some(hostile.into()), index: 1, time: 1 };
    state.take(ms(3_000), &Event::Alarm(&alarm));
    watched(&mut state, 0, 1);
    let shared = Shared {
        form: Form::Plain,
        color: false,
        begun: Instant::now(),
        state: Mutex::default(),
        queue: Mutex::default(),
        left_out: AtomicU64::new(0),
    };
    let evidence = hostile.to_owned();
    let event = Event::Fault { id: 1, time: 5, event: &JournalEvent::Bit { evidence } };
    let told = state.take(ms(3_000), &event).expect("a line");
    assert!(told.text.contains(acts), "this proves nothing");
    let text = shared.text(&state, ms(3_000), &told);
    assert!(text.contains("in effect") && !text.contains(acts), "{text:?}");
    for line in frame(state, ms(3_500), 200, 30) {
        let text = line.render(199, false);
        assert!(!text.contains(acts), "{text:?}");
    }
}

#[test]
fn a_frame_is_no_higher_than_the_terminal() {
    for rows in 0..12 {
        assert!(frame(broken(), ms(9_000), 120, rows).len() <= rows);
    }
}

#[test]
fn an_old_leader_that_does_not_know_it_yet_is_none() {
    let mut state = running(0);
    assert_eq!(state.leader, Some(("n3".to_owned(), Some(5))));
    let newer = state.take(ms(9), &Event::Node(&seen(0, NodeState::Answers, Some((true, 6)))));
    assert_eq!(newer.map(|told| told.text), Some("leader n3 (term 5) → n1 (term 6)".to_owned()));
    assert_eq!(state.take(ms(9), &Event::Node(&seen(2, NodeState::Answers, Some((true, 5))))), None);
    assert_eq!(state.leader, Some(("n1".to_owned(), Some(6))));
}

#[test]
fn without_terms_the_last_one_that_said_so_leads() {
    let mut state = running(0);
    let mut told = |at, leads| {
        let seen = NodeSeen { leads: Some(leads), ..seen(at, NodeState::Answers, None) };
        state.take(ms(9), &Event::Node(&seen)).map(|told| told.text)
    };
    assert_eq!(told(0, true), Some("leader n3 (term 5) → n1".to_owned()));
    assert_eq!(told(0, true), None);
    assert_eq!(told(1, false), None);
    assert_eq!(told(1, true), Some("leader n1 → n2".to_owned()));
}

#[test]
fn terminals_and_wishes_are_heeded() {
    assert_eq!(form(Mode::Auto, true, Some("xterm")), Form::Live);
    for term in [None, Some(""), Some("dumb")] {
        assert_eq!(form(Mode::Auto, true, term), Form::Plain);
    }
    assert_eq!(form(Mode::Auto, false, Some("xterm")), Form::Plain);
    assert_eq!(form(Mode::Json, true, Some("xterm")), Form::Json);
    let colored = |terminal, set: &[(&str, &str)]| {
        let var = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        is_colored(terminal, &var)
    };
    assert!(colored(true, &[("TERM", "xterm")]) && colored(true, &[("TERM", "xterm"), ("NO_COLOR", "")]));
    assert!(!colored(true, &[("TERM", "xterm"), ("NO_COLOR", "1")]) && !colored(true, &[("TERM", "dumb")]));
    assert!(!colored(false, &[("TERM", "xterm")]) && !colored(false, &[("CLICOLOR_FORCE", "0")]));
    assert!(colored(false, &[("CLICOLOR_FORCE", "1")]));
    assert!(!colored(false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn a_line_of_json_holds_its_event_and_nothing_that_acts() {
    let mut state = running(1_000);
    let event = Event::Note("\u{1b}[2J\u{202e}\u{9b}m");
    let text = json::line(&state, ms(3_000), &event).expect("a line");
    assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
    let line: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&line["v"], &line["t"], &line["event"]), (&1.into(), &1.0.into(), &"note".into()));
    let beat = json::heartbeat(&mut state, ms(3_000));
    let ops: Value = serde_json::from_str(&beat[0]).expect("JSON");
    assert_eq!((&ops["event"], &ops["in_flight"]), (&"ops".into(), &state.in_flight().into()));
    assert!(ops["p99_ms"].as_f64() > ops["p50_ms"].as_f64(), "{ops}");
}
