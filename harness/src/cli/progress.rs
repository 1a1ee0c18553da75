//! What is shown while a run goes on: a live line on a terminal, plain lines elsewhere.

use super::say;
use crate::event::{Counts, Event, Listener};
use clap::ValueEnum;
use duress_checkers::{Tally, words};
use duress_reports::artifact::JournalEvent;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the live line is repainted.
const REPAINT: Duration = Duration::from_millis(250);
/// How often a plain heartbeat is printed.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Completions whose latency is remembered for the quantiles.
const WINDOW: usize = 4096;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Live on a terminal, plain elsewhere
    Auto,
    /// One line per event, and a heartbeat
    Plain,
    /// Nothing but errors
    None,
}

/// A view that is being shown.
pub(super) struct View {
    shared: Arc<Shared>,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

struct Shared {
    mode: Mode,
    bar: Option<ProgressBar>,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: Counts,
    ok_before: u64,
    latencies: Vec<Duration>,
    faults: BTreeMap<u32, (String, bool)>,
    phase: String,
    /// What the watch for violations says.
    watch: String,
}

impl View {
    /// Shows events as they come. Starts no thread: [`View::tick`] does.
    pub(super) fn new(mode: Mode) -> Self {
        let live = mode == Mode::Auto && std::io::stderr().is_terminal();
        let bar = live.then(|| {
            let bar = ProgressBar::no_length();
            // The template is a constant of ours; indicatif checks it at run time only.
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        let state = Mutex::new(State::default());
        Self { shared: Arc::new(Shared { mode, bar, started: Instant::now(), state }), ticker: None }
    }

    /// Shows how things stand, too, every now and then.
    pub(super) fn tick(&mut self) {
        if self.shared.mode != Mode::None {
            self.ticker = Some(tick(Arc::clone(&self.shared)));
        }
    }

    /// For the run.
    pub(super) fn listener(&self) -> Arc<dyn Listener> {
        Arc::clone(&self.shared) as Arc<dyn Listener>
    }

    /// Ends the view; what it printed stays.
    pub(super) fn finish(self) {
        if let Some((stop, ticker)) = self.ticker {
            drop(stop);
            let _ = ticker.join();
        }
        if let Some(bar) = &self.shared.bar {
            bar.finish_and_clear();
        }
    }
}

/// A thread of its own: the engine never draws.
fn tick(shared: Arc<Shared>) -> (Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = channel::<()>();
    let ticker = std::thread::spawn(move || {
        let every = if shared.bar.is_some() { REPAINT } else { HEARTBEAT };
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let text = shared.summary(every);
            if text.is_empty() {
                continue;
            }
            match &shared.bar {
                Some(bar) => bar.set_message(format!("{} {text}", shared.stamp())),
                None => say(&format!("{} {text}", shared.stamp())),
            }
        }
    });
    (stop, ticker)
}

impl Shared {
    fn line(&self, text: &str) {
        let text = clean(text);
        match (&self.bar, self.mode) {
            (_, Mode::None) => {}
            (Some(bar), _) => bar.println(format!("{} {text}", self.stamp())),
            (None, _) => say(&format!("{} {text}", self.stamp())),
        }
    }

    fn stamp(&self) -> String {
        format!("{:>7.1}s", self.started.elapsed().as_secs_f64())
    }

    fn summary(&self, every: Duration) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { ok, fail, info } = state.counts;
        // While the history is checked, the clients' numbers stand still.
        if ok + fail + info == 0 || state.phase.starts_with("checking") {
            return state.phase.clone();
        }
        let rate = (ok - state.ok_before) as f64 / every.as_secs_f64();
        state.ok_before = ok;
        let mut sorted = std::mem::take(&mut state.latencies);
        sorted.sort_unstable();
        let quantile = |q: usize| {
            let at = (sorted.len() * q / 100).min(sorted.len().saturating_sub(1));
            sorted.get(at).map_or_else(|| "-".to_owned(), |d| format!("{:.1}ms", d.as_secs_f64() * 1e3))
        };
        let faults: Vec<String> = state
            .faults
            .iter()
            .map(|(id, (what, bit))| format!("F{id} {what}{}", if *bit { "" } else { " (not verified)" }))
            .collect();
        let faults = if faults.is_empty() { "-".to_owned() } else { faults.join(", ") };
        format!(
            "ok={ok} fail={fail} info={info} rate={rate:.0}/s p50={} p99={} faults={faults} {}",
            quantile(50),
            quantile(99),
            state.watch
        )
    }

    fn fault(&self, id: u32, event: &JournalEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match event {
            JournalEvent::Applying { description, .. } => {
                state.faults.insert(id, (description.clone(), false));
                return;
            }
            JournalEvent::Bit { evidence } => {
                let Some(fault) = state.faults.get_mut(&id) else { return };
                fault.1 = true;
                format!("F{id} {}: in effect ({evidence})", fault.0)
            }
            JournalEvent::DidNotBite { evidence } => format!("F{id} DID NOT BITE: {evidence}"),
            JournalEvent::Skipped { why } => format!("F{id} skipped: {why}"),
            JournalEvent::Healing => return,
            JournalEvent::Healed { evidence } => {
                state.faults.remove(&id);
                format!("F{id} healed ({evidence})")
            }
            JournalEvent::HealFailed { why } => format!("F{id} HEAL FAILED: {why}"),
        };
        drop(state);
        self.line(&text);
    }
}

impl Listener for Shared {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Phase(what) => {
                (*what).clone_into(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).phase);
                self.line(what);
            }
            Event::Note(what) => self.line(what),
            Event::Alarm(alarm) => self.line(&format!("{alarm}; the run goes on")),
            Event::Watched { behind, tally } => {
                self.state.lock().unwrap_or_else(PoisonError::into_inner).watch = watch(*behind, tally);
            }
            Event::Completed { op, latency } => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.counts.count(op.kind);
                if state.latencies.len() < WINDOW {
                    state.latencies.push(*latency);
                }
            }
            Event::Fault { id, event, .. } => self.fault(*id, event),
        }
    }
}

/// `no violation so far`, `3 keys violated`, and what it has not looked at.
fn watch(behind: u64, tally: &Tally) -> String {
    let found = match tally.violated {
        0 => "no violation so far".to_owned(),
        n => format!("{} violated", words::counted(n, "key", "keys")),
    };
    let deferred = match tally.deferred.values().sum() {
        0 => String::new(),
        n => format!(", {} left to the end", words::counted(n, "key", "keys")),
    };
    let behind = if behind == 0 { String::new() } else { format!(", {} ops behind", words::count(behind)) };
    found + &deferred + &behind
}

/// Servers and environments speak through us: no control characters reach the terminal.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
