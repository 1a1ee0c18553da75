//! With how little does it still fail? Candidates that are smaller are run, and taken when they fail as
//! often as the run did.
//!
//! Where a search stopped, for whatever reason, the best so far is on disk, with its command; where it is
//! begun again, all that was learnt is known. What candidates there are is in [`super::smaller`].

use super::batch::Interrupted;
use super::candidate::Candidate;
use super::core::Core;
use super::lab::{Halt, Lab, Ready};
use super::ledger::Ledger;
use super::original::Original;
use super::rate::{Rate, Rule};
use super::sought::Sought;
use super::{narrative, smaller};
use crate::failure::Failure;
use crate::store;
use duress_reports::artifact::write_whole;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Runs that have to show it, before it is known how often it does.
const BASE_SHOWN: u32 = 3;
/// Runs for that at most; what shows in none of them is not looked for.
const BASE_TRIES: u32 = 20;
/// The share of the budget that the search may take; the rest is for the table.
const SEARCH: f64 = 0.7;
/// Faults that get lines of their own in the table.
const MAX_BLAMED: usize = 4;
/// Runs of a line of the table at least, before its interval says that it is another rate: intervals that are
/// looked at after each run have nothing in common sooner or later.
const APART_AFTER: u32 = 4;

/// What is asked.
pub struct Shrink<'a> {
    /// The run.
    pub original: &'a Original,
    /// No run begins later than so long after the start.
    pub budget: Duration,
    /// Runs at the same time.
    pub jobs: usize,
    /// Runs of each line of the table.
    pub tries: u32,
    /// Also with another binary.
    pub anyway: bool,
}

/// What came of it; `shrink.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Shrunk {
    /// The run that was made smaller.
    pub run: PathBuf,
    /// What was sought.
    pub finding: Sought,
    /// How the search ended.
    pub ended: Ended,
    /// How often the run as it was shows it.
    pub base: Rate,
    /// When a candidate was taken.
    pub rule: Rule,
    /// How often what is left shows it.
    pub rate: Rate,
    /// The run as it was.
    pub before: Size,
    /// What is left.
    pub after: Size,
    /// The command.
    pub command: String,
    /// The last run of that which showed it.
    pub minimal: Option<PathBuf>,
    /// The number of the finding in the report of that.
    pub number: Option<u64>,
    /// The operations that prove it there.
    pub core: Option<Core>,
    /// Which faults matter.
    pub table: Vec<Row>,
    /// What was tried.
    pub steps: Vec<Step>,
    /// Runs that were made.
    pub runs: usize,
    /// Other violations that showed, with a run of each.
    pub others: Vec<(String, PathBuf)>,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It goes on.
    Searching,
    /// There was nothing left to be tried.
    Complete,
    /// No time was left.
    Budget,
    /// The user wanted an end.
    Interrupted,
    /// The run as it was did not show it again.
    NeverShown,
    /// Runs came to no answer.
    NoAnswer,
}

/// How large a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Size {
    /// `F4 pause n2`.
    pub faults: Vec<String>,
    /// How many.
    pub nodes: usize,
    /// How many.
    pub clients: usize,
    /// In use at the same time.
    pub keys: usize,
    /// Operations per second; 0 for no limit.
    pub rate: u64,
    /// Most operations.
    pub ops: Option<u64>,
    /// Length under faults, in seconds.
    pub seconds: f64,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `F4 pause n2 alone`.
    pub what: String,
    /// How often it shows.
    pub rate: Rate,
}

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `without F4 pause n2`.
    pub what: String,
    /// How often it showed; absent when there can be no such run.
    pub rate: Option<Rate>,
    /// It shows as often as before.
    pub taken: bool,
}

/// A search while it goes on.
pub(super) struct Work<'a> {
    pub(super) original: &'a Original,
    pub(super) lab: Lab<'a>,
    pub(super) best: Candidate,
    key: String,
    /// Runs by which it was taken.
    counted: u32,
    shrunk: Shrunk,
}

impl Shrink<'_> {
    /// Searches, telling each run and each step, and writes what is found to `shrink/` of the run.
    ///
    /// # Errors
    /// When the binary is another one, or a file cannot be written.
    pub fn go(&self, interrupted: &Interrupted, tell: &mut dyn FnMut(&str)) -> Result<Shrunk, Failure> {
        if !self.anyway {
            self.original.same_binary()?;
        }
        let dir = self.original.dir.join("shrink");
        let _lock = store::sole(&dir, "shrink")?;
        let began = Instant::now();
        let ledger = Ledger::open(&dir.join("trials.jsonl"))?;
        let lab = Lab {
            original: self.original,
            anyway: self.anyway,
            jobs: self.jobs,
            deadline: began + self.budget.mul_f64(SEARCH),
            interrupted,
            ledger,
            tell,
            dir,
        };
        let mut work = Work::new(self.original, lab);
        let searched = work.search();
        let searched = match searched {
            Err(Halt::Interrupted | Halt::Failed(_)) => searched,
            _ if work.shrunk.base.shown == 0 => searched,
            // What matters of what is left is worth knowing, even where more could be left out.
            _ => {
                work.lab.deadline = began + self.budget;
                work.blame(self.tries).and(searched)
            }
        };
        work.end(searched)
    }
}

impl<'a> Work<'a> {
    fn new(original: &'a Original, lab: Lab<'a>) -> Self {
        let mut best = Candidate::of(original);
        // What follows from the number of nodes must not change with it.
        best.options.nodes = Some(original.info.nodes.len());
        let clients = original.info.options.get("concurrency").and_then(|text| text.parse().ok());
        best.options.concurrency = clients.or(best.options.concurrency);
        let size = Size::of(&best);
        let shrunk = Shrunk {
            run: original.dir.clone(),
            finding: original.sought.clone(),
            ended: Ended::Searching,
            base: Rate::default(),
            rule: Rule::keeping(Rate::default()),
            rate: Rate::default(),
            before: size.clone(),
            after: size,
            command: String::new(),
            minimal: None,
            number: None,
            core: None,
            table: Vec::new(),
            steps: Vec::new(),
            runs: 0,
            others: Vec::new(),
        };
        Self { original, lab, best, key: String::new(), counted: 0, shrunk }
    }

    fn search(&mut self) -> Result<(), Halt> {
        let ready = self.lab.ready(&self.best)?;
        let enough = |rate: Rate| rate.shown >= BASE_SHOWN || rate.of >= BASE_TRIES;
        self.key.clone_from(&ready.key);
        let asked = self.lab.ask(&ready, "as it was", &enough);
        self.shrunk.base = self.lab.rate(&self.key);
        let tally = asked?;
        self.shrunk.base = tally.rate;
        self.counted = tally.rate.of;
        if !enough(tally.rate) {
            self.shrunk.ended = Ended::NoAnswer;
            return Ok(());
        }
        if tally.rate.shown == 0 {
            self.shrunk.ended = Ended::NeverShown;
            return Ok(());
        }
        self.shrunk.rule = Rule::keeping(tally.rate);
        let Rule { need, tries } = self.shrunk.rule;
        (self.lab.tell)(&format!(
            "it shows in {}; a smaller run is taken when it shows in {need} of {tries}",
            tally.rate
        ));
        self.save()?;
        smaller::search(self)?;
        self.shrunk.ended = Ended::Complete;
        Ok(())
    }

    /// Is this candidate as good? Then it is the best from now on.
    pub(super) fn take(&mut self, candidate: Candidate, what: &str) -> Result<bool, Halt> {
        let ready = match self.lab.ready(&candidate) {
            Ok(ready) => ready,
            Err(failure @ Failure::File { .. }) => return Err(failure.into()),
            Err(_) => {
                self.step(what, None, false);
                return Ok(false);
            }
        };
        if ready.key == self.key {
            return Ok(false);
        }
        let rule = self.shrunk.rule;
        let tally = self.lab.ask(&ready, what, &|rate| rule.decide(rate).is_some())?;
        let taken = rule.decide(tally.rate) == Some(true);
        self.step(what, Some(tally.rate), taken);
        if taken {
            self.lab.clear(&self.key, None);
            self.best = candidate;
            self.key = ready.key;
            self.counted = tally.rate.of;
            self.save()?;
        } else {
            self.lab.clear(&ready.key, None);
        }
        Ok(taken)
    }

    fn step(&mut self, what: &str, rate: Option<Rate>, taken: bool) {
        let rated = rate.map_or("there can be no such run".to_owned(), |rate| rate.to_string());
        let word = if taken { "taken" } else { "not taken" };
        (self.lab.tell)(&format!("{word}: {what}: {rated}"));
        self.shrunk.steps.push(Step { what: what.to_owned(), rate, taken });
    }

    /// When the best last showed it, in milliseconds, and after how many operations: the latest of the runs
    /// by which it was taken, so that what is tried next does not depend on those that came later.
    pub(super) fn latest(&self) -> Option<(u64, u64)> {
        let counted = self.lab.ledger.of(&self.key).into_iter().take(self.counted as usize);
        let shown = counted.filter_map(|answer| answer.at_ms.zip(answer.ops));
        shown.reduce(|(a, b), (c, d)| (a.max(c), b.max(d)))
    }

    /// Which of the faults that are left matter: each alone, and all without it.
    fn blame(&mut self, tries: u32) -> Result<(), Halt> {
        let ready = |(what, candidate)| Some((what, self.lab.ready(&candidate).ok()?));
        let rows: Vec<(String, Ready)> = self.rows().into_iter().filter_map(ready).collect();
        let asked = self.in_rounds(&rows, tries);
        let base = Row { what: "the run as it was".to_owned(), rate: self.shrunk.base };
        self.shrunk.table = vec![base];
        for (what, ready) in rows {
            let rate = self.lab.rate(&ready.key);
            if rate.of > 0 {
                self.shrunk.table.push(Row { what, rate });
            }
            if ready.key != self.key {
                self.lab.clear(&ready.key, None);
            }
        }
        asked
    }

    /// What there are lines for.
    fn rows(&self) -> Vec<(String, Candidate)> {
        let faults = &self.best.faults;
        let mut rows = vec![("what is left".to_owned(), self.best.clone())];
        for fault in faults.iter().filter(|_| faults.len() <= MAX_BLAMED) {
            let without = self.best.only(|other| other.number != fault.number);
            rows.push((format!("without {}", self.best.name(fault)), without));
            if faults.len() > 1 {
                let alone = self.best.with(vec![fault.clone()]);
                rows.push((format!("{} alone", self.best.name(fault)), alone));
            }
        }
        rows
    }

    /// One run of each, and then one more: wherever time ends, all lines have about as many. A line that
    /// is told apart from what is left takes no more.
    fn in_rounds(&mut self, rows: &[(String, Ready)], tries: u32) -> Result<(), Halt> {
        for round in 1..=tries {
            for (what, ready) in rows {
                let left = self.lab.rate(&self.key);
                let apart = |rate: Rate| rate.of >= APART_AFTER && !rate.overlaps(left);
                self.lab.ask(ready, what, &|rate| rate.of >= round || apart(rate))?;
            }
        }
        Ok(())
    }

    /// Writes the best so far.
    fn save(&mut self) -> Result<(), Failure> {
        let dir = self.lab.dir.clone();
        let schedule = dir.join("schedule.toml");
        write_whole(&schedule, self.best.schedule().as_bytes())?;
        let (_, command) = self.best.command(&self.original.registry, Some(&schedule))?;
        let shown = self.lab.last_shown(&self.key).filter(|answer| answer.run.exists());
        let (shown, number) = shown.map(|answer| (answer.run, answer.number)).unzip();
        self.lab.clear(&self.key, shown.as_deref());
        if let Some(run) = &shown
            && self.shrunk.minimal.as_ref() != Some(run)
        {
            self.shrunk.core = Core::find(run, &self.original.sought, &dir.join("core.jsonl"))?;
            self.shrunk.minimal = shown;
            self.shrunk.number = number.flatten();
        }
        let mut others = BTreeSet::new();
        let all = self.lab.ledger.all();
        let told = all.flat_map(|answer| answer.others.iter().map(move |other| (other, &answer.run)));
        self.shrunk.others = told
            .filter(|(other, _)| others.insert(*other))
            .map(|(o, run)| (o.clone(), run.clone()))
            .collect();
        self.shrunk.runs = self.lab.ledger.all().count();
        self.shrunk.rate = self.lab.rate(&self.key);
        self.shrunk.after = Size::of(&self.best);
        self.shrunk.command = command;
        let text = serde_json::to_vec_pretty(&self.shrunk).unwrap_or_default();
        write_whole(&dir.join("shrink.json"), &text)?;
        write_whole(&dir.join("shrink.md"), self.shrunk.narrative().as_bytes())?;
        Ok(())
    }

    fn end(mut self, searched: Result<(), Halt>) -> Result<Shrunk, Failure> {
        let failed = match searched {
            Ok(()) => None,
            Err(Halt::Budget) => {
                // The table alone may have found no time.
                if self.shrunk.ended == Ended::Searching {
                    self.shrunk.ended = Ended::Budget;
                }
                None
            }
            Err(Halt::Interrupted) => {
                self.shrunk.ended = Ended::Interrupted;
                None
            }
            Err(Halt::Failed(failure)) => Some(failure),
        };
        self.save()?;
        failed.map_or(Ok(self.shrunk), Err)
    }
}

impl Shrunk {
    /// 1 when what is left shows it, or another violation did; 0 when the run as it was did not show it
    /// again; 3 when runs came to no answer, or were not made.
    pub fn exit_code(&self) -> u8 {
        match self.ended {
            _ if self.base.shown > 0 || !self.others.is_empty() => 1,
            Ended::NeverShown => 0,
            _ => 3,
        }
    }

    /// All of it in plain words, as Markdown; `shrink.md`.
    pub fn narrative(&self) -> String {
        narrative::of(self)
    }
}

impl Size {
    fn of(candidate: &Candidate) -> Self {
        let options = &candidate.options;
        Self {
            faults: candidate.fault_names(),
            nodes: options.nodes.unwrap_or(0),
            clients: options.concurrency.unwrap_or(0),
            keys: options.keys,
            rate: options.rate,
            ops: options.ops,
            seconds: options.time.as_secs_f64(),
        }
    }
}
