//! GitLab: sections of a job's log that can be folded.

use std::time::{SystemTime, UNIX_EPOCH};

/// What the section is called where nobody sees it.
const NAME: &str = "duress_run";

pub(super) fn section_start(title: &str) -> String {
    let title: String = title.chars().filter(|c| !c.is_control()).collect();
    format!("\x1b[0Ksection_start:{}:{NAME}[collapsed=true]\r\x1b[0K{title}\n", now())
}

pub(super) fn section_end() -> String {
    format!("\x1b[0Ksection_end:{}:{NAME}\r\x1b[0K\n", now())
}

/// Seconds, for how long the section took.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
