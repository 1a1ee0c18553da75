//! Asks whether a candidate still fails, by running it: as often as the answer takes, no longer than the
//! budget, and never again what is known already.

use super::GIVE_UP;
use super::batch::{Interrupted, batch};
use super::candidate::Candidate;
use super::ledger::Ledger;
use super::original::Original;
use super::rate::Rate;
use super::sought::Answer;
use crate::failure::Failure;
use crate::trial::Trial;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Bytes of the hash that names a candidate.
const KEY_BYTES: usize = 6;

/// Why there is no answer.
pub(super) enum Halt {
    /// No time is left.
    Budget,
    /// The user wants an end.
    Interrupted,
    /// A file could not be written.
    Failed(Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A candidate that can be run.
pub(super) struct Ready {
    /// Its name here: the same options, faults and finding, the same key.
    pub(super) key: String,
    args: Vec<OsString>,
}

/// What the runs of a candidate say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Of those that came to an answer.
    pub(super) rate: Rate,
    /// Others, since the last that did.
    pub(super) unanswered: usize,
}

/// Where candidates are run.
pub(super) struct Lab<'a> {
    /// The run that candidates are made of.
    pub(super) original: &'a Original,
    /// Also with another binary.
    pub(super) anyway: bool,
    /// Everything is kept there.
    pub(super) dir: PathBuf,
    /// Runs at the same time.
    pub(super) jobs: usize,
    /// No run begins later.
    pub(super) deadline: Instant,
    /// The user's wish.
    pub(super) interrupted: &'a Interrupted,
    /// Every run.
    pub(super) ledger: Ledger,
    /// A line for people.
    pub(super) tell: &'a mut dyn FnMut(&str),
}

impl Lab<'_> {
    /// Gives a candidate its schedule and its name.
    ///
    /// # Errors
    /// When there can be no such run.
    pub(super) fn ready(&self, candidate: &Candidate) -> Result<Ready, Failure> {
        let trials = self.dir.join("trials");
        fs::create_dir_all(&trials).map_err(failed(&trials, "created"))?;
        let text = candidate.schedule();
        let write = |path: &Path| fs::write(path, &text).map_err(failed(path, "written"));
        // Where the schedule lies does not count, and what is in it does.
        let next = trials.join("next.toml");
        write(&next)?;
        let (_, command) = candidate.command(&self.original.registry, Some(&next))?;
        let mut hasher = Sha256::new();
        let anywhere = command.replace(&*next.to_string_lossy(), "next.toml");
        let sought = &self.original.sought;
        for part in [&anywhere, &text, &sought.checker, &sought.anomaly] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let key: String =
            hasher.finalize().iter().take(KEY_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let schedule = trials.join(format!("{key}.toml"));
        write(&schedule)?;
        let (args, _) = candidate.command(&self.original.registry, Some(&schedule))?;
        Ok(Ready { key, args })
    }

    /// Runs a candidate until that is enough, or it has come to no answer too often. Runs at the same time
    /// may be more than it takes; they are told and kept, and decide nothing: nor does the number of jobs.
    ///
    /// # Errors
    /// See [`Halt`].
    pub(super) fn ask(
        &mut self,
        ready: &Ready,
        words: &str,
        enough: &dyn Fn(Rate) -> bool,
    ) -> Result<Tally, Halt> {
        loop {
            let known = self.ledger.of(&ready.key);
            let mut tally = Tally::default();
            for answer in &known {
                if enough(tally.rate) || tally.unanswered >= GIVE_UP {
                    break;
                }
                tally.count(answer);
            }
            if enough(tally.rate) || tally.unanswered >= GIVE_UP {
                return Ok(tally);
            }
            if Instant::now() >= self.deadline {
                return Err(Halt::Budget);
            }
            self.run(ready, self.ledger.next(&ready.key), words)?;
        }
    }

    /// So many runs more, as there are jobs.
    fn run(&mut self, ready: &Ready, first: usize, words: &str) -> Result<(), Halt> {
        let dirs: Vec<PathBuf> =
            (first..first + self.jobs.max(1)).map(|nth| self.place(&ready.key, nth)).collect();
        for dir in dirs.iter().filter(|dir| dir.exists()) {
            // Of a run that was stopped: nobody has its answer.
            fs::remove_dir_all(dir).map_err(failed(dir, "removed"))?;
        }
        let trials = dirs.into_iter().map(|dir| Trial { args: ready.args.clone(), dir }).collect();
        let (ledger, tell, original, anyway) =
            (&mut self.ledger, &mut *self.tell, self.original, self.anyway);
        let sought = &original.sought;
        let mut written = Ok(());
        let complete = batch(trials, self.jobs, sought, self.interrupted, |at, answer| {
            let nth = first + at;
            tell(&format!("{words}, run {}: {}", nth + 1, answer.told(sought)));
            let log = answer.run.with_extension("log");
            if answer.outcome.is_some() {
                let _ = fs::remove_file(log);
            }
            // What says nothing anybody wants to look at takes room only.
            if answer.shown == Some(false) && answer.others.is_empty() {
                let _ = fs::remove_dir_all(&answer.run);
            }
            if written.is_ok() && !anyway {
                written = original.same_sha256(answer.sha256.as_deref());
            }
            if written.is_ok() {
                written = ledger.add(&ready.key, nth, answer);
            }
            written.is_ok()
        });
        written?;
        if complete { Ok(()) } else { Err(Halt::Interrupted) }
    }

    /// All that is known of a candidate.
    pub(super) fn rate(&self, key: &str) -> Rate {
        let mut rate = Rate::default();
        self.ledger.of(key).iter().filter_map(|answer| answer.shown).for_each(|shown| rate.count(shown));
        rate
    }

    /// The last run of a candidate that showed it.
    pub(super) fn last_shown(&self, key: &str) -> Option<Answer> {
        self.ledger.of(key).into_iter().rev().find(|answer| answer.shown == Some(true)).cloned()
    }

    /// Removes the runs of a candidate, but for this one and those with another violation.
    pub(super) fn clear(&self, key: &str, but: Option<&Path>) {
        for answer in self.ledger.of(key) {
            let keep = but == Some(&answer.run) || !answer.others.is_empty() || answer.shown.is_none();
            if !keep && answer.run.starts_with(&self.dir) {
                let _ = fs::remove_dir_all(&answer.run);
            }
        }
    }

    fn place(&self, key: &str, nth: usize) -> PathBuf {
        self.dir.join("trials").join(format!("{key}-{:02}", nth + 1))
    }
}

impl Tally {
    fn count(&mut self, answer: &Answer) {
        match answer.shown {
            Some(shown) => {
                self.rate.count(shown);
                self.unanswered = 0;
            }
            None => self.unanswered += 1,
        }
    }
}

fn failed(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::File { path, what, source }
}
