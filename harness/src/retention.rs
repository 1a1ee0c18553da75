//! Which runs are kept, and how much of them: `duress gc`, and soaks that keep little of valid runs.
//!
//! What nobody can have again is never removed: runs with a finding that is open, and what is being written.
//! The lines of runs that are removed stay in `index.jsonl`.

use crate::failure::Failure;
use crate::{index, soak, store};
use duress_reports::artifact::RunDir;
use duress_reports::conclusion::Outcome;
use duress_reports::index::{Index, Life, RunLine};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Directories below a run that are measured.
const DEPTH: usize = 8;
/// What is not kept of a thinned run: everything that its verdict and its report do without.
const HEAVY: [&str; 7] =
    ["history.jsonl", "trace.json", "plots", "nodes", "nodes.jsonl", "flows.jsonl", "capture.pcapng"];

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Runs that passed are kept for so long; for ever when absent.
    pub keep: Option<Duration>,
    /// The same for all others.
    pub keep_failed: Option<Duration>,
    /// Bytes of all runs together; the oldest are removed first, those that passed before others.
    pub max_bytes: Option<u64>,
    /// Of runs that passed and are kept, only the small files.
    pub thin: bool,
}

/// What is to be done with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Its directory.
    pub run: PathBuf,
    /// Of it.
    pub bytes: u64,
    /// What.
    pub what: What,
    /// Why.
    pub why: String,
}

/// What is done with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Removed.
    Remove,
    /// Only its small files are kept.
    Thin,
    /// Kept, although it would have to go.
    Keep,
}

/// A run, as far as this decides.
struct Candidate {
    run: PathBuf,
    bytes: u64,
    age: Duration,
    passed: bool,
    /// Why it must stay.
    protected: Option<&'static str>,
}

/// Decides about all runs below these directories. A finding is open as long as no later run of the same test
/// in any of them came to an answer without it.
///
/// # Errors
/// When one of them cannot be read.
pub fn plan(dirs: &[PathBuf], policy: &Policy, now: SystemTime) -> Result<Vec<Fate>, Failure> {
    let mut all: Vec<(PathBuf, RunLine)> = Vec::new();
    for dir in dirs {
        index::directory(dir)?;
        all.extend(index::read(dir).index.runs.into_iter().map(|line| (dir.clone(), line)));
    }
    let open = open(&all);
    let mut candidates: Vec<Candidate> = Vec::new();
    for (dir, line) in all.iter().filter(|(_, line)| !line.gone) {
        let run = dir.join(&line.path);
        let alive = RunDir::open(&run).is_ok_and(|run| store::is_alive(&run)) || soak::is_alive(dir);
        let found = !line.canary && line.findings.iter().any(|f| open.contains(f.fingerprint.as_str()));
        let unnamed =
            !line.canary && line.outcome.is_some_and(Outcome::is_finding) && line.findings.is_empty();
        candidates.push(Candidate {
            bytes: size(&run, DEPTH),
            age: age(&line.started, now),
            passed: line.outcome == Some(if line.canary { Outcome::Violation } else { Outcome::Valid }),
            protected: match (alive, found || unnamed) {
                (true, _) => Some("it is being written"),
                (_, true) => Some("a finding in it is open"),
                _ => None,
            },
            run,
        });
    }
    Ok(decide(candidates, policy))
}

/// Fingerprints that count and were not missing since.
fn open(all: &[(PathBuf, RunLine)]) -> BTreeSet<String> {
    // Of several directories: paths need not differ, runs do.
    let lines = all.iter().zip(0..).map(|((_, line), at)| RunLine { path: format!("{at}"), ..line.clone() });
    let index = Index::new(lines);
    let open = index.findings.into_iter();
    let open = open.filter(|f| f.known.is_none() && !matches!(f.life, Life::NotSeen(_)));
    open.map(|finding| finding.fingerprint).collect()
}

fn decide(mut candidates: Vec<Candidate>, policy: &Policy) -> Vec<Fate> {
    // The oldest first, and those that passed before others.
    candidates.sort_by(|a, b| (b.passed, b.age).cmp(&(a.passed, a.age)).then_with(|| a.run.cmp(&b.run)));
    let mut left: u64 = candidates.iter().map(|c| c.bytes).sum();
    let mut fates = Vec::new();
    let days = |age: Duration| age.as_secs() / 86_400;
    for of in candidates {
        let limit = if of.passed { policy.keep } else { policy.keep_failed };
        let over = policy.max_bytes.is_some_and(|most| left > most);
        let why = match (limit.is_some_and(|limit| of.age > limit), over) {
            (true, _) => Some(format!("{} days old", days(of.age))),
            (_, true) => Some("there is too much".to_owned()),
            _ => None,
        };
        let (what, why) = match (why, of.protected) {
            (Some(why), Some(protected)) => (What::Keep, format!("{why}, but {protected}")),
            (Some(why), None) => (What::Remove, why),
            (None, None) if policy.thin && of.passed => (What::Thin, "it passed".to_owned()),
            _ => continue,
        };
        if what == What::Remove {
            left -= of.bytes;
        }
        fates.push(Fate { run: of.run, bytes: of.bytes, what, why });
    }
    fates
}

/// Does it. The lines of what is removed are written down first.
///
/// # Errors
/// When something cannot be removed; what was before it is.
pub fn apply(dirs: &[PathBuf], fates: &[Fate]) -> Result<(), Failure> {
    for dir in dirs {
        index::write(dir, &index::read(dir).index)?;
    }
    for fate in fates {
        let failed = |source| Failure::File { path: fate.run.clone(), what: "removed", source };
        match fate.what {
            What::Remove => {
                fs::remove_dir_all(&fate.run).map_err(failed)?;
                let _ = fs::remove_file(fate.run.with_extension("log"));
            }
            What::Thin => thin(&RunDir::open(&fate.run)?)?,
            What::Keep => {}
        }
    }
    for dir in dirs {
        index::write(dir, &index::read(dir).index)?;
    }
    Ok(())
}

/// Keeps the verdict, the report and what repeats the run.
///
/// # Errors
/// When something cannot be removed or written.
pub fn thin(dir: &RunDir) -> Result<(), Failure> {
    // First: a verdict must not name what is not there.
    if let Some(mut conclusion) = dir.load_conclusion()? {
        conclusion.files.retain(|file| !HEAVY.iter().any(|heavy| Path::new(file).starts_with(heavy)));
        let bytes = serde_json::to_vec_pretty(&conclusion).unwrap_or_default();
        duress_reports::artifact::write_whole(&dir.verdict_file(), &bytes)?;
    }
    for name in HEAVY {
        let path = dir.path().join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::File { path, what: "removed", source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

fn size(path: &Path, depth: usize) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() && depth > 0 => size(&entry.path(), depth - 1),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

/// What cannot be read is as new as can be.
fn age(started: &str, now: SystemTime) -> Duration {
    let Ok(started) = humantime::parse_rfc3339_weak(started.trim_end_matches('Z')) else {
        return Duration::ZERO;
    };
    now.duration_since(started).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, days: u64, passed: bool, protected: Option<&'static str>) -> Candidate {
        Candidate { run: name.into(), bytes: 10, age: Duration::from_secs(days * 86_400), passed, protected }
    }

    fn fates(candidates: Vec<Candidate>, policy: Policy) -> Vec<(String, What)> {
        let fates = decide(candidates, &policy).into_iter();
        fates.map(|fate| (fate.run.display().to_string(), fate.what)).collect()
    }

    fn days(days: u64) -> Option<Duration> {
        Some(Duration::from_secs(days * 86_400))
    }

    #[test]
    fn age_decides_by_what_came_of_a_run() {
        let runs = vec![
            run("old-pass", 40, true, None),
            run("new-pass", 3, true, None),
            run("old-fail", 40, false, None),
            run("ancient-fail", 200, false, None),
            run("ancient-open", 200, false, Some("a finding in it is open")),
        ];
        let policy = Policy { keep: days(30), keep_failed: days(180), thin: true, ..Policy::default() };
        let expected = [
            ("old-pass", What::Remove),
            ("new-pass", What::Thin),
            ("ancient-fail", What::Remove),
            ("ancient-open", What::Keep),
        ];
        assert_eq!(fates(runs, policy), expected.map(|(name, what)| (name.to_owned(), what)));
    }

    #[test]
    fn too_much_goes_oldest_first_and_never_what_must_stay() {
        let runs = vec![
            run("a", 1, true, None),
            run("b", 5, true, None),
            run("c", 9, false, None),
            run("d", 10, false, Some("it is being written")),
        ];
        let policy = Policy { max_bytes: Some(20), ..Policy::default() };
        let expected = [("b", What::Remove), ("a", What::Remove)];
        assert_eq!(fates(runs, policy), expected.map(|(name, what)| (name.to_owned(), what)));
        assert_eq!(fates(vec![run("a", 9_000, true, None)], Policy::default()), []);
    }

    #[test]
    fn an_age_that_cannot_be_read_is_none() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        assert_eq!(age("1970-01-01T00:00:00Z", now), Duration::from_secs(86_400));
        assert_eq!(
            (age("yesterday", now), age("1970-01-03T00:00:00Z", now)),
            (Duration::ZERO, Duration::ZERO)
        );
    }
}
