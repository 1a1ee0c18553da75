//! The figures of many runs for other programs: OpenMetrics text, and CSV.

use crate::conclusion::Outcome;
use crate::index::{Index, RunLine};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A line per run, the oldest first; the first line names the columns. Texts are quoted as in RFC 4180.
pub fn csv(index: &Index) -> String {
    let mut out = String::from(
        "path,started,test,faults,settings,version,nodes,seed,canary,outcome,findings,calls,ok_per_second,p99_ms,\
         no_answer_ms,recovery_ms,check_ms\n",
    );
    for run in &index.runs {
        let ms = |ns: Option<u64>| ns.map(|ns| number(ns as f64 / 1e6)).unwrap_or_default();
        let cells = [
            run.path.clone(),
            run.started.clone(),
            run.test.clone(),
            run.fault_set(),
            settings(run),
            run.version.clone().unwrap_or_default(),
            run.nodes.to_string(),
            run.seed.to_string(),
            run.canary.to_string(),
            outcome(run).to_owned(),
            run.findings.len().to_string(),
            run.calls.to_string(),
            run.rate.map(number).unwrap_or_default(),
            run.p99_ms.map(number).unwrap_or_default(),
            ms(run.no_answer_ns),
            ms(run.recovery_ns),
            run.check_ms.map(|ms| ms.to_string()).unwrap_or_default(),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        let _ = writeln!(out, "{}", cells.join(","));
    }
    out
}

/// Counts over all runs, and the figures of the last run of each test under each set of faults, settings and
/// version. Ends in `# EOF`, as the format wants it.
pub fn openmetrics(index: &Index) -> String {
    let tested = || index.runs.iter().filter(|run| !run.canary);
    let mut out = String::new();
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    let mut last: BTreeMap<String, &RunLine> = BTreeMap::new();
    for run in tested() {
        *counts.entry((labels(run), outcome(run))).or_default() += 1;
        // They come in the order of their start.
        last.insert(labels(run), run);
    }
    family(&mut out, "duress_runs", "counter", "Runs by what came of them");
    for ((labels, outcome), count) in counts {
        let _ = writeln!(out, "duress_runs_total{{{labels},outcome=\"{outcome}\"}} {count}");
    }
    family(&mut out, "duress_canaries", "counter", "Runs that had to fail, and whether they did");
    let missed = index.canary.runs - index.canary.caught;
    for (caught, count) in [("true", index.canary.caught), ("false", missed)] {
        let _ = writeln!(out, "duress_canaries_total{{caught=\"{caught}\"}} {count}");
    }
    family(&mut out, "duress_findings", "gauge", "Distinct findings that are not known");
    let open = index.findings.iter().filter(|finding| finding.known.is_none()).count();
    let _ = writeln!(out, "duress_findings {open}");
    type Figure = (&'static str, &'static str, fn(&RunLine) -> Option<f64>);
    let figures: [Figure; 5] = [
        ("duress_last_ok_per_second", "Acknowledged calls per second while nothing was broken", |run| {
            run.rate
        }),
        ("duress_last_p99_seconds", "Latency, 99th percentile, of the slowest function", |run| {
            run.p99_ms.map(|ms| ms / 1e3)
        }),
        ("duress_last_no_answer_seconds", "Longest gap without an answer under a fault", |run| {
            run.no_answer_ns.map(seconds)
        }),
        ("duress_last_recovery_seconds", "Longest way back to the usual rate after a fault", |run| {
            run.recovery_ns.map(seconds)
        }),
        ("duress_last_check_seconds", "What the checkers took", |run| run.check_ms.map(|ms| ms as f64 / 1e3)),
    ];
    for (name, help, figure) in figures {
        family(&mut out, name, "gauge", help);
        for (labels, value) in last.iter().filter_map(|(labels, run)| Some((labels, figure(run)?))) {
            let _ = writeln!(out, "{name}{{{labels}}} {}", number(value));
        }
    }
    out.push_str("# EOF\n");
    out
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# TYPE {name} {kind}\n# HELP {name} {help}.");
}

fn outcome(run: &RunLine) -> &'static str {
    run.outcome.map_or("none", Outcome::word)
}

fn settings(run: &RunLine) -> String {
    let settings = run.settings.iter().map(|(name, value)| format!("{name}={value}"));
    settings.collect::<Vec<_>>().join(" ")
}

fn labels(run: &RunLine) -> String {
    let version = run.version.clone().unwrap_or_default();
    let pairs = [
        ("test", run.test.clone()),
        ("faults", run.fault_set()),
        ("settings", settings(run)),
        ("version", version),
    ];
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(&value))).collect();
    pairs.join(",")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// Three decimals are more than these are good for.
fn number(value: f64) -> String {
    format!("{}", (value * 1e3).round() / 1e3)
}

/// A program that calculates would take the first characters for a formula.
fn quoted(cell: &str) -> String {
    let cell =
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(path: &str, started: &str, test: &str, outcome: &str, canary: bool) -> RunLine {
        let line = format!(
            "{{\"format\":1,\"path\":\"{path}\",\"id\":\"x\",\"started\":\"{started}\",\"test\":{},\"faults\":[\"kill\"],\
             \"seed\":1,\"nodes\":5,\"outcome\":\"{outcome}\",\"finished\":true,\"canary\":{canary},\"rate\":12.34567,\
             \"no_answer_ns\":1500000000}}",
            serde_json::to_string(test).expect("JSON")
        );
        RunLine::parse(line.as_bytes()).expect("a line")
    }

    fn index() -> Index {
        Index::new([
            run("a/1", "2026-11-21T01:00:00Z", "etcd set", "valid", false),
            run("a/2", "2026-11-21T02:00:00Z", "etcd set", "violation", false),
            run("a/3", "2026-11-21T03:00:00Z", "sim register", "violation", true),
            run("a/4", "2026-11-21T04:00:00Z", "=a \"b\", c", "unknown", false),
        ])
    }

    #[test]
    fn metrics_are_counted_and_the_last_run_gives_the_figures() {
        let text = openmetrics(&index());
        assert!(text.ends_with("# EOF\n"));
        let labels = "test=\"etcd set\",faults=\"kill\",settings=\"\",version=\"\"";
        for line in [
            format!("duress_runs_total{{{labels},outcome=\"valid\"}} 1"),
            format!("duress_runs_total{{{labels},outcome=\"violation\"}} 1"),
            "duress_canaries_total{caught=\"true\"} 1".to_owned(),
            format!("duress_last_ok_per_second{{{labels}}} 12.346"),
            format!("duress_last_no_answer_seconds{{{labels}}} 1.5"),
        ] {
            assert_eq!(text.lines().filter(|found| **found == line).count(), 1, "{line}\n{text}");
        }
        assert!(text.contains("test=\"=a \\\"b\\\", c\"") && !text.contains("sim register"), "{text}");
        // Each family once, and before its samples.
        let families =
            text.lines().filter(|line| line.starts_with("# TYPE")).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(families.len(), text.lines().filter(|line| line.starts_with("# TYPE")).count());
    }

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        let text = csv(&index());
        assert_eq!(text.lines().count(), 5);
        assert!(text.contains(",\"'=a \"\"b\"\", c\",kill,"), "{text}");
        let columns = text.lines().next().map(|line| line.split(',').count());
        assert_eq!(text.lines().nth(1).map(|line| line.split(',').count()), columns);
    }
}
