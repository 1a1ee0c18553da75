//! Writes everything that a run leaves behind for people and machines to read.

use crate::artifact::{ArtifactError, Excerpt, Run, RunDir, write_streamed, write_whole};
use crate::conclusion::{Conclusion, Proof, in_order};
use crate::measure::Calls;
use crate::pack::EMBED_OPS;
use crate::plots::Plots;
use crate::{html, junit, markdown, trace};
use duress_checkers::Finding;
use std::fs;
use std::io::ErrorKind;

/// Findings for which logs are looked into.
const MAX_EXCERPTS: usize = 8;

/// Writes everything, with the usual number of operations in the page; see [`write_embedding`].
///
/// # Errors
/// [`ArtifactError::Io`]; what was written before it stays.
pub fn write(dir: &RunDir, run: &Run, conclusion: &Conclusion) -> Result<(), ArtifactError> {
    write_embedding(dir, run, conclusion, EMBED_OPS)
}

/// Writes `verdict.json`, `findings/*.jsonl`, `report.html`, `junit.xml`, `summary.md`, `trace.json` and those
/// plots that the conclusion lists, in this order, each
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
    forget(dir, conclusion)?;
    for proof in conclusion.findings.iter().filter_map(|placed| placed.proof.as_ref()) {
        let path = dir.path().join(&proof.file);
        let folder = path.parent().unwrap_or(dir.path());
        fs::create_dir_all(folder).map_err(ArtifactError::io("create", folder))?;
        write_whole(&path, proof.lines(&run.history).as_bytes())?;
    }
    let calls = Calls::new(&run.history);
    let plots = Plots::new(run, conclusion, &calls);
    let said = said(dir, run, conclusion);
    let page = html::page(run, conclusion, &calls, &plots, &said, embed_ops);
    write_whole(&dir.report_file(), page.as_bytes())?;
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

/// Removes proofs of an earlier verdict, which this one does not list.
fn forget(dir: &RunDir, conclusion: &Conclusion) -> Result<(), ArtifactError> {
    for name in Proof::files().filter(|name| !conclusion.files.contains(name)) {
        let path = dir.path().join(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(ArtifactError::io("remove", &path)(e)),
        }
    }
    Ok(())
}

/// What the nodes said around each finding that is shown in full.
fn said(dir: &RunDir, run: &Run, conclusion: &Conclusion) -> Vec<Excerpt> {
    let span = |finding: &Finding| match finding.counterexample.as_ref().and_then(|it| it.ops.get(it.culprit))
    {
        Some(culprit) => (culprit.invoked, culprit.returned.unwrap_or(finding.time)),
        None => (finding.time, finding.time),
    };
    let first = in_order(&conclusion.verdicts).take(MAX_EXCERPTS);
    first.map(|(_, finding)| span(finding)).map(|(from, to)| dir.said(&run.info, from, to)).collect()
}
