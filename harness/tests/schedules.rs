//! Fault schedules: a function of the seed, within the run, within the budget.

use duress::env::Whom;
use duress::env::clock::Clocks;
use duress::env::disk::{Keep, Layer};
use duress::env::{docker, kube};
use duress::nemesis::catalogue::{self, FAULTS, FaultEntry};
use duress::nemesis::fault::{Fault, PlannedFault, Shape, Victims};
use duress::nemesis::schedule::{self, Request, Schedule};
use duress_workloads::Rng;
use std::collections::BTreeSet;

const PORTS: &[u16] = &[2379, 2380];

fn names(n: usize) -> Vec<String> {
    (1..=n).map(|n| format!("n{n}")).collect()
}

fn plan(kinds: &[&str], n: usize, seed: u64, allow_majority_loss: bool) -> Vec<PlannedFault> {
    let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    let nodes = names(n);
    plan_lanes(&Schedule::of(&kinds, 5_000), &nodes, seed, allow_majority_loss)
}

fn plan_lanes(asked: &Schedule, nodes: &[String], seed: u64, allow_majority_loss: bool) -> Vec<PlannedFault> {
    let (planned, lanes) = (&asked.faults[..], &asked.lanes[..]);
    let request = Request { planned, lanes, allow_majority_loss, ..of(nodes) };
    schedule::plan(&request, &Rng::new(seed)).expect("a plan")
}

/// A minute without any fault.
fn of(nodes: &[String]) -> Request<'_> {
    let (planned, lanes) = (&[][..], &[][..]);
    Request {
        planned,
        lanes,
        nodes,
        ports: PORTS,
        disks: Layer::Own,
        time_ms: 60_000,
        allow_majority_loss: false,
    }
}

/// What is read of a file.
fn read(text: &str, n: usize, time_ms: u64, allow_majority_loss: bool) -> Result<Schedule, String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    schedule::read(file.path(), &names(n), time_ms, allow_majority_loss, &Rng::new(1))
        .map_err(|error| error.to_string())
}

#[track_caller]
fn refused(text: &str, n: usize, expected: &str) {
    let error = read(text, n, 5_000, false).expect_err("refused");
    assert!(error.contains(expected), "{text}: {error}");
}

/// A fault from 100 ms to one second.
fn fault(rest: &str) -> String {
    format!("[[fault]]\nat = '100ms'\nfor = '900ms'\n{rest}\n")
}

#[test]
fn the_same_seed_plans_the_same_faults_and_another_seed_others() {
    let kinds = ["kill", "pause", "partition"];
    assert_eq!(plan(&kinds, 5, 7, false), plan(&kinds, 5, 7, false));
    assert_ne!(plan(&kinds, 5, 7, false), plan(&kinds, 5, 8, false));
}

#[test]
fn every_kind_that_was_asked_for_is_planned_and_ends_within_the_run() {
    for seed in 0..200 {
        let faults = plan(&["kill", "pause", "partition"], 5, seed, false);
        for kind in ["kill", "pause", "partition"] {
            assert!(faults.iter().any(|fault| fault.fault.kind() == kind), "seed {seed}: no {kind}");
        }
        for fault in &faults {
            assert!(fault.end_ms() <= 60_000 && fault.for_ms >= 500, "seed {seed}: {fault:?}");
        }
        assert!(faults.is_sorted_by_key(|fault| fault.at_ms), "seed {seed}");
    }
}

/// Nodes that are certainly taken at a time, and how many more might be.
fn taken(faults: &[PlannedFault], names: &[String], ms: u64) -> usize {
    let mut nodes = BTreeSet::new();
    let mut unknown = 0;
    // A node that has been removed is missing until it has caught up again.
    for fault in faults.iter().filter(|fault| fault.at_ms <= ms && ms < fault.settled_ms()) {
        match (fault.fault.named(), &fault.fault) {
            (_, Fault::Packet { behavior, .. }) if behavior.connects() => {}
            (_, Fault::Client { .. }) => {}
            (_, Fault::Clock { clocks: Clocks::Wall, .. }) => {}
            (_, Fault::Disk { misdeed, .. }) if misdeed.is_bearable() => {}
            (_, Fault::Lifecycle { act, .. }) if act.is_bearable() => {}
            (None, _) => unknown += 1,
            (_, Fault::Partition { shape: Shape::Bridge(_) | Shape::MajoritiesRing(_), .. }) => {
                unknown += (names.len() - 1) / 2;
            }
            _ => nodes.extend(fault.fault.resolve(names, 0).disrupted),
        }
    }
    nodes.len() + unknown
}

#[test]
fn a_majority_stays_alive_at_all_times() {
    let everything: Vec<&str> = FAULTS.iter().map(|entry| entry.name).collect();
    for n in [3, 4, 5, 7, 9] {
        let fit: Vec<&str> = everything
            .iter()
            .copied()
            .filter(|name| {
                let fits = |entry: &FaultEntry| entry.min_nodes <= n && !entry.takes_majority;
                FAULTS.iter().any(|entry| entry.name == *name && fits(entry))
            })
            .collect();
        for seed in 0..15 {
            let faults = plan(&fit, n, seed, false);
            for fault in &faults {
                let at = taken(&faults, &names(n), fault.at_ms);
                assert!(at <= (n - 1) / 2, "{n} nodes, seed {seed}: {at} taken at {}", fault.at_ms);
            }
        }
    }
}

#[test]
fn faults_last_as_long_as_a_run_of_a_day() {
    const DAY_MS: u64 = 24 * 3_600_000;
    let (asked, nodes) = (Schedule::of(&["kill".to_owned()], 4_000), names(5));
    let request = Request { time_ms: DAY_MS, lanes: &asked.lanes, ..of(&nodes) };
    let faults = schedule::plan(&request, &Rng::new(1)).expect("a plan");
    assert!(faults.last().expect("faults").end_ms() > DAY_MS - 60_000, "the last of {}", faults.len());
}

#[test]
fn no_majority_has_damaged_files_at_the_end() {
    for (n, seed) in (0..100).map(|seed| ([3, 5][seed as usize % 2], seed)) {
        let faults = plan(&["disk-corrupt", "kill"], n, seed, false);
        let damages = |fault: &&PlannedFault| matches!(fault.fault, Fault::DiskCorrupt { .. });
        let damaged: BTreeSet<&String> =
            faults.iter().filter(damages).flat_map(|fault| fault.fault.named().unwrap_or_default()).collect();
        assert!((1..=(n - 1) / 2).contains(&damaged.len()), "{n} nodes, seed {seed}: {damaged:?}");
    }
}

#[test]
fn no_majority_has_the_wrong_data_at_the_end() {
    for (n, seed) in (0..100).map(|seed| ([3, 5][seed as usize % 2], seed)) {
        let faults = plan(&["start-wiped", "start-older", "disk-corrupt"], n, seed, false);
        let spoilt: BTreeSet<&String> =
            faults.iter().flat_map(|fault| fault.fault.named().unwrap_or_default()).collect();
        assert!((1..=(n - 1) / 2).contains(&spoilt.len()), "{n} nodes, seed {seed}: {spoilt:?}");
    }
    let swapped = plan(&["start-swapped"], 5, 1, false);
    assert!(swapped.iter().all(|fault| fault.fault.named().is_some_and(|named| named.len() == 2)));
}

#[test]
fn the_group_of_what_operators_do_leaves_data_alone() {
    let drawn: BTreeSet<&str> = (0..40)
        .flat_map(|seed| plan(&["lifecycle"], 5, seed, false))
        .map(|fault| fault.fault.kind())
        .collect();
    let kinds = ["member-remove", "member-replace", "leader-transfer", "defragment", "compact"];
    assert_eq!(drawn, kinds.into());
}

#[test]
fn all_nodes_are_upgraded_once() {
    for seed in 0..20 {
        let faults = plan(&["upgrade"], 5, seed, false);
        let upgraded: Vec<&String> =
            faults.iter().flat_map(|fault| fault.fault.named().unwrap_or_default()).collect();
        assert_eq!(upgraded.len(), 5, "seed {seed}: {faults:?}");
        assert_eq!(upgraded.iter().collect::<BTreeSet<_>>().len(), 5, "seed {seed}: {faults:?}");
        assert!(faults.windows(2).all(|pair| !pair[0].overlaps(&pair[1])), "seed {seed}: {faults:?}");
    }
}

#[test]
fn a_node_is_left_alone_until_it_is_a_member_again() {
    for seed in 0..100 {
        let faults = plan(&["member-remove", "kill", "partition-one"], 3, seed, false);
        for removal in faults.iter().filter(|fault| fault.fault.changes_members()) {
            assert!(removal.settled_ms() > removal.end_ms() + 5_000, "{removal:?}");
            let ours = removal.fault.named();
            // A node that is missing may be cut off as well; ended it may not be.
            let others = |other: &&PlannedFault| {
                other.fault.kind() == "kill"
                    || other.fault.kind() == "partition" && other.fault.named() != ours
            };
            for other in faults.iter().filter(others) {
                assert!(
                    other.at_ms >= removal.settled_ms() || other.end_ms() <= removal.at_ms,
                    "seed {seed}: {removal:?} {other:?}"
                );
            }
        }
    }
}

#[test]
fn the_group_of_disk_faults_has_those_that_a_server_has_to_survive() {
    let drawn: BTreeSet<&str> = (0..40)
        .flat_map(|seed| plan(&["disk"], 5, seed, false).iter().map(|f| f.fault.kind()).collect::<Vec<_>>())
        .collect();
    assert_eq!(drawn, BTreeSet::from(["disk-power-failure", "disk-eio", "disk-enospc", "disk-slow"]));
}

#[test]
fn faults_on_processes_do_not_meet_on_one_node() {
    for seed in 0..200 {
        let faults = plan(&["kill", "terminate", "pause"], 5, seed, false);
        for (i, a) in faults.iter().enumerate() {
            for b in &faults[i + 1..] {
                let overlap = a.at_ms < b.end_ms() && b.at_ms < a.end_ms();
                let (Some(ours), Some(theirs)) = (a.fault.named(), b.fault.named()) else { continue };
                assert!(!overlap || !ours.iter().any(|n| theirs.contains(n)), "seed {seed}: {a:?} {b:?}");
            }
        }
    }
}

#[test]
fn an_ext4_loses_its_power_and_nothing_else() {
    let nodes = names(5);
    for seed in 0..50 {
        let lanes = Schedule::of(&["disk".to_owned(), "kill".to_owned()], 2_000).lanes;
        let request = Request {
            planned: &[],
            lanes: &lanes,
            nodes: &nodes,
            ports: PORTS,
            disks: Layer::Ext4,
            time_ms: 60_000,
            allow_majority_loss: false,
        };
        let faults = schedule::plan(&request, &Rng::new(seed)).expect("a plan");
        let disks: Vec<&Fault> = faults.iter().map(|p| &p.fault).filter(|f| f.needs_a_disk()).collect();
        assert!(!disks.is_empty());
        assert!(disks.iter().all(|fault| fault.beyond_ext4().is_none()), "seed {seed}: {disks:?}");
    }
    let torn =
        Fault::DiskPowerFailure { nodes: Victims::one("n1"), keep: Keep::Torn { percent: 50 }, seed: 1 };
    assert!(torn.beyond_ext4().is_some());
}

#[test]
fn a_schedule_survives_its_file() {
    let faults = plan(&FAULTS.map(|entry| entry.name), 5, 3, true);
    let text = schedule::write(&faults);
    assert_eq!(read(&text, 5, 60_000, true), Ok(Schedule { faults, lanes: Vec::new() }), "{text}");
    let error = read(&text, 2, 60_000, true).expect_err("names of other nodes");
    assert!(error.contains("there is no such node"), "{error}");
}

#[test]
fn a_file_reads_like_what_it_does() {
    let text = "
        [[fault]]
        at = '2s'
        for = '1m'
        kind = 'pause'
        nodes = 'follower'

        [[fault]]
        at = '1s 500ms'
        for = '5s'
        on = { event = 'call', call = 'sync', nth = 3, node = 'n2', moment = 'after', within = '2s' }
        kind = 'partition'
        shape = { isolate = 'one' }";
    let read = |n| read(text, n, 60_000, true).expect("a schedule").faults;
    let [partition, pause] = &read(5)[..] else { panic!("two faults") };
    assert_eq!((pause.at_ms, pause.for_ms), (2_000, 60_000));
    assert_eq!(pause.fault, Fault::Pause { nodes: Victims::Follower });
    assert_eq!(pause.fault.resolve(&names(5), 4).description, "pause the follower n1");
    let Fault::Partition { shape: Shape::Isolate(Victims::Named(one)), .. } = &partition.fault else {
        panic!("{partition:?}")
    };
    assert!(one.len() == 1 && names(5).contains(&one[0]), "{one:?}");
    assert!(partition.on.as_ref().is_some_and(|on| on.told() == "after the 3rd sync of n2"));
    assert_eq!(read(5), read(5), "the seed draws, not the moment");
}

#[test]
fn roles_have_as_many_nodes_as_they_say() {
    for (role, n, expected) in [
        ("'one'", 5, 1),
        ("'minority'", 5, 2),
        ("'minority'", 2, 1),
        ("'majority'", 5, 3),
        ("'majority'", 4, 3),
        ("'all'", 3, 3),
        ("{ random = 4 }", 5, 4),
        ("'n2'", 3, 1),
    ] {
        let faults =
            read(&fault(&format!("kind = 'kill'\nnodes = {role}")), n, 5_000, true).expect(role).faults;
        let named = faults[0].fault.named().expect("names");
        assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), expected, "{role} of {n}: {named:?}");
    }
    refused(&fault("kind = 'kill'\nnodes = 'majority'"), 5, "takes the majority");
    refused(&fault("kind = 'kill'\nnodes = { random = 6 }"), 5, "is no set of these 5 nodes");
    refused(&fault("kind = 'kill'\nnodes = { most = 2 }"), 5, "write `{ random = 2 }`, or names");
    refused(&fault("kind = 'kill'\nnodes = 3"), 5, "nodes are a name, `leader`, `follower`, or a list");
}

#[test]
fn lanes_of_a_file_are_planned_around_its_faults() {
    let text = "
        [[fault]]
        at = '20s'
        for = '10s'
        kind = 'pause'
        nodes = ['n1', 'n2']

        [[lane]]
        faults = { kill = 9, clock-jump = 1 }
        for = '2s'
        quiet = '~1s'

        [[lane]]
        faults = ['packet-delay', 'packet-loss']
        for = '1s..3s'
        quiet = '5s'";
    let asked = read(text, 5, 60_000, false).expect("a schedule");
    let faults = plan_lanes(&asked, &names(5), 7, false);
    assert_eq!(faults, plan_lanes(&asked, &names(5), 7, false));
    assert_ne!(faults, plan_lanes(&asked, &names(5), 8, false));
    assert!(faults.contains(&asked.faults[0]), "{faults:?}");
    let of = |kind: &str| faults.iter().filter(|fault| fault.fault.kind() == kind).count();
    let (kills, jumps) = (of("kill"), of("clock-jump"));
    assert!(kills > 2 * jumps && kills >= 5, "{kills} kills, {jumps} jumps");
    assert!(of("packet-delay") > 0 && of("packet-loss") > 0, "{faults:?}");
    for fault in faults.iter().filter(|fault| matches!(fault.fault, Fault::Kill { .. })) {
        assert!(fault.for_ms <= 2_000 && !fault.meets(&asked.faults[0]), "{fault:?}");
    }
    refused("[[lane]]\nfaults = 'meteor'\nfor = '1s'\nquiet = '1s'", 5, "there is no such fault");
    refused("[[lane]]\nfaults = []\nfor = '1s'\nquiet = '1s'", 5, "it has no kinds of faults");
    refused("[[lane]]\nfaults = { kill = 0 }\nfor = '1s'\nquiet = '1s'", 5, "none with a weight");
    refused("[[lane]]\nfaults = 'kill'\nfor = '9s..1s'\nquiet = '1s'", 5, "ends before it begins");
    refused("[[lane]]\nfaults = 7\nfor = '1s'\nquiet = '1s'", 5, "kinds with weights");
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let check = |kinds: &[&str], n: usize, expected: &str| {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let nodes = names(n);
        let lanes = Schedule::of(&kinds, 1_000).lanes;
        let request = Request {
            planned: &[],
            lanes: &lanes,
            nodes: &nodes,
            ports: &[],
            disks: Layer::Own,
            time_ms: 9_000,
            allow_majority_loss: false,
        };
        let error = schedule::plan(&request, &Rng::new(1)).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&["meteor"], 5, "there is no such fault; choose from `duress list faults`");
    check(&["kill", "partitoin"], 2, "there is no such fault; did you mean `partition`?");
    check(&["partition"], 1, "needs at least 2 nodes; use --nodes 2");
    check(&["kill"], 1, "takes the majority; use --nodes 3 or more, or --allow-majority-loss");
    check(&["partition-ring"], 3, "needs at least 4 nodes");
    check(&["cut-port"], 5, "the servers listen on no port; use another target");
    check(&["restart-all"], 5, "that fault takes the majority; add --allow-majority-loss");
}

/// The kinds that are not refused, of all that there are.
fn possible(refusal: fn(&[PlannedFault]) -> Option<(&'static str, &'static str)>) -> Vec<&'static str> {
    let possible = |kind: &&str| {
        let refused = |seed| refusal(&plan(&[kind], 5, seed, true)).is_some();
        // What a kind draws, a seed decides.
        (0..20).all(|seed| !refused(seed))
    };
    FAULTS.iter().map(|entry| entry.name).filter(possible).collect()
}

#[test]
fn what_is_somebody_else_s_is_broken_in_few_ways() {
    let links = [
        "partition",
        "partition-one",
        "partition-leader",
        "partition-halves",
        "partition-minority",
        "partition-ring",
        "partition-bridge",
        "partition-one-way",
        "cut-clients",
        "cut-all",
        "cut-reject",
        "cut-port",
        "cut-flap",
    ];
    let clients = ["client-kill", "client-pause", "client-churn"];
    let of_both = ["kill", "terminate", "pause", "crash-loop", "blips", "rolling-restart", "restart-all"];
    let of_main = ["kill-main", "terminate-main"];
    let in_order = |kinds: &[&[&'static str]]| {
        let mut kinds = kinds.concat();
        kinds.sort_by_key(|kind| FAULTS.iter().position(|entry| entry.name == *kind));
        kinds
    };
    let in_pods = in_order(&[&of_both, &links, &clients, &of_main]);
    assert_eq!(possible(kube::refusal), in_pods);
    let in_containers = in_order(&[&of_both, &["cpu-starve"], &links, &clients, &of_main]);
    assert_eq!(possible(docker::refusal), in_containers);
    let waits = "kind = 'kill'\nnodes = 'n1'\non = { event = 'call', node = 'n1', call = 'sync', nth = 1, within = '1s' }";
    let waits = read(&fault(waits), 3, 60_000, false).expect("a schedule").faults;
    assert!(docker::refusal(&waits).is_some() && kube::refusal(&waits).is_some());
}

/// There, packets are those of the clients, and partitions are none of the defaults.
#[test]
fn a_single_node_has_faults_too() {
    assert_eq!(catalogue::default_faults(1), ["kill", "pause"]);
    assert_eq!(catalogue::default_faults(2), catalogue::DEFAULT_FAULTS);
    for kind in FAULTS.iter().filter(|kind| kind.min_nodes == 1) {
        for seed in 0..20 {
            let faults = plan(&[kind.name], 1, seed, true);
            assert!(!faults.is_empty(), "{} with seed {seed}", kind.name);
            assert!(faults.iter().all(|fault| !fault.fault.breaks_nothing(&names(1))), "{faults:?}");
        }
    }
}

#[test]
fn short_runs_see_every_kind_too() {
    let kinds: Vec<String> = ["kill", "pause", "terminate", "partition-leader"].map(str::to_owned).into();
    for (n, time_ms) in [(3, 15_000), (3, 8_000), (5, 5_000), (9, 6_000)] {
        for seed in 0..100 {
            let nodes = names(n);
            let (lanes, nodes) = (&Schedule::of(&kinds, 5_000).lanes[..], &nodes[..]);
            let request = Request {
                planned: &[],
                lanes,
                nodes,
                ports: PORTS,
                disks: Layer::Own,
                time_ms,
                allow_majority_loss: false,
            };
            let faults = schedule::plan(&request, &Rng::new(seed)).expect("a plan");
            let planned: BTreeSet<&str> = faults.iter().map(|fault| fault.fault.kind()).collect();
            let asked = ["kill", "pause", "terminate", "partition"].into();
            assert_eq!(planned, asked, "{n} nodes, {time_ms} ms, seed {seed}");
        }
    }
}

#[test]
fn files_that_break_nothing_or_break_twice_are_refused() {
    let partition = |shape: &str| fault(&format!("kind = 'partition'\nshape = {{ {shape} }}"));
    let kill = fault("kind = 'kill'\nnodes = 'n1'");
    refused("", 5, "holds no fault");
    refused(&kill.replace("100ms", "5s"), 5, "the run ends at 5000 ms");
    refused(&fault("kind = 'kill'\nnodes = ['n1', 'n2', 'n3']"), 5, "takes the majority");
    refused("[fault]", 5, "a schedule has entries `[[fault]]` and `[[lane]]`");
    refused("[[fault]]\nat = '1s'\nfor = 5", 5, "fault 1: ");
    refused("[[fault]]\nat = ", 5, "line 2, column 6");
    refused(&kill.replace("100ms", "soon"), 5, "is no length of time");
    refused(&kill.replace("at =", "att ="), 5, "fault 1: ");
    refused(&fault("kind = 'kill'\nnodes = 'n1'\nhow = 'hard'"), 5, "unknown field `how`");
    refused(&partition("majorities-ring = ['n1', 'n2', 'n3']"), 3, "breaks nothing");
    refused(&partition("groups = [['n1', 'n2', 'n3']]"), 3, "breaks nothing");
    refused(&partition("bridge = []"), 3, "breaks nothing");
    refused(&partition("bridge = ['n1', 'n2']"), 3, "breaks nothing");
    refused(&partition("isolate = 'leader'"), 1, "breaks nothing");
    refused(&partition("isolate = 'follower'"), 1, "breaks nothing");
    refused(&partition("isolate = 'leader'"), 2, "takes the majority");
    refused(&fault("kind = 'kill'\nnodes = []"), 3, "breaks nothing");
    refused(&kill.replace("900ms", "0s"), 3, "breaks nothing");
    let pause = kill.replace("100ms", "500ms").replace("kill", "pause");
    refused(&format!("{pause}{kill}"), 3, "fault 1 finds no running process");
    let act = |act: &str| fault(&format!("kind = 'lifecycle'\nnodes = 'leader'\nact = '{act}'"));
    refused(&act("member-remove"), 1, "breaks nothing");
    refused(&act("leader-transfer"), 1, "breaks nothing");
    refused(&act("member-add"), 3, "unknown variant `member-add`");
    let swapped = "kind = 'start-with'\nnodes = 'n1'\ndata = 'swapped'";
    refused(&fault(swapped), 3, "breaks nothing");
    refused(&fault(&swapped.replace("'n1'", "['n1', 'n2']")), 3, "takes the majority");
}

#[test]
fn cuts_are_for_what_their_names_say() {
    for (kind, kinds) in [
        ("cut-all", "partition"),
        ("cut-reject", "partition-reject"),
        ("cut-port", "partition-port"),
        ("cut-established", "partition-established"),
        ("cut-new", "partition-new"),
        ("cut-flap", "partition"),
    ] {
        let faults: Vec<PlannedFault> = (0..20).flat_map(|seed| plan(&[kind], 5, seed, false)).collect();
        assert!(faults.iter().all(|planned| planned.fault.kind() == kinds), "{kind}: {faults:?}");
        let ports: BTreeSet<_> = faults.iter().map(|planned| port_of(&planned.fault)).collect();
        let expected = if kind == "cut-port" { vec![Some(2379), Some(2380)] } else { vec![None] };
        assert_eq!(ports.into_iter().collect::<Vec<_>>(), expected, "{kind}");
    }
    let text = "kind = 'partition'\nshape = { everybody = 'leader' }
        cut = { port = 2380, connections = 'new', reject = true }";
    let faults = read(&fault(text), 3, 5_000, false).expect("a schedule").faults;
    let told = faults[0].fault.resolve(&names(3), 1).description;
    assert_eq!(told, "cut everybody off from the leader n2, port 2380 only, new connections only, refusing");
    let plain = read(&fault("kind = 'partition'\nshape = { isolate = 'leader' }"), 3, 5_000, false);
    assert!(!schedule::write(&plain.expect("a schedule").faults).contains("cut ="));
}

fn port_of(fault: &Fault) -> Option<u16> {
    match fault {
        Fault::Partition { cut, .. } => cut.port,
        _ => None,
    }
}

#[test]
fn packets_that_nobody_could_mistreat_like_that_are_refused() {
    for (behavior, expected) in [
        ("delay = { ms = 10, jitter_ms = 11 }", "jitter is at most the delay"),
        ("loss = { percent = 0 }", "a percentage is 1 to 100"),
        ("loss = { percent = 10, burst = 0 }", "a burst is 1 packet or more"),
        ("flap = { up_ms = 0, down_ms = 5 }", "up and down for a while"),
        ("rate = { kbit = 0, queue_kib = 64 }", "1 kbit/s"),
        ("delay = { ms = 10, jitter = 1 }", "unknown field `jitter`"),
    ] {
        refused(
            &fault(&format!("kind = 'packet'\nnodes = 'leader'\nbehavior = {{ {behavior} }}")),
            3,
            expected,
        );
    }
}

#[test]
fn a_group_draws_all_its_kinds_but_the_silent_one() {
    let drawn: BTreeSet<&str> =
        (0..300).flat_map(|seed| plan(&["packet"], 5, seed, false)).map(|fault| fault.fault.kind()).collect();
    let kinds = FAULTS.iter().map(|entry| entry.name).filter(|name| name.starts_with("packet-"));
    assert_eq!(drawn, kinds.filter(|name| !name.ends_with("silent")).collect());
}

#[test]
fn the_group_of_clocks_draws_wall_clocks_only() {
    let drawn: BTreeSet<&str> =
        (0..100).flat_map(|seed| plan(&["clock"], 5, seed, false)).map(|fault| fault.fault.kind()).collect();
    assert_eq!(drawn, ["clock-jump", "clock-drift", "clock-strobe", "clock-freeze"].into());
    let kinds = ["monotonic-jump", "monotonic-drift", "monotonic-freeze"];
    let asked: Vec<PlannedFault> = (0..100).flat_map(|seed| plan(&kinds, 5, seed, false)).collect();
    assert_eq!(asked.iter().map(|fault| fault.fault.kind()).collect::<BTreeSet<_>>(), kinds.into());
    for planned in asked {
        assert!(matches!(planned.fault, Fault::Clock { clocks, .. } if clocks.monotonic()), "{planned:?}");
    }
}

#[test]
fn clocks_are_not_skewed_while_their_node_is_known_to_be_ended() {
    for seed in 0..100 {
        let faults = plan(&["kill", "terminate", "clock"], 5, seed, false);
        for skew in faults.iter().filter(|fault| fault.fault.needs_clocks()) {
            for end in faults.iter().filter(|fault| !fault.fault.needs_clocks()) {
                let (Some(ours), Some(theirs)) = (skew.fault.named(), end.fault.named()) else { continue };
                let during = (end.at_ms..end.end_ms()).contains(&skew.at_ms);
                assert!(!during || !ours.iter().any(|n| theirs.contains(n)), "seed {seed}: {skew:?} {end:?}");
            }
        }
    }
}

#[test]
fn clocks_that_nobody_has_are_refused() {
    for (skew, expected) in [
        ("clocks = 'both'\nskew = { jump = { ms = -5 } }", "goes back on no machine"),
        ("skew = { jump = { ms = 0 } }", "a jump by 0 ms is none"),
        ("skew = { drift = { ppm = 500_001 } }", "10 to 500000 ppm"),
        ("skew = { strobe = { ms = 5 } }", "missing field `period_ms`"),
        ("skew = 'melt'", "unknown variant `melt`"),
    ] {
        refused(&fault(&format!("kind = 'clock'\nnodes = 'leader'\n{skew}")), 3, expected);
    }
}

#[test]
fn some_kinds_are_many_faults_in_a_row() {
    for seed in 0..50 {
        for (kind, shortest) in [("crash-loop", 2), ("blips", 4), ("rolling-restart", 5)] {
            let faults = plan(&[kind], 5, seed, false);
            assert!(faults.len() >= shortest, "seed {seed}: {faults:?}");
            assert!(faults.windows(2).all(|pair| !pair[0].overlaps(&pair[1])), "seed {seed}: {faults:?}");
            if kind == "rolling-restart" {
                let first: BTreeSet<_> = faults[..5].iter().flat_map(|fault| fault.fault.named()).collect();
                assert_eq!(first.len(), 5, "seed {seed}: everybody once: {faults:?}");
            }
        }
    }
}

#[test]
fn the_leader_is_filled_in_when_the_fault_strikes() {
    let fault = Fault::Kill { nodes: Victims::Leader, whom: Whom::Tree };
    let resolved = fault.resolve(&names(3), 1);
    assert_eq!((resolved.description.as_str(), resolved.disrupted), ("kill the leader n2", vec![1]));
}
