//! Fingerprints, and what a list of known violations excuses: in every doubt, nothing.

mod common;

use common::written::Written;
use common::{MS, verdicts};
use duress_checkers::{Finding, Kind, Process, Valid, Verdict};
use duress_reports::artifact::{FaultWindow, NodeSeen, NodeState, RunStatus};
use duress_reports::{Known, Outcome, Run, conclude};
use serde_json::json;

fn run() -> Run {
    common::run(600)
}

/// Two violations on 40 keys, all of which were decided.
fn violation() -> Verdict {
    let mut verdict = verdicts::violation();
    verdict.stats.insert("undecided_keys".to_owned(), json!(0));
    verdict
}

fn fingerprints(run: &Run, verdict: Verdict) -> Vec<String> {
    conclude(run, vec![verdict]).findings.into_iter().map(|finding| finding.fingerprint).collect()
}

fn entry(fingerprint: &str) -> Known {
    Known {
        fingerprint: fingerprint.to_owned(),
        issue: "https://example.org/issues/17".to_owned(),
        expires: "2026-12-24".to_owned(),
        note: None,
    }
}

/// The run, with all of its findings listed.
fn all_known() -> Run {
    let mut run = run();
    run.info.known = fingerprints(&run, violation()).iter().map(|f| entry(f)).collect();
    run
}

fn outcome(run: &Run, verdicts: Vec<Verdict>) -> Outcome {
    let conclusion = conclude(run, verdicts);
    assert_eq!(conclusion.exit_code, conclusion.outcome.exit_code());
    conclusion.outcome
}

/// Changes something about the first finding, and says whether its fingerprint is another one then.
fn changes(how: impl FnOnce(&mut Run, &mut Finding)) -> bool {
    let (mut run, mut verdict) = (run(), violation());
    let before = fingerprints(&run, verdict.clone());
    how(&mut run, &mut verdict.findings[0]);
    let after = fingerprints(&run, verdict);
    assert_eq!(before[1], after[1], "the other one was left alone");
    before[0] != after[0]
}

#[test]
fn a_fingerprint_is_short_and_has_words() {
    let findings = conclude(&run(), vec![violation()]).findings;
    assert_eq!(findings[0].fingerprint.len(), 12);
    assert_eq!(findings[0].signature, "etcd register: stale read during pause; acknowledged < read");
    assert_eq!(findings[1].signature, "etcd register: lost write during kill");
}

#[test]
fn seeds_keys_values_times_and_processes_do_not_matter() {
    assert!(!changes(|run, _| run.info.seed += 1));
    assert!(!changes(|run, _| run.info.id = "another".to_owned()));
    assert!(!changes(|_, finding| {
        finding.key = Some(json!("other"));
        finding.title = "stale read on key other".to_owned();
        finding.sentence = "Somebody else.".to_owned();
    }));
    assert!(!changes(|_, finding| finding.time += 20 * MS));
    assert!(!changes(|_, finding| {
        let example = finding.counterexample.as_mut().expect("it has one");
        for op in &mut example.ops {
            op.process = Process::Client(77);
            op.index += 1_000;
            op.label = op.label.replace('4', "14");
        }
    }));
    // What was known before was read, and not written: the same bug.
    assert!(!changes(|_, finding| {
        finding.counterexample.as_mut().expect("it has one").core = vec![1, 4, 6];
    }));
}

#[test]
fn what_tells_one_way_to_fail_from_another_does() {
    assert!(changes(|_, finding| finding.anomaly = "lost write".to_owned()));
    // No fault in effect then; just after one; during another one.
    for ms in [1_000, 7_000, 9_000] {
        assert!(changes(|_, finding| finding.time = ms * MS), "{ms}");
    }
    // The write was never acknowledged.
    assert!(changes(|_, finding| {
        finding.counterexample.as_mut().expect("it has one").ops[2].kind = Kind::Info;
    }));
    // It was no read that saw it.
    assert!(changes(|_, finding| {
        finding.counterexample.as_mut().expect("it has one").ops[6].label = "cas 4 → 5".to_owned();
    }));
    // The node that answered led; and one that did not is not the same.
    for leads in [true, false] {
        let seen = |run: &mut Run, _: &mut Finding| {
            let (node, state) = ("n4".to_owned(), NodeState::Answers);
            run.nodes = vec![NodeSeen { at: 0, node, state, leads: Some(leads), term: None }];
        };
        assert!(changes(seen));
    }
}

#[test]
fn another_system_under_test_has_other_fingerprints() {
    let before = fingerprints(&run(), violation());
    for change in [
        |run: &mut Run| run.info.target = "redis".to_owned(),
        |run: &mut Run| run.info.workload = "queue".to_owned(),
        |run: &mut Run| {
            run.info.options.insert("set reads".to_owned(), "serializable".to_owned());
        },
    ] {
        let mut run = run();
        change(&mut run);
        let after = fingerprints(&run, violation());
        assert!(before.iter().zip(&after).all(|(a, b)| a != b));
    }
}

#[test]
fn nothing_but_known_violations_is_its_own_answer() {
    let written = Written::new(&all_known(), vec![violation()]);
    let conclusion = &written.conclusion;
    assert_eq!((conclusion.outcome, conclusion.exit_code), (Outcome::Known, 0));
    assert!(conclusion.headline.starts_with("Only known violations: stale read"), "{}", conclusion.headline);
    assert!(written.json.contains("\"outcome\": \"known\""));
    // They stay visible everywhere.
    for text in [&written.html, &written.text] {
        assert!(text.contains("https://example.org/issues/17"));
        assert!(text.contains("known until 2026-12-24"));
    }
    assert!(written.text.starts_with("KNOWN  "), "{}", written.text);
    assert!(written.junit.contains("<skipped") && !written.junit.contains("<failure"), "{}", written.junit);
}

#[test]
fn a_violation_beside_known_ones_counts() {
    let (first, second) = (all_known().info.known[0].clone(), all_known().info.known[1].clone());
    for (known, named) in [(first, "lost write on key 23"), (second, "stale read on key 17")] {
        let mut run = run();
        run.info.known = vec![known];
        let conclusion = conclude(&run, vec![violation()]);
        assert_eq!((conclusion.outcome, conclusion.exit_code), (Outcome::Violation, 1));
        assert!(conclusion.headline.contains(named), "{}", conclusion.headline);
        let written = Written::new(&run, vec![violation()]);
        assert!(written.junit.contains("<failure"), "{}", written.junit);
    }
    // Nor does a verdict that is known excuse another checker's.
    let other = Verdict { checker: "watch".to_owned(), ..violation() };
    assert_eq!(outcome(&all_known(), vec![violation(), other]), Outcome::Violation);
}

#[test]
fn what_has_no_fingerprint_is_not_known() {
    let omitted = Verdict { findings_omitted: 1, ..violation() };
    assert_eq!(outcome(&all_known(), vec![omitted.clone()]), Outcome::Violation);
    let text = Written::new(&all_known(), vec![omitted]).text;
    assert!(text.contains("1 more violation was counted and not explained"), "{text}");
    let unexplained = Verdict { findings: Vec::new(), ..violation() };
    assert_eq!(outcome(&all_known(), vec![unexplained]), Outcome::Violation);
    // Nor does the beginning of a fingerprint name it, or nothing at all.
    for fingerprint in [&all_known().info.known[0].fingerprint[..8], ""] {
        let mut run = all_known();
        run.info.known[0] = entry(fingerprint);
        assert_eq!(outcome(&run, vec![violation()]), Outcome::Violation);
    }
}

#[test]
fn a_day_comes_in_the_run_s_own_time() {
    for (started, expected) in [
        ("2026-12-23T23:59:59Z", Outcome::Known),
        ("2026-12-24T00:00:00Z", Outcome::Violation),
        ("2027-01-01T00:00:00Z", Outcome::Violation),
        ("", Outcome::Violation),
        ("yesterday", Outcome::Violation),
        ("2026-00-01T00:00:00Z", Outcome::Violation),
    ] {
        let mut run = all_known();
        run.info.started = started.to_owned();
        assert_eq!(outcome(&run, vec![violation()]), expected, "{started}");
    }
    let mut run = all_known();
    run.info.started = "2026-12-24T00:00:00Z".to_owned();
    let written = Written::new(&run, vec![violation()]);
    assert!(written.text.contains("was known until 2026-12-24"), "{}", written.text);
    // An entry that was damaged since excuses nothing; nor one of two that contradict each other.
    for day in ["2026-12-2", "soon", "9999-99-99", ""] {
        let mut run = all_known();
        run.info.known[0].expires = day.to_owned();
        assert_eq!(outcome(&run, vec![violation()]), Outcome::Violation, "{day}");
    }
    let mut run = all_known();
    let expired = Known { expires: "2026-01-01".to_owned(), ..run.info.known[0].clone() };
    run.info.known.push(expired);
    assert_eq!(outcome(&run, vec![violation()]), Outcome::Violation);
}

#[test]
fn known_violations_do_not_make_a_run_better_than_it_is() {
    // Not everything was decided, or nobody says so.
    let mut undecided = violation();
    undecided.stats.insert("undecided_keys".to_owned(), json!(2));
    let reason = Verdict { reason: Some("time was up".to_owned()), ..violation() };
    for verdict in [undecided, reason, verdicts::violation()] {
        let conclusion = conclude(&all_known(), vec![verdict]);
        assert_eq!((conclusion.outcome, conclusion.exit_code), (Outcome::Unknown, 2));
        assert!(conclusion.lede.starts_with("No other violation"), "{}", conclusion.lede);
    }
    assert_eq!(outcome(&all_known(), vec![violation(), verdicts::unknown()]), Outcome::Unknown);
    // They are on every key: nothing else was judged.
    let mut everywhere = violation();
    everywhere.stats.insert("keys".to_owned(), json!(2));
    assert_eq!(outcome(&all_known(), vec![everywhere]), Outcome::Inconclusive);
    // A fault did nothing; the run failed; it was cut off.
    let mut dull = all_known();
    let meteor = FaultWindow { id: 7, kind: "meteor".to_owned(), in_effect: None, ..dull.faults[0].clone() };
    dull.faults.push(meteor);
    assert_eq!(outcome(&dull, vec![violation()]), Outcome::Inconclusive);
    let mut failed = all_known();
    failed.info.status = RunStatus::Failed;
    assert_eq!(outcome(&failed, vec![violation()]), Outcome::Infrastructure);
    let mut cut = all_known();
    cut.info.status = RunStatus::Running;
    assert_eq!(outcome(&cut, vec![violation()]), Outcome::Inconclusive);
}

#[test]
fn a_list_that_fits_nothing_changes_nothing() {
    let mut run = run();
    run.info.known = vec![entry("0123456789ab")];
    assert_eq!(outcome(&run, vec![verdicts::valid()]), Outcome::Valid);
    assert_eq!(outcome(&run, vec![violation()]), Outcome::Violation);
    assert_eq!(Outcome::Known.exit_code(), 0);
    assert_eq!(verdicts::valid().valid, Valid::Valid);
}

#[test]
fn files_of_older_versions_load() {
    let conclusion = conclude(&run(), vec![violation()]);
    let mut old = serde_json::to_value(&conclusion).expect("JSON");
    for finding in old["findings"].as_array_mut().expect("findings") {
        let finding = finding.as_object_mut().expect("an object");
        finding.retain(|name, _| !["fingerprint", "signature", "known"].contains(&name.as_str()));
    }
    let loaded: duress_reports::Conclusion = serde_json::from_value(old).expect("it loads");
    assert!(loaded.findings.iter().all(|finding| finding.fingerprint.is_empty() && !finding.is_known()));
}
