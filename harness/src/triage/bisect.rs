//! In which versions does it show? The ends of a list first, then the middle of what is left between one
//! that shows it and one that does not.
//!
//! That halves the work only if it came once, or went once: a list in which it comes and goes has several
//! such places, and this finds one of them.

use super::batch::{Interrupted, batch};
use super::candidate::Candidate;
use super::original::Original;
use super::rate::Rate;
use super::sought::{Answer, Sought};
use crate::failure::Failure;
use crate::store;
use crate::trial::Trial;
use duress_reports::artifact::write_whole;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// What is asked.
pub struct Bisect<'a> {
    /// The run.
    pub original: &'a Original,
    /// The builds of the server, in their order.
    pub builds: Vec<Build>,
    /// Runs of each that is tested.
    pub times: u32,
    /// Runs at the same time.
    pub jobs: usize,
}

/// A server that can be tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Build {
    /// A version, to be obtained.
    Version(String),
    /// A binary.
    Bin(PathBuf),
}

/// What came of it; `bisect.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Bisected {
    /// The run that was made again.
    pub run: PathBuf,
    /// What was sought.
    pub finding: Sought,
    /// The builds that were tested, in the order of the list.
    pub tested: Vec<Tested>,
    /// Where it changes.
    pub found: Found,
}

/// A build that was tested.
#[derive(Clone, Debug, Serialize)]
pub struct Tested {
    /// Its position in the list, from 0.
    pub at: usize,
    /// Version or path.
    pub build: String,
    /// How often it showed.
    pub rate: Rate,
    /// Runs that say nothing.
    pub unanswered: usize,
    /// Runs with another violation.
    pub others: usize,
}

/// Where it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Found {
    /// Between two neighbours of the list.
    Between {
        /// The earlier.
        before: String,
        /// The later.
        after: String,
        /// The later has it, and the earlier had not.
        came: bool,
        /// The intervals of their rates have nothing in common.
        certain: bool,
    },
    /// Both ends show it.
    Everywhere,
    /// Neither end shows it.
    Nowhere,
    /// The user wanted an end, or a build came to no answer.
    Open,
}

impl Bisect<'_> {
    /// Tests builds, each in runs of its own below `bisect/` of the run, and tells each run as it ends.
    ///
    /// # Errors
    /// When the directory cannot be written, or there can be no such run.
    pub fn go(
        &self,
        interrupted: &Interrupted,
        mut tell: impl FnMut(&str, &Answer),
    ) -> Result<Bisected, Failure> {
        let _lock = store::sole(&self.dir(), "bisect")?;
        let mut tested: Vec<Tested> = Vec::new();
        let mut test = |at: usize, tested: &mut Vec<Tested>| -> Result<Option<bool>, Failure> {
            let one = self.test(at, interrupted, &mut tell)?;
            let shows = (one.rate.of > 0 && !interrupted.seen()).then_some(one.rate.shown > 0);
            tested.push(one);
            tested.sort_by_key(|one| one.at);
            Ok(shows)
        };
        let (mut low, mut high) = (0, self.builds.len().saturating_sub(1));
        let first = test(low, &mut tested)?;
        let last = if first.is_some() { test(high, &mut tested)? } else { None };
        let mut found = match (first, last) {
            (Some(true), Some(true)) => Some(Found::Everywhere),
            (Some(false), Some(false)) => Some(Found::Nowhere),
            (Some(_), Some(_)) => None,
            _ => Some(Found::Open),
        };
        while found.is_none() && high - low > 1 {
            let middle = low + (high - low) / 2;
            match test(middle, &mut tested)? {
                Some(shows) if Some(shows) == first => low = middle,
                Some(_) => high = middle,
                None => found = Some(Found::Open),
            }
        }
        let found = found.unwrap_or_else(|| {
            let rate =
                |at: usize| tested.iter().find(|one| one.at == at).map_or(Rate::default(), |one| one.rate);
            Found::Between {
                before: self.builds[low].name(),
                after: self.builds[high].name(),
                came: first == Some(false),
                certain: !rate(low).overlaps(rate(high)),
            }
        });
        let (run, finding) = (self.original.dir.clone(), self.original.sought.clone());
        let bisected = Bisected { run, finding, tested, found };
        let text = serde_json::to_vec_pretty(&bisected).unwrap_or_default();
        write_whole(&self.dir().join("bisect.json"), &text)?;
        Ok(bisected)
    }

    fn test(
        &self,
        at: usize,
        interrupted: &Interrupted,
        tell: &mut impl FnMut(&str, &Answer),
    ) -> Result<Tested, Failure> {
        let build = &self.builds[at];
        let mut candidate = Candidate::of(self.original);
        (candidate.options.version, candidate.options.bin) = match build {
            Build::Version(version) => (Some(version.clone()), None),
            Build::Bin(bin) => (None, Some(bin.clone())),
        };
        let (args, _) =
            candidate.command(&self.original.registry, self.original.options.schedule.as_deref())?;
        let below = self.dir().join(format!("{:02}", at + 1));
        if below.exists() {
            fs::remove_dir_all(&below).map_err(failed(&below, "removed"))?;
        }
        fs::create_dir_all(&below).map_err(failed(&below, "created"))?;
        let trial = |nth| Trial { args: args.clone(), dir: below.join(format!("{nth:03}")) };
        let trials = (1..=self.times).map(trial).collect();
        let mut one = Tested { at, build: build.name(), rate: Rate::default(), unanswered: 0, others: 0 };
        batch(trials, self.jobs, &self.original.sought, interrupted, |_, answer| {
            tell(&one.build, &answer);
            match answer.shown {
                Some(shown) => one.rate.count(shown),
                None => one.unanswered += 1,
            }
            one.others += usize::from(!answer.others.is_empty());
            // A version that cannot be had cannot be had twice.
            one.rate.of > 0 || one.unanswered < super::GIVE_UP
        });
        Ok(one)
    }

    fn dir(&self) -> PathBuf {
        self.original.dir.join("bisect")
    }
}

impl Bisected {
    /// 1 when it showed in some build, or another violation did; 3 when that is open; 0 when it showed in none.
    pub fn exit_code(&self) -> u8 {
        if self.tested.iter().any(|one| one.rate.shown > 0 || one.others > 0) {
            1
        } else if self.found == Found::Open {
            3
        } else {
            0
        }
    }
}

impl Build {
    /// The version, or the path.
    pub fn name(&self) -> String {
        match self {
            Self::Version(version) => version.clone(),
            Self::Bin(bin) => bin.display().to_string(),
        }
    }
}

fn failed(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::File { path, what, source }
}
