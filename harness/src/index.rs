//! `index.jsonl`: one line per run beside the runs, appended as each ends.
//!
//! It is a convenience and no evidence: whoever reads it looks at the runs that are there, and takes
//! from the file only what is there no more.

use crate::failure::Failure;
use crate::store;
use duress_reports::artifact::{RunDir, RunInfo};
use duress_reports::index::{Index, MAX_LINE, RunLine};
use duress_reports::{Conclusion, index_page};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The lines.
const FILE: &str = "index.jsonl";
/// Where the lines of other machines' runs are, a file for each that writes there.
const OTHERS: &str = "findings";
/// Files of these that are read.
const MAX_OTHERS: usize = 1_000;
/// The page.
const PAGE: &str = "index.html";
/// Largest file of lines that is read, in bytes: some 50,000 runs.
const MAX_BYTES: u64 = 64 << 20;
/// Warnings that are told one by one.
const MAX_WARNINGS: usize = 5;

/// Runs, and what was wrong on the way to them.
pub struct Found {
    /// The runs.
    pub index: Index,
    /// In words.
    pub warnings: Vec<String>,
}

/// Appends a run to the lines beside it. Several runs may do so at once: each line is one write to the
/// end of the file.
///
/// # Errors
/// When that cannot be written; the run is found without it.
pub fn append(out: &Path, dir: &RunDir, info: &RunInfo, conclusion: &Conclusion) -> Result<(), Failure> {
    let Some(relative) = relative(out, dir) else { return Ok(()) };
    let path = out.join(FILE);
    append_line(&path, &RunLine::new(&relative, info, Some(conclusion))).map_err(|source| Failure::File {
        path: path.clone(),
        what: "written",
        source,
    })
}

fn append_line(path: &Path, line: &RunLine) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    if bytes.len() > MAX_LINE {
        return Err(std::io::Error::other(format!("the line of the run has {} bytes", bytes.len())));
    }
    bytes.push(b'\n');
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    // A line that broke off must not take this one with it. An empty line more does no harm.
    if !ends_in_newline(&mut file)? {
        bytes.insert(0, b'\n');
    }
    file.write_all(&bytes)
}

fn ends_in_newline(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// All runs below a directory, and those of its lines that are there no more.
pub fn read(out: &Path) -> Found {
    let (mut all, mut warnings) = lines(&out.join(FILE));
    for file in others(out) {
        let (further, wrong) = lines(&file);
        all.extend(further);
        warnings.extend(wrong);
    }
    for (night, file) in nights(out) {
        let (further, wrong) = lines(&file);
        // Runs are not looked for any deeper, either.
        let near = further.into_iter().filter(|line| line.path.matches('/').count() < 2);
        all.extend(near.map(|line| RunLine { path: format!("{night}/{}", line.path), ..line }));
        warnings.extend(wrong);
    }
    let mut by_path: BTreeMap<String, RunLine> = BTreeMap::new();
    for line in all {
        // What is there is read itself, so that an old line is never taken for it.
        by_path.insert(line.path.clone(), RunLine { gone: true, ..line });
    }
    for dir in store::runs(out) {
        let Some(path) = relative(out, &dir) else { continue };
        match line(&path, &dir) {
            Ok(line) => {
                by_path.insert(path, line);
            }
            Err(why) => warnings.push(format!("{}: {why}", dir.path().display())),
        }
    }
    Found { index: Index::new(by_path.into_values()), warnings }
}

/// The lines of soaks below, by the names of their directories: they know runs that were removed since.
fn nights(out: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(out) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut nights: Vec<(String, PathBuf)> = names
        .filter(|name| name != OTHERS && !name.starts_with('.'))
        .map(|name| (name.clone(), out.join(name).join(FILE)))
        .filter(|(_, file)| file.is_file())
        .collect();
    nights.sort();
    nights
}

/// By name: the same files give the same index.
fn others(out: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(out.join(OTHERS)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    files.sort();
    files.truncate(MAX_OTHERS);
    files
}

/// A verdict that cannot be read is not one that was not reached, so the run is left out, and said.
fn line(path: &str, dir: &RunDir) -> Result<RunLine, Failure> {
    let info = dir.load_info()?;
    let conclusion = dir.load_conclusion()?;
    Ok(RunLine::new(path, &info, conclusion.as_ref()))
}

/// Writes the lines anew, and the page. The same directory gives the same bytes.
///
/// # Errors
/// When they cannot be written.
pub fn write(out: &Path, index: &Index) -> Result<PathBuf, Failure> {
    let mut bytes = Vec::new();
    for run in &index.runs {
        let line = serde_json::to_vec(run).unwrap_or_default();
        if line.len() <= MAX_LINE {
            bytes.extend(line);
            bytes.push(b'\n');
        }
    }
    let page = out.join(PAGE);
    duress_reports::artifact::write_whole(&out.join(FILE), &bytes)?;
    duress_reports::artifact::write_whole(&page, index_page(index).as_bytes())?;
    Ok(page)
}

/// The first few, and how many more.
pub fn told(warnings: &[String]) -> Vec<String> {
    let mut told: Vec<String> = warnings.iter().take(MAX_WARNINGS).cloned().collect();
    if warnings.len() > MAX_WARNINGS {
        told.push(format!("and {} more", warnings.len() - MAX_WARNINGS));
    }
    told
}

fn lines(path: &Path) -> (Vec<RunLine>, Vec<String>) {
    let bytes = match File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    }) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return (Vec::new(), Vec::new()),
        Err(error) => return (Vec::new(), vec![format!("{}: {error}", path.display())]),
    };
    let (mut lines, mut warnings) = (Vec::new(), Vec::new());
    for (at, line) in
        bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty())
    {
        match RunLine::parse(line) {
            Ok(line) => lines.push(line),
            Err(why) => {
                warnings.push(format!("{}, line {}: left out: {why}", path.display(), at + 1));
            }
        }
    }
    (lines, warnings)
}

/// Of a run below the directory; names that are no text cannot be listed.
fn relative(out: &Path, dir: &RunDir) -> Option<String> {
    let below = dir.path().strip_prefix(out).ok()?.to_str()?;
    (!below.is_empty()).then(|| below.to_owned())
}

/// A directory that holds runs.
///
/// # Errors
/// When there is none.
pub fn directory(out: &Path) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: out.to_owned(), what: "read", source };
    fs::read_dir(out).map(|_| ()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines by hand: what is in them is tested where they are made.
    fn line(path: &str) -> String {
        format!(
            "{{\"format\":1,\"path\":\"{path}\",\"id\":\"x\",\"started\":\"2026-11-21T03:14:15Z\",\"test\":\"etcd register\",\
             \"faults\":[],\"seed\":1,\"nodes\":5,\"outcome\":\"valid\",\"finished\":true}}\n"
        )
    }

    fn read_lines(text: &str) -> Found {
        let temporary = tempfile::tempdir().expect("a directory");
        fs::write(temporary.path().join(FILE), text).expect("written");
        read(temporary.path())
    }

    #[test]
    fn torn_and_foreign_lines_are_left_out_with_a_warning() {
        let torn = &line("b/2")[..40];
        let text = format!("{}{torn}\n\n{}not json\n{{\"format\":99}}\n", line("a/1"), line("c/3"));
        let found = read_lines(&text);
        let paths: Vec<&str> = found.index.runs.iter().map(|run| run.path.as_str()).collect();
        assert_eq!(paths, ["a/1", "c/3"]);
        assert_eq!(found.warnings.len(), 3, "{:?}", found.warnings);
        assert!(found.index.runs.iter().all(|run| run.gone));
    }

    #[test]
    fn lines_of_several_machines_are_one_list_with_each_run_once() {
        let temporary = tempfile::tempdir().expect("a directory");
        let out = temporary.path();
        fs::create_dir(out.join(OTHERS)).expect("a folder");
        fs::write(out.join(FILE), line("a/1") + &line("b/2")).expect("written");
        fs::write(out.join(OTHERS).join("one.jsonl"), line("b/2") + &line("c/3")).expect("written");
        fs::write(out.join(OTHERS).join("two.jsonl"), line("d/4") + "{torn").expect("written");
        fs::write(out.join(OTHERS).join("notes.txt"), "not a line").expect("written");
        let found = read(out);
        let paths: Vec<&str> = found.index.runs.iter().map(|run| run.path.as_str()).collect();
        assert_eq!((paths, found.warnings.len()), (vec!["a/1", "b/2", "c/3", "d/4"], 1));
    }

    #[test]
    fn lines_of_nights_below_outlive_their_runs() {
        let temporary = tempfile::tempdir().expect("a directory");
        let out = temporary.path();
        for (night, runs) in [("one", vec!["runs/t1", "runs/t2", "too/deep/down"]), ("two", vec!["runs/t1"])]
        {
            fs::create_dir(out.join(night)).expect("a night");
            let text: String = runs.into_iter().map(line).collect();
            fs::write(out.join(night).join(FILE), text).expect("written");
        }
        for _ in 0..2 {
            let found = read(out);
            let paths: Vec<&str> = found.index.runs.iter().map(|run| run.path.as_str()).collect();
            assert_eq!(paths, ["one/runs/t1", "one/runs/t2", "two/runs/t1"]);
            assert_eq!(found.warnings, Vec::<String>::new());
            // Each counts once where the lines of all are written, too.
            write(out, &found.index).expect("written");
        }
    }

    #[test]
    fn lines_that_lead_out_are_left_out() {
        for path in ["../x", "/etc", "a/../../x", "", ".git/x", "a/b/c/d"] {
            let found = read_lines(&line(path));
            assert_eq!((found.index.runs.len(), found.warnings.len()), (0, 1), "{path}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_written_the_same() {
        let temporary = tempfile::tempdir().expect("a directory");
        let out = temporary.path();
        fs::write(out.join(FILE), line("b/2") + &line("a/1") + &line("b/2")).expect("written");
        let mut bytes = Vec::new();
        for _ in 0..2 {
            write(out, &read(out).index).expect("written");
            bytes.push((fs::read(out.join(FILE)).expect("lines"), fs::read(out.join(PAGE)).expect("a page")));
        }
        assert_eq!(bytes[0], bytes[1]);
        assert_eq!(String::from_utf8_lossy(&bytes[0].0).lines().count(), 2);
    }

    #[test]
    fn lines_of_runs_at_the_same_time_are_whole() {
        let temporary = tempfile::tempdir().expect("a directory");
        let path = temporary.path().join(FILE);
        // Somebody was killed in the middle of a line.
        fs::write(&path, "{\"format\":1,\"pa").expect("written");
        let append = |thread: usize| {
            for run in 0..50 {
                let line =
                    RunLine::parse(line(&format!("{thread}/{run}")).trim_end().as_bytes()).expect("a line");
                append_line(&path, &line).expect("appended");
            }
        };
        std::thread::scope(|scope| (0..8).for_each(|thread| drop(scope.spawn(move || append(thread)))));
        let found = read(temporary.path());
        assert_eq!((found.index.runs.len(), found.warnings.len()), (400, 1), "{:?}", found.warnings);
    }
}
