//! A matrix of runs, again and again, until time is up: each a process of its own, each accounted for.
//!
//! ```text
//! DIR/manifest.json   all that decides which trials there are; written first
//!     trials.jsonl    what was begun and how it ended
//!     runs/           the run directories; canaries/ what the canaries follow
//!     soak.json, summary.md, junit.xml, index.html   what came of it, written at the end
//! ```
//!
//! Not here: what a run is ([`crate::trial`]), and what its trials mean together ([`duress_reports::suite`]).

mod account;
mod canary;
mod golden;
mod halt;
pub mod ledger;
pub mod manifest;
pub mod matrix;
mod merge;
mod refuse;
pub mod rotation;
mod work;

pub use halt::Halt;
pub use merge::merge;
pub use refuse::refuse;

use crate::failure::Failure;
use crate::store::{self, LOCK};
use account::Account;
use duress_reports::suite::Suite;
use ledger::{Ledger, Record};
use manifest::Manifest;
use nix::fcntl::{Flock, FlockArg};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use work::Work;

/// Where the runs are, in the directory of the soak.
const RUNS: &str = "runs";
/// How often it is looked whether somebody wants it to stop.
const LOOK: Duration = Duration::from_millis(200);
/// Most runs at the same time.
pub const MAX_JOBS: usize = 256;

/// What is written at the end.
const SUMMARIES: [&str; 3] = ["soak.json", "summary.md", "junit.xml"];

/// What came of a soak, and what kept it from being done or written to its end: a machine that refuses masks
/// nothing that was found before.
pub struct Came {
    /// What came of it.
    pub suite: Suite,
    /// What the machine refused.
    pub failure: Option<Failure>,
}

/// A soak, and where it goes.
pub struct Soak {
    /// What it is.
    pub manifest: Manifest,
    /// Its directory.
    pub dir: PathBuf,
    /// Runs at the same time, at least 1.
    pub jobs: usize,
}

impl Soak {
    /// Runs it, or goes on with it. Tells every run in a line.
    ///
    /// # Errors
    /// When the directory belongs to another soak, is in use, or cannot be written.
    pub fn go(self, halt: &Halt, tell: impl FnMut(&str)) -> Result<Came, Failure> {
        let _lock = lock(&self.dir)?;
        match Manifest::read(&self.dir)? {
            Some(known) => same(&known, &self.manifest, &self.dir)?,
            None => unused(&self.dir)?,
        }
        // First: a trial that is in no manifest cannot be accounted for.
        self.manifest.write(&self.dir)?;
        forget(&self.dir)?;
        let runs = self.dir.join(RUNS);
        fs::create_dir_all(&runs).map_err(failed(&runs, "created"))?;
        let canaries = self.dir.join(canary::DIR);
        fs::create_dir_all(&canaries).map_err(failed(&canaries, "created"))?;
        canary::prepare(&canaries)?;
        let (ledger, record) = Ledger::open(&self.dir)?;
        sweep_up(&runs, &record)?;
        let manifest = self.manifest.clone();
        let (record, mut stopped, failure) = self.work(ledger, record, halt, tell)?;
        if let Some(failure) = &failure {
            stopped = Some(failure.to_string());
        }
        let account =
            Account { manifest: &manifest, record: &record, stopped, elapsed_ms: record.elapsed_ms };
        let came = finish(&self.dir, &account);
        Ok(Came { failure: failure.or(came.failure), ..came })
    }

    /// Until nothing is left, somebody wants it to stop, or the machine refuses.
    fn work(
        &self,
        ledger: Ledger,
        record: Record,
        halt: &Halt,
        mut tell: impl FnMut(&str),
    ) -> Result<(Record, Option<String>, Option<Failure>), Failure> {
        let work = Arc::new(Work::new(self.manifest.clone(), self.dir.clone(), ledger, record, halt.clone()));
        let (send, ended) = channel();
        for _ in 0..self.jobs.clamp(1, MAX_JOBS) {
            let (work, send) = (Arc::clone(&work), send.clone());
            // Not joined when somebody wants to stop at once: their runs end with this process.
            std::thread::Builder::new()
                .name("soak".to_owned())
                .spawn(move || {
                    let failed = work.until_over(&|line| drop(send.send(Ok(line)))).err();
                    failed.map(|failure| send.send(Err(failure)))
                })
                .map_err(failed(&self.dir, "run"))?;
        }
        drop(send);
        let mut failure = None;
        while !halt.is_now() {
            match ended.recv_timeout(LOOK) {
                Ok(Ok(line)) => tell(&line),
                // The others end what they have begun: it may be what everybody is looking for.
                Ok(Err(refused)) => failure = failure.or(Some(refused)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let (record, stopped) = work.record();
        Ok((record, stopped, failure))
    }
}

/// Writes everything that a soak leaves beside its runs.
fn finish(dir: &Path, account: &Account<'_>) -> Came {
    let suite = account.suite();
    let failure = write(dir, &suite).err();
    Came { suite, failure }
}

fn write(dir: &Path, suite: &Suite) -> Result<(), Failure> {
    let json = serde_json::to_vec_pretty(suite).unwrap_or_default();
    let [markdown, junit] = [duress_reports::suite::markdown(suite), duress_reports::suite::junit(suite)];
    for (name, bytes) in SUMMARIES.into_iter().zip([json, markdown.into_bytes(), junit.into_bytes()]) {
        duress_reports::artifact::write_whole(&dir.join(name), &bytes)?;
    }
    crate::index::write(dir, &crate::index::read(dir).index)?;
    Ok(())
}

/// Removes the summaries of what is gone on with: whoever is killed now must not leave those of an earlier end.
fn forget(dir: &Path) -> Result<(), Failure> {
    for path in SUMMARIES.map(|name| dir.join(name)) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(&path, "removed")(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Is there nothing in it that would be written over? The lock is ours.
fn unused(dir: &Path) -> Result<(), Failure> {
    let mut entries = fs::read_dir(dir).map_err(failed(dir, "read"))?.flatten();
    if entries.all(|entry| entry.file_name() == LOCK) {
        return Ok(());
    }
    let what = format!("--dir {}", dir.display());
    Err(Failure::usage(
        what,
        "it holds something that is no soak",
        "give a new directory, or that of this soak",
    ))
}

/// Is it the same soak, to be gone on with?
fn same(known: &Manifest, asked: &Manifest, dir: &Path) -> Result<(), Failure> {
    let same = known.hash() == asked.hash() && known.shards == asked.shards && !known.merged;
    if same {
        return Ok(());
    }
    let why = if known.merged {
        "it holds shards that were joined"
    } else if known.duress != asked.duress {
        "it was begun by another version of Duress"
    } else if (known.of, &known.shards) != (asked.of, &asked.shards) {
        "it holds another shard"
    } else if known.seed != asked.seed {
        "it holds a soak with another seed"
    } else {
        "it holds a soak of another matrix"
    };
    Err(Failure::usage(format!("--dir {}", dir.display()), why, "give another directory"))
}

/// Removes what a kill left of runs that have no end: they are run again.
fn sweep_up(runs: &Path, record: &Record) -> Result<(), Failure> {
    let attempts = |ended: bool| -> BTreeSet<(ledger::Unit, u32)> {
        let of = record.lines.iter().filter(|line| line.end.is_some() == ended);
        of.map(|line| (line.unit, line.attempt)).collect()
    };
    let ended = attempts(true);
    for (unit, attempt) in attempts(false).into_iter().filter(|begun| !ended.contains(begun)) {
        let dir = runs.join(work::run_name(unit, attempt));
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(failed(&dir, "removed"))?;
        }
        let _ = fs::remove_file(dir.with_extension("log"));
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<Flock<File>, Failure> {
    store::sole(dir, "soak")
}

/// Is a soak at work in this directory?
pub fn is_alive(dir: &Path) -> bool {
    let Ok(file) = File::open(dir.join(LOCK)) else { return false };
    Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
}

fn failed(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::File { path, what, source }
}
