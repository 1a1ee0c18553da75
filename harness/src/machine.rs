//! What machine this is, for `run.json`.

use duress_reports::artifact::Machine;
use std::fs::read_to_string;

/// Looks around. What cannot be read is said to be unknown.
pub fn describe(privilege: &str) -> Machine {
    let unknown = || "unknown".to_owned();
    let os = read_to_string("/etc/os-release").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim_matches('"').to_owned())
    });
    let kernel = read_to_string("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned());
    let memory = read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    Machine {
        os: os.unwrap_or_else(unknown),
        kernel: kernel.unwrap_or_else(|_| unknown()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory.unwrap_or(0) * 1024,
        privilege: privilege.to_owned(),
    }
}
