//! Servers that end and leave behind what they had started.

use super::{Cluster, Setting, eventually, is_complete, namespace, pid, processes_in};
use duress::env::{Environment, ProcessState, Stop};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;

/// A server that cannot work beside a child of the last one, which holds its data: it would end.
const LOCKED: &str = "exec 9>>data/lock; flock -n 9 || { echo locked; exit 7; }; \
                      sleep 1000 & echo ready; exec sleep 1000 9>&-";

fn log(cluster: &Cluster) -> String {
    fs::read_to_string(cluster.log(0).expect("a log")).expect("read")
}

fn starts(cluster: &Cluster, n: usize) {
    eventually("it is ready", || log(cluster).matches("ready").count() == n);
}

pub(super) fn what_a_server_has_started_outlives_it_until_the_next(setting: &Setting) {
    let cluster = setting.cluster(2, super::FAMILY);
    let home = namespace(pid(&cluster, 0)).expect("a namespace");
    eventually("the family is complete", || is_complete(home));
    let server = pid(&cluster, 0);
    let family: BTreeSet<u32> = processes_in(home).into_iter().collect();

    cluster.stop_main(0, Stop::Kill).expect("killed");
    let left: BTreeSet<u32> = processes_in(home).into_iter().collect();
    assert_eq!(left, family.iter().copied().filter(|&pid| pid != server).collect());
    assert_eq!(cluster.state(0), ProcessState::Orphaned { left: left.len() });
    // There is nobody to end any more, and of the others nobody was asked for.
    cluster.stop_main(0, Stop::Kill).expect("nothing is done");
    assert_eq!(processes_in(home).len(), left.len());

    cluster.start(0).expect("started");
    eventually("the next family is complete", || is_complete(home));
    assert!(processes_in(home).iter().all(|pid| !family.contains(pid)), "nobody of the last one is left");
    assert_ne!(pid(&cluster, 0), server);
    assert_eq!(cluster.exits(), [], "these ends were asked for");
    assert!(matches!(cluster.state(1), ProcessState::Running { .. }));
}

pub(super) fn a_child_that_holds_the_data_is_not_in_the_way(setting: &Setting) {
    let cluster = setting.cluster(1, LOCKED);
    starts(&cluster, 1);
    let home = namespace(pid(&cluster, 0)).expect("a namespace");
    cluster.stop_main(0, Stop::Terminate).expect("terminated");
    assert_eq!(cluster.state(0), ProcessState::Orphaned { left: 1 });
    cluster.start(0).expect("started");
    starts(&cluster, 2);
    // The same when it ends by itself.
    let server = pid(&cluster, 0);
    kill(Pid::from_raw(server.cast_signed()), Signal::SIGABRT).expect("a signal");
    eventually("it ends", || cluster.state(0) == ProcessState::Orphaned { left: 1 });
    cluster.start(0).expect("started");
    starts(&cluster, 3);
    assert_eq!(cluster.exits().len(), 1, "nobody asked for that one");
    cluster.stop(0, Stop::Kill).expect("killed");
    assert_eq!(processes_in(home), Vec::<u32>::new());
    assert!(!log(&cluster).contains("locked"), "{}", log(&cluster));
}

pub(super) fn who_hears_sigterm_ends_in_its_own_way_alone(setting: &Setting) {
    let script = "sleep 1000 & trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let cluster = setting.cluster(1, script);
    starts(&cluster, 1);
    // A helper of the moment may be left besides, and ends soon.
    cluster.pause(0).expect("paused");
    cluster.stop_main(0, Stop::Terminate).expect("terminated");
    assert!(log(&cluster).contains("goodbye"));
    eventually("the child is left", || cluster.state(0) == ProcessState::Orphaned { left: 1 });
}
