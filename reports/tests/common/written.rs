//! A run written to a temporary directory, and what is there then.

use super::html;
use duress_checkers::Verdict;
use duress_reports::{Conclusion, Run, RunDir, ci, conclude, text, write};
use std::fs;
use std::path::Path;

pub struct Written {
    pub conclusion: Conclusion,
    pub html: String,
    pub json: String,
    pub junit: String,
    pub text: String,
    pub summary: String,
    pub trace: String,
    pub annotations: String,
    /// `rate`, `latency-raw`, `latency-quantiles`, `availability`, and `clock` where there is one.
    pub plots: Vec<String>,
}

impl Written {
    pub fn new(run: &Run, verdicts: Vec<Verdict>) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
        dir.write_info(&run.info).expect("run.json");
        let conclusion = conclude(run, verdicts);
        write(&dir, run, &conclusion).expect("all files");
        assert_eq!(dir.load_conclusion().expect("verdict.json").as_ref(), Some(&conclusion));
        let read = |path: &Path| fs::read_to_string(path).expect("it was written");
        let plots = conclusion.files.iter().filter(|file| file.starts_with("plots/"));
        let path = dir.path().display().to_string();
        Self {
            html: read(&dir.report_file()),
            json: read(&dir.verdict_file()),
            junit: read(&dir.junit_file()),
            text: text::summary(&dir, run, &conclusion).replace(&path, "RUN"),
            summary: read(&dir.summary_file()),
            trace: read(&dir.trace_file()),
            annotations: ci::annotations(run, &conclusion, None),
            plots: plots.map(|file| read(&dir.path().join(file))).collect(),
            conclusion,
        }
    }

    pub fn tags(&self) -> Vec<html::Tag> {
        html::tags(&self.html)
    }
}
