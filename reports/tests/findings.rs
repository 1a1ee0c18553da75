//! Every model's violation is proven again by what a report hands out: the file, and the test to be
//! copied.

mod common;
#[path = "snapshots/regressions.rs"]
#[rustfmt::skip]
mod regressions;

use common::golden::{CASES, judged, run};
use common::{MS, SECOND, verdicts};
use duress_checkers::history::{ReadOptions, read};
use duress_checkers::verdict::Tone;
use duress_checkers::{Budget, Keys, Valid};
use duress_reports::artifact::{FaultWindow, NodeSeen, NodeState, RunDir};
use duress_reports::{conclude, write};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The copyable tests of all findings, as the pages show them.
fn texts() -> String {
    let mut all = String::from("//! Written by `findings.rs`, which compiles and runs it.\n");
    for (at, case) in CASES.iter().enumerate() {
        let (history, verdict) = judged(case);
        let run = run(history);
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
        dir.write_info(&run.info).expect("run.json");
        write(&dir, &run, &conclude(&run, vec![verdict])).expect("all files");
        let page = fs::read_to_string(dir.report_file()).expect("a page");
        let from = page.find("#[test]").expect("a test");
        let to = from + page[from..].find("</pre>").expect("its end");
        let text = page[from..to].replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
        let text = text.replace("&amp;", "&");
        // Two of one model have one name.
        let text = text.replacen("\nfn ", &format!("\nfn case_{at}_"), 1);
        let _ = write!(all, "\n{text}");
    }
    all
}

#[test]
fn the_tests_that_are_handed_out_are_those_that_run_here() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/regressions.rs");
    let texts = texts();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, texts).expect("the snapshot can be written");
        return;
    }
    let here = include_str!("snapshots/regressions.rs");
    assert!(here == texts, "the tests that pages show are others; UPDATE_SNAPSHOTS=1 rewrites them");
}

#[test]
fn the_files_prove_every_finding_again() {
    for case in &CASES {
        let (history, verdict) = judged(case);
        let run = run(history);
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
        dir.write_info(&run.info).expect("run.json");
        let conclusion = conclude(&run, vec![verdict.clone()]);
        write(&dir, &run, &conclusion).expect("all files");
        let proof = conclusion.findings[0].proof.as_ref().expect("a proof");
        assert!(conclusion.files.contains(&proof.file));
        let file = fs::File::open(dir.path().join(&proof.file)).expect("the file");
        let again = read(file, &ReadOptions::default()).expect("a history").history;
        assert!(again.len() <= run.history.len());
        let keys = if proof.keyed { Keys::Keyed } else { Keys::Single };
        let checked = proof.model.checker(keys).expect("a checker").check(&again, &Budget::default());
        assert_eq!(checked.valid, Valid::Violation, "{}", case.0);
        assert_eq!(checked.findings[0].anomaly, verdict.findings[0].anomaly, "{}", case.0);
    }
}

#[test]
fn a_verdict_without_findings_leaves_no_file_of_an_earlier_one() {
    let (history, verdict) = judged(&CASES[0]);
    let run = run(history);
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
    dir.write_info(&run.info).expect("run.json");
    write(&dir, &run, &conclude(&run, vec![verdict])).expect("all files");
    assert!(dir.path().join("findings/1.jsonl").is_file());
    write(&dir, &run, &conclude(&run, vec![common::verdicts::valid()])).expect("all files");
    assert!(!dir.path().join("findings/1.jsonl").exists());
}

#[test]
fn pictures_mark_what_is_wrong() {
    let pictured: Vec<&str> = CASES
        .iter()
        .filter_map(|case| {
            let (_, verdict) = judged(case);
            let example = verdict.findings[0].counterexample.as_ref().expect("a counterexample");
            let picture = example.picture.as_ref()?;
            let wrong = picture.tracks.iter().flat_map(|track| &track.stretches);
            assert!(wrong.clone().any(|stretch| stretch.tone == Tone::Wrong), "{}: {picture:#?}", case.0);
            let culprit = &example.ops[example.culprit];
            assert!(wrong.clone().all(|it| it.to.is_none_or(|to| to >= it.from)), "{}", case.0);
            assert!(picture.clash.as_ref().is_none_or(|clash| clash.from <= clash.to), "{}", case.0);
            assert!(culprit.returned.is_some());
            Some(case.0)
        })
        .collect();
    let kinds = [
        "set",
        "queue",
        "fenced-lock",
        "mutex",
        "reentrant-mutex",
        "semaphore",
        "counter",
        "fetch-add",
        "log",
    ];
    for kind in kinds {
        assert!(pictured.contains(&kind), "{kind} has no picture: {pictured:?}");
    }
    let words = |at: usize| {
        let (_, verdict) = judged(&CASES[at]);
        let example = verdict.findings[0].counterexample.clone().expect("a counterexample");
        example.picture.and_then(|picture| picture.clash).expect("a clash").words
    };
    assert_eq!(words(6), "p3 and p7 both held it for 812 ms");
    assert_eq!(words(4), "p3 and p4 both took 40 out, 812 ms apart");
    assert_eq!(words(10), "read 2, possible 5..5");
}

fn seen(at: u64, node: &str, leads: bool, term: u64) -> NodeSeen {
    let node = node.to_owned();
    NodeSeen { at, node, state: NodeState::Answers, leads: Some(leads), term: Some(term) }
}

#[test]
fn what_was_the_case_meanwhile_is_told_as_a_coincidence() {
    let (history, verdict) = judged(&CASES[0]);
    let mut run = run(history);
    run.nodes = vec![seen(0, "n4", true, 4), seen(0, "n3", false, 4), seen(15_000 * MS, "n3", true, 5)];
    let conclusion = conclude(&run, vec![verdict]);
    assert_eq!(
        conclusion.findings[0].coincident,
        [
            "n4, which answered, had been under F3 for 2.57 s",
            "n4 took itself for the leader in term 4",
            "n3 led in term 5",
        ]
    );
    assert!(conclusion.lede.contains("n3 led in term 5: coincidences in time"), "{}", conclusion.lede);
    // A leader that is gone by then does not lead.
    run.nodes.push(NodeSeen { state: NodeState::Down, ..seen(16_000 * MS, "n3", true, 5) });
    let (_, verdict) = judged(&CASES[0]);
    assert_eq!(conclude(&run, vec![verdict]).findings[0].coincident.len(), 2);
}

#[test]
fn faults_on_nodes_of_the_proof_come_before_those_elsewhere() {
    // 4 was read through n4 at 16.606 s, after 4 had been written through n3 and 5 through n2.
    let placed = |faults: Vec<FaultWindow>| {
        let mut run = common::run(600);
        run.faults = faults;
        let mut verdict = verdicts::violation();
        verdict.findings.truncate(1);
        let placed = conclude(&run, vec![verdict]).findings.remove(0);
        (placed.fault, placed.relation, placed.moment)
    };
    let told = |id: Option<u32>, relation: &str, moment: &str| (id, relation.to_owned(), moment.to_owned());
    let froze = |node: &str| common::fault(5, "clock-freeze", node, &[node], 14_000, 18_000);
    let killed = |node: &str, heal| common::fault(4, "kill", node, &[node], 12_000, heal);
    let killed_before = told(Some(4), "506 ms after F4 kill n4", "just after kill");
    assert_eq!(placed(vec![killed("n4", 16_100), froze("n1")]), killed_before);
    // The same bug without what was broken elsewhere.
    assert_eq!(placed(vec![killed("n4", 16_100)]), killed_before);
    let frozen = told(Some(5), "during F5 clock-freeze n2", "during clock-freeze");
    assert_eq!(placed(vec![killed("n4", 16_100), froze("n2")]), frozen);
    // Nothing nearer.
    let elsewhere =
        told(Some(5), "during F5 clock-freeze n1, on no node of the proof", "during clock-freeze");
    assert_eq!(placed(vec![killed("n4", 14_000), froze("n1")]), elsewhere);
    let elsewhere = told(Some(4), "506 ms after F4 kill n1, on no node of the proof", "just after kill");
    assert_eq!(placed(vec![killed("n1", 16_100)]), elsewhere);
    // A link to n4 is one of its own, whoever was cut off.
    let mut cut = common::fault(6, "partition", "isolate n1", &["n1"], 15_000, 18_000);
    cut.cut = vec![(0, 3), (3, 0)];
    assert_eq!(
        placed(vec![froze("n5"), cut]),
        told(Some(6), "during F6 partition isolate n1", "during partition")
    );
}

#[test]
fn a_node_that_answers_is_not_drawn_as_down() {
    let strip = |healed: Option<u64>, polled: &[(u64, NodeState)]| {
        let (history, verdict) = judged(&CASES[0]);
        let mut run = run(history);
        run.faults = vec![common::fault(1, "kill", "n5", &["n5"], 14_000, 15_000)];
        run.faults[0].healed = healed;
        let seen = |&(at, state): &(u64, NodeState)| NodeSeen { state, ..seen(at * MS, "n5", true, 5) };
        run.nodes = polled.iter().map(seen).collect();
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
        dir.write_info(&run.info).expect("run.json");
        write(&dir, &run, &conclude(&run, vec![verdict])).expect("all files");
        let page = fs::read_to_string(dir.report_file()).expect("a page");
        let down = page.split("<title>down").nth(1).and_then(|rest| rest.split("</title>").next());
        down.map(str::to_owned)
    };
    let polled = [(14_100, NodeState::Down), (16_500, NodeState::Answers)];
    // It answered a client at 15.911 s, and nobody knows when it was started.
    let first_answer = Some(", 15.871 s to 15.911 s".to_owned());
    assert_eq!(strip(None, &polled), first_answer);
    assert_eq!(strip(Some(15_890 * MS), &polled), Some(", 15.871 s to 15.890 s".to_owned()));
    assert_eq!(strip(Some(15_800 * MS), &polled), None);
    // Whoever is down for good was not brought back by that.
    assert_eq!(strip(Some(15_890 * MS), &polled[..1]), first_answer);
}

#[test]
fn the_page_shows_what_the_nodes_said_and_nothing_they_said_acts() {
    let (history, verdict) = judged(&CASES[0]);
    let mut run = run(history);
    // The run's clock began at 19:16:51; the stale value was read at 16.606 s.
    run.info.clock_epoch = Some(1_795_288_611 * SECOND);
    run.nodes = vec![seen(0, "n4", true, 4), seen(15_000 * MS, "n3", true, 5)];
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
    dir.write_info(&run.info).expect("run.json");
    fs::create_dir_all(dir.node_dir("n4")).expect("a directory");
    let log =
        [("05.000", "long before"), ("07.500", "<script>alert(1)</script>"), ("07.700", "\u{1b}[31mred")];
    let line = |(at, said): &(&str, &str)| {
        serde_json::json!({"level": "warn", "ts": format!("2026-11-21T19:17:{at}Z"), "msg": said}).to_string()
    };
    let again =
        (0..50).map(|n| line(&("07.600", &format!("lease {n} is not there any more, and nobody knows why"))));
    let text = log.iter().map(line).chain(again).collect::<Vec<_>>().join("\n");
    fs::write(dir.node_dir("n4").join("etcd.log"), text).expect("a log");
    write(&dir, &run, &conclude(&run, vec![verdict])).expect("all files");
    let page = fs::read_to_string(dir.report_file()).expect("a page");
    assert!(page.contains("warn: &lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(
        page.contains(r"\u{1b}[31mred") && !page.contains("long before") && !page.contains("<script>alert")
    );
    assert!(page.contains("<td>F3</td>"));
    // What is said again and again takes no room.
    assert_eq!(page.matches("is not there any more").count(), 3);
    assert!(page.contains("47 more lines"));
    // The nodes that matter stand above the figure, the one that answered first.
    let (four, three) = (page.find("leader of term 4"), page.find("leader of term 5"));
    assert!(four.is_some() && four < three, "{four:?} {three:?}");
    common::html::tags(&page);
}
