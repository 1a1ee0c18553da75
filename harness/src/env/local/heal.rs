//! Ends what a dead run has left, by the marks in its journal.

use super::memory::PREFIX;
use super::processes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Between two attempts to remove a group whose processes are about to end, and how many there are.
const POLL: Duration = Duration::from_millis(2);
const ATTEMPTS: u32 = 500;

/// Kills every process that the marks name and that still is the same process: same number,
/// same start time; and removes the control groups that they name. Returns how many of either there were.
pub fn sweep(marks: &[Value]) -> (usize, usize) {
    let named = || marks.iter().filter_map(Value::as_array).flatten();
    let processes = named().filter_map(|mark| mark.get("processes")).filter_map(Value::as_array).flatten();
    let ended = processes.filter(|process| end(process).is_some()).count();
    let groups = named().filter_map(|mark| mark.get("group")?.as_str());
    (ended, groups.filter(|dir| remove(Path::new(dir)).is_some()).count())
}

/// Only what is a group, and called like one of ours.
fn remove(dir: &Path) -> Option<()> {
    let is_ours = dir.file_name()?.to_str()?.starts_with(PREFIX) && dir.join("cgroup.procs").exists();
    let removed = || match fs::remove_dir(dir) {
        Ok(()) => true,
        Err(_) => {
            std::thread::sleep(POLL);
            false
        }
    };
    (is_ours && (0..ATTEMPTS).any(|_| removed())).then_some(())
}

fn end(process: &Value) -> Option<()> {
    let pid = u32::try_from(process.get("pid")?.as_u64()?).ok()?;
    let start_time = process.get("start_time")?.as_u64()?;
    if processes::start_time(pid)? != start_time {
        return None;
    }
    kill(Pid::from_raw(i32::try_from(pid).ok()?), Signal::SIGKILL).ok()
}
