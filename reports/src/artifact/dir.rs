//! The run directory on disk: its paths, and how its files are read and written whole.

use super::{ArtifactError, FORMAT, FaultWindow, Flow, NodeSeen, RunInfo, RunStatus, windows};
use crate::conclusion::Conclusion;
use crate::words::inert_json;
use duress_checkers::history::{self, Format, History, HistoryError, ReadOptions};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Files of a run, relative to its directory.
pub(crate) mod file {
    pub(crate) const INFO: &str = "run.json";
    pub(crate) const HISTORY: &str = "history.jsonl";
    pub(crate) const FAULTS: &str = "faults.jsonl";
    pub(crate) const FLOWS: &str = "flows.jsonl";
    pub(crate) const NODES: &str = "nodes.jsonl";
    pub(crate) const CAPTURE: &str = "capture.pcapng";
    pub(crate) const VERDICT: &str = "verdict.json";
    pub(crate) const REPORT: &str = "report.html";
    pub(crate) const JUNIT: &str = "junit.xml";
    pub(crate) const SUMMARY: &str = "summary.md";
    pub(crate) const TRACE: &str = "trace.json";
    // Plots are written as one thing or another: here without what the name ends in.
    pub(crate) const RATE: &str = "plots/rate";
    pub(crate) const LATENCY_RAW: &str = "plots/latency-raw";
    pub(crate) const LATENCY_QUANTILES: &str = "plots/latency-quantiles";
    pub(crate) const AVAILABILITY: &str = "plots/availability";
    pub(crate) const CLOCK: &str = "plots/clock";
}

/// A directory that holds a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

/// What a run left behind, read back.
#[derive(Clone, Debug)]
pub struct Run {
    /// `run.json`.
    pub info: RunInfo,
    /// `history.jsonl`.
    pub history: History,
    /// The last line of the history broke off and was left out, as after a kill.
    pub truncated: bool,
    /// `faults.jsonl`, folded.
    pub faults: Vec<FaultWindow>,
    /// `flows.jsonl`; empty where there is no network.
    pub flows: Vec<Flow>,
    /// `nodes.jsonl`; empty where nobody looked.
    pub nodes: Vec<NodeSeen>,
    /// There is a `capture.pcapng`.
    pub captured: bool,
}

impl RunDir {
    /// Makes a new directory, with those above it.
    ///
    /// # Errors
    /// [`ArtifactError::Occupied`] when it holds anything, [`ArtifactError::Io`].
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(ArtifactError::io("create", &path))?;
        let mut entries = fs::read_dir(&path).map_err(ArtifactError::io("read", &path))?;
        if entries.next().is_some() {
            return Err(ArtifactError::Occupied { path });
        }
        Ok(Self { path })
    }

    /// A directory that a run wrote.
    ///
    /// # Errors
    /// [`ArtifactError::NoSuchDirectory`], [`ArtifactError::NotARun`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let path = path.into();
        if !path.exists() {
            return Err(ArtifactError::NoSuchDirectory { path });
        }
        let dir = Self { path };
        if !dir.info_file().is_file() {
            return Err(ArtifactError::NotARun { path: dir.path });
        }
        Ok(dir)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `run.json`.
    pub fn info_file(&self) -> PathBuf {
        self.path.join(file::INFO)
    }

    /// `history.jsonl`.
    pub fn history_file(&self) -> PathBuf {
        self.path.join(file::HISTORY)
    }

    /// `faults.jsonl`.
    pub fn faults_file(&self) -> PathBuf {
        self.path.join(file::FAULTS)
    }

    /// `flows.jsonl`.
    pub fn flows_file(&self) -> PathBuf {
        self.path.join(file::FLOWS)
    }

    /// `nodes.jsonl`.
    pub fn nodes_file(&self) -> PathBuf {
        self.path.join(file::NODES)
    }

    /// `capture.pcapng`.
    pub fn capture_file(&self) -> PathBuf {
        self.path.join(file::CAPTURE)
    }

    /// `verdict.json`.
    pub fn verdict_file(&self) -> PathBuf {
        self.path.join(file::VERDICT)
    }

    /// `report.html`.
    pub fn report_file(&self) -> PathBuf {
        self.path.join(file::REPORT)
    }

    /// `junit.xml`.
    pub fn junit_file(&self) -> PathBuf {
        self.path.join(file::JUNIT)
    }

    /// `summary.md`.
    pub fn summary_file(&self) -> PathBuf {
        self.path.join(file::SUMMARY)
    }

    /// `trace.json`.
    pub fn trace_file(&self) -> PathBuf {
        self.path.join(file::TRACE)
    }

    /// `plots/`.
    pub fn plots_dir(&self) -> PathBuf {
        self.path.join("plots")
    }

    /// `nodes/<node>/`, for the logs of a server.
    pub fn node_dir(&self, node: &str) -> PathBuf {
        self.path.join("nodes").join(node)
    }

    /// Writes `run.json` so that a reader sees the old one or the new one, never a half.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn write_info(&self, info: &RunInfo) -> Result<(), ArtifactError> {
        write_json(&self.info_file(), info)
    }

    /// Writes `verdict.json`, likewise.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn write_conclusion(&self, conclusion: &Conclusion) -> Result<(), ArtifactError> {
        write_json(&self.verdict_file(), conclusion)
    }

    /// Writes `flows.jsonl`, likewise.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn write_flows(&self, flows: &[Flow]) -> Result<(), ArtifactError> {
        let path = self.flows_file();
        let mut bytes = Vec::new();
        for flow in flows {
            serde_json::to_writer(&mut bytes, flow)
                .map_err(|e| ArtifactError::io("write", &path)(std::io::Error::other(e)))?;
            bytes.push(b'\n');
        }
        write_whole(&path, &bytes)
    }

    /// Writes `capture.pcapng`, likewise: the bytes of a whole file.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn write_capture(&self, capture: &[u8]) -> Result<(), ArtifactError> {
        write_whole(&self.capture_file(), capture)
    }

    /// `run.json` alone, for lists of runs.
    ///
    /// # Errors
    /// See [`ArtifactError`].
    pub fn load_info(&self) -> Result<RunInfo, ArtifactError> {
        read_json(&self.info_file())
    }

    /// `verdict.json`; `None` for a run that has not come to one.
    ///
    /// # Errors
    /// See [`ArtifactError`].
    pub fn load_conclusion(&self) -> Result<Option<Conclusion>, ArtifactError> {
        let file = self.verdict_file();
        if file.exists() { read_json(&file).map(Some) } else { Ok(None) }
    }

    /// Reads the run back, however far it got.
    ///
    /// # Errors
    /// See [`ArtifactError`]. A last line that broke off, as a kill leaves it, is not one.
    pub fn load(&self) -> Result<Run, ArtifactError> {
        let info = self.load_info()?;
        let (history, truncated) = self.load_history(&info)?;
        let faults = windows(&load_lines(self.faults_file())?);
        let flows = load_lines(self.flows_file())?;
        let nodes = load_lines(self.nodes_file())?;
        let captured = self.capture_file().is_file();
        Ok(Run { info, history, truncated, faults, flows, nodes, captured })
    }

    fn load_history(&self, info: &RunInfo) -> Result<(History, bool), ArtifactError> {
        let path = self.history_file();
        let file = match File::open(&path) {
            Ok(file) => file,
            // A run that fails in its set-up has no history yet.
            Err(e) if e.kind() == ErrorKind::NotFound && info.status != RunStatus::Finished => {
                return Ok((History::default(), false));
            }
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(ArtifactError::Missing { path }),
            Err(e) => return Err(ArtifactError::io("read", path)(e)),
        };
        match history::read(file, &ReadOptions::of(Format::JsonLines)) {
            Ok(loaded) => Ok((loaded.history, loaded.truncated)),
            Err(HistoryError::Line { line, why, .. }) => Err(ArtifactError::Broken { path, line, why }),
            Err(source) => Err(ArtifactError::History { path, source }),
        }
    }
}

/// Reads a file with a value per line; none where there is no file.
fn load_lines<T: DeserializeOwned>(path: PathBuf) -> Result<Vec<T>, ArtifactError> {
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(ArtifactError::io("read", path)(e)),
    };
    let mut values = Vec::new();
    for (at, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(line.trim_ascii()) {
            Ok(value) => values.push(value),
            // Only the last line can lack its newline: the run was killed while writing it.
            Err(_) if !line.ends_with(b"\n") => {}
            Err(e) => return Err(ArtifactError::Broken { path, line: at + 1, why: e.to_string() }),
        }
    }
    Ok(values)
}

/// Reads a file that carries a `format`; a newer one is refused before anything else is read.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ArtifactError> {
    let bytes = fs::read(path).map_err(ArtifactError::io("read", path))?;
    let broken = |e: &serde_json::Error| ArtifactError::Broken {
        path: path.to_owned(),
        line: e.line().max(1),
        why: e.to_string(),
    };
    let head: Head = serde_json::from_slice(&bytes).map_err(|e| broken(&e))?;
    if head.format > u64::from(FORMAT) {
        return Err(ArtifactError::Newer { path: path.to_owned(), format: head.format, known: FORMAT });
    }
    serde_json::from_slice(&bytes).map_err(|e| broken(&e))
}

#[derive(serde::Deserialize)]
struct Head {
    format: u64,
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ArtifactError> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| ArtifactError::io("write", path)(std::io::Error::other(e)))?;
    write_whole(path, (inert_json(&json) + "\n").as_bytes())
}

/// Writes beside, flushes to disk, renames: whoever reads sees all of it or the file before.
///
/// # Errors
/// [`ArtifactError::Io`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
    write_streamed(path, |out| out.write_all(bytes))
}

/// The same for what is not to be in memory at once.
pub(crate) fn write_streamed(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), ArtifactError> {
    let io = |e| ArtifactError::io("write", path)(e);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.part"));
    let written = File::create(&beside).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
    });
    if let Err(e) = written.and_then(|()| fs::rename(&beside, path)) {
        // A full disk must not leave the half behind; the error that matters is the first.
        let _ = fs::remove_file(&beside);
        return Err(io(e));
    }
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(parent) => File::open(parent).and_then(|dir| dir.sync_all()).map_err(io),
        None => Ok(()),
    }
}
