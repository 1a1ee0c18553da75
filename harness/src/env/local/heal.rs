//! Ends what a dead run has left, by the marks in its journal.

use super::processes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Kills every process that the marks name and that still is the same process: same number,
/// same start time. Returns how many there were.
pub fn sweep(marks: &[Value]) -> usize {
    let named = marks.iter().filter_map(Value::as_array).flatten();
    let processes = named.filter_map(|mark| mark.get("processes")).filter_map(Value::as_array).flatten();
    processes.filter(|process| end(process).is_some()).count()
}

fn end(process: &Value) -> Option<()> {
    let pid = u32::try_from(process.get("pid")?.as_u64()?).ok()?;
    let start_time = process.get("start_time")?.as_u64()?;
    if processes::start_time(pid)? != start_time {
        return None;
    }
    kill(Pid::from_raw(i32::try_from(pid).ok()?), Signal::SIGKILL).ok()
}
