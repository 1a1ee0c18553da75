//! The run that is to be made again: its options, its faults at their times, its binary.

use super::sought::Sought;
use crate::failure::Failure;
use crate::nemesis::fault::PlannedFault;
use crate::plan::{self, Plan, RunOptions};
use crate::{index, store};
use duress_reports::artifact::{Binary, FaultWindow, RunDir, RunInfo};
use duress_reports::conclusion::Conclusion;
use duress_targets::Registry;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A run that was made, ready to be made again.
pub struct Original {
    /// Its directory; absolute.
    pub dir: PathBuf,
    /// `run.json`.
    pub info: RunInfo,
    /// What is sought.
    pub sought: Sought,
    /// When that came back, in nanoseconds.
    pub time: u64,
    /// The faults as they struck.
    pub windows: Vec<FaultWindow>,
    /// Its options; the schedule is its own copy.
    pub options: RunOptions,
    /// The faults of that.
    pub faults: Vec<PlannedFault>,
    /// Where its target is found.
    pub registry: Registry,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// How the arguments of `duress run` are read.
pub type Parse = fn(&[String]) -> Result<RunOptions, Failure>;

impl Original {
    /// The run in this directory, or the last run below `runs` that has a finding with this fingerprint.
    /// `which` is a number or fingerprint of its findings. The command in `run.json` holds all options, and
    /// `schedule.toml` the faults: nothing is planned again, so another version of Duress makes the same.
    ///
    /// # Errors
    /// When there is no such run, it still runs, has no such finding, or cannot be made again as it was.
    pub fn open(
        name: &str,
        runs: &Path,
        which: Option<&str>,
        (registry, parse): (&Registry, Parse),
    ) -> Result<Self, Failure> {
        let (path, which) = match find(name, runs)? {
            Some(path) => (path, which.or(Some(name))),
            None => (PathBuf::from(name), which),
        };
        let refuse = |why: &str, fix: &str| Failure::usage(path.display().to_string(), why, fix);
        let dir = RunDir::open(&path)?;
        if store::is_alive(&dir) {
            return Err(refuse("it still runs", "wait for its end"));
        }
        let run = dir.load()?;
        let conclusion: Conclusion = dir.load_conclusion()?.ok_or_else(|| {
            refuse("it has come to no verdict", "`duress check` it first, if it has a history")
        })?;
        let sought = Sought::choose(&path, &conclusion, which)?;
        let time =
            conclusion.findings.iter().filter(|placed| sought.is(placed)).map(|placed| placed.time).min();
        let words = plan::words(&run.info.repeat);
        let options = match words.strip_prefix(&["duress".to_owned(), "run".to_owned()]) {
            Some(arguments) => parse(arguments)?,
            None => return Err(refuse("its run.json has no command that repeats it", "use a newer run")),
        };
        // Links like `latest` point elsewhere tomorrow.
        let path = path.canonicalize().map_err(|source| Failure::File {
            path: path.clone(),
            what: "found",
            source,
        })?;
        let (options, faults) =
            scheduled(registry, options, &path.join("schedule.toml"), run.info.binary.as_ref())?;
        let ours = env!("CARGO_PKG_VERSION");
        let note = format!("it was made by Duress {}, and this is {ours}", run.info.duress);
        Ok(Self {
            dir: path,
            notes: if run.info.duress == ours { Vec::new() } else { vec![note] },
            sought,
            time: time.unwrap_or(0),
            windows: run.faults,
            options,
            faults,
            registry: registry.clone(),
            info: run.info,
        })
    }

    /// Is the binary that is there still the one that was tested?
    ///
    /// # Errors
    /// When it is not, or not there.
    pub fn same_binary(&self) -> Result<(), Failure> {
        let Some(binary) = &self.info.binary else { return Ok(()) };
        let path = Path::new(&binary.path);
        // What was obtained may be obtained again; then each run says what it got.
        if !path.exists() && self.options.bin.is_none() {
            return Ok(());
        }
        let failed = |source| Failure::File { path: path.to_owned(), what: "read", source };
        let bytes = std::fs::read(path).map_err(failed)?;
        let now: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        self.same_sha256(Some(&now))
    }

    /// The same of a binary with this SHA-256.
    ///
    /// # Errors
    /// When it is another one.
    pub fn same_sha256(&self, now: Option<&str>) -> Result<(), Failure> {
        match (&self.info.binary, now) {
            (Some(binary), Some(now)) if binary.sha256 != now => Err(Failure::usage(
                self.dir.display().to_string(),
                format!(
                    "its binary was another one: {} had the SHA-256 {}, and now it is {now}",
                    binary.path, binary.sha256
                ),
                "put the old one back, or use --anyway",
            )),
            _ => Ok(()),
        }
    }
}

/// The newest run below `runs` with a finding of this fingerprint, unless there is something of that name.
fn find(name: &str, runs: &Path) -> Result<Option<PathBuf>, Failure> {
    let fingerprint = !name.is_empty() && name.chars().all(|c| c.is_ascii_hexdigit());
    if Path::new(name).exists() || !fingerprint {
        return Ok(None);
    }
    let found = index::read(runs).index.runs;
    let has = |line: &&duress_reports::index::RunLine| {
        !line.gone && line.findings.iter().any(|finding| finding.fingerprint == name)
    };
    match found.iter().rev().find(has) {
        Some(line) => Ok(Some(runs.join(&line.path))),
        None => Err(Failure::usage(
            format!("finding {name}"),
            format!("no run below {} has it any more", runs.display()),
            "give a run directory, or the directory of the runs with --runs",
        )),
    }
}

/// The options with the schedule as it was, and the binary where it lies.
fn scheduled(
    registry: &Registry,
    mut options: RunOptions,
    schedule: &Path,
    binary: Option<&Binary>,
) -> Result<(RunOptions, Vec<PlannedFault>), Failure> {
    if let (Some(_), Some(binary)) = (&options.bin, binary) {
        options.bin = Some(PathBuf::from(&binary.path));
    }
    let text = std::fs::read_to_string(schedule).map_err(|source| Failure::File {
        path: schedule.to_owned(),
        what: "read",
        source,
    })?;
    options.faults = Some(vec!["none".to_owned()]);
    options.schedule = None;
    // A run without faults has a schedule without entries.
    if text.contains("[[fault]]") {
        options.faults = None;
        options.schedule = Some(schedule.to_owned());
    }
    let faults = Plan::new(registry, options.clone())?.schedule;
    Ok((options, faults))
}
