//! The answer and the numbers: what outranks what, and naive oracles for what is measured.

mod common;

use common::{MS, SECOND, verdicts};
use duress_checkers::{History, Kind, Op, Process, Valid, Verdict};
use duress_reports::artifact::{FaultWindow, NodeSeen, NodeState, Phase, RunStatus, ServerExit};
use duress_reports::conclusion::{FaultState, GateState, Mark, Reached};
use duress_reports::{Conclusion, Known, Outcome, Run, conclude};
use serde_json::{Value, json};

fn valid(run: &Run) -> Conclusion {
    conclude(run, vec![verdicts::valid()])
}

#[test]
fn a_violation_outranks_everything() {
    let mut run = common::inconclusive();
    run.info.status = RunStatus::Failed;
    run.info.failure = Some(common::failure());
    let all = vec![verdicts::unknown(), verdicts::violation(), verdicts::valid()];
    let conclusion = conclude(&run, all);
    assert_eq!((conclusion.outcome, conclusion.exit_code), (Outcome::Violation, 1));
    assert_eq!(conclusion.headline, "Not linearizable: stale read on key 17 (and 1 more)");
    assert!(conclusion.lede.contains("does not excuse"));
}

#[test]
fn failed_then_inconclusive_then_unknown() {
    let mut run = common::inconclusive();
    let both = || vec![verdicts::unknown(), verdicts::valid()];
    let inconclusive = conclude(&run, both());
    assert_eq!(inconclusive.outcome, Outcome::Inconclusive);
    assert!(inconclusive.lede.starts_with("No violation was found, but"), "{}", inconclusive.lede);
    let unchecked = conclude(&run, vec![verdicts::unknown()]).lede;
    assert!(unchecked.starts_with("Nothing was checked, and this run proves nothing"), "{unchecked}");
    run.info.status = RunStatus::Failed;
    let failed = conclude(&run, both());
    assert_eq!((failed.outcome, failed.exit_code), (Outcome::Infrastructure, 3));
    let unknown = conclude(&common::run(600), both());
    assert_eq!((unknown.outcome, unknown.exit_code), (Outcome::Unknown, 2));
    assert_eq!(valid(&common::run(600)).exit_code, 0);
}

#[test]
fn a_cluster_that_does_not_come_back_is_a_violation() {
    let mut run = common::run(600);
    run.info.unrecovered = Some("n2 is not healthy after 60s: no leader".to_owned());
    let conclusion = valid(&run);
    assert_eq!((conclusion.outcome, conclusion.exit_code), (Outcome::Violation, 1));
    assert_eq!(conclusion.headline, "Not recovered: the cluster did not come back");
    assert!(conclusion.lede.contains("n2 is not healthy after 60s: no leader"), "{}", conclusion.lede);
    let both = conclude(&run, vec![verdicts::violation()]);
    assert!(both.headline.starts_with("Not linearizable and not recovered: "), "{}", both.headline);
    assert_eq!(conclude(&run, both.verdicts.clone()), both, "a conclusion drawn again");
}

/// A server that ended in the middle of a pause.
fn crashed(said: &str) -> Run {
    let mut run = common::run(600);
    let (node, status) = ("n4".to_owned(), "exit status: 2".to_owned());
    run.info.exits = vec![ServerExit { node, at: 15 * SECOND, status, said: Some(said.to_owned()) }];
    run
}

#[test]
fn a_server_that_ends_by_itself_is_a_crash_and_less_than_a_violation() {
    let run = crashed("panic: tocommit(12) is out of range");
    let conclusion = valid(&run);
    assert_eq!((conclusion.outcome, conclusion.exit_code), (Outcome::Crash, 1));
    assert_eq!(conclusion.headline, "Crash: n4 ended by itself, exit status: 2");
    assert!(conclusion.lede.contains("tocommit(12)") && conclusion.lede.contains("during F3 pause n4"));
    assert_eq!(conclude(&run, conclusion.verdicts.clone()), conclusion, "a conclusion drawn again");
    let both = conclude(&run, vec![verdicts::violation()]);
    assert_eq!(both.outcome, Outcome::Violation);
    assert!(both.headline.starts_with("Not linearizable and not alive: stale read"), "{}", both.headline);
    // Neither a run that broke down nor a checker that gave up masks it.
    let mut failed = run.clone();
    failed.info.status = RunStatus::Failed;
    assert_eq!(conclude(&failed, vec![verdicts::unknown()]).outcome, Outcome::Crash);
    // The same crash with other numbers is the same, and another line is another.
    let print = |said: &str| valid(&crashed(said)).findings[0].fingerprint.clone();
    assert_eq!(print("panic: tocommit(12) is out of range"), print("panic: tocommit(9) is out of range"));
    assert_ne!(print("panic: tocommit(12) is out of range"), print("panic: commit(12) is out of range"));
    // One that is listed is excused like any other.
    let mut known = run;
    let (fingerprint, issue) = (conclusion.findings[0].fingerprint.clone(), "#17".to_owned());
    known.info.known = vec![Known { fingerprint, issue, expires: "2026-12-24".to_owned(), note: None }];
    assert_eq!(valid(&known).outcome, Outcome::Known);
}

fn gated(rule: &str, change: impl FnOnce(&mut Run)) -> (Outcome, GateState) {
    let mut run = common::run(60);
    run.info.gates.rules = vec![rule.parse().expect(rule)];
    run.info.noted = [("snapshot-installed".to_owned(), 2), ("log:x".to_owned(), 0)].into();
    let seen = |at: u64, node: &str, leads, term| NodeSeen {
        at: at * MS,
        node: node.to_owned(),
        state: NodeState::Answers,
        leads: Some(leads),
        term: Some(term),
    };
    run.nodes = vec![
        seen(50, "n2", true, 2),
        seen(60, "n4", false, 2),
        seen(4_000, "n5", true, 3),
        seen(7_000, "n2", false, 3),
    ];
    change(&mut run);
    let conclusion = valid(&run);
    (conclusion.outcome, conclusion.gates[0].state)
}

#[test]
fn gates_are_met_or_the_run_is_inconclusive_or_the_target_at_fault() {
    use GateState::{Met, Missed, Undecided};
    use Outcome::{Inconclusive, Valid, Violation};
    let cases = [
        ("ok-during=10", Valid, Met),
        ("ok-during=100000", Inconclusive, Missed),
        ("ok-during=100000:finding", Violation, Missed),
        ("ok-before.kill=1", Valid, Met),
        ("ok-after.pause=100000", Inconclusive, Missed),
        ("leader-changes=1", Valid, Met),
        ("leader-changes=2", Inconclusive, Missed),
        // The outage after each fault is one of 0.7 s, and n2 led when the first began.
        ("max-unavailable=20s", Valid, Met),
        ("max-unavailable=1ms", Violation, Missed),
        ("max-unavailable.kill.leader=1ms:inconclusive", Inconclusive, Missed),
        ("max-unavailable.pause.leader=20s", Inconclusive, Undecided),
        ("max-unavailable.pause.follower=20s", Valid, Met),
        ("max-unavailable.clock-jump=20s", Inconclusive, Undecided),
        ("sometimes=leader-changed", Valid, Met),
        ("sometimes=snapshot-installed", Valid, Met),
        ("sometimes=in-doubt", Valid, Met),
        ("sometimes=node-paused", Inconclusive, Missed),
        ("sometimes=log:x:finding", Violation, Missed),
        ("sometimes=follower-lagged", Inconclusive, Undecided),
    ];
    for (rule, outcome, state) in cases {
        assert_eq!(gated(rule, |_| ()), (outcome, state), "{rule}");
    }
    // What was missed is placed at the first fault that missed it, and not at the end of the run.
    let mut run = common::run(60);
    run.info.gates.rules = vec!["max-unavailable.pause=1ms".parse().expect("a gate")];
    let placed = valid(&run).findings.remove(0);
    assert_eq!(
        (placed.fault, placed.relation.starts_with("during ")),
        (Some(3), true),
        "{}",
        placed.relation
    );
    // Where faults follow each other closely, nobody sees the end of any.
    assert_eq!(gated("max-recovery=60s", |_| ()), (Inconclusive, Undecided));
    let alone = |run: &mut Run| {
        run.faults.truncate(1);
        run.info.gates.kinds = [run.faults[0].kind.clone()].into();
    };
    assert_eq!(gated("max-recovery=60s", alone), (Valid, Met));
    let never = |run: &mut Run| {
        alone(run);
        let ops = run.history.ops().iter().filter(|op| op.time < 6_000 * MS).cloned().collect();
        run.history = History::new(ops).expect("a beginning");
    };
    assert_eq!(gated("max-recovery.kill=1s", never).1, Undecided);
    // What was cut short may have been on its way to it.
    let cut = |run: &mut Run| run.info.status = RunStatus::Interrupted;
    assert_eq!(gated("leader-changes=2:finding", cut), (Inconclusive, Undecided));
    assert_eq!(gated("max-unavailable=1ms", cut), (Violation, Missed));
    // Without terms, another node that leads is a change.
    let no_terms = |run: &mut Run| run.nodes.iter_mut().for_each(|seen| seen.term = None);
    assert_eq!(gated("leader-changes=1", no_terms), (Valid, Met));
    assert_eq!(gated("leader-changes=2", no_terms), (Inconclusive, Missed));
    // And where nobody looked at nodes, nobody knows who led.
    assert_eq!(gated("leader-changes=0", |run| run.nodes.clear()), (Inconclusive, Undecided));
}

#[test]
fn a_fault_without_effect_is_told_and_decides_nothing_where_others_of_its_kind_bit() {
    let mut run = common::run(600);
    let kind = run.faults[1].kind.clone();
    assert!(run.faults.iter().filter(|fault| fault.kind == kind).count() > 1);
    run.faults[1].in_effect = None;
    run.faults[1].evidence = vec!["it was down".to_owned(), "nothing to undo".to_owned()];
    let conclusion = valid(&run);
    assert_eq!(conclusion.outcome, Outcome::Valid);
    let told = conclusion.trust.iter().find(|t| t.text.ends_with("did not take effect: it was down"));
    assert_eq!(told.map(|t| t.mark), Some(Mark::Note), "{:?}", conclusion.trust);
    let bit = format!("{} of {} faults seen to take effect", run.faults.len() - 1, run.faults.len());
    assert!(conclusion.trust.iter().any(|t| t.text == bit), "{:?}", conclusion.trust);
}

#[test]
fn each_gate_alone_keeps_a_run_from_passing() {
    type Spoil = (&'static str, fn(&mut Run));
    let spoils: [Spoil; 16] = [
        ("did not take effect", |run| {
            let kind = run.faults[1].kind.clone();
            run.faults.iter_mut().filter(|fault| fault.kind == kind).for_each(|fault| fault.in_effect = None);
        }),
        ("no pause took effect", |run| run.faults.clear()),
        ("no meteor took effect", |run| _ = run.info.gates.kinds.insert("meteor".to_owned())),
        ("no partition took effect", |run| {
            for fault in run.faults.iter_mut().filter(|fault| fault.kind == "partition") {
                fault.skipped = true;
                fault.in_effect = None;
            }
        }),
        ("was not seen to be undone", |run| run.faults[1].healed = None),
        ("cut off before its end", |run| run.info.status = RunStatus::Running),
        ("stopped before its end", |run| run.info.status = RunStatus::Interrupted),
        ("40 of 40 keys have no final read", |run| {
            let end = run.history.ops().last().expect("operations").time;
            run.info.phases.push(Phase { name: "final".to_owned(), start: end + 1, end: None });
        }),
        ("ended in the error class `protocol`", |run| garble(run)),
        ("and 1 needed", |run| {
            run.info.gates.min_ok = 0;
            run.history = History::default();
        }),
        ("n3 exited", |run| run.info.doubts.push("n3 exited by itself".to_owned())),
        ("breaks off", |run| run.truncated = true),
        ("and 1000000 needed", |run| run.info.gates.min_ok = 1_000_000),
        ("no operation succeeded", |run| run.history = History::default()),
        ("no read succeeded", |run| keep(run, "write")),
        ("no write succeeded", |run| keep(run, "read")),
    ];
    for (reason, spoil) in spoils {
        let mut run = common::run(600);
        spoil(&mut run);
        let conclusion = valid(&run);
        assert_eq!((conclusion.outcome, conclusion.exit_code), (Outcome::Inconclusive, 3), "{reason}");
        assert!(conclusion.reasons.iter().any(|r| r.contains(reason)), "{reason}: {:?}", conclusion.reasons);
    }
    let unchecked = conclude(&common::run(600), Vec::new());
    assert_eq!(unchecked.outcome, Outcome::Inconclusive);
}

/// A read came back with an answer that its client could not read.
fn garble(run: &mut Run) {
    let mut ops = run.history.ops().to_vec();
    let read = ops.iter_mut().find(|op| op.f == "read" && op.kind == Kind::Ok).expect("a read");
    read.kind = Kind::Fail;
    read.error = Some("protocol: two values".to_owned());
    run.history = History::new(ops).expect("still a history");
}

fn keep(run: &mut Run, f: &str) {
    let ops = run.history.ops().iter().filter(|op| op.f == f).cloned().collect();
    run.history = History::new(ops).expect("whole calls were left out");
}

#[test]
fn a_queue_is_seen_when_it_is_seen_empty() {
    let unread = |shape: &dyn Fn(&mut Op)| {
        let mut run = common::run(600);
        run.info.phases.push(Phase { name: "final".to_owned(), start: 0, end: None });
        let mut ops = run.history.ops().to_vec();
        ops.iter_mut().filter(|op| op.f == "read").for_each(shape);
        run.history = History::new(ops).expect("still a history");
        valid(&run).evidence.without_final_read.expect("the run got there")
    };
    // Some keys are not read at all.
    let unread_anyhow = unread(&|_| {});
    assert_eq!(unread(&|op| op.f = "txn".into()), unread_anyhow);
    let dequeue = |op: &mut Op, element: Value| (op.f, op.value[1]) = ("dequeue".into(), element);
    assert_eq!(unread(&|op| dequeue(op, Value::from(7))), 40);
    assert_eq!(unread(&|op| dequeue(op, Value::Null)), unread_anyhow);
}

#[test]
fn skipped_faults_and_faults_cut_off_are_no_doubt() {
    let mut run = common::run(600);
    run.faults[1].skipped = true;
    run.faults[1].in_effect = None;
    run.info.gates.kinds.remove("partition");
    let conclusion = valid(&run);
    assert_eq!((conclusion.outcome, conclusion.faults[1].state), (Outcome::Valid, FaultState::Skipped));
    assert_eq!(conclusion.evidence.faults["partition"].skipped, 1);
    let mut killed = common::killed();
    let conclusion = valid(&killed);
    assert_eq!((conclusion.outcome, conclusion.faults[2].state), (Outcome::Inconclusive, FaultState::CutOff));
    assert!(conclusion.headline.ends_with("(cut off at 14.1 s)"), "{}", conclusion.headline);
    killed.info.status = RunStatus::Interrupted;
    assert!(valid(&killed).headline.ends_with("(interrupted at 14.1 s)"));
    killed.info.status = RunStatus::Finished;
    assert_eq!(valid(&killed).faults[2].state, FaultState::DidNotBite);
}

/// A call of process `p`, as two events.
fn call(p: u64, f: &str, from: u64, to: u64, kind: Kind, error: Option<&str>) -> [Op; 2] {
    let op = |time, kind, error: Option<&str>| Op {
        index: 0,
        time,
        process: Process::Client(p),
        kind,
        f: f.into(),
        value: json!([1, p]),
        error: error.map(str::to_owned),
        node: Some("n1".into()),
    };
    [op(from, Kind::Invoke, None), op(to, kind, error)]
}

fn run_of(calls: Vec<[Op; 2]>, faults: Vec<FaultWindow>) -> Run {
    let mut events: Vec<Op> = calls.into_iter().flatten().collect();
    events.sort_by_key(|op| op.time);
    (0..).zip(&mut events).for_each(|(index, op)| op.index = index);
    Run { faults, ..common::bare(events) }
}

#[test]
fn quantiles_are_those_of_a_naive_count() {
    let mut dice = common::Dice::new(11);
    for n in [1, 2, 3, 99, 100, 101, 999, 1000, 1001, 2500] {
        let took: Vec<u64> = (0..n).map(|_| (1 + dice.below(5_000)) * 1_000_000).collect();
        let calls = (0..).zip(&took).map(|(p, ns)| call(p, "read", p, p + ns, Kind::Ok, None)).collect();
        let row = valid(&run_of(calls, Vec::new())).latency.remove(0);
        let ms = row.ms.expect("there are ok calls");
        for (permille, value) in [(500, ms.p50), (950, ms.p95), (990, ms.p99), (999, ms.p999), (1000, ms.max)]
        {
            let ns = (value * 1e6).round() as u64;
            let at_most = |limit: u64| took.iter().filter(|t| **t <= limit).count() as u64 * 1000;
            let wanted = permille * took.len() as u64;
            assert!(took.contains(&ns), "{ns} was never measured");
            assert!(at_most(ns) >= wanted && at_most(ns - 1) < wanted.max(1), "{permille}/1000 of {n}");
        }
    }
}

#[test]
fn an_error_belongs_to_the_faults_it_overlaps() {
    // From 10 s, healed at 12.012 s: explains what is open until 14.012 s.
    let faults = vec![common::fault(1, "kill", "n1", &["n1"], 10_000, 12_000)];
    let span = |from: u64, to: u64| (from * MS, to * MS);
    let cases = [
        (span(9_000, 9_999), false),
        (span(9_000, 10_000), true),
        (span(9_000, 30_000), true),
        (span(11_000, 11_001), true),
        (span(14_000, 14_500), true),
        (span(14_013, 14_500), false),
    ];
    for ((from, to), inside) in cases {
        let calls = vec![call(1, "write", from, to, Kind::Fail, Some("reset: by peer: again"))];
        let row = valid(&run_of(calls, faults.clone())).errors.remove(0);
        assert_eq!((row.class.as_str(), row.kind, row.total), ("reset", Kind::Fail, 1));
        assert_eq!((row.by_fault.is_empty(), row.no_fault), (!inside, u64::from(!inside)), "{from}..{to}");
    }
}

#[test]
fn expected_failures_count_as_answers() {
    let faults = vec![common::fault(1, "kill", "n1", &["n1"], 1_000, 2_000)];
    let calls = vec![call(1, "cas", 1_500 * MS, 1_501 * MS, Kind::Fail, Some("precondition: it holds 3"))];
    let conclusion = valid(&run_of(calls, faults));
    assert!(conclusion.errors[0].expected);
    assert_eq!(conclusion.faults[0].fail, 0);
}

/// One client that reads and writes every 10 ms, but for the gaps.
fn steady(seconds: u64, gaps: &[(u64, u64)], ends_asking: bool) -> Vec<[Op; 2]> {
    let mut calls = Vec::new();
    let mut t = 0;
    while t < seconds * 1000 {
        let f = if t % 20 == 0 { "read" } else { "write" };
        match gaps.iter().find(|(from, to)| *from <= t && t < *to) {
            Some((_, to)) => {
                // It asks once, and waits for all of the gap.
                if ends_asking || *to < seconds * 1000 {
                    calls.push(call(t, f, t * MS, to * MS, Kind::Info, Some("timeout: x")));
                }
                t = *to;
            }
            None => {
                calls.push(call(t, f, t * MS, (t + 2) * MS, Kind::Ok, None));
                t += 10;
            }
        }
    }
    calls
}

#[test]
fn outages_are_measured_and_cut_off_ones_said_to_be() {
    let faults = vec![common::fault(1, "kill", "n1", &["n1"], 10_000, 13_000)];
    let run = run_of(steady(30, &[(10_500, 12_000)], true), faults.clone());
    let effect = valid(&run).faults.remove(0);
    // From the last answer before the gap to the first after it.
    assert_eq!(effect.no_answer, Some(Reached::After(1_510 * MS)));
    assert!(matches!(effect.first_write, Some(Reached::After(ns)) if ns < 50 * MS));
    assert_eq!(effect.recovered, Some(Reached::After(0)));
    let forever = valid(&run_of(steady(30, &[(10_000, 30_000)], true), faults.clone())).faults.remove(0);
    assert!(matches!(forever.no_answer, Some(Reached::Not { within, .. }) if within >= 19 * SECOND));
    assert!(matches!(forever.recovered, Some(Reached::Not { .. })), "{:?}", forever.recovered);
    assert!(matches!(forever.first_write, Some(Reached::Not { .. }) | None));
    assert_eq!((forever.ok, forever.p99_ms), (0, None));
}

#[test]
fn the_longest_outage_counts_and_one_that_was_there_before_is_not_the_faults() {
    let kill = |start| common::fault(1, "kill", "n1", &["n1"], start, 13_000);
    let no_answer = |gaps: &[(u64, u64)], faults: &[FaultWindow]| {
        let run = run_of(steady(30, gaps, true), faults.to_vec());
        valid(&run).faults.pop().expect("a fault").no_answer
    };
    let two = no_answer(&[(10_500, 11_500), (12_000, 12_400)], &[kill(10_000)]);
    assert_eq!(two, Some(Reached::After(1_010 * MS)));
    // Silent since 8 s, and the fault comes at 10 s.
    assert_eq!(no_answer(&[(8_000, 11_000)], &[kill(10_000)]), None);
    // From the beginning on, too.
    assert_eq!(no_answer(&[(0, 11_000)], &[kill(10_000)]), None);
    // A pause before it explains the silence: who of the two it was does not matter.
    let pause = common::fault(2, "pause", "n2", &["n2"], 7_500, 9_000);
    let both = no_answer(&[(8_000, 11_000)], &[pause, kill(10_000)]);
    assert_eq!(both, Some(Reached::After(1_002 * MS)));
    // It had been over for a while.
    assert_eq!(no_answer(&[(8_000, 9_000)], &[kill(10_000)]), Some(Reached::After(0)));
}

#[test]
fn who_still_waits_when_the_others_have_ended_proves_no_outage() {
    let run = |calls: Vec<[Op; 2]>| {
        let pause = common::fault(1, "pause", "n2", &["n2"], 18_900, 21_410);
        let mut run = run_of(calls, vec![pause]);
        let phase = |name: &str, start, end| Phase { name: name.to_owned(), start, end: Some(end * MS) };
        run.info.phases = vec![phase("main", 0, 21_400), phase("final", 21_500 * MS, 22_000)];
        run
    };
    let last = || call(9_000, "read", 21_510 * MS, 21_520 * MS, Kind::Ok, None);
    let stuck = |p, from, to| call(p, "write", from * MS, to * MS, Kind::Info, Some("timeout: x"));
    // One waits for the paused node while the others have no more to do.
    let mut calls = steady(20, &[], true);
    calls.extend([stuck(8_000, 19_990, 21_390), last()]);
    let before = "end of run".to_owned();
    let (within, at_most) = (0, Some(1_408 * MS + 1));
    let mut waiting = run(calls);
    waiting.info.gates.rules =
        ["max-unavailable=1s", "max-unavailable=2s"].map(|rule| rule.parse().expect(rule)).into();
    let conclusion = valid(&waiting);
    assert_eq!(conclusion.faults[0].no_answer, Some(Reached::Not { within, before, at_most }));
    let states: Vec<GateState> = conclusion.gates.iter().map(|gate| gate.state).collect();
    assert_eq!(states, [GateState::Undecided, GateState::Met]);
    // Nobody gets an answer while all ask; how long that would have gone on nobody knows.
    let mut calls = steady(19, &[], true);
    calls.extend([stuck(8_000, 19_000, 20_000), stuck(8_001, 20_000, 21_390), last()]);
    let (within, at_most) = (1_008 * MS, Some(2_408 * MS + 1));
    let before = "end of run".to_owned();
    assert_eq!(valid(&run(calls)).faults[0].no_answer, Some(Reached::Not { within, before, at_most }));
}

#[test]
fn silence_while_nobody_asks_is_no_outage() {
    let faults = vec![common::fault(1, "kill", "n1", &["n1"], 10_000, 13_000)];
    let mut calls = steady(11, &[], true);
    calls.extend(steady(30, &[(0, 20_000)], false).into_iter().filter(|c| c[0].time >= 20 * SECOND));
    let effect = valid(&run_of(calls, faults)).faults.remove(0);
    assert_eq!(effect.no_answer, Some(Reached::After(0)));
}

#[test]
fn every_call_is_counted_once() {
    let conclusion = valid(&common::run(100));
    let e = &conclusion.evidence;
    let calls = common::run(100).history.calls().count() as u64;
    assert_eq!(e.total.calls(), calls);
    assert_eq!(e.ops.values().map(|t| t.calls()).sum::<u64>(), calls);
    assert_eq!(conclusion.latency.iter().map(|r| r.ok + r.fail + r.info).sum::<u64>(), calls);
    assert_eq!(conclusion.errors.iter().map(|r| r.total).sum::<u64>(), e.total.fail + e.total.info);
    assert_eq!(e.keys, Some(40));
}

#[test]
fn where_everybody_was_down_nothing_has_to_succeed_meanwhile() {
    let idle = |nodes: &[&str]| {
        let mut run = common::run(600);
        let mut ops = run.history.ops().to_vec();
        let fault = run.faults[1].clone();
        let (from, to) = (fault.in_effect.expect("it bit"), fault.healed.expect("it was healed"));
        // Whoever answered while it lasted is in doubt instead.
        for op in ops.iter_mut().filter(|op| op.kind == Kind::Ok && (from..to).contains(&op.time)) {
            op.kind = Kind::Info;
        }
        run.history = History::new(ops).expect("a history");
        run.info.gates.kinds = [fault.kind.clone()].into();
        run.faults = vec![FaultWindow { nodes: nodes.iter().map(ToString::to_string).collect(), ..fault }];
        valid(&run).outcome
    };
    assert_eq!(idle(&["n1"]), Outcome::Inconclusive);
    assert_eq!(idle(&["n1", "n2", "n3"]), Outcome::Valid);
}

/// Clients call during the first two of every ten milliseconds.
#[test]
fn what_is_over_between_two_calls_is_met_by_those_at_work_while_it_was_applied() {
    let reasons = |applied: u64| {
        let kill = common::fault(1, "kill", "n1", &["n1"], 10_000, 13_000);
        let transfer = FaultWindow {
            start: applied * MS,
            healed: Some(5_008 * MS),
            ..common::fault(2, "leader-transfer", "the leader n1", &["n1"], 5_004, 5_006)
        };
        let mut run = run_of(steady(30, &[], true), vec![kill, transfer]);
        run.info.gates.kinds = ["kill".to_owned(), "leader-transfer".to_owned()].into();
        valid(&run).reasons.join("; ")
    };
    assert!(!reasons(5_000).contains("leader-transfer"), "{}", reasons(5_000));
    assert!(reasons(5_004).contains("no leader-transfer took effect"), "{}", reasons(5_004));
}

#[test]
fn ok_under_fault_is_what_a_naive_scan_finds() {
    let run = common::run(100);
    let under = |t: u64| run.faults.iter().any(|w| w.in_effect <= Some(t) && Some(t) < w.heal);
    let ok = run.history.ops().iter().filter(|op| op.kind == Kind::Ok && under(op.time));
    let writes = ok.clone().filter(|op| op.f != "read").count() as u64;
    let e = valid(&run).evidence;
    assert_eq!((e.ok_under_fault, e.writes_under_fault), (ok.count() as u64, writes));
    assert!(e.writes_under_fault > 50);
}

#[test]
fn findings_say_which_fault_they_fell_into() {
    let place = |ms: u64| {
        let mut verdict = verdicts::violation();
        verdict.findings.truncate(1);
        verdict.findings[0].time = ms * MS;
        let mut run = common::run(600);
        run.faults[3].cut = (0..4).flat_map(|node| [(node, 4), (4, node)]).collect();
        let placed = conclude(&run, vec![verdict]).findings.remove(0);
        (placed.fault, placed.relation)
    };
    assert_eq!(place(1_000), (None, "no fault within 10 s before".to_owned()));
    assert_eq!(place(4_000), (Some(1), "during F1 kill n2".to_owned()));
    assert_eq!(place(6_500), (Some(1), "500 ms after F1 kill n2".to_owned()));
    let (fault, relation) = place(21_000);
    assert_eq!(fault, Some(5));
    assert_eq!(relation, "during F4 partition n5 | n1 n2 n3 n4 and F5 kill n1 n3");
    assert_eq!(place(31_000), (None, "3.00 s after F6 pause n2".to_owned()));
}

#[test]
fn a_first_finding_without_a_fault_names_the_first_with_one_and_counts_all() {
    let mut verdict = Verdict { findings_omitted: 4, ..verdicts::violation() };
    verdict.findings[0].time = 1_000 * MS;
    let conclusion = conclude(&common::run(600), vec![verdict]);
    assert_eq!(conclusion.headline, "Not linearizable: stale read on key 17 (and 5 more)");
    let expected = "The answer came at 1.000 s (no fault within 10 s before). \
                    The first to come with a fault is the lost write on key 23, at 22.001 s, during";
    assert!(conclusion.lede.contains(expected), "{}", conclusion.lede);
}

#[test]
fn a_violation_without_findings_is_one() {
    let conclusion = conclude(&common::run(600), vec![Verdict::new("linearizable", Valid::Violation)]);
    assert_eq!((conclusion.exit_code, conclusion.headline.as_str()), (1, "Not linearizable"));
}
