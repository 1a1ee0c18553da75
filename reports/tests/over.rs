//! Many runs together, and two side by side.

mod common;

use common::{html, verdicts};
use duress_checkers::{Valid, Verdict};
use duress_reports::artifact::RunInfo;
use duress_reports::compare::Side;
use duress_reports::index::{Life, Metric, RESOLVED_AFTER, RunLine};
use duress_reports::{
    Comparison, Conclusion, Index, Known, Outcome, Run, compare_page, conclude, index_page,
};
use std::sync::LazyLock;

/// What a browser, a terminal or a parser may take for something to do.
const HOSTILE: &str =
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"' ]]> \u{202e}\u{1b}[31m\u{200b}";

/// Made once: it is the same for all.
static RUN: LazyLock<Run> = LazyLock::new(|| common::run(600));

/// One run a day, in the order of the numbers.
fn info(number: usize) -> RunInfo {
    let mut info = common::info(30);
    info.id = format!("run-{number}");
    info.started = format!("2026-11-{:02}T03:14:15Z", number + 1);
    info
}

fn line(info: &RunInfo, verdict: Verdict) -> RunLine {
    let run = Run { info: info.clone(), ..RUN.clone() };
    let conclusion = conclude(&run, vec![verdict]);
    RunLine::new(&format!("{}/{}", info.name, info.id), info, Some(&conclusion))
}

fn bad(number: usize) -> RunLine {
    line(&info(number), verdicts::violation())
}

fn good(number: usize) -> RunLine {
    line(&info(number), verdicts::valid())
}

fn lives(lines: Vec<RunLine>) -> Vec<(Life, u64, u64)> {
    Index::new(lines).findings.into_iter().map(|finding| (finding.life, finding.seen, finding.of)).collect()
}

#[test]
fn a_finding_is_new_then_ongoing_then_not_seen() {
    assert_eq!(lives(vec![good(0), good(1), bad(2)]), [(Life::New, 1, 3); 2]);
    assert_eq!(lives(vec![bad(0), good(1), bad(2)]), [(Life::Ongoing, 2, 3); 2]);
    assert_eq!(lives(vec![bad(0), good(1), good(2)]), [(Life::NotSeen(2), 1, 3); 2]);
    // Neither a run that came to no answer nor one of another test says that it is gone.
    let gave_up = line(&info(1), verdicts::unknown());
    let mut other = info(2);
    other.workload = "queue".to_owned();
    let mut faults = info(3);
    faults.gates.kinds = ["kill".to_owned()].into();
    let other = [line(&other, verdicts::valid()), line(&faults, verdicts::valid())];
    assert_eq!(lives([vec![bad(0), gave_up], other.to_vec()].concat()), [(Life::New, 1, 1); 2]);
}

#[test]
fn a_night_has_many_runs_and_a_finding_is_new_in_all_of_them() {
    let at_night = |number: usize, night: &str, verdict| {
        let mut info = info(number);
        info.labels = [("session".to_owned(), night.to_owned())].into();
        line(&info, verdict)
    };
    let (bad, good) = (
        |n, night| at_night(n, night, verdicts::violation()),
        |n, night| at_night(n, night, verdicts::valid()),
    );
    assert_eq!(lives(vec![bad(0, "a"), good(1, "a"), bad(2, "a"), good(3, "a")]), [(Life::New, 2, 4); 2]);
    assert_eq!(lives(vec![bad(0, "a"), bad(1, "b"), good(2, "b")]), [(Life::Ongoing, 2, 3); 2]);
    let resolved = (1..=RESOLVED_AFTER).map(|n| good(n as usize, "b"));
    let of = RESOLVED_AFTER + 1;
    assert_eq!(lives([bad(0, "a")].into_iter().chain(resolved).collect()), [(Life::Resolved(10), 1, of); 2]);
}

/// As under a matrix of faults and workloads: what an operator would look into once.
#[test]
fn what_is_probably_one_bug_is_one_finding_with_all_of_its_fingerprints() {
    let stale = |number: usize, at: u64, workload: &str| {
        let mut verdict = verdicts::violation();
        verdict.findings.truncate(1);
        verdict.findings[0].time = at * common::MS;
        let mut info = info(number);
        info.workload = workload.to_owned();
        line(&info, verdict)
    };
    let index =
        Index::new([stale(0, 1_000, "register"), stale(1, 4_000, "register"), stale(2, 15_000, "set")]);
    let [one] = &index.findings[..] else { panic!("{:?}", index.findings) };
    assert_eq!((one.seen, one.fingerprints.len()), (3, 3));
    assert_eq!(
        one.moments.iter().map(String::as_str).collect::<Vec<_>>(),
        ["during kill", "during pause", "without a fault"]
    );
    // Another setting of the target is another bug.
    let mut settings = info(3);
    settings.settings.insert("reads".to_owned(), "linearizable".to_owned());
    let other = line(&settings, verdicts::violation());
    assert_ne!(other.findings[0].bug, one.bug);
}

#[test]
fn a_known_finding_says_so_and_comes_last() {
    let mut known = info(1);
    let fingerprint = bad(0).findings[0].fingerprint.clone();
    let expires = "2026-12-24".to_owned();
    known.known =
        vec![Known { fingerprint: fingerprint.clone(), issue: "#17".to_owned(), expires, note: None }];
    let index = Index::new([line(&known, verdicts::violation())]);
    let last = index.findings.last().expect("two findings");
    assert_eq!((index.findings.len(), &last.fingerprint), (2, &fingerprint));
    assert!(last.known.as_ref().is_some_and(|known| known.contains("#17")));
    assert_eq!(index.findings[0].known, None);
    assert!(index_page(&index).contains("known until 2026-12-24"));
}

#[test]
fn of_the_same_bug_there_is_one_finding() {
    let mut verdict = verdicts::violation();
    for key in 100..130 {
        let mut again = verdict.findings[0].clone();
        again.title = format!("stale read on key {key}");
        verdict.findings.push(again);
    }
    let line = line(&info(0), verdict);
    assert_eq!(line.findings.iter().map(|finding| finding.count).collect::<Vec<_>>(), [31, 1]);
}

#[test]
fn a_canary_that_passes_is_told() {
    let canary = |number: usize, verdict: Verdict| {
        let mut info = info(number);
        info.canary = true;
        line(&info, verdict)
    };
    let index = Index::new([canary(0, verdicts::violation()), canary(1, verdicts::violation()), good(2)]);
    assert_eq!((index.canary.runs, index.canary.caught, index.canary.missed.len()), (2, 2, 0));
    assert!(index.findings.is_empty() && index.matrix.tests.len() == 1, "planted bugs are no findings");
    assert!(index_page(&index).contains("caught 2 of 2"));
    for verdict in [verdicts::valid(), verdicts::unknown()] {
        let index = Index::new([canary(0, verdicts::violation()), canary(1, verdict)]);
        assert_eq!((index.canary.caught, index.canary.missed.as_slice()), (1, &[1][..]));
        assert!(index_page(&index).contains("do not trust a pass"));
    }
    // Tried again, and caught then: one canary, which was caught.
    let attempt = |number: usize, verdict: Verdict, name: &str| {
        let mut line = canary(number, verdict);
        for (label, value) in [("canary", name), ("session", "one night")] {
            line.labels.insert(label.to_owned(), value.to_owned());
        }
        line
    };
    let index = Index::new([
        attempt(0, verdicts::unknown(), "a"),
        attempt(1, verdicts::violation(), "a"),
        attempt(2, verdicts::unknown(), "b"),
    ]);
    assert_eq!((index.canary.runs, index.canary.caught, index.canary.missed.as_slice()), (2, 1, &[2][..]));
    assert!(index_page(&Index::new([good(0)])).contains("No canary has run"));
}

#[test]
fn the_matrix_shows_the_last_run_of_each() {
    let mut kill = info(3);
    kill.gates.kinds = ["kill".to_owned()].into();
    let index = Index::new([good(0), bad(1), good(2), line(&kill, verdicts::unknown())]);
    assert_eq!(index.matrix.faults, ["kill", "kill + partition + pause"]);
    let [(test, cells)] = &index.matrix.tests[..] else { panic!("one test") };
    assert_eq!(test, "etcd register");
    let all = cells[1].as_ref().expect("they ran");
    assert_eq!((all.runs, all.violations, index.runs[all.last].outcome), (3, 1, Some(Outcome::Valid)));
}

#[test]
fn figures_have_a_usual_range_from_eight_runs_on() {
    let rates = [100.0, 104.0, 98.0, 101.0, 99.0, 103.0, 97.0, 102.0, 96.0, 60.0];
    let lines = rates.iter().enumerate().map(|(at, rate)| RunLine { rate: Some(*rate), ..good(at) });
    let index = Index::new(lines);
    let points = &index.trends[0].points[0];
    assert_eq!(Metric::ALL[0], Metric::Rate);
    assert!(points[..8].iter().all(|point| point.usual.is_none() && !point.out));
    // Lowest of all, and within a tenth of the median: no alarm.
    assert_eq!((points[8].usual, points[8].out), (Some([97.0, 100.0, 104.0]), false));
    assert!(points[9].out);
    // Faster than ever is no alarm.
    let lines = (0..9).map(|at| RunLine { p99_ms: Some(if at == 8 { 1.0 } else { 50.0 }), ..good(at) });
    assert!(Index::new(lines).trends[0].points[1].iter().all(|point| !point.out));
    // Runs that cannot be compared are no trend.
    let mut other = info(11);
    other.options.insert("set reads".to_owned(), "serializable".to_owned());
    assert_eq!(Index::new([good(0), line(&other, verdicts::valid())]).trends, []);
}

#[test]
fn lines_are_read_as_they_are_written() {
    for line in [bad(0), good(1), line(&info(2), verdicts::unknown())] {
        let text = serde_json::to_vec(&line).expect("JSON");
        assert_eq!(RunLine::parse(&text).expect("a line"), line);
    }
    assert!(RunLine::parse(b"{\"format\":1").is_err());
}

fn hostile() -> (RunInfo, Conclusion) {
    let mut run = common::run(600);
    let text = format!("{HOSTILE}{}", "x".repeat(1 << 20));
    run.info.id = text.clone();
    run.info.name.clone_from(&text);
    run.info.target.clone_from(&text);
    run.info.workload.clone_from(&text);
    run.info.started.clone_from(&text);
    run.info.gates.kinds = [text.clone()].into();
    run.info.options.insert(format!("set {text}"), text.clone());
    run.info.labels.insert("branch".to_owned(), text.clone());
    run.info.labels.insert(text.clone(), text.clone());
    run.faults[0].kind.clone_from(&text);
    run.faults[0].description.clone_from(&text);
    let mut verdict = verdicts::violation();
    verdict.checker.clone_from(&text);
    verdict.findings[0].anomaly.clone_from(&text);
    verdict.findings[0].title.clone_from(&text);
    let conclusion = conclude(&run, vec![verdict]);
    (run.info, conclusion)
}

fn assert_harmless(page: &str, scripts: usize) {
    // The one script is ours, and holds no data.
    let (before, after) = page.split_once("<script>").unwrap_or((page, ""));
    let after = after.split_once("</script>").map_or(after, |(_, after)| after);
    let text = format!("{before}{after}");
    assert_eq!(page.matches("<script>").count(), scripts);
    let tags = html::tags(&text);
    for tag in &tags {
        assert!(
            !["script", "img", "iframe", "object", "link", "form", "base"].contains(&tag.name.as_str()),
            "{tag:?}"
        );
        for (name, value) in &tag.attributes {
            assert!(!name.starts_with("on") && name != "src" && name != "style", "{tag:?}");
            assert!(name != "href" || !value.contains(':'), "{tag:?}");
        }
    }
    assert!(!text.contains(['\u{202e}', '\u{1b}', '\u{200b}']));
    assert!(text.len() < 400_000, "{} bytes", text.len());
}

#[test]
fn hostile_names_do_nothing() {
    let (info, conclusion) = hostile();
    let hostile = RunLine::new("a\"><script>/run", &info, Some(&conclusion));
    let again = RunLine { path: "javascript:alert(1)/run".to_owned(), ..hostile.clone() };
    assert!(serde_json::to_vec(&hostile).expect("JSON").len() < duress_reports::index::MAX_LINE);
    assert_harmless(&index_page(&Index::new([hostile, again, good(0)])), 1);

    let run = common::run(600);
    let side = |name: &str, info: &RunInfo, conclusion: &Conclusion| {
        let mut run = run.clone();
        run.info = info.clone();
        Side::new(name, &run, conclusion.clone())
    };
    let ours = conclude(&run, vec![verdicts::valid()]);
    let comparison = Comparison::new(side(HOSTILE, &info, &conclusion), side("b", &run.info, &ours));
    assert_harmless(&compare_page(&comparison), 0);
    let text = comparison.text();
    assert!(
        !text.contains(['\u{202e}', '\u{1b}', '\u{200b}']) && text.len() < 20_000,
        "{} bytes",
        text.len()
    );
}

fn compared(a: Verdict, b: Verdict) -> Comparison {
    let run = common::run(600);
    let side = |verdict: Verdict| Side::new("x", &run, conclude(&run, vec![verdict]));
    Comparison::new(side(a), side(b))
}

#[test]
fn a_run_compared_with_itself_differs_in_nothing() {
    let comparison = compared(verdicts::violation(), verdicts::violation());
    assert!(comparison.differences.is_empty());
    assert!(comparison.findings.iter().all(|pair| (pair.a, pair.b) == (1, 1)));
    assert!(comparison.faults.iter().all(|pair| pair.a == pair.b && pair.a.is_some()));
    assert!(comparison.text().contains("the same\n"));
    assert_eq!(compare_page(&comparison), compare_page(&comparison.clone()));
}

#[test]
fn what_only_one_run_has_is_told() {
    let run = common::run(600);
    let mut other = common::run(600);
    other.info.options.insert("rate".to_owned(), "50/s".to_owned());
    other.info.options.insert("set reads".to_owned(), "serializable".to_owned());
    other.faults.remove(0);
    let a = Side::new("a", &run, conclude(&run, vec![verdicts::valid()]));
    let b = Side::new("b", &other, conclude(&other, vec![verdicts::violation()]));
    let comparison = Comparison::new(a, b);
    let names: Vec<&str> = comparison.differences.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["rate", "set reads"]);
    assert!(comparison.findings.iter().all(|pair| (pair.a, pair.b) == (0, 1)));
    // The only kill of the second run is the second of the first; kinds are paired in their order.
    let kills: Vec<_> =
        comparison.faults.iter().filter(|pair| pair.kind == "kill").map(|p| (p.a, p.b)).collect();
    assert_eq!(kills, [(Some(0), Some(3)), (Some(4), None)]);
    let text = comparison.text();
    assert!(text.contains("only B") && text.contains("serializable"), "{text}");
    assert!(verdicts::valid().valid == Valid::Valid);
}
