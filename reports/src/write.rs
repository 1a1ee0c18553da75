//! Writes everything that a run leaves behind for people and machines to read.

use crate::artifact::{ArtifactError, Run, RunDir, file, write_whole};
use crate::conclusion::Conclusion;
use crate::measure::Calls;
use crate::pack::EMBED_OPS;
use crate::plots::Plots;
use crate::{html, junit};
use std::fs;

/// Writes everything, with the usual number of operations in the page; see [`write_embedding`].
///
/// # Errors
/// [`ArtifactError::Io`]; what was written before it stays.
pub fn write(dir: &RunDir, run: &Run, conclusion: &Conclusion) -> Result<(), ArtifactError> {
    write_embedding(dir, run, conclusion, EMBED_OPS)
}

/// Writes `verdict.json`, `report.html`, `junit.xml` and `plots/*.svg`, in this order, each
/// of them whole or not at all. The same run and conclusion give the same bytes. A page of more
/// than `embed_ops` operations carries counts, and operations around findings and faults only.
///
/// # Errors
/// [`ArtifactError::Io`]; what was written before it stays.
pub fn write_embedding(
    dir: &RunDir,
    run: &Run,
    conclusion: &Conclusion,
    embed_ops: usize,
) -> Result<(), ArtifactError> {
    // The verdict first: it must not be lost because there is no room for a picture.
    dir.write_conclusion(conclusion)?;
    let calls = Calls::new(&run.history);
    let plots = Plots::new(run, conclusion, &calls);
    write_whole(&dir.report_file(), html::page(run, conclusion, &calls, &plots, embed_ops).as_bytes())?;
    write_whole(&dir.junit_file(), junit::junit(run, conclusion).as_bytes())?;
    let folder = dir.plots_dir();
    fs::create_dir_all(&folder).map_err(ArtifactError::io("create", &folder))?;
    for (name, plot) in [
        (file::RATE, &plots.rate),
        (file::LATENCY_RAW, &plots.latency_raw),
        (file::LATENCY_QUANTILES, &plots.latency_quantiles),
    ] {
        write_whole(&dir.path().join(name), plot.alone().as_bytes())?;
    }
    Ok(())
}
