//! What gates look for in the nodes' logs: read once, when the cluster is gone.

use duress_reports::artifact::{RunDir, RunInfo};
use duress_reports::conclusion::{Gates, LOG};
use duress_targets::Target;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// Bytes of a log that are read.
const MAX_LOG: u64 = 1 << 30;
/// Bytes of a line that are looked at.
const MAX_LINE: u64 = 64 << 10;

/// What a line has to contain, by goal: those that the user typed, and those that the target knows.
pub(super) fn texts<'a>(gates: &'a Gates, target: &dyn Target) -> BTreeMap<&'a str, &'a str> {
    let goals = gates.rules.iter().filter_map(|rule| rule.demand.log_goal());
    goals.filter_map(|goal| Some((goal, text(goal, target)?))).collect()
}

/// What tells that a goal was reached; `None` when nobody knows.
pub(crate) fn text<'a>(goal: &'a str, target: &dyn Target) -> Option<&'a str> {
    let known = || target.signs().iter().find(|(name, _)| *name == goal).map(|(_, text)| *text);
    goal.strip_prefix(LOG).or_else(known)
}

/// How many lines contain each of the texts. A log that cannot be read has none of them.
pub(super) fn count(dir: &RunDir, info: &RunInfo, texts: &BTreeMap<&str, &str>) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = texts.keys().map(|goal| ((*goal).to_owned(), 0)).collect();
    let logs = info.nodes.iter().filter_map(|node| File::open(dir.path().join(node.log.as_deref()?)).ok());
    for log in logs.filter(|_| !texts.is_empty()) {
        let mut lines = BufReader::new(log.take(MAX_LOG));
        let mut line = Vec::new();
        // A line that is longer is looked at in pieces.
        while Read::by_ref(&mut lines).take(MAX_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0)
        {
            let said = String::from_utf8_lossy(&line);
            for (goal, _) in texts.iter().filter(|(_, text)| said.contains(**text)) {
                *counts.entry((*goal).to_owned()).or_default() += 1;
            }
            line.clear();
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use duress_reports::artifact::{Machine, NodeInfo, RunStatus};

    #[test]
    fn lines_are_counted_in_all_logs_and_what_cannot_be_read_has_none() {
        let temporary = tempfile::tempdir().expect("a directory");
        let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
        std::fs::write(dir.path().join("1.log"), "a snapshot\nnothing\n").expect("written");
        std::fs::write(dir.path().join("2.log"), b"\xff a snapshot\n".repeat(3)).expect("written");
        let node = |log: &str| NodeInfo {
            name: log.to_owned(),
            addr: String::new(),
            log: Some(log.to_owned()),
            version: None,
        };
        let info = RunInfo { nodes: ["1.log", "2.log", "3.log"].map(node).into(), ..info() };
        let counts = count(&dir, &info, &[("snapshot-installed", "a snap"), ("log:x", "x y z")].into());
        assert_eq!(counts, [("log:x".to_owned(), 0), ("snapshot-installed".to_owned(), 4)].into());
    }

    fn info() -> RunInfo {
        let machine = Machine {
            os: String::new(),
            kernel: String::new(),
            cores: 1,
            memory_bytes: 0,
            privilege: String::new(),
        };
        serde_json::from_value(serde_json::json!({
            "format": 1, "id": "", "name": "", "status": RunStatus::Finished, "started": "", "duress": "",
            "repeat": "", "target": "", "workload": "", "seed": 0, "nodes": [], "options": {},
            "machine": machine, "gates": Gates::default(),
        }))
        .expect("a run")
    }
}
