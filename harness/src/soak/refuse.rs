//! Every combination is planned once before the first is run: a typo must not cost a night.

use super::matrix::Combination;
use crate::failure::Failure;
use crate::trial::ourselves;
use std::process::Stdio;

/// Asks `duress run` itself, which alone knows what it can do.
///
/// # Errors
/// The first combination that cannot be, and why.
pub fn refuse(combinations: &[Combination]) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = combinations.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let asked: Vec<_> = combinations
            .chunks(share)
            .map(|chunk| scope.spawn(move || chunk.iter().try_for_each(plan)))
            .collect();
        asked.into_iter().try_for_each(|asked| match asked.join() {
            Ok(answered) => answered,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

fn plan(combination: &Combination) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: "duress run".into(), what: "run", source };
    let mut command = ourselves();
    command.arg("run").args(&combination.args).args(["--seed", "1", "--dry-run", "--ci", "none"]);
    let output = command.stdin(Stdio::null()).output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it cannot be planned");
    let what = format!("duress run {}", combination.args.join(" "));
    Err(Failure::usage(what, line.trim_start_matches("error: "), "exclude it, or change the matrix"))
}
