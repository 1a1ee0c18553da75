//! The same run again and again: how often does the finding show?

use super::batch::{Interrupted, batch};
use super::original::Original;
use super::rate::Rate;
use super::sought::{Answer, Sought};
use super::{GIVE_UP, candidate::Candidate};
use crate::failure::Failure;
use crate::store;
use crate::trial::Trial;
use duress_reports::artifact::write_whole;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Directories that are looked at for a free name.
const MAX_NAMES: u32 = 100_000;

/// What is asked.
pub struct Repro<'a> {
    /// The run.
    pub original: &'a Original,
    /// How often.
    pub times: u32,
    /// Runs at the same time.
    pub jobs: usize,
    /// Also with another binary.
    pub anyway: bool,
}

/// What came of it; `repro.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Reproduced {
    /// The run that was made again.
    pub run: PathBuf,
    /// What was sought.
    pub finding: Sought,
    /// The command of each repetition, without its directory.
    pub command: String,
    /// Of the runs that came to an answer, those that showed it.
    pub rate: Rate,
    /// Of these, those with the same fingerprint.
    pub same_fingerprint: usize,
    /// Runs that say nothing: they failed, or a checker gave up.
    pub unanswered: usize,
    /// Runs with another violation.
    pub others: usize,
    /// All that were asked for were made.
    pub complete: bool,
    /// The runs.
    pub runs: Vec<Answer>,
}

impl Repro<'_> {
    /// Makes the runs, each in a directory of its own below `repro/` of the run, and tells each as it ends.
    ///
    /// # Errors
    /// When the binary is another one, or the directory cannot be written.
    pub fn go(
        &self,
        interrupted: &Interrupted,
        mut tell: impl FnMut(usize, &Answer),
    ) -> Result<Reproduced, Failure> {
        if !self.anyway {
            self.original.same_binary()?;
        }
        let below = self.original.dir.join("repro");
        let _lock = store::sole(&below, "repro")?;
        let candidate = Candidate::of(self.original);
        let (args, command) =
            candidate.command(&self.original.registry, self.original.options.schedule.as_deref())?;
        let dirs = free_names(&below, self.times);
        let trials = dirs.into_iter().map(|dir| Trial { args: args.clone(), dir }).collect();
        let sought = &self.original.sought;
        let mut runs: Vec<Answer> = Vec::new();
        let mut other = Ok(());
        let complete = batch(trials, self.jobs, sought, interrupted, |at, answer| {
            tell(at, &answer);
            if !self.anyway {
                other = self.original.same_sha256(answer.sha256.as_deref());
            }
            runs.push(answer);
            // What has never come to an answer never will.
            let lost = runs.len() >= GIVE_UP && runs.iter().all(|answer| answer.shown.is_none());
            other.is_ok() && !lost
        });
        other?;
        let mut rate = Rate::default();
        runs.iter().filter_map(|answer| answer.shown).for_each(|shown| rate.count(shown));
        let count = |is: &dyn Fn(&Answer) -> bool| runs.iter().filter(|answer| is(answer)).count();
        let reproduced = Reproduced {
            run: self.original.dir.clone(),
            finding: sought.clone(),
            command,
            rate,
            same_fingerprint: count(&|answer| answer.same_fingerprint),
            unanswered: count(&|answer| answer.shown.is_none()),
            others: count(&|answer| !answer.others.is_empty()),
            complete: complete && runs.len() == self.times as usize,
            runs,
        };
        let text = serde_json::to_vec_pretty(&reproduced).unwrap_or_default();
        write_whole(&below.join("repro.json"), &text)?;
        Ok(reproduced)
    }
}

impl Reproduced {
    /// 1 when it showed, or another violation did; 3 when no run came to an answer, or one failed and none
    /// showed it; 0 when it never showed.
    pub fn exit_code(&self) -> u8 {
        if self.rate.shown > 0 || self.others > 0 {
            1
        } else if self.unanswered > 0 || self.rate.of == 0 {
            3
        } else {
            0
        }
    }
}

/// `repro/001`, and so on, where there is nothing yet.
fn free_names(below: &Path, times: u32) -> Vec<PathBuf> {
    let names = (1..=MAX_NAMES).map(|n| below.join(format!("{n:03}")));
    names.filter(|dir| !dir.exists()).take(times as usize).collect()
}
