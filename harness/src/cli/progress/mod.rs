//! What is shown on stderr while a command works: a live view on a terminal, a line per event and a
//! heartbeat elsewhere, JSON for programs.
//!
//! Whoever has something to tell never waits for it to be shown: lines go through a bounded queue to a
//! thread that alone writes. Text from nodes, errors and faults loses whatever acts on a terminal here.

mod frame;
mod json;
mod line;
mod map;
mod rate;
mod screen;
mod state;
#[cfg(test)]
mod tests;
mod told;

use super::{print_error, say};
use crate::event::{Event, Listener, Stage};
use crate::failure::Failure;
use clap::{Args, ValueEnum};
use duress_checkers::words;
use duress_reports::visible;
use screen::Screen;
use serde_json::Value;
use state::State;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use terminal_size::{Height, Width, terminal_size_of};

/// How often the live view is painted.
const REPAINT: Duration = Duration::from_millis(250);
/// How often a heartbeat is printed.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// The same for programs.
const JSON_HEARTBEAT: Duration = Duration::from_secs(1);
/// Lines that wait to be printed; what comes when there is no room is left out, and counted.
const QUEUE: usize = 4_096;
/// Longest line that is printed, in characters.
const LONGEST: usize = 1_000;
/// The size of a terminal that does not say.
const USUAL: (usize, usize) = (80, 24);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Live on a terminal, plain elsewhere
    Auto,
    /// One line per event, and a heartbeat
    Plain,
    /// One JSON object per line, for programs
    Json,
    /// Nothing but errors
    None,
}

/// The option, for all commands that take their time.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Progress {
    /// How progress is shown on stderr
    #[arg(long = "progress", value_enum, default_value_t = Mode::Auto)]
    pub(super) mode: Mode,
}

/// A view that is being shown, until it is dropped.
pub(super) struct View {
    shared: Arc<Shared>,
    painter: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Live,
    Plain,
    Json,
    Quiet,
}

struct Shared {
    form: Form,
    color: bool,
    begun: Instant,
    state: Mutex<State>,
    /// To the thread that writes, while there is one.
    queue: Mutex<Option<SyncSender<String>>>,
    /// Lines for which there was no room.
    left_out: AtomicU64,
}

impl View {
    /// Shows events as they come. Starts no thread: [`View::tick`] does.
    pub(super) fn new(mode: Mode) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let var = |name: &str| std::env::var(name).ok();
        let shared = Shared {
            form: form(mode, terminal, var("TERM").as_deref()),
            color: is_colored(terminal, &var),
            begun: Instant::now(),
            state: Mutex::default(),
            queue: Mutex::default(),
            left_out: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), painter: None }
    }

    /// Shows how things stand, too, every now and then.
    pub(super) fn tick(&mut self) {
        if self.shared.form == Form::Quiet || self.painter.is_some() {
            return;
        }
        let (queue, lines) = sync_channel(QUEUE);
        let shared = Arc::clone(&self.shared);
        // Without the thread, lines are still printed, by those who have them.
        let painter = std::thread::Builder::new().name("view".to_owned()).spawn(move || shared.paint(&lines));
        if let Ok(painter) = painter {
            *self.shared.queue() = Some(queue);
            self.painter = Some(painter);
        }
    }

    /// For the run.
    pub(super) fn listener(&self) -> Arc<dyn Listener> {
        Arc::clone(&self.shared) as Arc<dyn Listener>
    }

    /// Begins to show something that is no run.
    pub(super) fn begin(mode: Mode, stage: Stage, what: &str) -> Self {
        let mut view = Self::new(mode);
        view.shared.event(&Event::Phase(stage, what));
        view.tick();
        view
    }

    /// Tells something about that.
    pub(super) fn note(&self, text: &str) {
        self.shared.event(&Event::Note(text));
    }

    /// The same for a program alone.
    pub(super) fn json(&self, event: &str, fields: Value) {
        if self.shared.form == Form::Json {
            let state = self.shared.state();
            let now = self.shared.begun.elapsed();
            self.shared.print(&state, json::object(&state, now, event, fields));
        }
    }

    /// Tells what went wrong, in whatever form but none.
    pub(super) fn fail(&self, failure: &Failure) {
        match self.shared.form {
            Form::Json => self.json("error", serde_json::json!({ "text": failure.to_string() })),
            _ => say(&format!("error: {failure}")),
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        *self.shared.queue() = None;
        if let Some(painter) = self.painter.take() {
            let _ = painter.join();
        }
    }
}

impl Listener for Shared {
    fn event(&self, event: &Event<'_>) {
        let mut state = self.state();
        let now = self.begun.elapsed();
        let json = (self.form == Form::Json).then(|| json::line(&state, now, event));
        let told = state.take(now, event);
        let line = match self.form {
            Form::Quiet => None,
            Form::Json => json.flatten(),
            Form::Live => told.filter(|told| !told.on_view).map(|told| self.text(&state, now, &told)),
            Form::Plain => told.map(|told| self.text(&state, now, &told)),
        };
        line.into_iter().for_each(|line| self.print(&state, line));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Option<SyncSender<String>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self, state: &State, now: Duration, told: &told::Told) -> String {
        let text = visible(&told.text, LONGEST);
        stamp(state, now) + &if self.color { told.tone.paint(&text) } else { text }
    }

    /// Has a line printed. Never waits for it, once there is a thread for that. Who holds the state is
    /// alone: lines come in the order of their times.
    fn print(&self, _: &State, line: String) {
        match &*self.queue() {
            None => print_error(&format!("{line}\n")),
            Some(queue) => {
                if let Err(TrySendError::Full(_)) = queue.try_send(line) {
                    self.left_out.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// A thread of its own: until nobody can have anything to tell any more.
    fn paint(&self, lines: &Receiver<String>) {
        let mut screen = Screen::default();
        let every = match self.form {
            Form::Live => REPAINT,
            Form::Json => JSON_HEARTBEAT,
            Form::Plain | Form::Quiet => HEARTBEAT,
        };
        let mut due = Instant::now() + every;
        loop {
            let first = lines.recv_timeout(due.saturating_duration_since(Instant::now()));
            let over = first == Err(RecvTimeoutError::Disconnected);
            let mut above: Vec<String> = first.into_iter().chain(lines.try_iter().take(QUEUE)).collect();
            let left_out = self.left_out.swap(0, Ordering::Relaxed);
            if left_out > 0 && self.form != Form::Json {
                above.push(format!("{} left out", words::counted(left_out, "line", "lines")));
            }
            if Instant::now() >= due {
                due = Instant::now() + every;
                self.heartbeat(lines, &mut above);
            }
            if self.form == Form::Live {
                self.repaint(&mut screen, &above, over);
            } else {
                above.iter_mut().for_each(|line| line.push('\n'));
                print_error(&above.concat());
            }
            if over {
                return;
            }
        }
    }

    fn repaint(&self, screen: &mut Screen, above: &[String], over: bool) {
        let size = terminal_size_of(std::io::stderr());
        let size = size.map(|(Width(columns), Height(rows))| (columns.into(), rows.into()));
        let (columns, rows) = size.filter(|&(columns, rows)| columns > 0 && rows > 1).unwrap_or(USUAL);
        let state = self.state().clone();
        let now = self.begun.elapsed();
        let frame = if over { Vec::new() } else { frame::frame(state, now, columns, rows - 1) };
        print_error(&screen.paint(above, &frame, columns, self.color));
    }

    /// How things stand, after all that was told before. Nothing in the live view, which is that.
    fn heartbeat(&self, lines: &Receiver<String>, above: &mut Vec<String>) {
        let mut state = self.state();
        let now = self.begun.elapsed();
        above.extend(lines.try_iter().take(QUEUE));
        match self.form {
            Form::Live | Form::Quiet => {}
            Form::Json => above.extend(json::heartbeat(&mut state, now)),
            Form::Plain => {
                let text = visible(&summary(&mut state, now), LONGEST);
                above.push(stamp(&state, now) + &text);
            }
        }
    }
}

/// The run's clock at the beginning of a line, once there is a run.
fn stamp(state: &State, now: Duration) -> String {
    match (state.clock(now), &state.plan) {
        (Some(clock), _) => format!("{:>6.1}s  ", clock.as_secs_f64()),
        (None, Some(_)) => " ".repeat(9),
        (None, None) => String::new(),
    }
}

/// How things stand, in one line.
fn summary(state: &mut State, now: Duration) -> String {
    let Some((stage, what, since)) = &state.stage else { return "preparing".to_owned() };
    // While the history is checked, the clients' numbers stand still.
    if state.invoked == 0 || *stage == Stage::Check {
        return format!("{what}, {:.0} s", now.saturating_sub(*since).as_secs_f64());
    }
    let counts = state.counts;
    let rate = state.rate.per_second(now);
    let of = state.latencies.quantiles(now);
    let ms =
        |of: Option<Duration>| of.map_or("-".to_owned(), |of| format!("{:.1}ms", of.as_secs_f64() * 1e3));
    let leader = state.leader.as_ref().map_or("-".to_owned(), |(node, term)| match term {
        Some(term) => format!("{node}/t{term}"),
        None => node.clone(),
    });
    let faults: Vec<String> = state.faults.keys().map(|id| format!("F{id}")).collect();
    let faults = if faults.is_empty() { "-".to_owned() } else { faults.join(",") };
    let watch = told::watch(state).map(|(_, text)| format!(" {text}")).unwrap_or_default();
    format!(
        "ops {} ok={} fail={} info={} in-flight={} rate={rate}/s p50={} p99={} leader={leader} \
         faults={faults}{watch}",
        state.invoked,
        counts.ok,
        counts.fail,
        counts.info,
        state.in_flight(),
        ms(of.map(|of| of.p50)),
        ms(of.map(|of| of.p99)),
    )
}

/// A terminal that says it is dumb, or does not say what it is, cannot be painted on.
fn form(mode: Mode, terminal: bool, term: Option<&str>) -> Form {
    match mode {
        Mode::Auto if terminal && term.is_some_and(|term| !matches!(term, "" | "dumb")) => Form::Live,
        Mode::Auto | Mode::Plain => Form::Plain,
        Mode::Json => Form::Json,
        Mode::None => Form::Quiet,
    }
}

/// By the customs of no-color.org and bixense.com/clicolors: no colour is wished for before colour is.
fn is_colored(terminal: bool, var: &dyn Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str| var(name).filter(|value| !value.is_empty());
    if is("NO_COLOR").is_some() {
        return false;
    }
    let forced = is("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    forced || (terminal && is("TERM").is_some_and(|term| term != "dumb"))
}
