//! GitHub Actions: log groups, and the files by which a step hands things to its job.

use crate::run::Outcome;
use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::Path;

/// Bytes of all that a step puts into its summary; past it the host drops everything.
const MAX_SUMMARY: u64 = 1 << 20;

type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

pub(super) const END_GROUP: &str = "::endgroup::\n";

pub(super) fn group(title: &str) -> String {
    format!("::group::{}\n", title.replace('%', "%25").replace(['\r', '\n'], " "))
}

/// The path relative to the repository, for annotations; none if it lies elsewhere.
pub(super) fn in_repository(path: &Path, env: Env<'_>) -> Option<String> {
    let root = fs::canonicalize(env("GITHUB_WORKSPACE")?).ok()?;
    let path = fs::canonicalize(path).ok()?;
    Some(path.strip_prefix(root).ok()?.to_str()?.to_owned())
}

/// Adds to the step's summary and outputs; what could not be added, in words.
pub(super) fn files(ended: &Outcome, env: Env<'_>) -> Vec<String> {
    let dir = &ended.claim.dir;
    let summary = env("GITHUB_STEP_SUMMARY").map(|file| {
        let summary = fs::read(dir.summary_file()).map_err(|e| format!("cannot read summary.md: {e}"))?;
        add_summary(Path::new(&file), &summary)
    });
    let output = env("GITHUB_OUTPUT").map(|file| {
        let report = fs::canonicalize(dir.report_file()).unwrap_or_else(|_| dir.report_file());
        let values = [
            ("verdict", ended.conclusion.outcome.word().to_owned()),
            ("findings", ended.conclusion.findings.len().to_string()),
            ("report", report.display().to_string()),
        ];
        let text: String = values.iter().map(|(name, value)| output(name, value)).collect();
        append(Path::new(&file), text.as_bytes())
    });
    summary.into_iter().chain(output).filter_map(Result::err).collect()
}

fn add_summary(file: &Path, summary: &[u8]) -> Result<(), String> {
    let there = fs::metadata(file).map_or(0, |about| about.len());
    if there + summary.len() as u64 > MAX_SUMMARY {
        return Err(format!(
            "{there} bytes are in the step's summary already, and more than {MAX_SUMMARY} are not shown: this run is left out"
        ));
    }
    append(file, summary)
}

/// A value in lines of its own, between words that no value holds.
fn output(name: &str, value: &str) -> String {
    // Keyed at random by the standard library, anew each time.
    let draw = || RandomState::new().build_hasher().finish();
    let end = format!("duress-{:016x}{:016x}", draw(), draw());
    format!("{name}<<{end}\n{value}\n{end}\n")
}

fn append(file: &Path, text: &[u8]) -> Result<(), String> {
    let opened = OpenOptions::new().append(true).create(true).open(file);
    opened
        .and_then(|mut out| out.write_all(text))
        .map_err(|e| format!("cannot write {}: {e}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_added_as_long_as_there_is_room() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("summary");
        fs::write(&file, "before\n").expect("written");
        add_summary(&file, b"ours\n").expect("there is room");
        assert_eq!(fs::read_to_string(&file).expect("text"), "before\nours\n");
        let full = vec![b'x'; MAX_SUMMARY as usize - 5];
        fs::write(&file, &full).expect("written");
        add_summary(&file, b"ours\n").expect("just enough room");
        fs::write(&file, &full).expect("written");
        assert!(add_summary(&file, b"ours!\n").is_err());
        assert_eq!(fs::read(&file).expect("bytes"), full, "what was there stays");
        assert!(append(dir.path(), b"x").is_err(), "a directory is no file");
    }

    #[test]
    fn an_output_ends_where_no_value_can_end_it() {
        let one = output("report", "a\nb");
        let lines: Vec<&str> = one.lines().collect();
        let end = lines[0].strip_prefix("report<<").expect("its end is named");
        assert_eq!(lines[1..], ["a", "b", end]);
        assert!(end.len() > 30 && output("report", "a\nb") != one);
    }

    #[test]
    fn only_files_of_the_repository_are_annotated() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("repository");
        fs::create_dir_all(root.join("tests")).expect("made");
        fs::write(root.join("tests/kv.toml"), "").expect("written");
        fs::write(dir.path().join("other.toml"), "").expect("written");
        let env = |name: &str| (name == "GITHUB_WORKSPACE").then(|| root.clone().into_os_string());
        assert_eq!(
            in_repository(&root.join("tests/../tests/kv.toml"), &env).as_deref(),
            Some("tests/kv.toml")
        );
        assert_eq!(in_repository(&dir.path().join("other.toml"), &env), None);
        assert_eq!(in_repository(&root.join("tests/kv.toml"), &|_| None), None);
    }
}
