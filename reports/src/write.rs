//! Writes everything that a run leaves behind for people and machines to read.

use crate::artifact::{ArtifactError, Run, RunDir, write_streamed, write_whole};
use crate::conclusion::Conclusion;
use crate::measure::Calls;
use crate::plots::Plots;
use crate::{html, junit, markdown, trace};
use std::fs;

/// Writes `verdict.json`, `report.html`, `junit.xml`, `summary.md`, `trace.json` and those plots that the
/// conclusion lists, in this order, each of them whole or not at all. The same run and conclusion
/// give the same bytes.
///
/// # Errors
/// [`ArtifactError::Io`]; what was written before it stays.
pub fn write(dir: &RunDir, run: &Run, conclusion: &Conclusion) -> Result<(), ArtifactError> {
    // The verdict first: it must not be lost because there is no room for a picture.
    dir.write_conclusion(conclusion)?;
    let calls = Calls::new(&run.history);
    let plots = Plots::new(run, conclusion, &calls);
    write_whole(&dir.report_file(), html::page(run, conclusion, &calls, &plots).as_bytes())?;
    write_whole(&dir.junit_file(), junit::junit(run, conclusion).as_bytes())?;
    write_whole(&dir.summary_file(), markdown::summary(run, conclusion).as_bytes())?;
    write_streamed(&dir.trace_file(), |out| trace::write(out, run, conclusion, &calls))?;
    for path in &conclusion.files {
        let Some(plot) = plots.file(path) else { continue };
        let folder = dir.plots_dir();
        fs::create_dir_all(&folder).map_err(ArtifactError::io("create", &folder))?;
        write_whole(&dir.path().join(path), &plot)?;
    }
    Ok(())
}
