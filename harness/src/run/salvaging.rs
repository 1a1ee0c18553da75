//! What is saved of the nodes at the end of a run, and how much of it is kept: logs within a bound, core files,
//! how servers ended, what the kernel said of them, and, of a run that is not valid, their data.
//!
//! None of it decides anything, and none of it fails a run.

use crate::data_archive;
use crate::env::data::Files;
use crate::env::kernel_log::KernelLog;
use crate::env::salvage::Salvage;
use crate::env::{Environment, Stop};
use duress_reports::artifact::{RunDir, RunInfo, write_whole};
use duress_targets::Node;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Longest log of a server that is kept whole.
const MAX_LOG: u64 = 64 << 20;
/// Of a longer one, the first bytes that are kept; the others are its last.
const LOG_HEAD: u64 = 8 << 20;
/// Most bytes of the data of all nodes together that wait in memory for the verdict.
const MAX_DATA: usize = 256 << 20;
/// The kernel's messages, in the run directory.
const KERNEL: &str = "kernel.log";

/// What waits for the verdict, and what has been going on since the run began.
pub(super) struct Salvaging {
    kernel: Option<KernelLog>,
    /// By the name of the node.
    data: Vec<(String, Files)>,
}

impl Salvaging {
    /// The run begins.
    pub(super) fn begin() -> Self {
        Self { kernel: KernelLog::begin().ok(), data: Vec::new() }
    }

    /// The nodes are about to go: ends their servers, if they are ours, and saves what there is of them.
    pub(super) fn save(&mut self, env: &dyn Environment, nodes: &[Node], dir: &RunDir, info: &mut RunInfo) {
        let mut pids = BTreeSet::new();
        let each = MAX_DATA / nodes.len().max(1);
        for at in 0..nodes.len() {
            // A run that broke off has not been healed.
            if let Ok(disk) = env.disk(at) {
                disk.behave(None);
            }
            // Data that a server still writes would be of no moment.
            if env.are_ours()
                && let Err(error) = env.stop(at, Stop::Kill)
            {
                info.warnings.push(format!("at the end of the run: {error}"));
            }
        }
        for (at, node) in nodes.iter().enumerate() {
            let salvage = env.salvage(at, each);
            pids.extend(&salvage.pids);
            self.keep(node, salvage, dir, info);
        }
        if let Some(kernel) = self.kernel.take() {
            let lines = kernel.about(&pids);
            if !lines.is_empty() {
                keep_text(KERNEL, &lines, dir, info);
            }
        }
    }

    fn keep(&mut self, node: &Node, salvage: Salvage, dir: &RunDir, info: &mut RunInfo) {
        let Salvage { exits, cores, logs, data, notes, pids: _ } = salvage;
        info.warnings.extend(notes);
        if !exits.is_empty() {
            keep_text(&format!("nodes/{}/exits.log", node.name), &exits, dir, info);
        }
        info.kept.extend(cores.into_iter().map(|core| format!("nodes/{}/{core}", node.name)));
        let logs: Vec<_> = logs.into_iter().map(|log| format!("nodes/{}/{log}", node.name)).collect();
        logs.iter().for_each(|log| capped(log, dir, info));
        info.kept.extend(logs);
        self.data.extend(data.map(|data| (node.name.clone(), data)));
        let log = info.nodes.iter().find(|info| info.name == node.name).and_then(|info| info.log.as_ref());
        if let Some(log) = log.cloned() {
            capped(&log, dir, info);
        }
    }

    /// The verdict is there, and the data is wanted.
    pub(super) fn keep_data(&mut self, dir: &RunDir, info: &mut RunInfo) {
        for (node, files) in self.data.drain(..).filter(|(_, files)| !files.0.is_empty()) {
            let name = format!("nodes/{node}/data.tar.gz");
            let kept = data_archive::of(&files)
                .and_then(|bytes| write_whole(&dir.path().join(&name), &bytes).map_err(io::Error::other));
            match kept {
                Ok(()) => info.kept.push(name),
                Err(error) => info.warnings.push(format!("the data of {node} was not kept: {error}")),
            }
        }
    }
}

fn keep_text(name: &str, lines: &[String], dir: &RunDir, info: &mut RunInfo) {
    match write_whole(&dir.path().join(name), (lines.join("\n") + "\n").as_bytes()) {
        Ok(()) => info.kept.push(name.to_owned()),
        Err(error) => info.warnings.push(error.to_string()),
    }
}

/// A log of a run, within the bound.
fn capped(log: &str, dir: &RunDir, info: &mut RunInfo) {
    if let Err(error) = cap(&dir.path().join(log)) {
        info.warnings.push(format!("{log} has more than {} MiB: {error}", MAX_LOG >> 20));
    }
}

/// Leaves out the middle of a log that is too long.
fn cap(log: &Path) -> io::Result<()> {
    cap_to(log, MAX_LOG, LOG_HEAD)
}

fn cap_to(log: &Path, most: u64, head: u64) -> io::Result<()> {
    let length = match log.metadata() {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if length <= most {
        return Ok(());
    }
    let beside = log.with_extension("part");
    let from = File::open(log)?;
    let mut to = File::create(&beside)?;
    io::copy(&mut (&from).take(head), &mut to)?;
    let left_out = length - most;
    writeln!(to, "\n[duress: {left_out} bytes are left out here]")?;
    (&from).seek(SeekFrom::Start(head + left_out))?;
    io::copy(&mut &from, &mut to)?;
    fs::rename(beside, log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_beginning_and_end_are_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("server.log");
        cap(&log).expect("there is none");
        fs::write(&log, "0123456789").expect("written");
        cap_to(&log, 10, 3).expect("whole");
        assert_eq!(fs::read_to_string(&log).expect("read"), "0123456789");
        cap_to(&log, 7, 3).expect("capped");
        let text = fs::read_to_string(&log).expect("read");
        assert_eq!(text, "012\n[duress: 3 bytes are left out here]\n6789");
    }
}
