//! What every soak has to find: bugs planted in the cluster inside Duress, by a run like any other, and
//! mistakes planted in checkers. Where it does not, nothing that it does not find means anything.

use super::golden::{GOLDEN, RIGHT, WRONG, mistakes};
use crate::failure::Failure;
use duress_reports::conclusion::Outcome;
use duress_workloads::Rng;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the schedules are, in the directory of the soak.
pub(super) const DIR: &str = "canaries";
/// Bugs that are planted in clusters.
const BUGS: [&str; 2] = ["stale-read", "lost-write"];
/// How many different ones there are; the first is about checkers, the others are [`BUGS`].
pub(super) const KINDS: usize = 1 + BUGS.len();
/// How often one is tried before it counts as missed: whether clients see a bug is a matter of time, too. Each
/// attempt takes twice as long as the one before.
pub(super) const ATTEMPTS: u32 = 4;
/// Seconds of the first attempt.
const SECONDS: u32 = 2;
/// In each second the leader is cut off, which both bugs need: from when, and for how long, in milliseconds.
const CUT: (u32, u32) = (250, 600);

/// `checkers`, or the name of the bug.
pub(super) fn name(which: usize) -> &'static str {
    which.checked_sub(1).and_then(|at| BUGS.get(at)).copied().unwrap_or("checkers")
}

/// Writes what the runs follow.
pub(super) fn prepare(dir: &Path) -> Result<(), Failure> {
    let fault = |second: u32| {
        format!(
            "[[fault]]\nat = \"{}ms\"\nfor = \"{}ms\"\nkind = \"partition\"\nshape = {{ isolate = \"leader\" }}\n\n",
            second * 1_000 + CUT.0,
            CUT.1
        )
    };
    for attempt in 1..=ATTEMPTS {
        let text: String = (0..seconds(attempt)).map(fault).collect();
        duress_reports::artifact::write_whole(&schedule(dir, attempt), text.as_bytes())?;
    }
    Ok(())
}

fn seconds(attempt: u32) -> u32 {
    SECONDS << attempt.saturating_sub(1).min(ATTEMPTS)
}

fn schedule(dir: &Path, attempt: u32) -> PathBuf {
    dir.join(format!("{attempt}.toml"))
}

/// The arguments of the run with a planted bug. One that was killed again and again is tried once more.
pub(super) fn arguments(dir: &Path, which: usize, attempt: u32, mut rng: Rng) -> Vec<OsString> {
    let attempt = attempt.clamp(1, ATTEMPTS);
    let mut words: Vec<OsString> = [
        "sim",
        "--set",
        &format!("bug={}", name(which)),
        "--time",
        &format!("{}s", seconds(attempt)),
        "--op-timeout",
        "500ms",
        "--seed",
        &rng.bits().to_string(),
        "--plots",
        "none",
        "--canary",
        "--schedule",
    ]
    .map(OsString::from)
    .into();
    words.push(schedule(&dir.join(DIR), attempt).into_os_string());
    words
}

/// The checkers themselves: a violation when they are right and every mistake in one shows, as it has to.
pub(super) fn checkers() -> (Outcome, String) {
    let wrong = mistakes(&RIGHT);
    if let Some(first) = wrong.first() {
        let told = format!(
            "{} of {} known histories are judged wrongly, the first: {first}",
            wrong.len(),
            GOLDEN.len()
        );
        return (Outcome::Infrastructure, told);
    }
    let missed: Vec<&str> =
        WRONG.iter().filter(|judge| mistakes(judge).is_empty()).map(|judge| judge.name).collect();
    match missed.first() {
        None => {
            let told = format!(
                "{} known histories are judged right, and each of {} mistakes in a checker is noticed",
                GOLDEN.len(),
                WRONG.len()
            );
            (Outcome::Violation, told)
        }
        Some(first) => {
            let told =
                format!("{} of {} mistakes in a checker go unnoticed: it {first}", missed.len(), WRONG.len());
            (Outcome::Infrastructure, told)
        }
    }
}
