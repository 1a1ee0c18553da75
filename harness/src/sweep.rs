//! Crashes a server at every one of the system calls that make its data durable, each in a run of
//! its own, and sees whether it comes back with everything that it had acknowledged.
//!
//! One script of operations by one client on one node is run again and again, and the first run
//! crashes at the first call, the second at the second, and so on until the script is over before
//! the next. The idea is that of ALICE (Pillai et al., OSDI 2014) and of CrashMonkey (Mohan et al.,
//! OSDI 2018), with a live server in place of recorded system calls.

use crate::env::Whom;
use crate::env::disk::Keep;
use crate::env::trap::{Call, Moment};
use crate::failure::Failure;
use crate::nemesis::fault::{Fault, PlannedFault, Victims};
use crate::nemesis::schedule;
use crate::nemesis::trigger::{Happening, Trigger};
use crate::trial::{Ended, Trial};
use duress_checkers::{Kind, Process, Valid};
use duress_reports::artifact::RunStatus;
use duress_reports::conclusion::{CRASH, Conclusion, NO_RECOVERY};
use serde::Serialize;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

/// The one node.
const NODE: &str = "n1";
/// Most points of one sweep.
pub const MAX_POINTS: u64 = 100_000;
/// The script does not take longer, in milliseconds, crash included.
const SCRIPT_MS: u64 = 120_000;
/// How long the node stays down, in milliseconds.
const DOWN_MS: u64 = 100;
/// How often a point is tried until it is reached: a server syncs by its own clock, too, so one run
/// of the script makes a few calls more than the next.
const ATTEMPTS: u32 = 3;
/// How often once more, when a later point was reached: then there are runs that come so far.
const FURTHER_ATTEMPTS: u32 = 12;

/// What is swept.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The arguments of the run at each point, without schedule and directory.
    pub run: Vec<OsString>,
    /// The calls to crash at.
    pub call: Call,
    /// Before the call, after it, or both.
    pub moments: Vec<Moment>,
    /// The crash takes with it what was not made durable; otherwise it is a kill.
    pub power_failure: bool,
    /// Where the runs go.
    pub dir: PathBuf,
    /// Runs at the same time.
    pub jobs: usize,
    /// Keep the runs of points that were recovered from, too.
    pub keep: bool,
}

/// One crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Point {
    /// The call, from 1.
    pub nth: u64,
    /// Before or after it.
    pub moment: Moment,
    /// What came of it.
    pub outcome: Outcome,
    /// Its run, where it was kept.
    pub run: Option<PathBuf>,
}

/// What came of one crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The node came back, with everything.
    Recovered,
    /// The script was over before that call.
    NotReached,
    /// Something that had been acknowledged is lost, or something else is wrong with the history.
    Violation,
    /// The checker gave up.
    Unknown,
    /// The node did not come back.
    NotRecovered,
    /// The run broke down, or the node ended by itself.
    Failed,
    /// The run does not count.
    Inconclusive,
    /// The user stopped it.
    Interrupted,
}

impl Sweep {
    /// Goes through all points, and tells each as soon as it is known. Ends after the last call of
    /// the script, or when a run is interrupted.
    ///
    /// # Errors
    /// When the directory cannot be written, or a run cannot be started.
    pub fn go(&self, mut tell: impl FnMut(&Point)) -> Result<Vec<Point>, Failure> {
        fs::create_dir_all(&self.dir).map_err(failed(&self.dir, "created"))?;
        let mut points = Vec::new();
        for &moment in &self.moments {
            let mut of_moment = Vec::new();
            for first in (1..=MAX_POINTS).step_by(self.jobs()) {
                let next: Vec<u64> = (first..first + self.jobs() as u64).collect();
                let batch = self.batch(&next, moment, ATTEMPTS)?;
                batch.iter().for_each(&mut tell);
                let over = batch.iter().all(|point| point.outcome == Outcome::NotReached);
                of_moment.extend(batch);
                self.keep_account(points.iter().chain(&of_moment))?;
                if over || interrupted(&of_moment) {
                    break;
                }
            }
            for missed in missed(&of_moment).chunks(self.jobs()) {
                if interrupted(&of_moment) {
                    break;
                }
                for point in self.batch(missed, moment, FURTHER_ATTEMPTS)? {
                    tell(&point);
                    let index = (point.nth - 1) as usize;
                    of_moment[index] = point;
                }
                self.keep_account(points.iter().chain(&of_moment))?;
            }
            points.extend(of_moment);
            if interrupted(&points) {
                break;
            }
        }
        Ok(points)
    }

    fn jobs(&self) -> usize {
        self.jobs.max(1)
    }

    /// What is known so far, on disk.
    fn keep_account<'a>(&self, points: impl Iterator<Item = &'a Point>) -> Result<(), Failure> {
        let path = self.dir.join("sweep.json");
        let text = serde_json::to_vec_pretty(&points.collect::<Vec<_>>()).unwrap_or_default();
        fs::write(&path, text).map_err(failed(&path, "written"))
    }

    /// These points, at the same time.
    fn batch(&self, points: &[u64], moment: Moment, attempts: u32) -> Result<Vec<Point>, Failure> {
        std::thread::scope(|scope| {
            let (send, ended) = mpsc::channel();
            for &nth in points {
                let send = send.clone();
                scope.spawn(move || send.send(self.point(nth, moment, attempts)));
            }
            drop(send);
            let mut points = ended.into_iter().collect::<Result<Vec<_>, _>>()?;
            points.sort_by_key(|point| point.nth);
            Ok(points)
        })
    }

    fn point(&self, nth: u64, moment: Moment, attempts: u32) -> Result<Point, Failure> {
        let word = if moment == Moment::Before { "before" } else { "after" };
        let mut outcome = Outcome::NotReached;
        let dir = self.dir.join(format!("{}-{nth:05}-{word}", self.call));
        for _ in 0..attempts {
            if dir.exists() {
                fs::remove_dir_all(&dir).map_err(failed(&dir, "removed"))?;
            }
            outcome = self.attempt(nth, moment, &dir)?;
            if outcome != Outcome::NotReached {
                break;
            }
        }
        let keep = self.keep || !matches!(outcome, Outcome::Recovered | Outcome::NotReached);
        if !keep {
            fs::remove_dir_all(&dir).map_err(failed(&dir, "removed"))?;
        }
        Ok(Point { nth, moment, outcome, run: keep.then_some(dir) })
    }

    fn attempt(&self, nth: u64, moment: Moment, dir: &Path) -> Result<Outcome, Failure> {
        let file = dir.with_extension("toml");
        let call = Happening::Call { node: NODE.to_owned(), call: self.call, nth, moment };
        let crash = PlannedFault {
            at_ms: 0,
            for_ms: DOWN_MS,
            on: Some(Trigger { within_ms: SCRIPT_MS, event: call }),
            fault: self.crash(nth),
        };
        fs::write(&file, schedule::write(&[crash])).map_err(failed(&file, "written"))?;
        let mut args = self.run.clone();
        args.extend([
            "--time".into(),
            format!("{SCRIPT_MS}ms").into(),
            "--schedule".into(),
            file.clone().into(),
        ]);
        let trial = Trial { args, dir: dir.to_owned() };
        let ended = trial.go()?;
        let _ = fs::remove_file(&file);
        let _ = fs::remove_file(trial.log());
        Ok(judge(ended))
    }
}

impl Sweep {
    fn crash(&self, nth: u64) -> Fault {
        let nodes = Victims::one(NODE);
        if self.power_failure {
            // All of it: what a call before the crash did not make durable must not be needed.
            Fault::DiskPowerFailure { nodes, keep: Keep::None, seed: nth }
        } else {
            Fault::Kill { nodes, whom: Whom::Tree }
        }
    }
}

fn interrupted(points: &[Point]) -> bool {
    points.iter().any(|point| point.outcome == Outcome::Interrupted)
}

/// The points that were not reached although a later one was.
fn missed(points: &[Point]) -> Vec<u64> {
    let reached = |point: &&Point| point.outcome != Outcome::NotReached;
    let last = points.iter().rfind(reached).map_or(0, |point| point.nth);
    points.iter().filter(|point| !reached(point) && point.nth < last).map(|point| point.nth).collect()
}

/// What a run's exit code means for the point.
fn judge(Ended { code, run, conclusion }: Ended) -> Outcome {
    let struck = run.faults.iter().any(|fault| fault.bit());
    let broken = run.info.failure.is_some() || !run.info.doubts.is_empty();
    // Whatever else a run that counts needs: here one has to see the end of it.
    let read = run.history.ops().iter().rev().find(|op| matches!(op.process, Process::Client(_)));
    let seen = read.is_some_and(|op| op.kind == Kind::Ok);
    let valid = conclusion.as_ref().is_some_and(|c| c.verdicts.iter().all(|v| v.valid == Valid::Valid));
    // That it did not come back is a violation, too; but nothing that was acknowledged is seen to be lost.
    let lost =
        |c: &Conclusion| c.findings.iter().any(|f| ![NO_RECOVERY, CRASH].contains(&f.anomaly.as_str()));
    let crashed = |c: &Conclusion| c.outcome == duress_reports::Outcome::Crash;
    match code {
        _ if run.info.status == RunStatus::Interrupted => Outcome::Interrupted,
        Some(1) if run.info.unrecovered.is_some() && !conclusion.as_ref().is_some_and(lost) => {
            Outcome::NotRecovered
        }
        Some(1) if conclusion.as_ref().is_some_and(crashed) => Outcome::Failed,
        Some(1) => Outcome::Violation,
        Some(2) => Outcome::Unknown,
        _ if broken => Outcome::Failed,
        _ if !struck => Outcome::NotReached,
        _ if valid && seen => Outcome::Recovered,
        _ => Outcome::Inconclusive,
    }
}

fn failed(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::File { path, what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(outcomes: &[Outcome]) -> Vec<Point> {
        let point = |(outcome, nth)| Point { nth, moment: Moment::After, outcome, run: None };
        outcomes.iter().copied().zip(1..).map(point).collect()
    }

    #[test]
    fn only_what_lies_before_a_point_that_was_reached_was_missed() {
        use Outcome::{NotReached, Recovered, Violation};
        assert_eq!(missed(&points(&[Recovered, NotReached, Violation, NotReached, NotReached])), [2]);
        assert!(missed(&points(&[NotReached, NotReached])).is_empty());
        assert!(missed(&points(&[])).is_empty());
    }
}
