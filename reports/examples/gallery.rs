//! Writes reports of made-up runs into a directory, to look at them, and says how long the
//! large one takes: `cargo run --release -p duress-reports --example gallery -- DIRECTORY`.

#[path = "../tests/common/mod.rs"]
mod common;

use common::verdicts;
use duress_reports::artifact::RunStatus;
use duress_reports::{ArtifactError, Run, RunDir, conclude, text, write};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(out) = std::env::args().nth(1) else { return Err("give a directory".into()) };
    let mut failed = common::run(100);
    failed.history = duress_checkers::History::default();
    failed.faults.clear();
    failed.info.phases.truncate(1);
    failed.info.status = RunStatus::Failed;
    failed.info.failure = Some(common::failure());
    let mut dull = common::run(60);
    dull.faults[2].in_effect = None;
    dull.faults[2].evidence = vec!["n4 still answers".to_owned()];
    show(&out, "valid", &common::run(14), vec![verdicts::valid()])?;
    show(&out, "violation", &common::run(14), vec![verdicts::violation(), verdicts::unknown()])?;
    show(&out, "unknown", &common::run(60), vec![verdicts::unknown()])?;
    show(&out, "inconclusive", &dull, vec![verdicts::valid()])?;
    show(&out, "skewed", &common::skewed(), vec![verdicts::valid()])?;
    show(&out, "failed", &failed, vec![])?;
    let faults = common::faults();
    let large = Run {
        info: common::info(5000),
        history: common::history(3, 5000, 46, &faults),
        truncated: false,
        faults,
        flows: Vec::new(),
        nodes: Vec::new(),
        captured: false,
    };
    show(&out, "large", &large, vec![verdicts::valid()])?;
    Ok(())
}

fn show(
    out: &str,
    name: &str,
    run: &Run,
    verdicts: Vec<duress_checkers::Verdict>,
) -> Result<(), ArtifactError> {
    let dir = RunDir::create(format!("{out}/{name}"))?;
    dir.write_info(&run.info)?;
    let start = Instant::now();
    let conclusion = conclude(run, verdicts);
    let concluded = start.elapsed();
    write(&dir, run, &conclusion)?;
    println!("{}", text::summary(&dir, run, &conclusion));
    println!(
        "({} events: concluded in {concluded:?}, written after {:?})\n",
        run.history.len(),
        start.elapsed()
    );
    Ok(())
}
