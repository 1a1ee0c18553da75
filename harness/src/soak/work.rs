//! What is run next, and what came of it: shared by the threads that run it.

use super::canary;
use super::halt::Halt;
use super::ledger::{End, Ledger, Line, Record, Unit};
use super::manifest::Manifest;
use crate::failure::Failure;
use crate::retention;
use crate::trial::{Exit, Trial};
use duress_reports::artifact::{RunDir, RunStatus};
use duress_reports::conclusion::{Conclusion, NO_RECOVERY, Outcome};
use duress_reports::index::{FindingLine, RunLine};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many trials in a row that fail as infrastructure, and the machine is what has to be looked at.
const LOST: u32 = 20;
/// Longest headline that is kept, in characters.
const LONGEST: usize = 300;

pub(super) struct Work {
    manifest: Manifest,
    dir: PathBuf,
    halt: Halt,
    begun: Instant,
    /// Milliseconds of the sessions before.
    before_ms: u64,
    state: Mutex<State>,
}

struct State {
    ledger: Ledger,
    record: Record,
    /// Trials of this shard that were handed out.
    position: u64,
    /// Canaries handed out before the next of them.
    canaries: usize,
    /// The longest trial so far, in milliseconds.
    longest_ms: u64,
    stopped: Option<String>,
    /// Trials in a row that failed as infrastructure.
    lost: u32,
    /// Nobody begins anything any more.
    over: bool,
}

/// The directory of an attempt, below that of the runs.
pub(super) fn run_name(unit: Unit, attempt: u32) -> String {
    if attempt == 1 { unit.name() } else { format!("{}-{attempt}", unit.name()) }
}

impl Work {
    pub(super) fn new(manifest: Manifest, dir: PathBuf, ledger: Ledger, record: Record, halt: Halt) -> Self {
        let ends = record.units.values().filter_map(|progress| progress.end.as_ref());
        let state = State {
            longest_ms: ends.map(|end| end.ms).max().unwrap_or(0),
            ledger,
            position: 0,
            canaries: 0,
            stopped: None,
            lost: 0,
            over: false,
            record,
        };
        let before_ms = state.record.elapsed_ms;
        Self { manifest, dir, halt, begun: Instant::now(), before_ms, state: Mutex::new(state) }
    }

    /// What came of it so far, and why it stopped before its end.
    pub(super) fn record(&self) -> (Record, Option<String>) {
        let mut state = self.state();
        // Whoever is still at it ends with the process, and what has no line has no end.
        state.over = true;
        let stopped =
            state.stopped.clone().or_else(|| self.halt.is_asked().then(|| "interrupted".to_owned()));
        (state.record.clone(), stopped)
    }

    /// Runs one after the other until there is nothing to begin.
    ///
    /// # Errors
    /// When the ledger cannot be written: then nothing is begun any more.
    pub(super) fn until_over(&self, tell: &dyn Fn(String)) -> Result<(), Failure> {
        loop {
            let next = self.state().next(self);
            let Some(unit) = next else { return Ok(()) };
            let worked = self.one(unit, tell);
            if worked.is_err() {
                self.state().over = true;
                return worked;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed_ms(&self) -> u64 {
        self.before_ms.saturating_add(millis(self.begun.elapsed()))
    }

    fn shard(&self) -> u64 {
        self.manifest.shards.first().copied().unwrap_or(1)
    }

    /// All its attempts.
    fn one(&self, unit: Unit, tell: &dyn Fn(String)) -> Result<(), Failure> {
        loop {
            let attempt = self.write(unit, None)?;
            let Some(mut end) = self.attempt(unit, attempt)? else {
                tell(format!("{}: interrupted", self.told(unit)));
                return Ok(());
            };
            let tried = self.state().record.units.get(&unit).map_or(0, |progress| progress.proved_nothing);
            let again = match unit {
                Unit::Trial(_) => {
                    let nothing = matches!(end.outcome, Outcome::Inconclusive | Outcome::Infrastructure);
                    nothing && tried < self.manifest.matrix.retries
                }
                Unit::Canary(..) => end.outcome != Outcome::Violation && tried + 1 < canary::ATTEMPTS,
            };
            end.again = again && !self.halt.is_asked();
            let what = match (unit, end.outcome) {
                (Unit::Canary(..), Outcome::Violation) => format!("caught: {}", end.headline),
                (Unit::Canary(..), _) => format!("NOT CAUGHT: {}", end.headline),
                (_, Outcome::Violation) => format!("VIOLATION: {}", end.headline),
                (_, Outcome::Crash) => format!("CRASH: {}", end.headline),
                _ => end.headline.clone(),
            };
            let more = if end.again { "; once more" } else { "" };
            tell(format!("{}: {what}{more}", self.told(unit)));
            let again = end.again;
            self.write(unit, Some((attempt, end)))?;
            if !again {
                return Ok(());
            }
        }
    }

    /// A line that it begins, or that it ended. Gives the number of the attempt.
    fn write(&self, unit: Unit, end: Option<(u32, End)>) -> Result<u32, Failure> {
        let mut state = self.state();
        let (attempt, end) = match end {
            Some((attempt, end)) => {
                state.ended(unit, &end);
                (attempt, Some(end))
            }
            None => (state.record.units.get(&unit).map_or(0, |progress| progress.attempts) + 1, None),
        };
        let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let line = Line { unit, attempt, at, elapsed_ms: self.elapsed_ms(), end };
        let added = state.ledger.add(&line);
        // What was found counts, whether or not there is room to write it down.
        state.record.take(line);
        added.map(|()| attempt)
    }

    /// `trial 12: etcd register, kill`.
    fn told(&self, unit: Unit) -> String {
        match unit {
            Unit::Trial(number) => {
                let slot = self.manifest.rotation().slot(number);
                let combination = &self.manifest.matrix.combinations[slot.combination];
                format!("trial {number}: {}, {}", combination.test, combination.faults)
            }
            Unit::Canary(_, nth, which) => format!("canary {}: {}", nth + 1, canary::name(which)),
        }
    }

    fn session(&self) -> OsString {
        format!("session={}", self.manifest.session).into()
    }

    /// None when somebody stopped it, and it found nothing.
    fn attempt(&self, unit: Unit, attempt: u32) -> Result<Option<End>, Failure> {
        let begun = Instant::now();
        let args = match unit {
            Unit::Canary(_, _, 0) => {
                let (outcome, headline) = canary::checkers();
                let ms = millis(begun.elapsed());
                return Ok(Some(End { headline, ms, ..end(outcome) }));
            }
            Unit::Canary(shard, nth, which) => {
                let label = format!("canary {shard} {nth} {which} {attempt}");
                let rng = duress_workloads::Rng::new(self.manifest.seed).split(&label);
                let mut args = canary::arguments(&self.dir, which, attempt, rng);
                args.extend(["--label".into(), self.session()]);
                // All its attempts are one canary.
                args.extend(["--label".into(), format!("canary={}", unit.name()).into()]);
                args
            }
            Unit::Trial(number) => {
                let slot = self.manifest.rotation().slot(number);
                let combination = &self.manifest.matrix.combinations[slot.combination];
                let mut args: Vec<OsString> = combination.args.iter().map(OsString::from).collect();
                args.extend(["--seed".into(), slot.seed.to_string().into()]);
                args.extend(["--label".into(), format!("trial={number}").into()]);
                // Before what the file says: of two labels of one name the later one counts.
                args.splice(1..1, ["--label".into(), self.session()]);
                args
            }
        };
        let below = PathBuf::from(super::RUNS).join(run_name(unit, attempt));
        let trial = Trial { args, dir: self.dir.join(&below) };
        let exit = trial.make(Duration::from_millis(self.manifest.matrix.limit_ms))?;
        let Some(mut ended) = self.judged(unit, &trial, exit, &below) else { return Ok(None) };
        ended.ms = millis(begun.elapsed());
        if matches!(ended.outcome, Outcome::Valid | Outcome::Known) || matches!(unit, Unit::Canary(..)) {
            let _ = std::fs::remove_file(trial.log());
            if self.manifest.matrix.thin
                && let Ok(dir) = RunDir::open(&trial.dir)
            {
                // What is not removed is still the truth.
                let _ = retention::thin(&dir);
            }
        }
        Ok(Some(ended))
    }

    fn judged(&self, unit: Unit, trial: &Trial, exit: Exit, below: &std::path::Path) -> Option<End> {
        let dir = RunDir::open(&trial.dir);
        let info = dir.as_ref().ok().and_then(|dir| dir.load_info().ok());
        let conclusion = dir.ok().and_then(|dir| dir.load_conclusion().ok().flatten());
        let interrupted = info.as_ref().is_some_and(|info| info.status == RunStatus::Interrupted);
        let (Some(info), Some(conclusion)) = (&info, conclusion) else {
            if self.halt.is_asked() && exit.code != Some(254) && !exit.overdue {
                return None;
            }
            let said = trial.last_line().unwrap_or_else(|| "it said nothing".to_owned());
            let why = match exit {
                Exit { overdue: true, .. } => "it did not end in time and was killed".to_owned(),
                Exit { code: Some(code), .. } => format!("it ended with {code} and left no verdict: {said}"),
                Exit { code: None, .. } => format!("a signal ended it, and it left no verdict: {said}"),
            };
            let headline = duress_reports::visible(&why, LONGEST);
            let run = info.map(|_| below.display().to_string());
            return Some(End { headline, run, ..end(Outcome::Infrastructure) });
        };
        let outcome = outcome(unit, exit, &conclusion);
        if interrupted && !outcome.is_finding() {
            return None;
        }
        let path = below.display().to_string();
        let line = RunLine::new(&path, info, Some(&conclusion));
        let headline = if outcome == conclusion.outcome {
            line.headline
        } else {
            let code = exit.code.map_or("a signal".to_owned(), |code| code.to_string());
            format!("it ended with {code}, and its verdict was: {}", line.headline)
        };
        Some(End { headline, run: Some(path), findings: line.findings, ..end(outcome) })
    }
}

/// A verdict is one; a process that says something else, or did not end by itself, makes all but a
/// finding doubtful.
fn outcome(unit: Unit, exit: Exit, conclusion: &Conclusion) -> Outcome {
    let wrong = |finding: &duress_reports::conclusion::Placed| finding.anomaly != NO_RECOVERY;
    match (unit, conclusion.outcome) {
        // That a cluster does not come back is not the bug that was planted.
        (Unit::Canary(..), Outcome::Violation) if !conclusion.findings.iter().any(wrong) => {
            Outcome::Infrastructure
        }
        (_, outcome) if outcome.is_finding() => outcome,
        (_, outcome) if exit.code == Some(i32::from(outcome.exit_code())) => outcome,
        _ => Outcome::Infrastructure,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn end(outcome: Outcome) -> End {
    End { outcome, headline: String::new(), run: None, ms: 0, findings: Vec::new(), again: false }
}

impl State {
    fn ended(&mut self, unit: Unit, end: &End) {
        self.longest_ms = self.longest_ms.max(end.ms);
        match unit {
            Unit::Trial(_) if end.outcome != Outcome::Infrastructure => self.lost = 0,
            Unit::Trial(_) if !end.again => self.lost += 1,
            _ => {}
        }
        if self.lost == LOST {
            self.over = true;
            self.stopped = Some(format!("{LOST} trials in a row failed, the last one: {}", end.headline));
        }
    }

    /// The canaries of a position come before its trial; what has an end is passed over.
    fn next(&mut self, work: &Work) -> Option<Unit> {
        let (manifest, shard) = (&work.manifest, work.shard());
        while !self.over {
            if work.halt.is_asked() {
                self.over = true;
                break;
            }
            let number = shard + self.position.saturating_mul(manifest.of);
            if manifest.trials.is_some_and(|last| number > last) || self.is_enough(work) {
                self.over = true;
                break;
            }
            let every = manifest.matrix.canary_every;
            let unit = if self.position.is_multiple_of(every) && self.canaries < canary::KINDS {
                self.canaries += 1;
                Unit::Canary(shard, self.position / every, self.canaries - 1)
            } else {
                (self.position, self.canaries) = (self.position + 1, 0);
                Unit::Trial(number)
            };
            if self.record.units.get(&unit).is_none_or(|progress| progress.end.is_none()) {
                return Some(unit);
            }
        }
        None
    }

    /// Time is up, or would be before another trial were over; or enough was found.
    fn is_enough(&mut self, work: &Work) -> bool {
        let found: BTreeSet<&str> = self
            .record
            .units
            .iter()
            .filter(|(unit, _)| matches!(unit, Unit::Trial(_)))
            .filter_map(|(_, progress)| progress.end.as_ref())
            .flat_map(|end| &end.findings)
            .filter(|finding| finding.known.is_none())
            .map(FindingLine::bug)
            .collect();
        if work.manifest.stop_after.is_some_and(|most| found.len() as u64 >= most) {
            self.stopped = Some(format!("{} distinct findings are enough", found.len()));
            return true;
        }
        let until = work.elapsed_ms().saturating_add(self.longest_ms);
        work.manifest.budget_ms.is_some_and(|budget| until > budget)
    }
}
